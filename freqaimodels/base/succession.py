"""Who serves a pair, who wants to, and who must not any more (`breakwater.retraining`).

In FreqAI's training thread, at each new candle: the serving model is held against its frozen
reference (`models.serve.monitor`), the policy says whether to train (`models.serve.retraining`),
and a new model that has answered beside the serving one long enough is judged
(`models.serve.shadow`). A person's word to go back is obeyed in the bot's own loop.

Ages are counted in candles, not by the clock: a bot that was down has not judged what it did not
see. What must survive a kill is in the book (`models.operate.control.model_book`). FreqAI's file of
the serving model is replaced first, the book second: where they disagree, `settle` finishes what
was begun.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from freqaimodels.base.book_keeping import BookKeeping, named, promoted
from freqaimodels.base.model_files import PredictorFiles
from freqaimodels.base.settings import retraining_of
from freqaimodels.base.shelf import Shelf
from freqaimodels.base.unseen import AsJob, UnseenRows
from models.base.errors import PackError
from models.base.types import Candles, TrainingJob
from models.base.units import DAY_MS, HOUR_MS
from models.data.labels.episodes import unsettled
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import cascade_rule
from models.operate.control.model_book import Generation, PairBook, Watched
from models.serve.monitor import CusumCount, monitors
from models.serve.predictor import Predictor
from models.serve.retraining import schedule, volatility_ratio
from models.serve.scores import job_outcome, row_scores
from models.serve.shadow import judge_shadow
from strategies.seams.freqai_drawer import PlainDrawer
from strategies.seams.freqai_trained_time import TRAINED_TIME

logger = logging.getLogger(__name__)

_LATER_S: Final = 3600  # trained so far ahead, says FreqAI's check, a pair is not due
_HISTORY_MS: Final = 100 * DAY_MS  # of candles that decide: a quarter's volatility


class Succession(BookKeeping):
    """Watches, plans and judges; parameters as of `BookKeeping`, and what a cascade is."""

    def __init__(self, *given: Any, labels: LabelSettings, candle_ms: int, **named: Any) -> None:
        super().__init__(*given, **named)
        self._labels, self._candle_ms = labels, candle_ms
        self._looked_ms: dict[str, int] = {}  # newest candle looked at, by pair

    def told_time(self, pair: str, trained_s: int, due: bool = False) -> int:
        """Return when FreqAI is to believe `pair` was trained: never where it is due, else soon.

        Where nothing can be kept, or looking fails, what it was told: its own clock decides.

        Parameters
        ----------
        due
            Whether something else than the policy wants a training, as a cascade that is over.
        """
        if trained_s == 0 or self._host is None:
            return trained_s  # its first model
        try:
            self.look(pair)
            plan = self._plans.get(pair)
        except Exception:
            logger.exception("The models of %s are not looked after; FreqAI's clock decides", pair)
            return trained_s
        if plan is None or plan.due or (due and not plan.held):
            return 0 if plan is not None else trained_s
        return int(time.time()) + _LATER_S

    def look(self, pair: str) -> None:
        """Watch, plan and judge at a new candle of `pair`; else do nothing."""
        champion, own = self._drawer.model_dictionary.get(pair), self._rows.candles(pair)
        if not isinstance(champion, Predictor) or own is None:
            return
        newest = int(own.time_ms[-1])
        if self._looked_ms.get(pair) == newest:
            return
        champion = self.settle(pair, champion)
        book = self._watch(pair, champion, newest)
        recent = own.cut(own.time_ms > newest - _HISTORY_MS)
        cascade, ratio = self._cascade(recent), volatility_ratio(recent, self._candle_ms)
        plan = schedule(
            self._config, age_ms=newest - book.trained_ms, ratio=ratio,
            alarms=book.alarms, in_cascade=cascade, in_shadow=book.shadow is not None,
        )  # fmt: skip
        held = plan.held
        if book.shadow is not None and self._shadow_is_over(book, newest):
            held = "a cascade is not over" if cascade else self._judge(pair, champion)
        with self._lock:
            self.keep(replace(self.book.of(pair), ratio=ratio, held=held))
        before = self._plans.get(pair)
        if plan.due and not (before is not None and before.due):
            self.note("due", f"{pair}: a new model is trained now", plan.why)
        self._plans[pair], self._looked_ms[pair] = plan, newest

    def _cascade(self, recent: Candles) -> bool:
        rule = cascade_rule(self._labels, self._candle_ms)
        return unsettled(recent, self._candle_ms, rule)

    def _shadow_is_over(self, book: PairBook, newest: int) -> bool:
        return newest - book.shadow_ms >= self._config.shadow_days * DAY_MS

    # -- watching -----------------------------------------------------------------------------

    def _watch(self, pair: str, champion: Predictor, newest: int) -> PairBook:
        """Count the candles whose outcome is known by now, about once an hour."""
        book = self.book.of(pair)
        settled = newest - champion.manifest["horizon_candles"] * self._candle_ms
        if settled - book.watched_ms < max(HOUR_MS, self._candle_ms):
            return book
        found = monitors(champion.manifest)
        job = self._rows.job(pair, book.watched_ms, self._strategy)
        told = champion.predict(job.features, job.time_ms, job.feature_names)
        scores = row_scores(told, *job_outcome(job, champion.manifest["horizon_candles"]))
        fresh = (job.time_ms > book.watched_ms) & (job.time_ms <= settled)
        watched = {}
        for name, monitor in found.items():
            was = book.watched.get(name)
            count = (
                CusumCount()
                if was is None
                else CusumCount(was.cusum, was.total, was.rows, was.days)
            )
            count = monitor.advance(count, scores[name][fresh])
            watched[name] = Watched(
                cusum=count.cusum, threshold=monitor.threshold, total=count.total,
                rows=count.rows, days=count.days,
            )  # fmt: skip
        with self._lock:
            now = self.book.of(pair)
            if now.serving != book.serving:
                return now  # a person went back meanwhile
            alarms = tuple(n for n, one in watched.items() if one.cusum > one.threshold)
            book = replace(
                now,
                watched=watched,
                watched_ms=settled,
                alarms=alarms,
                unwatched=_unfitted(champion),
            )
            self.keep(book)
        for name in set(alarms) - set(now.alarms):
            one = watched[name]
            self.tell(
                "alarm", f"{pair}: {name} is worse than on the model's left-out rows",
                f"{one.cusum:.1f} of {one.threshold:.1f} after {one.days} days",
            )  # fmt: skip
        return book

    # -- a new model ----------------------------------------------------------------------------

    def succeed(self, new: Predictor, pair: str, job: TrainingJob, expired: bool) -> Predictor:
        """Return who serves now that `new` is trained: the serving model, while `new` is in shadow.

        Parameters
        ----------
        expired
            Whether the serving model no longer answers: then nobody is to be waited for.

        Notes
        -----
        Where nothing can be kept, as on a full disk, it is FreqAI's own way: the new one serves.
        """
        if self._host is None:
            return new
        try:
            return self._succeeded(new, pair, job, expired)
        except (PackError, OSError) as error:
            logger.exception("No book of models can be kept")
            self._strategy.dp.send_msg(f"{pair}: the new model serves, without a shadow: {error}")
            return new

    def _succeeded(self, new: Predictor, pair: str, job: TrainingJob, expired: bool) -> Predictor:
        champion = self._drawer.model_dictionary.get(pair)
        newest = int(job.time_ms[-1])
        plan = self._plans.pop(pair, None)
        why = plan.why if plan is not None and plan.why else "no model before it"
        with self._lock:
            generation = self.shelve(new, newest, why)
            book = replace(self.book.of(pair), trained_ms=newest, watched={}, alarms=())
            if not isinstance(champion, Predictor) or book.serving is None:
                fresh = replace(book, serving=generation, first=generation, earlier=(), shadow=None)
                self.keep(replace(fresh, watched_ms=newest))
                self.tell("first", f"{pair}: {named(generation)} serves", why)
                return new
            if expired or not self._config.shadow_days:
                self.keep(promoted(book, generation))
                reason = "the model before it had expired" if expired else "no shadow is asked for"
                self.tell("promoted", f"{pair}: {named(generation)} serves", reason)
                return new
            self.keep(replace(book, shadow=generation, shadow_ms=newest))
        self.note("shadow", f"{pair}: {named(generation)} answers in shadow", why)
        return Predictor(champion.artifact, new.history, new.history_time_ms)

    def refuse(self, new: Predictor, pair: str, job: TrainingJob, why: str) -> None:
        """Put a model that lost at once into quarantine."""
        newest = int(job.time_ms[-1])
        with self._lock:
            generation = self.shelve(new, newest, why)
            book = replace(self.book.of(pair), trained_ms=newest, watched={}, alarms=())
            self.keep(book.without(generation, why, newest))
        self._plans.pop(pair, None)
        self.tell("quarantined", f"{pair}: {named(generation)} is refused", why)

    def _judge(self, pair: str, champion: Predictor) -> str:
        """Promote or quarantine the model in shadow; return why neither, or nothing."""
        book = self.book.of(pair)
        assert book.shadow is not None
        try:
            challenger = self._shelf.get(book.shadow.number)
            job = self._rows.job(pair, book.shadow_ms, self._strategy)
            told = [
                model.predict(job.features, job.time_ms, job.feature_names)
                for model in (champion, challenger, self._first(book, champion))
            ]
        except (PackError, OSError) as error:
            self._quarantine(pair, book.shadow, f"it cannot answer: {error}")
            return ""
        came = job_outcome(job, champion.manifest["horizon_candles"])
        fresh = job.time_ms > book.shadow_ms
        new = (np.where(fresh, came[0], np.nan), np.where(fresh, came[1], np.nan))
        verdict = judge_shadow(told[0], told[1], told[2], new, self._config.max_boldness)
        if verdict is None:
            return "too few candles since the new model was trained"
        numbers = (
            f"{verdict.worse_by_nats:+.4f} nats a candle (standard error "
            f"{verdict.standard_error:.4f}) over {verdict.rows} candles, {verdict.boldness:.2f} "
            "times as bold as the first model"
        )
        if not verdict.promoted:
            self._quarantine(pair, book.shadow, f"{verdict.why}: {numbers}")
            return ""
        with self._lock:
            if self.book.of(pair).shadow != book.shadow:
                return ""
            self._drawer.put_in_service(pair, challenger)
            self.keep(promoted(self.book.of(pair), book.shadow))
        self._changed(pair)
        self.tell("promoted", f"{pair}: {named(book.shadow)} serves", f"{verdict.why}: {numbers}")
        return ""

    def _first(self, book: PairBook, champion: Predictor) -> Predictor:
        """Return the model that boldness is measured by; the serving one if it cannot be read."""
        try:
            return champion if book.first is None else self._shelf.get(book.first.number)
        except (PackError, OSError) as error:
            logger.warning("the first model of %s is no measure any more: %s", book.pair, error)
            return champion

    def _quarantine(self, pair: str, generation: Generation, why: str) -> None:
        with self._lock:
            book = self.book.of(pair)
            self.keep(book.without(generation, why, self.newest(pair)))
        self.tell("quarantined", f"{pair}: {named(generation)} is refused", why)


def open_succession(
    config: Mapping[str, Any], drawer: PlainDrawer, as_job: AsJob, changed: Callable[[str], None],
    files: PredictorFiles, labels: LabelSettings,
) -> Succession | None:  # fmt: skip
    """Return who decides on trainings and successors; None leaves it to FreqAI's own clock."""
    retraining = retraining_of(config)
    if not retraining.enabled:
        return None
    if missing := TRAINED_TIME.missing():
        logger.warning("FreqAI's own clock decides when to train: %s", missing)
        return None
    folder = Path(drawer.full_path)
    return Succession(
        retraining, drawer, Shelf(folder / "generations", files),
        UnseenRows(config, drawer, as_job), identifier=folder.name, changed=changed,
        labels=labels, candle_ms=timeframe_to_msecs(config["timeframe"]),
    )  # fmt: skip


def _unfitted(champion: Predictor) -> str:
    """Return what of the serving model cannot be watched, and why."""
    reference: dict[str, Any] = champion.manifest.get("reference") or {}
    if not reference:
        return "the model was trained by an earlier version, which left no reference"
    scores = reference["scores"].items()
    return "; ".join(f"{name}: {one['unfitted']}" for name, one in scores if "unfitted" in one)
