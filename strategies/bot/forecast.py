"""ForecastStrategy: signals, stake, leverage and stop from a model's forecast."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
from freqtrade.enums import RunMode
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.persistence import Order, Trade
from freqtrade.strategy import stoploss_from_open
from pandas import DataFrame, Series

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.base.errors import InputError, NoForecastError
from models.trade.decision.entry_stop import distrust, entry_stop
from models.trade.decision.funnel import entry_funnel, steps_passed
from models.trade.decision.signals import Signals, signals
from models.trade.decision.sizing import (
    isolated_leverage_cap,
    kelly_notional_quote,
    leverage_cap,
    position_notional_quote,
    stop_distance_frac,
)
from models.trade.risk.run import GUARDS, SECOND_SOURCE, Guard
from strategies.account.acknowledgement import may_isolate
from strategies.bot import frames
from strategies.bot.config import PackConfig
from strategies.bot.fail_closed import on_error_return
from strategies.bot.forecast_columns import WARM_UP_CANDLES, ForecastColumns
from strategies.bot.quoting import EXIT_BEGUN, QuotedStrategy
from strategies.bot.stages import timed
from strategies.bot.styles import refuse_unfit

logger = logging.getLogger(__name__)

AT_ONCE = 1e-6  # a stop this close to the current rate is hit by the next price
_TAGS = np.array([None, "long", "short"], dtype=object)  # by side; -1 is the last
_STOP = "stop_frac"  # name under which a trade remembers its stop distance


class ForecastStrategy(ForecastColumns, QuotedStrategy):
    """Base of the strategies that trade on a forecast; one serves every model of the pack."""

    startup_candle_count = WARM_UP_CANDLES
    # The last resort, in units of stake; the working stop is custom_stoploss, which is closer.
    stoploss = -0.5
    use_custom_stoploss = True
    use_exit_signal = True
    order_types: ClassVar[dict[str, Any]] = {
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._sized_stop: dict[str, float] = {}  # pair -> stop distance its entry was sized with

    def _read_settings(self, config: dict[str, Any], pack: PackConfig) -> None:
        super()._read_settings(config, pack)
        refuse_unfit(
            {"timeframe": self.timeframe, **config},
            self.labels,
            self.sizing,
            self.limits,
            self.stoploss,
            self._alarms(pack),
        )

    def _alarms(self, pack: PackConfig) -> Mapping[str, float]:
        """Return each setting of how often a hazard may warn in vain, by name."""
        return {
            "breakwater.decision.false_alarms_per_week": self.decision.false_alarms_per_week,
            "breakwater.guards.false_alarms_per_week": pack.guards.false_alarms_per_week,
        }

    @property
    def guards(self) -> Sequence[Guard]:
        """All, and the second source's where one is configured."""
        return GUARDS if self.second_source is None else (*GUARDS, SECOND_SOURCE)

    # -- signals ------------------------------------------------------------------------------

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Add the forecast columns."""
        return self.with_forecasts(dataframe, metadata)

    @timed("decision")
    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        s = self._signals(dataframe)
        if self.config["runmode"] is RunMode.BACKTEST:
            self._tell_funnel(dataframe, metadata["pair"])
        dataframe["enter_long"] = (s.side > 0).astype(int)
        dataframe["enter_short"] = (s.side < 0).astype(int)
        dataframe["enter_tag"] = _TAGS[np.sign(s.side).astype(int)]
        return dataframe

    @timed("decision")
    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        s = self._signals(dataframe)
        dataframe["exit_long"] = s.exit_long.astype(int)
        dataframe["exit_short"] = s.exit_short.astype(int)
        return dataframe

    def _signals(self, dataframe: DataFrame) -> Signals:
        return signals(
            frames.forecast(dataframe),
            dataframe["do_predict"].to_numpy(np.float64),
            self.labels.cost_frac,
            self.decision,
        )

    def _tell_funnel(self, dataframe: DataFrame, pair: str) -> None:
        """Log how many candles pass each step of an entry: a run without trades says why."""
        passed = steps_passed(
            frames.forecast(dataframe),
            dataframe["do_predict"].to_numpy(np.float64),
            self.labels.cost_frac,
            self.decision,
        )
        first = int((passed > 0).argmax())  # before it lies the warm-up
        counts = entry_funnel(passed[first:])
        steps = ", ".join(f"{name} {count}" for name, count in counts.items())
        logger.info("%s: what an entry needs, and how many candles pass it: %s", pair, steps)

    # -- size, leverage, stop: new risk, closed on error ----------------------------------------

    @on_error_return(1.0)
    @timed("guards")
    def leverage(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_leverage: float,
        max_leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        sigma = self._sigma(pair, current_time)
        per_candle = sigma / math.sqrt(self.labels.horizon_candles)
        day = per_candle * math.sqrt(86_400 / timeframe_to_seconds(self.timeframe))
        cap = leverage_cap(day, self.limits.max_leverage)
        if self.limits.isolated_leverage > cap and may_isolate(self.config):
            stop = stop_distance_frac(sigma, self.sizing)
            cap = max(cap, isolated_leverage_cap(stop, self.limits.isolated_leverage))
        return min(cap, max_leverage)

    @on_error_return(0.0)
    def custom_stake_amount(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_stake: float,
        min_stake: float | None,
        max_stake: float,
        leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        if self._no_new_risk(pair, side, current_rate):
            return 0.0
        _require_positive(
            current_rate=current_rate,
            proposed_stake=proposed_stake,
            max_stake=max_stake,
            leverage=leverage,
        )
        stop = stop_distance_frac(self._sigma(pair, current_time), self.sizing)
        self._sized_stop[pair] = stop
        self.guarding.leverage[pair] = leverage
        state = self._account(pair, current_rate)
        worth = self._worth_quote(pair, side, current_time, state.equity_quote)
        if not worth > 0:
            why = "the edge's lower bound does not pay the cost"
            self.refuse_entry(pair, side, current_rate, why, EntryRule.EDGE)
            return 0.0
        wanted = min(position_notional_quote(state.equity_quote, stop, self.sizing), worth)
        decision = self.guarding.decide(
            pair, side, min(wanted, proposed_stake * leverage), current_rate, current_time
        )
        if not decision.allowed:
            logger.info("%s %s entry refused: %s", pair, side, decision.reason)
        stake = min(decision.notional_quote / leverage, max_stake)
        return self._large_enough(
            pair, side, current_rate, stake, leverage, min_stake, decision.reason
        )

    def _objection(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Raise without a fresh, trusted forecast, or where a number is not one."""
        self._sigma(pair, current_time)
        _require_positive(amount=amount, rate=rate)
        return ""

    def _require_openable(self, pair: str, now: datetime) -> None:
        """Raise without a fresh, trusted forecast: what every entry needs."""
        self._sigma(pair, now)

    def wanted_adjustment(
        self, trade: Trade, current_time: datetime, current_rate: float
    ) -> float | None:
        """Return the stake to add to (> 0) or take out of (< 0) a position; a subclass's idea."""
        return None

    def adjust_trade_position(
        self,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        min_stake: float | None,
        max_stake: float,
        **kwargs: Any,
    ) -> float | tuple[float, str] | None:
        """Close in stages what the guards want closed; else let the strategy's idea through them.

        Freqtrade asks nobody before an order that grows a position: this is where it is asked.
        """
        closing = self._staged(trade, current_rate, min_stake or 0.0, current_time)
        if closing > 0:
            return -closing
        return self._adjusted(trade, current_rate, max_stake, current_time)

    @on_error_return(None)
    def _adjusted(self, trade: Trade, rate: float, max_stake: float, now: datetime) -> float | None:
        wanted = self.wanted_adjustment(trade, now, rate)
        if wanted is None or not wanted > 0:
            if wanted:
                self._note_reduction(trade, rate, -wanted / trade.stake_amount, now)
            return wanted
        return self.grown(trade, min(wanted, max_stake), rate, now)

    @on_error_return(None)
    def order_filled(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> None:
        """Write a fill down; keep the stop distance of an entry's first one with its trade.

        It is the distance the entry was sized with: size and stop belong together, and a fill just
        past a candle's close finds no fresh forecast. After a restart the newest one's is taken.
        """
        super().order_filled(pair, trade, order, current_time)
        if order.ft_order_side == trade.entry_side and trade.get_custom_data(_STOP) is None:
            stop = self._sized_stop.pop(pair, None)
            if stop is None:
                stop = stop_distance_frac(self._sigma(pair, current_time), self.sizing)
            trade.set_custom_data(_STOP, stop)

    @on_error_return(None)
    def custom_stoploss(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        after_fill: bool,
        **kwargs: Any,
    ) -> float | None:
        distance = trade.get_custom_data(_STOP)
        if distance is None:
            distance = self._sized_stop.get(pair) or self._late_stop(pair, trade, current_time)
        stop = stoploss_from_open(
            -distance * trade.leverage, current_profit, trade.is_short, trade.leverage
        )
        # Freqtrade takes 0 ("already past the stop") for "no stop" and would keep the trade.
        return float(max(stop, AT_ONCE))

    def _late_stop(self, pair: str, trade: Trade, now: datetime) -> float:
        """Return, and keep, the stop of a trade whose fill found no trusted volatility.

        As at a start, which books what was filled meanwhile before any candle is analysed. Until
        there is one, the widest stop allowed is still a stop; but no trade was sized for it.
        """
        try:
            stop = stop_distance_frac(self._sigma(pair, now), self.sizing)
        except Exception:  # noqa: BLE001 - whatever it is, the position keeps a stop
            return self.sizing.max_stop_frac
        trade.set_custom_data(_STOP, stop)
        return stop

    # -- why not, in words ------------------------------------------------------------------------

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return which rule the row's forecast does not pass, where no entry is signalled on it."""
        stop = self.no_signal(row)
        if stop is None or row.get("enter_long") == 1 or row.get("enter_short") == 1:
            return stop
        known = {name: float(row[name]) for name in columns.FORECAST if name in row.index}
        do_predict = float(row["do_predict"])
        return entry_stop(known, do_predict, self.labels.cost_frac, self.decision) or stop

    # -- leaving: never blocked -----------------------------------------------------------------

    @on_error_return(None)
    def custom_exit(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        **kwargs: Any,
    ) -> str | None:
        if self.exit_is_begun(trade):
            return EXIT_BEGUN
        now = self.guarding.true_time(current_time)
        held_ms = (now - trade.open_date_utc).total_seconds() * 1000
        return "max_hold" if held_ms >= self.decision.max_hold_candles * self.candle_ms else None

    # -- reading state ----------------------------------------------------------------------------

    def _worth_quote(self, pair: str, side: str, now: datetime, equity_quote: float) -> float:
        """Return the most a position is worth by its edge's lower bound, quote units."""
        if columns.HEAD_QUANTILES in self.decision.without:
            return math.inf  # a person waived the edge
        edge_low = float(self._row(pair, now)[columns.EDGE_LOW])
        return kelly_notional_quote(
            -edge_low if side == "short" else edge_low,
            self.labels.cost_frac,
            self._sigma(pair, now),
            equity_quote,
            self.sizing,
        )

    def _usable_quote(self, equity_quote: float) -> float:
        """Return the equity beyond the reserve and planned withdrawals; raise where none is."""
        kept = self.limits.reserve_quote + self.limits.planned_withdrawals_quote
        usable = equity_quote - kept
        if not usable > 0:
            raise InputError(f"no equity beyond the reserve and planned withdrawals ({usable:.2f})")
        return usable

    def _sigma(self, pair: str, current_time: datetime) -> float:
        """Return the forecast's volatility over its horizon; raise without a trusted forecast."""
        row = self._row(pair, current_time)
        if row["do_predict"] != 1 or row[columns.ABSTAIN] != 0:
            why, _ = distrust(float(row.get(columns.NOVELTY, math.nan)), row["do_predict"])
            raise NoForecastError(f"no trusted forecast for {pair} at {row['date']}: {why}")
        sigma = float(row[columns.SIGMA])
        if not (math.isfinite(sigma) and sigma > 0):
            raise InputError(f"expected a volatility > 0 for {pair} at {row['date']}, got {sigma}")
        return sigma


def _require_positive(**values: float) -> None:
    """Raise InputError unless every value is a finite number > 0; min() would let NaN through."""
    wrong = {k: v for k, v in values.items() if v is None or not (math.isfinite(v) and v > 0)}
    if wrong:
        raise InputError(f"expected finite numbers > 0, got {wrong}")
