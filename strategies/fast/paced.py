"""The fast lane: waits for the close, fetches at once, asks beforehand, and times every stage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from models.serve.latency import CandleLatency, Percentiles
from strategies.fast.answers import when_executed, when_taken
from strategies.fast.beforehand import Beforehand
from strategies.fast.candle_watch import CandleWatch
from strategies.fast.host import LaneHost
from strategies.fast.own_loop import Lane
from strategies.fast.pacing import Pacer, PacingConfig
from strategies.fast.stopwatch import Stopwatch
from strategies.seams.data_provider import exchange_of

logger = logging.getLogger(__name__)


class PacedLane(Lane):
    """The parts of the lane together; whatever breaks raises, and `LaneSwitch` leaves the lane.

    Parameters
    ----------
    candle_s
        Length of a candle.
    live
        Whether orders are sent: only then is anything of the exchange object replaced.
    note
        Gets the latency of each pair once its candle is done.
    failed
        Is given what broke where nobody waits for the lane: inside Freqtrade's own calls.
    """

    def __init__(
        self,
        host: LaneHost,
        pacing: PacingConfig,
        candle_s: float,
        *,
        live: bool,
        note: Callable[[CandleLatency], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._host, self._live, self._failed = host, live, failed
        self.stopwatch = Stopwatch(candle_s, note, failed)
        self.watch = CandleWatch(
            host, Pacer(candle_s, pacing), self.stopwatch, look_ahead=self._look_ahead
        )
        self._beforehand: Beforehand | None = None
        # Column names kept as Arrow strings double the time Freqtrade takes to clean candles.
        pd.set_option("mode.string_storage", "python")

    def start(self) -> None:
        """Watch the answers to orders."""
        self.stopwatch.watch_orders(self._host.dp)

    def hold(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Wait for the next close or look at open trades, and fetch what has closed."""
        self.watch.hold(interrupted)

    def settle(self) -> None:
        """Let the next loop come at once."""
        self.watch.settle()

    def _look_ahead(self, pairs: Sequence[str]) -> None:
        try:
            self._host.look_ahead(pairs)
        except Exception as error:  # noqa: BLE001 - the orders themselves will ask again
            logger.info("What the orders need could not be asked for: %s", error)
            return
        if self._live and self._host.wallets is not None:
            if self._beforehand is None:
                exchange = exchange_of(self._host.dp)
                self._beforehand = Beforehand(exchange, self._host.wallets, self._failed)
            self._beforehand.look_ahead(pairs)

    # -- orders -------------------------------------------------------------------------------

    def loop_begins(self) -> None:
        """Have orders answered with what became of them: first the stops."""
        if self._live:
            when_executed(exchange_of(self._host.dp))
        if self._beforehand is not None:
            self._beforehand.loop_begins()

    def entry_leaves(self, pair: str, notional: float, leverage: float) -> None:
        """Have the entry answered when the exchange has it, and counted off the account."""
        if self._live:
            when_taken(exchange_of(self._host.dp))
        if self._beforehand is not None:
            self._beforehand.entry_leaves(pair, notional, leverage)

    def exit_leaves(self) -> None:
        """Have the exit answered when the exchange has it, and booked in a loop that is near."""
        if self._live:
            when_taken(exchange_of(self._host.dp))
            self.settle()
        if self._beforehand is not None:
            self._beforehand.exit_leaves()

    # -- times --------------------------------------------------------------------------------

    def now_s(self) -> float:
        """Return the stopwatch's seconds."""
        return self.stopwatch.now_s()

    def took(self, pair: str, name: str, begin_s: float) -> None:
        """Note a stage."""
        self.stopwatch.took(pair, name, begin_s)

    def latency(self) -> Mapping[str, Percentiles]:
        """Return stage -> percentiles, milliseconds."""
        return self.stopwatch.summary.table()

    def p99_ms(self) -> float | None:
        """Return the 99th percentile from close to order."""
        whole = self.stopwatch.summary.whole
        return None if whole is None else whole.p99

    def close(self) -> None:
        """Put Freqtrade's own methods back, and ask for the execution with each answer."""
        self.stopwatch.stop()
        if self._beforehand is not None:
            self._beforehand.close()
        self.loop_begins()
