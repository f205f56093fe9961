"""GuardedStrategy: sizes and orders through the guards, whatever the decision stands on.

Every hook that can add risk answers "no" when anything breaks; every hook that reduces risk lets
it happen. Columns on row t are known at the close of candle t; Freqtrade acts on them at the open
of candle t + 1.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_msecs, timeframe_to_seconds
from freqtrade.persistence import Order, Trade
from pandas import Series

from models.base.errors import ConfigError, NoForecastError
from models.base.protocols import LateBooking, StageTimer
from models.data.labels.settings import LabelSettings
from models.operate.journal.records import Incident
from models.serve.latency import CandleLatency
from models.trade.risk.run import Guard
from models.trade.risk.snapshot import Exposure, Stage
from strategies.account.collateral import require_own_collateral
from strategies.account.trades_lock import before_it_ends, connect_whoever_asks, unwritable
from strategies.bot.config import PackConfig, asked_labels, pack_config
from strategies.bot.data_check import check_backtest_data
from strategies.bot.fail_closed import on_error_return, refusing_to_start
from strategies.bot.gated import GatedStrategy
from strategies.bot.hooks import runs_always
from strategies.bot.memory import Sweeper
from strategies.bot.outlook import keep_outlook
from strategies.bot.settings_check import SettingsCheck
from strategies.bot.stages import timed
from strategies.fast.lane import Lane, longest_loop_s, open_lane
from strategies.guard.clock_watch import ClockWatch
from strategies.guard.guarding import Guarding
from strategies.guard.second_source import SecondSource, SecondSourceConfig
from strategies.human.control import control_of
from strategies.seams.check import check_all
from strategies.seams.data_provider import exchange_if_any, exchange_of
from strategies.seams.fast_mode import FastMode
from strategies.seams.rest_client import rest_client
from strategies.seams.throttle import bound_loop_pause, pause_by_monotonic_time

logger = logging.getLogger(__name__)

_STAGES = {RunMode.LIVE: Stage.LIVE, RunMode.DRY_RUN: Stage.DRY_RUN}


class GuardedStrategy(GatedStrategy):
    """Base of the pack's strategies; see the module docstring for what holds.

    A subclass says what it wants (signals, a stake, an adjustment), which guards its orders pass
    (`guards`), and what else speaks against an order (`_refusal`).
    """

    INTERFACE_VERSION = 3
    can_short = True
    process_only_new_candles = True
    minimal_roi: ClassVar[dict[str, float]] = {"0": 100.0}
    has_stops: ClassVar[bool] = True  # what a repeat of the worst hour is measured by
    position_adjustment_enable = True  # closing in stages; growth goes through the guards

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        with refusing_to_start():
            pack = pack_config(config)
            self._read_settings(config, pack)
            self.control = control_of(config, pack.review, type(self).__name__, self.kind)
            self.second_source = self._second_source(pack.second_source)
            stage = _STAGES.get(config["runmode"], Stage.BACKTEST)
            self.guarding = Guarding(
                self, hard=self.limits, soft=pack.guards, stage=stage, control=self.control,
                guards=self.guards,
            )  # fmt: skip
            self.gate = self._make_gate(stage)
            candle_s = float(timeframe_to_seconds(config.get("timeframe") or self.timeframe))
            self.lane = self._open_lane(pack, candle_s, live=stage is Stage.LIVE)
            self._settings = SettingsCheck(self, self.kind, self.control)
            self._settings.made()
        if self.control is not None:
            self._hear_of_the_end(self.control)
            pause_by_monotonic_time()
            bound_loop_pause(longest_loop_s(config, FastMode.OFF, pack.pacing))
            if (config.get("telegram") or {}).get("enabled"):
                from strategies.human.telegram import install  # nobody else needs the client

                install()  # before Freqtrade makes its own
        self._sweeper = Sweeper(candle_s)
        self._unwritable: Callable[[], str] = str  # Freqtrade opens its database before the start
        self._outlook = keep_outlook(self, pack.outlook)
        self._clock_watch = (
            None if self.control is None else ClockWatch(self.control, self._say_to_a_person)
        )

    def _say_to_a_person(self, text: str) -> None:
        self.dp.send_msg(text, always_send=True)

    def _read_settings(self, config: dict[str, Any], pack: PackConfig) -> None:
        if config.get("freqai_backtest_live_models") and config["runmode"] is RunMode.BACKTEST:
            raise ConfigError(
                "--freqai-backtest-live-models has FreqAI load pickles, which run code",
                where="freqai_backtest_live_models",
                cure="leave it out; a backtest trains its own models",
            )
        self.decision, self.sizing, self.limits = pack.decision, pack.sizing, pack.limits
        pack.watchdog.allow(longest_loop_s(config, pack.fast, pack.pacing))
        self.labels = self._labels(config)

    def _labels(self, config: Mapping[str, Any]) -> LabelSettings:
        """Return what the model is asked."""
        return asked_labels(config)

    def _open_lane(self, pack: PackConfig, candle_s: float, *, live: bool) -> Lane:
        """Return the way from close to order; a backtest has none to hurry on."""
        if self.control is None:
            return Lane()
        return open_lane(
            self, pack.fast, pack.pacing, candle_s,
            live=live, note=self._note_latency, say=self._note_lane,
        )  # fmt: skip

    @property
    @abstractmethod
    def guards(self) -> Sequence[Guard]:
        """The guards that apply to this strategy's orders."""

    @property
    def candle_ms(self) -> int:
        """Length of one candle; Freqtrade sets the configured timeframe after construction."""
        return int(timeframe_to_msecs(self.timeframe))

    def ft_bot_start(self, **kwargs: Any) -> None:
        """Refuse settings that switch safety off; nothing a subclass does at its start skips it."""
        with refusing_to_start():
            self._settings.start()
        super().ft_bot_start(**kwargs)

    @on_error_return(None)
    def _look_at_settings(self) -> None:
        self._settings.loop()

    @runs_always
    def bot_start(self, **kwargs: Any) -> None:
        """Probe what is installed, watch orders; refuse to backtest on data with holes."""
        check_all(self.config)
        if missing := self._gate_missing():
            raise OperationalException(f"Nothing can be held to the limits: {missing}.")
        if self.control is not None:
            connect_whoever_asks()
            self._sweeper.start(exchange_if_any(self.dp))
            self.lane.start()
            self._unwritable = unwritable
        if self.config["runmode"] == RunMode.LIVE:
            before_it_ends(self.guarding.recovery.before_the_end)
            with refusing_to_start():
                require_own_collateral(self.config, exchange_of(self.dp))
        if self.config["runmode"] == RunMode.BACKTEST:
            with refusing_to_start():
                check_backtest_data(self.config, self.startup_candle_count)

    # -- the loop -----------------------------------------------------------------------------

    @on_error_return(None)
    def _hold(self) -> None:
        """Wait for the next close or look at open trades, or until control asks for something."""
        self._look_at_the_clock()
        self._look_at_gate()
        self._look_at_sources()
        self._sweeper.sweep()
        if self._bare():
            self.lane.settle()
        before = self._requested()
        self._book_forecasts()
        self.lane.hold(lambda: self._requested() != before)

    @on_error_return(None)
    def _book_forecasts(self) -> None:
        """Have the model book, between candles, the forecasts it gave in a hurry."""
        if isinstance(self.freqai, LateBooking):
            self.freqai.catch_up()

    @on_error_return(None)
    def _look_at_the_clock(self) -> None:
        """Hold the machine's clock against the exchange's."""
        exchange = exchange_if_any(self.dp)
        if self._clock_watch is not None and exchange is not None:
            self._clock_watch.look(rest_client(exchange))

    def _bare(self) -> bool:
        """Whether a position waits for its stop: the exchange is asked again in the next loop."""
        return bool(self.order_types.get("stoploss_on_exchange")) and any(
            trade.amount and not trade.open_sl_orders for trade in Trade.get_open_trades()
        )

    def _requested(self) -> Any:
        """Return what control wants of the loop, without the times that pass by themselves."""
        state = self.control.store.read() if self.control is not None else None
        return state and (
            state.mode, state.flatten, state.acknowledged, state.proposals, state.hedge
        )  # fmt: skip

    def look_ahead(self, pairs: Sequence[str]) -> None:
        """Ask for what the guards will want to know of an order in `pairs`."""
        self.guarding.look_ahead(pairs)

    @property
    def stopwatch(self) -> StageTimer:
        """What takes the time of the model's stages."""
        return self.lane

    def latency_p99_ms(self) -> float | None:
        """Return the 99th percentile from a candle's close to its order; None if not measured."""
        return self.lane.p99_ms()

    def _note_latency(self, latency: CandleLatency) -> None:
        if self.control is not None:
            self.control.record("latency", latency)

    def _note_lane(self, what: str) -> None:
        if self.control is not None:
            done = "Freqtrade's own loop, candle refresh and order calls"
            self.control.record("lane", Incident(what=what, done=done))

    # -- a second source ----------------------------------------------------------------------

    def _second_source(self, config: SecondSourceConfig) -> SecondSource | None:
        """Return the second source of candles of a bot that trades, if one is configured."""
        control = self.control
        if control is None or not config.exchange:
            return None
        timeframe = self.config.get("timeframe") or self.timeframe

        def say(what: str) -> None:
            control.record("second.source", Incident(what=what))

        return SecondSource(config, timeframe, int(timeframe_to_msecs(timeframe)), say=say)

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
            _, agreement = self.guarding.sources(pair, now)
            if agreement is None or agreement.closed_ms is None or agreement.gap_frac is None:
                continue
            figures[f"{pair} at {name}, bp away"] = round(1e4 * agreement.gap_frac, 2)
            age_s = now.timestamp() - agreement.closed_ms / 1000
            figures[f"{pair} at {name}, compared s ago"] = round(age_s)
        return figures

    # -- new risk, closed on error ------------------------------------------------------------

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
            if against := self._objection(pair, side, amount, rate, current_time):
                return against
            if against := self._unwritable():
                return against
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

    @abstractmethod
    def _objection(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Return why the strategy itself does not want an order, or nothing; raising refuses it."""

    def _sent(
        self, pair: str, side: str, notional: float, rate: float, refused: str, now: datetime
    ) -> bool:
        """Settle an order for new risk; one that passes is permitted and remembered as sent."""
        if not self._may_enter(pair, side, notional, rate, refused or self._gate_missing()):
            return False
        self.guarding.sent(pair, side, notional / rate, now)
        self.guarding.permit(pair, side, notional / rate, rate)
        self.lane.entry_leaves(pair, notional, self.guarding.leverage.get(pair, 1.0))
        self.lane.settle()
        return True

    def grown(self, trade: Trade, stake: float, rate: float, now: datetime) -> float | None:
        """Return `stake` if a position may grow by it now, else None: the one way to grow.

        A subclass returns what it got here from `adjust_trade_position`; what it returns without
        having asked is asked here for it. All guards are asked as for an entry, a person in review
        mode, and what passes is permitted at the order gate, for one order.

        Parameters
        ----------
        stake
            In stake currency, before leverage, as Freqtrade's hook has it.
        rate
            `current_rate` of the hook.
        """
        amount = stake * trade.leverage / rate
        return stake if self._may_add(trade, amount, rate, now) else None

    def _moved(self, trade: Trade, order: Order, rate: float, now: datetime) -> bool:
        """Return whether a resting entry may be replaced by one at `rate`.

        Until it is cancelled it counts as well, so near a limit it stays where it is.
        """
        amount = order.safe_remaining * order.safe_price / rate  # as Freqtrade computes it
        return self._may_add(trade, amount, rate, now)

    @on_error_return(False)
    def _may_add(self, trade: Trade, amount: float, rate: float, now: datetime) -> bool:
        pair, side = trade.pair, "short" if trade.is_short else "long"
        self.guarding.leverage[pair] = trade.leverage
        refused = self._refusal(pair, side, amount, rate, now)
        return self._sent(pair, side, amount * rate, rate, refused, now)

    # -- what is there --------------------------------------------------------------------------

    @on_error_return(0.0)
    def _staged(self, trade: Trade, rate: float, min_stake: float, now: datetime) -> float:
        """Return the stake to take out of a position now because the guards want it closed."""
        notional = self.guarding.reduction_quote(trade, rate, min_stake * trade.leverage, now)
        if not notional > 0:
            return 0.0
        # Freqtrade takes the same share of the amount as of the stake.
        share = min(notional / (trade.amount * rate), 1.0)
        self._note_reduction(trade, rate, share, now)
        return float(share * trade.stake_amount)

    @runs_always
    @on_error_return(None)
    def order_filled(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> None:
        """Write a fill down."""
        self._note_fill(trade, order, current_time)

    # -- reading state ----------------------------------------------------------------------------

    def _row(self, pair: str, current_time: datetime) -> Series:
        frame, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        if frame.empty:
            raise NoForecastError(f"no analysed candles for {pair}")
        row: Series = frame.iloc[-1]
        age_s = (current_time - row["date"]).total_seconds()
        if not 0 <= age_s <= 2 * self.candle_ms / 1000:
            raise NoForecastError(
                f"the last analysed candle of {pair} opened {age_s:.0f} s ago",
                where=f"{row['date']} at {current_time}",
                cure="check the clock and the candle feed",
            )
        return row

    def _account(self, pair: str = "", rate: float = 0.0) -> Exposure:
        return self.guarding.exposure(pair, rate)
