"""When Freqtrade read the account last, its readings for an entry, and what an entry ties up.

The methods are replaced on the object by ones that spare readings whose answer is known.
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


class WalletUpdate(Protocol):
    """Reads the account, unless it may be skipped and was read not long ago."""

    def __call__(self, require_update: bool = True) -> None: ...


def replace_wallet_update(wallets: Wallets, update: WalletUpdate) -> WalletUpdate:
    """Put `update` in the place of Freqtrade's own, which is returned."""
    own: WalletUpdate = wallets.update
    wallets.update = update
    return own


def tie_up(wallets: Wallets, currency: str, margin: float, fee: float) -> None:
    """Count an order's margin as used and its fee as paid until the account is read again.

    Raises
    ------
    KeyError
        If Freqtrade knows no balance of `currency`.
    """
    known = wallets._wallets[currency]
    wallets._wallets[currency] = known._replace(
        free=known.free - margin - fee, used=known.used + margin, total=known.total - fee
    )


def _probe() -> str:
    return problems(
        lacks_attributes(Wallets, "_last_wallet_refresh", "_wallets"),
        lacks_method(Wallets, "update", "require_update"),
        lacks_method(Wallets, "get_trade_stake_amount", "pair", "max_open_trades", "update"),
    )


WALLET_REFRESH = Seam(
    name="Wallets._last_wallet_refresh, _wallets, get_trade_stake_amount, update",
    what="read; written; replaced on the object",
    why="the account is not read again where it was read since the last order, or where all that "
    "has happened since is an entry of known size",
    since="freqtrade 2023.10",
    without="four more requests on the way to each entry",
    probe=_probe,
    library=Library.EXCHANGE,
)
