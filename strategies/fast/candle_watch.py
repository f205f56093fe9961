"""New candles as soon as they exist: waits for the close, fetches, and says when it has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from freqtrade.persistence import Trade

from strategies.fast.host import LaneHost
from strategies.fast.newest_candle import AppendOutcome, NewestCandle
from strategies.fast.own_loop import OUTSIDE_TROUBLE
from strategies.fast.pacing import Pacer
from strategies.fast.stopwatch import Stopwatch
from strategies.seams.data_provider import exchange_if_any
from strategies.seams.kept_candles import Market
from strategies.seams.websocket import has_websocket

_Newest: TypeAlias = dict[Market, datetime | None]  # when each market's newest candle opened

logger = logging.getLogger(__name__)


class CandleWatch:
    """Stands in `bot_loop_start` between Freqtrade's fetch and its analysis.

    Freqtrade has fetched before it calls; what it found there goes to the analysis without a wait.
    Otherwise the watch waits, and fetches again if a candle has closed meanwhile, so that the very
    same loop analyses it.

    Parameters
    ----------
    host
        Whose data provider, pairs and timeframe are watched.
    look_ahead
        Asks for what the orders in its pairs will want to know.
    """

    def __init__(
        self,
        host: LaneHost,
        pacer: Pacer,
        stopwatch: Stopwatch,
        *,
        look_ahead: Callable[[Sequence[str]], None],
    ) -> None:
        self._host, self.pacer, self._stopwatch = host, pacer, stopwatch
        self._look_ahead = look_ahead
        self._analysed: _Newest = {}
        self._settling = False

    def hold(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Return when there is something to analyse or to look after."""
        self._stopwatch.finish()
        wanted = self._wanted()
        newest = self._newest(wanted)
        if newest != self._analysed:  # start, or a late candle that Freqtrade's fetch has found
            self._go_on(newest)
            return
        if self._settling:  # fills of the orders just sent are booked, their stops placed
            self._settling = False
            return
        closed = self.pacer.wait(interrupted, lambda: self._warm_up(wanted))
        if closed is None:
            return
        opened = datetime.fromtimestamp(closed, UTC) - timedelta(seconds=self.pacer.candle_s)
        self._stopwatch.start(closed)

        def fetch() -> bool:
            if not self._appended(wanted, opened):
                return False
            self._host.dp.refresh(wanted)  # asks only for what it does not have
            return all(date == opened for date in self._newest(wanted).values())

        if not self.pacer.poll(fetch, interrupted):
            missing = [key[0] for key, date in self._newest(wanted).items() if date != opened]
            logger.warning("The candle of %s is late for %s", opened, missing)
        self._stopwatch.fetched()
        self._go_on(self._newest(wanted))

    def _appended(self, wanted: list[Market], opened: datetime) -> bool:
        """Append the candle that has closed where that is all there is to do; False if too early.

        With a websocket Freqtrade has its candles without asking.
        """
        exchange = exchange_if_any(self._host.dp)
        if exchange is None or has_websocket(exchange):
            return True
        missing = [key for key, date in self._newest(wanted).items() if date != opened]
        if not missing:
            return True
        outcomes = NewestCandle(exchange).append(missing, round(opened.timestamp() * 1000))
        return AppendOutcome.EARLY not in outcomes.values()

    def settle(self) -> None:
        """Let the next loop come at once: an order has been sent, its fill wants a stop."""
        self._settling = True

    def _go_on(self, newest: _Newest) -> None:
        self._analysed, self._settling = newest, True

    def _warm_up(self, wanted: list[Market]) -> None:
        """Open the connections the close will need, and ask what its orders will want to know.

        Connections fall asleep within seconds, and a TLS handshake takes longer than everything the
        pack computes. The client that fetches candles holds one connection per market, the one that
        sends orders a single one.
        """
        exchange = exchange_if_any(self._host.dp)
        if exchange is None:
            return
        try:
            exchange.refresh_latest_ohlcv(wanted, cache=False)
            self._look_ahead(self._host.dp.current_whitelist())
        except OUTSIDE_TROUBLE as error:  # the close itself will show what is wrong
            logger.info("The connections could not be woken: %s", error)

    def _wanted(self) -> list[Market]:
        """Return what Freqtrade fetches each loop: traded, held and informative pairs."""
        host = self._host
        pairs = [*host.dp.current_whitelist(), *(trade.pair for trade in Trade.get_open_trades())]
        traded = [(pair, host.timeframe, host.config["candle_type_def"]) for pair in pairs]
        return list(dict.fromkeys([*traded, *host.gather_informative_pairs()]))

    def _newest(self, wanted: list[Market]) -> _Newest:
        """Return when the newest closed candle of each opened; of the base timeframe only."""
        newest: _Newest = {}
        for pair, timeframe, kind in wanted:
            if timeframe == self._host.timeframe:
                frame = self._host.dp.ohlcv(pair, timeframe, copy=False, candle_type=str(kind))
                key = pair, timeframe, kind
                newest[key] = None if frame.empty else frame["date"].iloc[-1]
        return newest
