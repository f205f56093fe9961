"""The part of a strategy that obeys control, keeps stops sized, and writes the journal."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from freqtrade.enums import ExitType, RunMode
from freqtrade.persistence import Order, Trade
from freqtrade.strategy import IStrategy
from pandas import Series

from models.base.entry import EntryRule
from models.base.errors import NoForecastError
from models.operate.control.entry_answer import EntryAnswer
from models.operate.journal.fills import CLOSED, FILLED
from models.operate.journal.records import DecisionRecord, Incident
from models.trade.risk.snapshot import Exposure
from strategies.account.collateral import require_stake_collateral
from strategies.account.safety_rules import Purpose
from strategies.account.stops import cancel_outgrown
from strategies.bot.end_signals import end_if_told_to, keep_words_to_end
from strategies.bot.fail_closed import on_error_return
from strategies.bot.followed import lost_pairs
from strategies.bot.hooks import runs_always
from strategies.bot.outlook import BotOutlook
from strategies.bot.reload import check_reload
from strategies.bot.settings_check import refuse_unsafe
from strategies.fast.lane import Lane
from strategies.guard.guarding import Guarding
from strategies.guard.known import epoch_ms
from strategies.human import decisions
from strategies.human.control import Control
from strategies.human.figures import (
    account_figures,
    exchange_figures,
    latency_figures,
    limit_figures,
)
from strategies.seams.bot_end import EndListener, listen_for_the_end
from strategies.seams.data_provider import exchange_if_any, exchange_of
from strategies.seams.force_entry import explain_force_entry
from strategies.seams.trade_deletion import ask_before_deleting
from strategies.seams.worker import before_each_loop, try_before_reloading

logger = logging.getLogger(__name__)


class ControlledStrategy(IStrategy):  # type: ignore[misc]  # Freqtrade ships no types
    """Freqtrade's hooks around a decision; what is decided is up to the subclass.

    `control` is None in a backtest, which has nobody to obey and nothing to remember.
    """

    kind: ClassVar[Purpose] = Purpose.FORECAST  # which decides what its stops and exits have to be
    control: Control | None
    guarding: Guarding
    lane: Lane  # from a candle's close to its order
    _outlook: BotOutlook | None
    _asked_to_stop = _was_stopped = False
    _lost_told = ""  # configured pairs that are not followed, as told last

    @property
    @abstractmethod
    def candle_ms(self) -> int:
        """Length of one candle."""

    @abstractmethod
    def _account(self, pair: str = "", rate: float = 0.0) -> Exposure:
        """Return the account marked at the newest prices, `pair` at `rate`."""

    def _hear_of_the_end(self, control: Control) -> None:
        """Have it written down when a person stops the bot; one that dies cannot."""

        def stopped() -> None:
            self._was_stopped = True
            # Freqtrade also stops by itself, after an error: that is no sign of life.
            if self._asked_to_stop or not control.has_looped:
                control.stopped("/stop" if self._asked_to_stop else "initial_state")

        def asked() -> None:
            self._asked_to_stop = True

        listen_for_the_end(EndListener(asked, stopped, lambda: control.stopped("end of process")))
        keep_words_to_end()
        before_each_loop(end_if_told_to)
        explain_force_entry(control.reasons)
        ask_before_deleting(self._held_by_the_exchange)
        check = partial(self._check_reload, dict(self.config))
        try_before_reloading(check, partial(refuse_unsafe, self.kind), control.reloading)

    def _check_reload(self, running: Mapping[str, Any], new: dict[str, Any]) -> None:
        """Raise if this bot may not go on with a new configuration."""
        check_reload(running, new)
        self.require_settings(new)

    def require_settings(self, config: Mapping[str, Any]) -> None:
        """Refuse a configuration no bot of this strategy may trade with, changing nothing.

        Asked at a start, at a reload and by `breakwater doctor`. A subclass adds what it refuses.

        Raises
        ------
        PackError
            If there is such a setting.
        """
        if config["runmode"] is RunMode.LIVE:
            require_stake_collateral(config)

    def _held_by_the_exchange(self, pair: str) -> str:
        """Return why a trade in `pair` is not to be forgotten, or nothing; a dry run holds none."""
        try:
            if not self.guarding.recovery.holds_now(pair):
                return ""
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is not known
            return (
                f"the exchange does not say whether it holds a position in {pair} "
                f"({type(error).__name__}), which would be left without a stop. Ask again"
            )
        return (
            f"the exchange holds a position in {pair}, which would be left without a stop, to "
            "nobody. Close it first: /forceexit, or at the exchange"
        )

    @runs_always
    @on_error_return(None)
    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """Read the control state, leave a sign of life, wait, and keep stops as large as positions.

        Stops last: between their cancellation here and their placing anew in the same loop, a
        position has none.
        """
        if self.control is None:
            return
        if self._was_stopped:  # not at once: a loop may begin just after somebody said stop
            self._was_stopped = self._asked_to_stop = False
        self._look_at_settings()
        self._look_after_risk(current_time)
        barred = self._barred(current_time)
        state = self.control.loop(
            feed_ms=self._feed_ms(), candle_ms=self.candle_ms, numbers=self._figures(barred),
            barred=[f"nothing is opened in {pair}: {why}" for pair, why in barred.items()],
            answers=self._answers(barred, current_time), outlook=self._outlook_words(),
        )  # fmt: skip
        if state.flatten is not None and not Trade.get_open_trades():
            self.control.flattened(self.guarding.held())
        self._hold()
        for stop in cancel_outgrown(Trade.get_open_trades(), exchange_of(self.dp)):
            self.control.record(
                "stop.resized", Incident(what=stop, done="cancelled, to be placed anew at once")
            )

    def _answers(self, barred: Mapping[str, str], now: datetime) -> Sequence[EntryAnswer]:
        """Return of each pair why nothing is opened in it; shown, never decided on."""
        return ()

    @on_error_return("the bot could not look after it; its log says why")
    def _outlook_words(self) -> str | None:
        """Have the account's outlook computed where it is due; return why none is to be shown."""
        return None if self._outlook is None else self._outlook.words()

    def _source_figures(self) -> dict[str, float]:
        """Return how far a second source of candles is from the exchange."""
        return {}

    def _look_at_settings(self) -> None:
        """Hold the settings safety leans on; must not raise."""

    def _hold(self) -> None:
        """Wait for what the loop should wait for; must not raise."""

    @on_error_return(None)
    def _look_after_risk(self, now: datetime) -> None:
        self.lane.loop_begins()
        self.guarding.loop(now)

    @on_error_return(True)
    def check_entry_timeout(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Cancel an entry that waits in the book as soon as no risk may be added."""
        return self.control is not None and bool(self.control.refusal())

    def check_exit_timeout(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> bool:
        """Leave a waiting exit to Freqtrade's own patience: exits are market orders."""
        return False

    @runs_always
    @on_error_return(True)
    def confirm_trade_exit(
        self,
        pair: str,
        trade: Trade,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        exit_reason: str,
        current_time: datetime,
        **kwargs: Any,
    ) -> bool:
        """Write the exit down; it is never refused."""
        self._leaving(pair, current_time)
        if self.control is not None:
            if exit_reason == ExitType.EMERGENCY_EXIT.value:
                self.control.unprotected(pair)
            row = self._last_row(pair)
            leaving = decisions.exit_record(trade, exit_reason, rate, row, self._numbers())
            self.control.decided("exit", leaving)
        return True

    def _leaving(self, pair: str, now: datetime) -> None:
        """Note that an order that reduces `pair` is about to be sent."""
        self.lane.exit_leaves()
        self.guarding.leaving(pair, now)

    def _may_enter(self, pair: str, side: str, notional: float, rate: float, refused: str) -> bool:
        """Settle an entry that `refused` says nothing against, and write it down."""
        if self.control is None:
            return not refused
        return self.control.may_enter(
            self._entry(pair, side, rate, notional_quote=notional), refused
        )

    def _no_new_risk(self, pair: str, side: str, rate: float) -> str:
        """Return why control forbids new risk now, written down, or nothing."""
        why = "" if self.control is None else self.control.refusal()
        if why:
            self.refuse_entry(pair, side, rate, why, EntryRule.CONTROL)
        return why

    @on_error_return(None)
    def refuse_entry(
        self, pair: str, side: str, rate: float, why: str, rule: EntryRule = EntryRule.GUARDS
    ) -> None:
        """Write down why an entry is not made, and by which rule; keep it for who asked for it."""
        if self.control is not None:
            self.control.refused(self._entry(pair, side, rate), why, rule=rule)

    def _large_enough(
        self, pair: str, side: str, rate: float, stake: float, leverage: float,
        least: float | None, why: str,
    ) -> float:  # fmt: skip
        """Return a stake, or 0 where it is below the exchange's minimum: never rounded up to it.

        `why` is what the guards had to say of it; it is written down with the refusal.
        """
        if stake >= (smallest := least or 0.0) and stake > 0:
            return stake
        small = f"{stake * leverage:.2f} is allowed, "
        small += f"the smallest order is {smallest * leverage:.2f}"
        rule = EntryRule.GUARDS if why else EntryRule.STAKE
        self.refuse_entry(pair, side, rate, f"{small}: {why}" if why else small, rule)
        return 0.0

    @on_error_return(None)
    def _note_reduction(self, trade: Trade, rate: float, share: float, now: datetime) -> None:
        """Write down that a share of a position is closed now."""
        self._leaving(trade.pair, now)
        if self.control is not None:
            row = self._last_row(trade.pair)
            why = f"{share:.0%} of the position, in stages"
            leaving = decisions.exit_record(trade, why, rate, row, self._numbers())
            closed = share * trade.amount * rate
            self.control.decided(
                "reduce", replace(leaving, action="reduce", notional_quote=closed)
            )  # fmt: skip

    @on_error_return(None)
    def _note_fill(self, trade: Trade, order: Order, current_time: datetime) -> None:
        """Tell the guards of a fill and write it down, once: Freqtrade may repeat old ones.

        A guard would look for a repeated one among the newest executions.
        """
        control = self.control
        if control is None or not order.safe_filled:
            return
        if is_news := self._is_news(control, trade, order):
            self.guarding.booked(trade.pair, order, current_time)
            if order.ft_order_side != trade.entry_side:
                self.guarding.closed(trade.pair, current_time)
            led = control.led(trade.pair)
            control.record(FILLED, decisions.filled(trade, order, led))
        # A kill may have come between the two lines.
        if not trade.is_open and (is_news or self._is_end_news(control, trade, order)):
            control.record(CLOSED, decisions.outcome(trade, current_time))

    @on_error_return(True)
    def _is_news(self, control: Control, trade: Trade, order: Order) -> bool:
        """Whether the journal lacks a fill; one it cannot be asked about counts as news."""
        fill = decisions.filled(trade, order, None)
        return not control.written.holds(fill, epoch_ms(order.order_date_utc))

    @on_error_return(True)
    def _is_end_news(self, control: Control, trade: Trade, order: Order) -> bool:
        return not control.written.holds_end(trade.id, epoch_ms(order.order_date_utc))

    # -- what a record tells ------------------------------------------------------------------

    def _entry(self, pair: str, side: str, rate: float, **more: Any) -> DecisionRecord:
        row = self._last_row(pair)
        return DecisionRecord(
            action="enter", pair=pair, side=side, rate=rate, reason=decisions.forecast_summary(row),
            inputs=self._numbers(), **decisions.seen(row), **more,
        )  # fmt: skip

    def _last_row(self, pair: str) -> Series | None:
        """Return the last analysed row, of whatever age."""
        try:
            frame, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
            row: Series = frame.iloc[-1]
            return row
        except Exception as error:  # noqa: BLE001 - a record without a forecast is still a record
            logger.warning("no analysed row of %s to write down: %s", pair, error)
            return None

    @on_error_return(None)
    def _feed_ms(self) -> int | None:
        """Return when the oldest of the pairs' newest analysed candles closed."""
        rows = [self._last_row(pair) for pair in self.dp.current_whitelist()]
        opened = [int(row["date"].timestamp() * 1000) for row in rows if row is not None]
        return min(opened) + self.candle_ms if opened and len(opened) == len(rows) else None

    def _require_openable(self, pair: str, now: datetime) -> None:
        """Raise where nothing can be opened in `pair`, whoever asks; a subclass's knowledge."""

    def _barred(self, now: datetime) -> dict[str, str]:
        """Return the pairs nothing can be opened in, and why; shown, never decided on."""
        try:
            pairs = self.dp.current_whitelist()
            barred = lost_pairs(self.config, pairs, exchange_if_any(self.dp))
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            logger.warning("the pairs cannot be listed: %s", error)
            return {}
        self._tell_lost(pairs, barred)
        for pair in pairs:
            try:
                self._require_openable(pair, now)
            except NoForecastError as error:
                barred[pair] = error.problem
            except Exception as error:  # noqa: BLE001 - as the hooks do, and they log it
                barred[pair] = f"{type(error).__name__}: {error}"
        return barred

    @on_error_return(None)
    def _tell_lost(self, followed: Collection[str], lost: Mapping[str, str]) -> None:
        """Tell a person once which configured pairs are not followed; none at all bars the bot."""
        said = "; ".join(f"{pair}: {why}" for pair, why in lost.items())
        if self.control is not None:
            nothing = f"the bot follows no pair. {said}".strip()
            self.control.forbid("pairs", "" if followed else nothing)
        if said and said != self._lost_told and followed:  # an obstacle is told as such
            logger.warning("not followed: %s", said)
            self.dp.send_msg(f"Not followed. {said}", always_send=True)
        self._lost_told = said

    def _numbers(self) -> dict[str, float]:
        """Return the account's figures, as far as they can be had."""
        try:
            state = self._account()
        except Exception as error:  # noqa: BLE001 - shown and written down, never decided on
            logger.warning("the account cannot be valued: %s", error)
            return {}
        return account_figures(state)

    def _figures(self, barred: Collection[str] = ()) -> dict[str, float]:
        """Return what a person is shown: the account, its limits, and how fast the bot is."""
        shown: dict[str, float] = {}
        try:
            account = self._account()
            shown |= account_figures(account)
            refused = "" if self.control is None else self.control.refusal()
            shown |= limit_figures(
                account, self.guarding.losses, self.guarding.limits,
                [pair for pair in self.dp.current_whitelist() if pair not in barred],
                refused or ", ".join(self.guarding.unknowns.concerning("")),
            )  # fmt: skip
            shown |= exchange_figures(self.guarding.exchange)
            shown |= self._source_figures()
            shown |= latency_figures(self.lane.latency())
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            logger.warning("not every figure can be shown: %s", error)
        return shown
