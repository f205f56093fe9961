"""AnsweringStrategy: says of each pair which one rule keeps it from being entered now.

Asked in every loop and left with the sign of life, for `risk` and `why`. It is shown, and never
decided on: the hooks that refuse an entry ask for themselves.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from freqtrade.persistence import PairLocks, Trade
from pandas import Series

from models.base import columns
from models.base.entry import EntryRule, EntryStop
from models.operate.control.entry_answer import EntryAnswer
from models.operate.journal.records import Incident
from models.trade.decision.entry_stop import distrust
from strategies.bot.controlled import ControlledStrategy
from strategies.guard.known import epoch_ms
from strategies.human import decisions
from strategies.seams.freqai_trained_time import true_trained_time

logger = logging.getLogger(__name__)


class AnsweringStrategy(ControlledStrategy):
    """The part of a strategy that answers "why is it not trading?"."""

    @property
    def models_folder(self) -> Path | None:
        """Where what is known of the bot's models belongs; a backtest keeps nothing."""
        return None if self.control is None else self.control.store.folder

    def note_models(self, event: str, what: str, done: str) -> None:
        """Write down what has become of a model."""
        if self.control is not None:
            self.control.record(f"model.{event}", Incident(what=what, done=done))

    def forecast_stop(self, pair: str, row: Series, now: datetime) -> EntryStop | None:
        """Return what of the strategy's own speaks against an entry on this row; None: nothing.

        A subclass's knowledge.
        """
        return None

    def grows(self, pair: str) -> bool:
        """Whether an open position is no reason against an order: it is adjusted."""
        return False

    def _answers(self, barred: Mapping[str, str], now: datetime) -> list[EntryAnswer]:
        """Return the answer of each pair that is followed, or should be."""
        try:
            pairs = dict.fromkeys([*self.dp.current_whitelist(), *barred])
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            logger.debug("the pairs cannot be listed: %s", error)
            return []
        return [self._answer(pair, barred.get(pair, ""), now) for pair in pairs]

    def _answer(self, pair: str, barred: str, now: datetime) -> EntryAnswer:
        try:
            return self._known_answer(pair, barred, now)
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            return EntryAnswer(
                pair=pair, rule=str(EntryRule.FORECAST), why=f"{type(error).__name__}: {error}",
                change="what the log says of it",
            )  # fmt: skip

    def _known_answer(self, pair: str, barred: str, now: datetime) -> EntryAnswer:
        row = self._last_row(pair)
        stop = self._stop(pair, row, barred, now)
        opened = None if row is None else epoch_ms(row["date"])
        return EntryAnswer(
            pair=pair, rule=str(stop.rule), why=stop.why, change=stop.change,
            forecast="" if row is None else self.forecast_words(row), candle_ms=opened,
            closed_ms=None if opened is None else opened + self.candle_ms,
            trained_ms=self._trained_ms(pair),
        )  # fmt: skip

    def forecast_words(self, row: Series) -> str:
        """Return the row's forecast for a person."""
        return decisions.forecast_summary(row)

    def _trained_ms(self, pair: str) -> int | None:
        """Return the end of the candles that the model in service was trained on, if there is one.

        Of a model of FreqAI's; a strategy without one has none.
        """
        drawer = getattr(getattr(self, "freqai", None), "dd", None)
        if drawer is None:
            return None
        try:
            _, trained_s = true_trained_time(drawer, pair)
        except Exception as error:  # noqa: BLE001 - shown, never decided on
            logger.debug("no training of %s: %s", pair, error)
            return None
        return 1000 * trained_s if trained_s > 0 else None

    def _stop(self, pair: str, row: Series | None, barred: str, now: datetime) -> EntryStop:
        """Return the first rule that says no, in the order of `EntryRule`."""
        stop = self._pair_stop(pair, barred) or (None if self.grows(pair) else self._full(pair))
        if stop is None and row is not None:
            stop = self.forecast_stop(pair, row, now)
        if barred and (stop is None or stop.rule in _AFTER_TRUST):  # of an old candle, nothing else
            stop = EntryStop(
                rule=EntryRule.TRUSTED, why=barred,
                change="the close of the next candle, if all goes well",
            )  # fmt: skip
        if stop is None and row is None:
            stop = EntryStop(
                rule=EntryRule.FORECAST, why="no candle of it has been analysed yet",
                change="the first candle the bot looks at",
            )  # fmt: skip
        return stop or self._refused(pair, row) or EntryStop(
            rule=EntryRule.NOTHING, why="no rule says no: it is ordered when the bot next looks",
            change="",
        )  # fmt: skip

    def _pair_stop(self, pair: str, barred: str) -> EntryStop | None:
        if pair not in self.dp.current_whitelist():
            change = "exchange.pair_whitelist, as the exchange names its pairs"
            return EntryStop(rule=EntryRule.PAIR, why=barred, change=change)
        if not self.is_pair_locked(pair):
            return None
        lock = PairLocks.get_pair_longest_lock(pair)
        until = "" if lock is None else f" until {lock.lock_end_time:%Y-%m-%d %H:%M} UTC"
        reason = "" if lock is None or not lock.reason else f": {lock.reason}"
        return EntryStop(
            rule=EntryRule.PAIR, why=f"Freqtrade has locked the pair{until}{reason}",
            change="the end of the lock, or /unlock",
        )  # fmt: skip

    def _full(self, pair: str) -> EntryStop | None:
        trades, most = Trade.get_open_trades(), self.config.get("max_open_trades", math.inf)
        if any(trade.pair == pair for trade in trades):
            return EntryStop(
                rule=EntryRule.HELD, why="a position is open, or an order for one waits",
                change="its end; it is not made larger",
            )  # fmt: skip
        if 0 <= most <= len(trades):
            return EntryStop(
                rule=EntryRule.HELD,
                why=f"{len(trades)} trades are open, max_open_trades is {most:g}",
                change="the end of one of them",
            )  # fmt: skip
        return None

    def _refused(self, pair: str, row: Series | None) -> EntryStop | None:
        """Return what was answered to the entry asked for on this candle."""
        refusal = None if self.control is None else self.control.refusals.get(pair)
        if refusal is None or row is None or refusal.candle_ms != epoch_ms(row["date"]):
            return None
        return EntryStop(rule=refusal.rule, why=refusal.why, change=_CHANGES[refusal.rule])

    def distrusted(self, row: Series) -> EntryStop:
        """Return why a row's forecast is not trusted."""
        why, change = distrust(float(row.get(columns.NOVELTY, math.nan)), row["do_predict"])
        return EntryStop(rule=EntryRule.TRUSTED, why=f"no trusted forecast: {why}", change=change)

    def no_signal(self, row: Series) -> EntryStop | None:
        """Return that the strategy's own signals open nothing on this row; None where they do."""
        wants = [side for side in ("long", "short") if row.get(f"enter_{side}") == 1]
        if not wants:
            return EntryStop(
                rule=EntryRule.DIRECTION, why="the strategy gives no entry signal on this candle",
                change="a candle on which it does",
            )  # fmt: skip
        if len(wants) == 2 or row.get(f"exit_{wants[0]}") == 1:
            return EntryStop(
                rule=EntryRule.DIRECTION,
                why="the strategy signals an entry, and against it, on the same candle",
                change="a candle on which it signals an entry alone",
            )
        return None


_AFTER_TRUST = (EntryRule.DIRECTION, EntryRule.EDGE)
_GUARDED = "the guard named there: its limit is in breakwater.limits or breakwater.guards"
_CHANGES: Mapping[EntryRule, Any] = dict.fromkeys(EntryRule, _GUARDED) | {
    EntryRule.STAKE: "more equity, or limits that leave room for the smallest order",
    EntryRule.REVIEW: "breakwater approve with its number, or /approve",
    EntryRule.CONTROL: "a person says resume, once he has looked",
}  # fmt: skip
