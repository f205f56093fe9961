"""What the guards read: the account's exposure, marks, markets, a second source, the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import ccxt
import numpy as np
from freqtrade.exceptions import FreqtradeException
from freqtrade.persistence import Trade
from pandas import DataFrame

from models.base.errors import InputError
from models.base.files import Clock
from models.base.units import DAY_MS
from models.data.feeds.agreement import SourceAgreement
from models.trade.account.tiers import MarginTiers
from models.trade.risk.recall import decision_key
from models.trade.risk.snapshot import Exposure, MarketState, ModelHealth, Stage
from models.trade.risk.worst_hours import SeenDays, SeenHours, WorstDay, WorstHour
from strategies.account.acknowledgement import may_isolate
from strategies.account.market_view import MarketView
from strategies.account.snapshot import candle_market, exposure_of, model_health
from strategies.account.tiers import load_binance_tiers
from strategies.guard.foresight import Foresight
from strategies.guard.host import Host
from strategies.guard.known import epoch_ms
from strategies.guard.permits import Permits
from strategies.seams.frames import candles, time_ms


class Readings:
    """Asks the host, and outside backtests the exchange, for what a guard needs.

    Every method raises where there is no answer; who asks turns that into "unknown".

    Parameters
    ----------
    host
        Whose data provider, wallets, labels and decision settings are read when asked.
    stage
        Where the bot runs; a backtest has closed candles only.
    clock
        Of what the exchange answers; None in a backtest.
    permits
        Orders that may leave or are on their way: they count as pending.
    """

    def __init__(self, host: Host, stage: Stage, clock: Clock | None, permits: Permits) -> None:
        self.stage, self._permits = stage, permits
        self._host, self._clock = host, clock or _no_clock
        self._hours, self._days = SeenHours(), SeenDays()
        self.foresight: Foresight | None = None  # of a bot that has scenarios computed
        self.view: MarketView | None = None  # made when first needed: Freqtrade's `dp` comes late

    # -- the account --------------------------------------------------------------------------

    def exposure(self, pair: str = "", rate: float = 0.0) -> Exposure:
        """Return the account at the newest prices known, `pair` at `rate`, permits included."""
        known, permits = self._booked(pair, rate), self._permits
        return replace(
            known,
            pending_long_quote=known.pending_long_quote + permits.pending_quote(1),
            pending_short_quote=known.pending_short_quote + permits.pending_quote(-1),
        )

    def _booked(self, pair: str, rate: float) -> Exposure:
        """Return what Freqtrade has in its books, resting entries included."""
        host = self._host
        if host.wallets is None:
            raise InputError("Freqtrade has not provided its wallets")
        stake = host.config["stake_currency"]
        # Freqtrade counts what an answer does not name as nothing left.
        if self.stage is Stage.LIVE:
            named = host.wallets.get_all_balances().get(stake)
            if named is None or named.total is None:
                raise InputError(f"the exchange's answer names no balance in {stake}")
        trades = Trade.get_open_trades()
        prices = {pair: rate} if pair else {}
        # What is on its way counts with the worst hour of its own coin, in no trade yet or not.
        for name in (*(trade.pair for trade in trades), *sorted(self._permits.pending_pairs())):
            if name not in prices:
                prices[name] = self._price_of_held(name)
        shown = {p: self._shown(p) for p in prices}
        known = exposure_of(
            host.wallets.get_total(stake),
            trades,
            prices,
            self._tiers(prices),
            isolated=may_isolate(host.config),
            worst_hours={p: hour for p, (hour, _) in shown.items()},
            worst_days={p: day for p, (_, day) in shown.items()},
            at_marks=not host.has_stops,
        )
        ahead = self.foresight
        if ahead is None:
            return known
        return replace(known, foreseen=ahead.hours, unforeseen=ahead.silences)

    def _shown(self, pair: str) -> tuple[WorstHour, WorstDay]:
        """Return the worst hour and day the pair's candles have shown; calm where there are none.

        Each new candle is looked at with those of the day before it, and no other.
        """
        candle_ms = self._host.candle_ms
        frame, _ = self._host.dp.get_analyzed_dataframe(pair, self._host.timeframe)
        hour, seen_ms = self._hours.known(pair)
        day, _ = self._days.known(pair)
        if frame.empty:
            return hour, day
        newest_ms = epoch_ms(frame["date"].iloc[-1])
        if newest_ms == seen_ms:
            return hour, day
        new = len(frame) if newest_ms < seen_ms else (newest_ms - seen_ms) // candle_ms
        tail = frame.iloc[-(new + self._overlap()) :]
        high, low, close = (tail[name].to_numpy(np.float64) for name in ("high", "low", "close"))
        moves = time_ms(tail), high, low, close, candle_ms
        return self._hours.look(pair, *moves), self._days.look(pair, *moves)

    def _overlap(self) -> int:
        """Return how many candles make a day and the close before it."""
        return max(1, DAY_MS // self._host.candle_ms) + 1

    def _price_of_held(self, pair: str) -> float:
        """Return the price of what is held or ordered; without one nobody can value the account."""
        try:
            return self._price(pair)
        except Exception as error:
            if isinstance(error.__cause__, ccxt.OperationFailed):
                raise  # the exchange answers for nothing just now
            raise InputError(  # short: people are told 160 characters of it
                f"no price of {pair}, which is held ({type(error).__name__})",
                cure="close it: /forceexit or at the exchange; delisted, in a dry run: /delete",
            ) from error

    def _price(self, pair: str) -> float:
        if self.stage is not Stage.BACKTEST:
            mark = self._mark(pair)
            if mark is not None:
                return mark
        return float(self._frame(pair)["close"].iloc[-1])

    def _mark(self, pair: str) -> float | None:
        """Return the mark price; while the exchange is silent, what fail-over allows instead."""
        try:
            return self.quotes.market(pair).mark
        except FreqtradeException:
            source = self._host.second_source
            if source is None or not source.config.fail_over:
                raise
            return source.last_close(pair)

    def _tiers(self, pairs: Mapping[str, float]) -> dict[str, MarginTiers]:
        if self.stage is Stage.LIVE:
            return self.quotes.tiers(pairs)
        return load_binance_tiers(pairs)

    # -- the market ---------------------------------------------------------------------------

    @property
    def quotes(self) -> MarketView:
        """The exchange's answers, kept for the seconds in which they serve several hooks."""
        if self.view is None:
            self.view = MarketView(self._host.dp, self._clock)
        return self.view

    def candle_market(self, pair: str, now: datetime) -> MarketState:
        """Return what closed candles say of the market."""
        return candle_market(self._frame(pair), now, self.candle_s)

    def market(self, pair: str, now: datetime) -> MarketState:
        """Return what closed candles and, outside a backtest, the exchange say of the market."""
        closed = self.candle_market(pair, now)
        if self.stage is Stage.BACKTEST:
            return closed
        return replace(
            self.quotes.market(pair),
            volume_1h_quote=closed.volume_1h_quote,
            candle_age_s=closed.candle_age_s,
            candle_s=closed.candle_s,
        )

    def second(self, pair: str) -> SourceAgreement | None:
        """Return how the second source agrees as far as is known; None if nothing is."""
        source = self._host.second_source
        if source is None:
            return None
        try:
            return source.compare(pair, candles(self._frame(pair)))
        except InputError:
            return None

    # -- the model ----------------------------------------------------------------------------

    def model(self, pair: str, sign: int) -> ModelHealth:
        """Return the health of the model behind a position of side `sign` in `pair`."""
        host = self._host
        return model_health(
            self._frame(pair),
            sign,
            horizon_candles=host.labels.horizon_candles,
            candle_s=self.candle_s,
            without=host.decision.without,
            latency_ms=host.latency_p99_ms(),
        )

    def key(self, pair: str, side: str) -> str:
        """Return the name of the decision on the newest candle: one order each."""
        return decision_key(pair, side, epoch_ms(self._frame(pair)["date"].iloc[-1]))

    @property
    def candle_s(self) -> float:
        """Length of a candle."""
        return float(self._host.candle_ms / 1000)

    def _frame(self, pair: str) -> DataFrame:
        frame: DataFrame
        frame, _ = self._host.dp.get_analyzed_dataframe(pair, self._host.timeframe)
        if frame.empty:
            raise InputError(f"no analysed candles for {pair}")
        return frame


def _no_clock() -> int:
    raise InputError("a backtest has no clock")
