"""The lane that is none: Freqtrade's own loop, candle refresh and order calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import ccxt
from freqtrade.exceptions import FreqtradeException
from sqlalchemy.exc import SQLAlchemyError

from models.serve.latency import Percentiles

# Trouble of the exchange, the network or the database: Freqtrade's own way would have it, too.
OUTSIDE_TROUBLE: Final = (FreqtradeException, ccxt.BaseError, OSError, SQLAlchemyError)


class Lane:
    """What a bot asks of the way between a candle's close and its order.

    Here it is Freqtrade's own: nothing waits, nothing is asked beforehand, and nothing is timed.
    """

    def start(self) -> None:
        """Begin: the bot has its data provider, its wallets and its pairs."""

    def hold(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Return when there is something to analyse or to look after.

        Parameters
        ----------
        interrupted
            Says that a person wants something of the loop: the wait ends within a second.
        """

    def settle(self) -> None:
        """Let the next loop come at once: an order has been sent, its fill wants a stop."""

    def loop_begins(self) -> None:
        """Note that a loop begins; what it sends first are stops and exits."""

    def entry_leaves(self, pair: str, notional: float, leverage: float) -> None:
        """Note that an entry of `notional`, in stake currency, is about to leave."""

    def exit_leaves(self) -> None:
        """Note that an order that reduces a position is about to leave."""

    @contextmanager
    def stage(self, pair: str, name: str) -> Iterator[None]:
        """Time the block as stage `name` of `pair` (`models.serve.latency.STAGES`)."""
        begin_s = self.now_s()
        try:
            yield
        finally:
            self.took(pair, name, begin_s)

    def now_s(self) -> float:
        """Return the seconds of the clock that times stages."""
        return 0.0

    def took(self, pair: str, name: str, begin_s: float) -> None:
        """Note that a stage that began at `begin_s` is over."""

    def latency(self) -> Mapping[str, Percentiles]:
        """Return stage -> percentiles, milliseconds; empty where nothing is timed."""
        return {}

    def p99_ms(self) -> float | None:
        """Return the 99th percentile from close to order; None before there is enough to judge."""
        return None

    def close(self) -> None:
        """Give back to Freqtrade whatever was put in the place of its own."""
