"""Spares an entry the requests whose answers are already known.

On the way to each entry Freqtrade reads the account once more, although it has just done so after
the order before, and sets the pair's margin mode and leverage once more: six requests to each
order. Here the account and the settings of all pairs are read once, before a candle closes. What
was read in the last seconds, with nothing but entries in between, is not read again: an entry's
margin and fee are counted off until the fill is booked, in the loop that follows at once. A setting
that the exchange has just told is not set again. In every other case Freqtrade goes its own way.

Source: page "Symbol Configuration" of Binance USD-M.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from freqtrade.exchange import Exchange
from freqtrade.wallets import Wallets

from strategies.seams.order_setup import floors_leverage, replace_order_setup
from strategies.seams.rest_client import rest_client
from strategies.seams.wallet_refresh import (
    replace_stake_amount,
    replace_wallet_update,
    tie_up,
    wallets_refreshed_at,
)

_KEPT: Final = timedelta(seconds=3)  # as long as the prices asked for at the same time


def _now() -> datetime:
    return datetime.now(UTC)


class _Entry(NamedTuple):
    """What an entry ties up and costs, in stake currency."""

    margin: float
    fee: float


class Beforehand:
    """What the exchange has told of the account and its settings; live only.

    Parameters
    ----------
    exchange, wallets
        Freqtrade's objects; methods of each are put in front of their own.
    failed
        Is given what broke on the way to an order, which then goes Freqtrade's own way.
    now
        Clock, the one by which Freqtrade notes when it read the account.
    """

    def __init__(
        self,
        exchange: Exchange,
        wallets: Wallets,
        failed: Callable[[str, Exception], None],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._exchange, self._wallets, self._failed, self._now = exchange, wallets, failed, now
        self._settings: dict[str, tuple[str, float]] = {}  # pair -> margin mode, leverage
        self._read: datetime | None = None  # when the settings were asked for
        self._ordered: datetime | None = None  # when the last order was about to leave
        self._leaving: _Entry | None = None  # its answer is not known yet
        self._counted: datetime | None = None  # when the last entry was counted off the account
        self._set_up = replace_order_setup(exchange, self.set_up)
        self._stake = replace_stake_amount(wallets, self.stake)
        self._update = replace_wallet_update(wallets, self.update)

    def close(self) -> None:
        """Give Freqtrade its own methods back."""
        replace_order_setup(self._exchange, self._set_up)
        replace_stake_amount(self._wallets, self._stake)
        replace_wallet_update(self._wallets, self._update)

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Read the account, weight 10, and the settings of `pairs`, weight 5.

        Raises
        ------
        FreqtradeException, ccxt.BaseError
            If the exchange does not answer; nothing counts as known then.
        """
        self._settings, self._read = {}, self._now()
        self._wallets.update()
        for pair, row in rest_client(self._exchange).fetch_leverages(list(pairs)).items():
            self._settings[pair] = row["marginMode"], row["longLeverage"]

    def loop_begins(self) -> None:
        """Note that nothing is on its way: whatever is read from now on is read."""
        self._leaving = None

    def exit_leaves(self) -> None:
        """Note that an order that reduces is about to leave: what was read before is the past."""
        self._leaving, self._ordered = None, self._now()

    def entry_leaves(self, pair: str, notional: float, leverage: float) -> None:
        """Note what an entry will tie up, in stake currency, where the account is known."""
        self._leaving = None
        self._checked("account", lambda: self._note(pair, notional, leverage))

    def _note(self, pair: str, notional: float, leverage: float) -> bool:
        if self._account_known():
            fee = notional * self._exchange.get_fee(pair, taker_or_maker="taker")
            self._leaving = _Entry(notional / leverage, fee)
        return self._leaving is not None

    def stake(self, pair: str, max_open_trades: float, update: bool = True) -> float:
        """Return Freqtrade's stake for an entry, from an account that contains the last order."""
        self._leaving = None  # it was refused, or its answer was lost
        known = self._checked("account", self._account_known)
        return self._stake(pair, max_open_trades, update and not known)

    def update(self, require_update: bool = True) -> None:
        """Read the account, unless all that happened since is the entry answered just now."""
        if not self._checked("account", self._counted_off):
            self._update(require_update)

    def _counted_off(self) -> bool:
        leaving, self._leaving = self._leaving, None
        if leaving is None:
            return False
        tie_up(self._wallets, self._exchange.get_proxy_coin(), *leaving)
        self._counted = self._now()
        return True

    def _account_known(self) -> bool:
        read = wallets_refreshed_at(self._wallets)
        if read is None or not self._is_new(read):
            return False
        known = read if self._counted is None else max(read, self._counted)
        return self._ordered is None or known > self._ordered

    def set_up(self, pair: str, leverage: float, side: str, accept_fail: bool = False) -> None:
        """Set margin mode and leverage of a pair for an order, unless they are known to be so."""
        self._ordered = self._now()
        if self._checked("settings", lambda: self._is_set_up(pair, leverage)):
            return
        self._settings.pop(pair, None)
        self._set_up(pair, leverage, side, accept_fail)
        if not accept_fail:  # else Freqtrade does not tell whether it was done
            self._checked("settings", lambda: self._keep(pair, leverage))

    def _is_set_up(self, pair: str, leverage: float) -> bool:
        return self._is_new(self._read) and self._settings.get(pair) == self._wanted(leverage)

    def _keep(self, pair: str, leverage: float) -> bool:
        self._settings[pair] = self._wanted(leverage)
        return True

    def _wanted(self, leverage: float) -> tuple[str, float]:
        whole = math.floor(leverage) if floors_leverage(self._exchange) else leverage
        return self._exchange.margin_mode.value, whole

    def _checked(self, part: str, ask: Callable[[], bool]) -> bool:
        """Return the answer; where it cannot be had, say so and let Freqtrade go its own way."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the order goes on without
            self._failed(part, error)
            return False

    def _is_new(self, read: datetime | None) -> bool:
        return read is not None and timedelta(0) <= self._now() - read <= _KEPT
