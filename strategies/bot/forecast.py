"""PackStrategy: Freqtrade's hooks translated to the pure functions of `models`.

Every hook that can add risk answers "no" when anything breaks; every hook that reduces risk lets
it happen. Columns on row t are known at the close of candle t; Freqtrade acts on them at the open
of candle t + 1.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs, timeframe_to_seconds
from freqtrade.persistence import Order, Trade
from freqtrade.strategy import stoploss_from_open
from pandas import DataFrame, Series

from models.base import columns
from models.base.errors import InputError, NoForecastError, PackError
from models.data.features import candles as features
from models.data.features.frame import pair_features
from models.data.labels.targets import label_columns
from models.learn.training.settings import ModelSettings
from models.operate.journal.records import Incident
from models.serve.latency import CandleLatency
from models.trade.decision.signals import signals
from models.trade.decision.sizing import (
    isolated_leverage_cap,
    leverage_cap,
    position_notional_quote,
    stop_distance_frac,
)
from models.trade.risk.run import GUARDS, SECOND_SOURCE, Guard
from models.trade.risk.snapshot import Exposure, Stage
from strategies.bot import frames
from strategies.bot.config import pack_config
from strategies.bot.controlled import ControlledStrategy
from strategies.bot.data_check import check_backtest_data
from strategies.bot.fail_closed import on_error_return
from strategies.fast.candle_watch import CandleWatch
from strategies.fast.memory import Sweeper
from strategies.fast.pacing import Pacer
from strategies.fast.stopwatch import Stopwatch, timed
from strategies.guard.acknowledgement import may_isolate
from strategies.guard.guarding import Guarding
from strategies.guard.second_source import SecondSource, SecondSourceConfig
from strategies.human.control import control_of

logger = logging.getLogger(__name__)

_AT_ONCE = 1e-6  # a stop this close to the current rate is hit by the next price
_STAGES = {RunMode.LIVE: Stage.LIVE, RunMode.DRY_RUN: Stage.DRY_RUN}
_STOP = "stop_frac"  # name under which a trade remembers its stop distance


class PackStrategy(ControlledStrategy):
    """Base of the pack's strategies; see the module docstring for what holds."""

    INTERFACE_VERSION = 3
    can_short = True
    process_only_new_candles = True
    # Feature lookback plus the longest context a network may be served with.
    startup_candle_count = features.LOOKBACK + 256 + 5
    # The last resort, in units of stake; the working stop is custom_stoploss, which is closer.
    stoploss = -0.5
    use_custom_stoploss = True
    minimal_roi: ClassVar[dict[str, float]] = {"0": 100.0}
    use_exit_signal = True
    position_adjustment_enable = True  # closing in stages; growth goes through the guards
    order_types: ClassVar[dict[str, Any]] = {
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }
    plot_config: ClassVar[dict[str, Any]] = {
        "main_plot": {
            "interval_low": {"color": "#9ecae1", "fill_to": "interval_high"},
            "interval_high": {"color": "#9ecae1"},
        },
        "subplots": {
            "probability": {
                columns.P_UP: {"color": "#0072b2"},
                columns.P_FLAT: {"color": "#999999"},
                columns.P_DOWN: {"color": "#d55e00"},
            },
            "hazard": {
                columns.LABEL_CASCADE_DOWN: {"color": "#d55e00"},
                columns.LABEL_CASCADE_UP: {"color": "#0072b2"},
            },
            "trust": {
                columns.NOVELTY: {"color": "#cc79a7"},
                columns.ABSTAIN: {"color": "#000000"},
            },
        },
    }

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        try:
            pack = pack_config(config)
            self.decision, self.sizing, self.limits = pack.decision, pack.sizing, pack.limits
            pack.watchdog.allow(pack.pacing.tick_s)
            self.labels = ModelSettings.from_blocks(
                (config.get("freqai") or {}).get("model_training_parameters") or {},
                where="freqai.model_training_parameters",
            ).labels
            self.control = control_of(config, pack.review)
            self.second_source = self._second_source(pack.second_source)
            self.guarding = Guarding(
                self,
                hard=self.limits,
                soft=pack.guards,
                stage=_STAGES.get(config["runmode"], Stage.BACKTEST),
                control=self.control,
                guards=self.guards,
            )
        except PackError as error:
            raise OperationalException(str(error)) from error
        if self.control is not None:
            from strategies.human.telegram import install  # a backtest needs no Telegram client

            install()  # before Freqtrade makes its client
            # Column names kept as Arrow strings double the time Freqtrade takes to clean candles.
            pd.set_option("mode.string_storage", "python")
        candle_s = float(timeframe_to_seconds(config.get("timeframe") or self.timeframe))
        self.stopwatch = Stopwatch(candle_s, self._note_latency)
        self._sweeper = Sweeper(candle_s)
        self._watch = CandleWatch(self, Pacer(candle_s, pack.pacing), self.stopwatch)

    @property
    def guards(self) -> Sequence[Guard]:
        """The guards that apply to this strategy's orders."""
        return GUARDS if self.second_source is None else (*GUARDS, SECOND_SOURCE)

    @property
    def candle_ms(self) -> int:
        """Length of one candle; Freqtrade sets the configured timeframe after construction."""
        return int(timeframe_to_msecs(self.timeframe))

    def bot_start(self, **kwargs: Any) -> None:
        """Watch live orders; refuse to backtest on data Freqtrade would silently fill."""
        if self.control is not None:
            self._sweeper.start()
            self.stopwatch.watch_orders(self.dp)
        if self.config["runmode"] == RunMode.BACKTEST:
            try:
                check_backtest_data(self.config, self.startup_candle_count)
            except PackError as error:
                raise OperationalException(str(error)) from error

    @on_error_return(None)
    def _hold(self) -> None:
        """Wait for the next close or look at open trades, or until control asks for something."""
        self._look_at_sources()
        self._sweeper.sweep()
        if self._bare():
            self._watch.settle()
        before = self._asked()
        self._watch.hold(lambda: self._asked() != before)

    def _bare(self) -> bool:
        """Whether a position waits for its stop: the exchange is asked again in the next loop."""
        return bool(self.order_types.get("stoploss_on_exchange")) and any(
            trade.amount and not trade.open_sl_orders for trade in Trade.get_open_trades()
        )

    def _second_source(self, config: SecondSourceConfig) -> SecondSource | None:
        """Return the second source of candles of a bot that trades, if one is configured."""
        if self.control is None or not config.exchange:
            return None
        timeframe = self.config.get("timeframe") or self.timeframe
        return SecondSource(
            config, timeframe, int(timeframe_to_msecs(timeframe)),
            say=lambda what: self.control.record("second.source", Incident(what=what)),
        )  # fmt: skip

    @on_error_return(None)
    def _look_at_sources(self) -> None:
        """Have the second source asked, and say where it has fallen silent or disagrees."""
        if self.second_source is None:
            return
        pairs = [*self.dp.current_whitelist(), *(t.pair for t in Trade.get_open_trades())]
        self.second_source.look(pairs)
        for pair in self.second_source.told(pairs):
            reason, _ = self.guarding.sources(pair, datetime.now(UTC))
            self.second_source.note(pair, reason)

    def _source_figures(self) -> dict[str, float]:
        if self.second_source is None:
            return {}
        name, now, figures = self.second_source.config.exchange, datetime.now(UTC), {}
        for pair in self.dp.current_whitelist():
            _, seen = self.guarding.sources(pair, now)
            if seen is not None and seen.closed_ms is not None and seen.gap_frac is not None:
                figures[f"{pair} at {name}, bp away"] = round(1e4 * seen.gap_frac, 2)
                age_s = now.timestamp() - seen.closed_ms / 1000
                figures[f"{pair} at {name}, compared s ago"] = round(age_s)
        return figures

    def _asked(self) -> Any:
        """Return what control wants of the loop, without the times that pass by themselves."""
        state = self.control.store.read() if self.control is not None else None
        return state and (
            state.mode, state.flatten, state.acknowledged, state.proposals, state.hedge
        )  # fmt: skip

    def _note_latency(self, seen: CandleLatency) -> None:
        if self.control is not None:
            self.control.record("latency", seen)

    # -- features and labels ------------------------------------------------------------------

    def feature_engineering_expand_basic(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Features of each pair and timeframe FreqAI is told to include."""
        computed = pair_features(frames.candles(dataframe))
        return dataframe.assign(**{f"%-{name}": values for name, values in computed.items()})

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Clock features, and the volatility that scales labels and forecasts."""
        clock = features.calendar_features(frames.time_ms(dataframe), self.candle_ms)
        sigma = features.sigma_per_candle(dataframe["close"].to_numpy(np.float64))
        return dataframe.assign(
            **{f"%-{name}": values for name, values in clock.items()},
            **{columns.FEATURE_SIGMA: sigma},
        )

    def set_freqai_targets(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Labels; each is NaN where the frame does not reach far enough ahead."""
        labels = label_columns(frames.candles(dataframe), self.candle_ms, self.labels)
        return dataframe.assign(**labels)

    # -- signals ------------------------------------------------------------------------------

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Ask FreqAI for the forecast columns, and put NaN back where there is none."""
        answered = self.freqai.start(dataframe, metadata, self)  # type: ignore[attr-defined]
        frame = frames.restore_missing_forecasts(answered)
        return frame.assign(
            interval_low=frame["close"] * np.exp(frame[columns.RETURN_LOW]),
            interval_high=frame["close"] * np.exp(frame[columns.RETURN_HIGH]),
        )

    @timed("decision")
    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        s = self._signals(dataframe)
        dataframe["enter_long"] = (s.side > 0).astype(int)
        dataframe["enter_short"] = (s.side < 0).astype(int)
        dataframe["enter_tag"] = np.where(s.side > 0, "long", np.where(s.side < 0, "short", None))
        return dataframe

    @timed("decision")
    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        s = self._signals(dataframe)
        dataframe["exit_long"] = s.exit_long.astype(int)
        dataframe["exit_short"] = s.exit_short.astype(int)
        return dataframe

    def _signals(self, dataframe: DataFrame) -> Any:
        return signals(
            frames.forecast(dataframe),
            dataframe["do_predict"].to_numpy(np.float64),
            self.labels.cost_frac,
            self.decision,
        )

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
        self.guarding.leverage[pair] = leverage
        state = self._account(pair, current_rate)
        wanted = position_notional_quote(state.equity_quote, stop, self.sizing)
        decision = self.guarding.decide(
            pair, side, min(wanted, proposed_stake * leverage), current_rate, current_time
        )
        if not decision.allowed:
            logger.info("%s %s entry refused: %s", pair, side, decision.reason)
        stake = min(decision.notional_quote / leverage, max_stake)
        if min_stake is not None and stake < min_stake:
            return 0.0  # never rounded up to the exchange's minimum
        return stake

    @on_error_return(False)
    @timed("guards")
    def confirm_trade_entry(
        self,
        pair: str,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        current_time: datetime,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> bool:
        refused = self._refusal(pair, side, amount, rate, current_time)
        return self._sent(
            pair, side, 0.0 if refused else amount * rate, rate, refused, current_time
        )

    def _refusal(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Return why an order must not be sent, or nothing; whatever breaks is a reason."""
        try:
            self._sigma(pair, current_time)  # raises without a fresh, trusted forecast
            _require_positive(amount=amount, rate=rate)
            notional = amount * rate
            decision = self.guarding.decide(pair, side, notional, rate, current_time)
        except NoForecastError as error:
            return error.problem
        except Exception as error:
            logger.exception("%s %s entry refused", pair, side)
            return f"{type(error).__name__}: {error}"
        if decision.allowed and decision.notional_quote >= notional * (1 - 1e-6):
            return ""
        return decision.reason or "nothing of it is allowed"

    def _sent(
        self, pair: str, side: str, notional: float, rate: float, refused: str, now: datetime
    ) -> bool:
        """Settle an order for new risk; one that passes is remembered as sent."""
        if not self._may_enter(pair, side, notional, rate, refused):
            return False
        self.guarding.sent(pair, side, notional / rate, now)
        self._watch.settle()
        return True

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
    ) -> float | None:
        """Close in stages what the guards want closed; else let the strategy's idea through them.

        Freqtrade asks nobody before an order that grows a position: this is where it is asked.
        """
        closing = self._staged(trade, current_rate, min_stake or 0.0, current_time)
        if closing > 0:
            self._note_reduction(trade, current_rate, closing / trade.stake_amount)
            return -closing
        return self._adjusted(trade, current_rate, max_stake, current_time)

    @on_error_return(0.0)
    def _staged(self, trade: Trade, rate: float, min_stake: float, now: datetime) -> float:
        smallest = min_stake * trade.leverage
        notional = self.guarding.reduction_quote(trade, rate, smallest, now)
        if not notional > 0:
            return 0.0
        # Freqtrade takes the same share of the amount as of the stake.
        return min(notional / (trade.amount * rate), 1.0) * trade.stake_amount

    @on_error_return(None)
    def _adjusted(self, trade: Trade, rate: float, max_stake: float, now: datetime) -> float | None:
        wanted = self.wanted_adjustment(trade, now, rate)
        if wanted is None or not wanted > 0:
            if wanted:
                self._note_reduction(trade, rate, -wanted / trade.stake_amount)
            return wanted
        pair, side = trade.pair, "short" if trade.is_short else "long"
        self.guarding.leverage[pair] = trade.leverage
        stake = min(wanted, max_stake)
        refused = self._refusal(pair, side, stake * trade.leverage / rate, rate, now)
        return stake if self._sent(pair, side, stake * trade.leverage, rate, refused, now) else None

    @on_error_return(None)
    def order_filled(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> None:
        self._note_fill(trade, order, current_time)
        if order.ft_order_side == trade.entry_side and trade.get_custom_data(_STOP) is None:
            sigma = self._sigma(pair, current_time)
            trade.set_custom_data(_STOP, stop_distance_frac(sigma, self.sizing))

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
            # The fill found no trusted volatility: the widest stop allowed is still a stop.
            distance = self.sizing.max_stop_frac
        stop = stoploss_from_open(
            -distance * trade.leverage, current_profit, trade.is_short, trade.leverage
        )
        # Freqtrade takes 0 ("already past the stop") for "no stop" and would keep the trade.
        return max(stop, _AT_ONCE)

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
        held_ms = (current_time - trade.open_date_utc).total_seconds() * 1000
        return "max_hold" if held_ms >= self.decision.max_hold_candles * self.candle_ms else None

    # -- reading state ----------------------------------------------------------------------------

    def _row(self, pair: str, current_time: datetime) -> Series:
        frame, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        if frame.empty:
            raise NoForecastError(f"no analysed candles for {pair}")
        row = frame.iloc[-1]
        age_s = (current_time - row["date"]).total_seconds()
        if not 0 <= age_s <= 2 * self.candle_ms / 1000:
            raise NoForecastError(
                f"the last analysed candle of {pair} opened {age_s:.0f} s ago",
                where=f"{row['date']} at {current_time}",
                cure="check the clock and the candle feed",
            )
        return row

    def _sigma(self, pair: str, current_time: datetime) -> float:
        """Return the forecast's volatility over its horizon; raise without a trusted forecast."""
        row = self._row(pair, current_time)
        if row["do_predict"] != 1 or row[columns.ABSTAIN] != 0:
            raise NoForecastError(f"no trusted forecast for {pair} at {row['date']}")
        sigma = float(row[columns.SIGMA])
        if not (math.isfinite(sigma) and sigma > 0):
            raise InputError(f"expected a volatility > 0 for {pair} at {row['date']}, got {sigma}")
        return sigma

    def _account(self, pair: str = "", rate: float = 0.0) -> Exposure:
        return self.guarding.exposure(pair, rate)


def _require_positive(**values: float) -> None:
    """Raise InputError unless every value is a finite number > 0; min() would let NaN through."""
    wrong = {k: v for k, v in values.items() if v is None or not (math.isfinite(v) and v > 0)}
    if wrong:
        raise InputError(f"expected finite numbers > 0, got {wrong}")
