"""Spares an entry the requests whose answers are already known.

On the way to each entry Freqtrade reads the account once more, although it has just done so after
the order before, and sets the pair's margin mode and leverage once more: four requests to each
order. Here the account and the settings of all pairs are read before a candle closes. What was read
in the last seconds, with no order in between, is not read again, and a setting that the exchange
has just told is not set again. In every other case Freqtrade goes its own way.

Source: page "Symbol Configuration" of Binance USD-M.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_KEPT: Final = timedelta(seconds=3)  # as long as the prices asked for at the same time


def _now() -> datetime:
    return datetime.now(UTC)


class Beforehand:
    """What the exchange has told of the account and its settings; live only.

    Parameters
    ----------
    exchange, wallets
        Freqtrade's objects; one method of each is put in front of its own.
    now
        Clock, the one by which Freqtrade notes when it read the account.
    """

    def __init__(self, exchange: Any, wallets: Any, now: Callable[[], datetime] = _now) -> None:
        self._exchange, self._wallets, self._now = exchange, wallets, now
        self._settings: dict[str, tuple[str, float]] = {}  # pair -> margin mode, leverage
        self._read: datetime | None = None  # when the settings were asked for
        self._ordered: datetime | None = None  # when the last order was about to leave
        self._set_up, self._stake = exchange._lev_prep, wallets.get_trade_stake_amount
        exchange._lev_prep, wallets.get_trade_stake_amount = self.set_up, self.stake

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Read the account, weight 10, and the settings of `pairs`, weight 5.

        Raises
        ------
        FreqtradeException, ccxt.BaseError
            If the exchange does not answer; nothing counts as known then.
        """
        self._settings, self._read = {}, self._now()
        self._wallets.update()
        for pair, told in self._exchange._api.fetch_leverages(list(pairs)).items():
            self._settings[pair] = told["marginMode"], told["longLeverage"]

    def ordered(self) -> None:
        """Note that an order is about to leave: what was read before it is the past."""
        self._ordered = self._now()

    def stake(self, pair: str, max_open_trades: float, update: bool = True) -> float:
        """Return Freqtrade's stake for an entry, from an account read since the last order."""
        read = self._wallets._last_wallet_refresh
        known = self._is_new(read) and (self._ordered is None or read > self._ordered)
        stake: float = self._stake(pair, max_open_trades, update and not known)
        return stake

    def set_up(self, pair: str, leverage: float, side: str, accept_fail: bool = False) -> None:
        """Set margin mode and leverage of a pair for an order, unless they are known to be so."""
        self.ordered()
        whole = math.floor(leverage) if self._exchange._ft_has.get("floor_leverage") else leverage
        wanted = self._exchange.margin_mode.value, whole
        if self._is_new(self._read) and self._settings.get(pair) == wanted:
            return
        self._settings.pop(pair, None)
        self._set_up(pair, leverage, side, accept_fail)
        if not accept_fail:  # else Freqtrade does not tell whether it was done
            self._settings[pair] = wanted

    def _is_new(self, read: datetime | None) -> bool:
        return read is not None and timedelta(0) <= self._now() - read <= _KEPT
