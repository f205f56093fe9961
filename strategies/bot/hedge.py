"""HedgeStrategy: opens, grows, shrinks and closes the legs that hedge a Litecoin position.

Works without FreqAI on the baseline alone, and with any forecaster of the pack, whose hazard (and
action head, where it has one) may lean on the baseline. Whatever is not known leaves the legs as
they are. The legs have no stop: a hedge that stops out leaves the position naked; the account's
guards look after both.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from freqtrade.enums import TRADE_MODES, RunMode
from freqtrade.persistence import Trade
from pandas import DataFrame, Series

from models.base.entry import EntryRule, EntryStop
from models.base.errors import ConfigError
from models.base.files import wall_clock_ms
from models.operate.journal.records import Incident
from models.trade.risk.run import HEDGING, Guard
from models.trade.risk.verdict import RiskDecision
from strategies.account.hedge_config import HedgeConfig, HedgeMode, required_hedge
from strategies.account.hedge_primary import PositionReader
from strategies.account.safety_rules import Purpose
from strategies.bot import hedge_book, hedge_frame
from strategies.bot.config import pack_config
from strategies.bot.fail_closed import on_error_return, refusing_to_start
from strategies.bot.forecast_columns import ForecastColumns
from strategies.bot.guarded import GuardedStrategy
from strategies.bot.hedge_advice import HedgeAdvice
from strategies.bot.hedge_feeds import HedgeFeeds
from strategies.bot.hedge_plan import Plan, Planner, warm_up_candles
from strategies.bot.hedge_worst_day import WorstDayWatch
from strategies.seams.hook_copies import spare_the_copy

logger = logging.getLogger(__name__)

TAG_HEDGE, TAG_PRIMARY = "hedge", "primary"


class HedgeStrategy(ForecastColumns, GuardedStrategy):
    """Base of the hedging strategies; the pure part is `models.trade.hedging`."""

    kind = Purpose.HEDGE
    use_custom_stoploss = False
    use_exit_signal = False  # a leg is closed by its plan, the position by the person who holds it
    has_stops: ClassVar[bool] = False
    stoploss = -10.0  # of stake, never reached: see the module docstring
    order_types: ClassVar[dict[str, Any]] = {
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": False,
    }

    plot_config: ClassVar[dict[str, Any]] = hedge_frame.plot_of(ForecastColumns.plot_config)

    def __init__(self, config: dict[str, Any]) -> None:
        with refusing_to_start():
            self.require_settings(config)
            self.hedge = required_hedge(config, pack_config(config).hedge)
            self._worst_day = WorstDayWatch(self.hedge, self._account, self._size, self._tell)
            collect = pack_config(config).collect
        super().__init__(config)
        self._fed = collect.features
        self._feeds = HedgeFeeds(collect, Path(config["user_data_dir"]))
        self._feeds_told = 0  # candle in which they were looked at last
        self.planner = Planner(self.hedge, self, self._position_reader())
        self._advice = HedgeAdvice(
            self.hedge, self.planner, config["stake_currency"], self._send_always
        )
        self.guarding.close_also(self._too_large)
        self._signal: DataFrame | None = None  # of the primary's newest analysis
        self._noted: dict[str, datetime] = {}  # pair -> candle whose decision was told
        self.startup_candle_count = warm_up_candles(self.hedge, self.forecasts)

    def _position_reader(self) -> PositionReader | None:
        """Return what asks for the position's size; a backtest has nobody to ask."""
        if self.control is None:
            return None
        with refusing_to_start():
            return _reader_of(self.hedge)

    def require_settings(self, config: Mapping[str, Any]) -> None:
        """As ever; and refuse what the hedge of a bot that trades would not start with."""
        super().require_settings(config)
        if pack_config(config).execution.quotes:
            raise ConfigError(
                "expected style taker: a leg that nobody fills leaves the position naked",
                where="breakwater.execution.style",
                cure="leave breakwater.execution out of a hedge's config",
            )
        hedge = required_hedge(config, pack_config(config).hedge)
        if config["runmode"] in TRADE_MODES:  # a backtest has nobody to ask
            _reader_of(hedge)
        if hedge.open_primary and config["runmode"] is RunMode.LIVE:
            raise ConfigError(
                "expected no open_primary in live trading: it would open again what a person has "
                "closed",
                where="breakwater.hedge.open_primary",
                cure="set it false, and open the position yourself: /forcelong",
            )

    @property
    def guards(self) -> Sequence[Guard]:
        """Those that ask for no forecast, and one for a repeat of the position's worst day."""
        return (*HEDGING, self._worst_day.guard)

    @property
    def forecasts(self) -> bool:
        """Whether a FreqAI model is configured."""
        return bool((self.config.get("freqai") or {}).get("enabled"))

    # -- what is known at each candle's close -----------------------------------------------------

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """As ever, and the collected feeds, where the model is to be fed them."""
        frame = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        if not self._fed:
            return frame
        return self._feeds.with_columns(frame, metadata["pair"], self.candle_ms)

    def _look_at_sources(self) -> None:
        """As ever; and say once a candle which of the feeds the model is fed fell silent."""
        super()._look_at_sources()
        candle = wall_clock_ms() // self.candle_ms
        if self._fed and candle != self._feeds_told:
            self._feeds_told = candle
            self._tell_feeds()

    @on_error_return(None)
    def _tell_feeds(self) -> None:
        if self.control is not None and (told := self._feeds.changes()):
            logger.warning("feeds: %s", told)
            self.control.record("feeds", Incident(what=told))
            self._send_always(f"Feeds of the hedge's model. {told}")

    def _send_always(self, message: str) -> None:
        self.dp.send_msg(message, always_send=True)

    def _source_figures(self) -> dict[str, float]:
        """Return how far a second source is away, each feed's age, and the worst day's cost."""
        feeds, worst = self._feeds.figures(), self._worst_day.figures()
        return {**super()._source_figures(), **feeds, **worst}

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Forecast of the primary, baseline and signal on the legs."""
        hedge, pair = self.hedge, metadata["pair"]
        if pair == hedge.primary.pair and self.forecasts:
            # If this fails, the last signal stays, and grows older with every candle it lacks.
            dataframe = self.with_forecasts(dataframe, metadata)
            self._signal = hedge_frame.signal_columns(dataframe, hedge.primary.side)
        if pair not in hedge.instruments:
            return dataframe

        def candles(other: str) -> DataFrame:
            if other == pair:
                return dataframe
            frame: DataFrame = self.dp.get_pair_dataframe(other, self.timeframe)
            return frame

        frame = hedge_frame.baseline_columns(
            dataframe,
            candles(hedge.primary.pair),
            [candles(p) for p in hedge.instruments],
            hedge.baseline,
            hedge.policy.max_ratio,
        )
        return hedge_frame.with_signal(frame, self._signal) if self.forecasts else frame

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Always ready to open a leg; whether and how much is asked when it could be ordered."""
        pair, side = metadata["pair"], ""
        if self.hedge.mode is HedgeMode.ADVICE:
            return dataframe
        if pair in self.hedge.instruments:
            side, tag = self.hedge.side, TAG_HEDGE
        elif pair == self.hedge.primary.pair and self.hedge.open_primary:
            side, tag = self.hedge.primary.side, TAG_PRIMARY
        if side:
            dataframe[f"enter_{side}"] = 1
            dataframe["enter_tag"] = tag
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        return dataframe

    # -- the decision -----------------------------------------------------------------------------

    def plan(self, pair: str, current_time: datetime) -> Plan:
        """Return what the leg of `pair` is to become, decided at the last candle's close.

        Raises
        ------
        InputError
            If the candles are stale, or a price or the hedged position is not known.
        """
        return self.planner.plan(pair, self._row(pair, current_time))

    # -- why not, in words ----------------------------------------------------------------------

    def grows(self, pair: str) -> bool:
        """A leg follows its plan."""
        return pair in self.hedge.instruments

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return why a leg is not made larger: its plan, or who has to open what."""
        if pair not in self.hedge.instruments:
            why = "the hedged position is opened by a person"
            return EntryStop(rule=EntryRule.DIRECTION, why=why, change="/forcelong or /forceshort")
        if self.hedge.mode is HedgeMode.ADVICE:
            why = "the bot only advises: a person orders the legs"
            return EntryStop(rule=EntryRule.DIRECTION, why=why, change="breakwater.hedge.mode")
        plan = self.plan(pair, now)
        if plan.wanted > plan.held:
            return None
        return EntryStop(
            rule=EntryRule.DIRECTION,
            why=f"the leg holds {plan.held:.6g} and is to hold {plan.wanted:.6g}: {plan.reason}",
            change="a plan that wants more of it, at the close of a candle",
        )  # fmt: skip

    # -- advice ---------------------------------------------------------------------------------

    @on_error_return(None)
    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """As ever; and say what a person has to do: transfers, and all of it in `advice`."""
        super().bot_loop_start(current_time, **kwargs)
        if self.control is None:
            return
        self._look_at_worst_day(current_time)
        if self.hedge.mode is HedgeMode.OWN:
            return
        self._ask_for_transfer(current_time)
        if self.hedge.mode is HedgeMode.ADVICE:
            for pair in self.hedge.instruments:
                self._advise(pair, current_time)

    @on_error_return(None)
    def _look_at_worst_day(self, current_time: datetime) -> None:
        """Say what a repeat of the worst day would cost the position, where that is too much."""
        primary = self._row(self.hedge.primary.pair, current_time)
        self._worst_day.look(float(primary["close"]), current_time)

    def _size(self, now: datetime) -> float:
        return self.planner.primary_amount([], now)

    def _tell(self, text: str) -> None:
        if self.control is not None:
            self.control.record("worst.day", Incident(what=text))
        self._send_always(text)

    @on_error_return(0.0)
    def _too_large(self, trade: Trade, rate: float, smallest_quote: float) -> float:
        """Return the share of the position by which it is too large for its worst day."""
        return self._worst_day.share_to_cut(trade, rate, smallest_quote)

    @on_error_return(None)
    def _ask_for_transfer(self, current_time: datetime) -> None:
        """Say once a candle what the position's own account needs, where its state is known."""
        if self.hedge.primary.knows_equity:
            row = self._row(self.hedge.instruments[0], current_time)
            self._advice.look_at_collateral(row, current_time)

    @on_error_return(None)
    def _advise(self, pair: str, current_time: datetime) -> None:
        """Send a change of a leg, once, and count on its being made."""
        self._advice.advise(pair, self.plan(pair, current_time))

    # -- orders ---------------------------------------------------------------------------------

    @on_error_return(1.0)
    def leverage(
        self, pair: str, current_time: datetime, current_rate: float, proposed_leverage: float,
        max_leverage: float, entry_tag: str | None, side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        wanted = self.hedge.leverage
        if pair not in self.hedge.instruments:
            wanted = self.hedge.primary.leverage
        return min(wanted, self.limits.max_leverage, max_leverage)

    @on_error_return(0.0)
    def custom_stake_amount(
        self, pair: str, current_time: datetime, current_rate: float, proposed_stake: float,
        min_stake: float | None, max_stake: float, leverage: float, entry_tag: str | None,
        side: str, **kwargs: Any,
    ) -> float:  # fmt: skip
        if self._no_new_risk(pair, side, current_rate):
            return 0.0
        self.guarding.leverage[pair] = leverage
        amount, why = self._opening(pair, current_time)
        if not amount > 0:
            self._nothing_to_open(pair, side, current_rate, entry_tag, why)
            return 0.0
        decision = self._allowed(pair, side, amount * current_rate, current_rate, current_time)
        stake, why = min(decision.notional_quote / leverage, max_stake), decision.reason
        stake = self._large_enough(pair, side, current_rate, stake, leverage, min_stake, why)
        amounts = amount, stake * leverage / current_rate
        self._worst_day.look_at_order(pair, *amounts, decision, current_time)
        return stake

    def _nothing_to_open(
        self, pair: str, side: str, rate: float, tag: str | None, why: str
    ) -> None:
        """Tell who asked that no position is wanted; the bot's own question is no refusal."""
        if tag not in (TAG_HEDGE, TAG_PRIMARY):
            self.refuse_entry(pair, side, rate, f"no position in {pair} is wanted now: {why}")

    def _allowed(
        self, pair: str, side: str, notional: float, rate: float, now: datetime
    ) -> RiskDecision:
        """Return the part of `notional` the guards let through, and what they had to say."""
        decision = self.guarding.decide(pair, side, notional, rate, now)
        if decision.notional_quote < notional:
            logger.info("%s %s: %s", pair, side, decision.reason)
        return decision

    def _opening(self, pair: str, current_time: datetime) -> tuple[float, str]:
        """Return the amount a new trade of `pair` is to have, base units, and why."""
        if pair in self.hedge.instruments:
            plan = self.plan(pair, current_time)
            return plan.wanted, plan.reason
        # Without `open_primary` nothing signals the position: a person has asked for it.
        if self.hedge.mode is HedgeMode.OWN:
            return self.hedge.primary.amount_base, "the position itself"
        return 0.0, f"the bot holds no position of its own in the mode {self.hedge.mode}"

    def _objection(
        self, pair: str, side: str, amount: float, rate: float, current_time: datetime
    ) -> str:
        """Return why an order does not hedge; asks for no forecast: the baseline hedges without."""
        wanted = self.hedge.side if pair in self.hedge.instruments else self.hedge.primary.side
        return "" if side == wanted else f"a {side} does not hedge a {self.hedge.primary.side}"

    @on_error_return(None)
    def adjust_trade_position(
        self, trade: Trade, current_time: datetime, current_rate: float, current_profit: float,
        min_stake: float | None, max_stake: float, **kwargs: Any,
    ) -> float | tuple[float, str] | None:  # fmt: skip
        """Close in stages what the guards want closed; else grow or shrink a leg, once a candle."""
        closing = self._staged(trade, current_rate, min_stake or 0.0, current_time)
        if closing > 0:
            return -closing
        if trade.pair not in self.hedge.instruments or trade.has_open_orders:
            return None
        plan = self.plan(trade.pair, current_time)
        if hedge_book.acted_since(trade, plan.closed):
            return None
        self._note(trade.pair, plan, current_rate)
        change = plan.wanted - plan.held
        if change > 0:
            stake = self._added(trade, change, current_rate, min_stake or 0.0, current_time)
            return None if stake is None else (min(stake, max_stake), plan.reason)
        if change < 0:
            self._leaving(trade.pair, current_time)
            # Freqtrade takes the same share of the amount as of the stake.
            return -min(-change / trade.amount, 1.0) * trade.stake_amount, plan.reason
        return None

    def _note(self, pair: str, plan: Plan, rate: float) -> None:
        """Tell each decision once; one that takes from a leg is written down, as entries are."""
        if self.control is None or self._noted.get(pair) == plan.closed:
            return
        self._noted[pair] = plan.closed
        logger.info("hedge %s: %.6g -> %.6g, %s", pair, plan.held, plan.wanted, plan.reason)
        if plan.wanted < plan.held:
            reduced = self._entry(pair, self.hedge.side, rate, notional_quote=plan.held * rate)
            self.control.decided("hedge", replace(reduced, action="reduce", reason=plan.reason))

    def _added(
        self, trade: Trade, change: float, rate: float, min_stake: float, now: datetime
    ) -> float | None:
        """Return the stake to add, as much of the change as the guards allow."""
        pair, side = trade.pair, "short" if trade.is_short else "long"
        self.guarding.leverage[pair] = trade.leverage
        notional = self._allowed(pair, side, change * rate, rate, now).notional_quote
        if notional < min_stake * trade.leverage or not notional > 0:
            return None
        return self.grown(trade, notional / trade.leverage, rate, now)


def _reader_of(hedge: HedgeConfig) -> PositionReader | None:
    if hedge.primary.read is None or hedge.mode is HedgeMode.OWN:
        return None
    return PositionReader(hedge.primary.read, hedge.primary.side)


# A leg that is adjusted for years has thousands of orders, copied for each call of a hook.
spare_the_copy(HedgeStrategy, "adjust_trade_position")
