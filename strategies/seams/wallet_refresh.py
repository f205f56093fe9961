"""When Freqtrade read the account last, and its stake for an entry, which reads it again.

The method is replaced on the object by one that spares the second reading.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from freqtrade.wallets import Wallets

from strategies.seams.record import Library, Seam, lacks_attributes, lacks_method, problems


class StakeAmount(Protocol):
    """Returns the stake for an entry, from an account read anew or not."""

    def __call__(self, pair: str, max_open_trades: float, update: bool = True) -> float: ...


def wallets_refreshed_at(wallets: Wallets) -> datetime | None:
    """Return when the account was read last, None if never."""
    read: datetime | None = wallets._last_wallet_refresh
    return read


def replace_stake_amount(wallets: Wallets, stake: StakeAmount) -> StakeAmount:
    """Put `stake` in the place of Freqtrade's own, which is returned."""
    own: StakeAmount = wallets.get_trade_stake_amount
    wallets.get_trade_stake_amount = stake
    return own


def _probe() -> str:
    return problems(
        lacks_attributes(Wallets, "_last_wallet_refresh"),
        lacks_method(Wallets, "get_trade_stake_amount", "pair", "max_open_trades", "update"),
    )


WALLET_REFRESH = Seam(
    name="Wallets._last_wallet_refresh, get_trade_stake_amount",
    what="read; replaced on the object",
    why="the account is not read again where it was read since the last order",
    since="freqtrade 2023.10",
    without="two more requests on the way to each entry",
    probe=_probe,
    library=Library.EXCHANGE,
)
