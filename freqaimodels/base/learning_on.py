"""Learning on from each cascade that is over, whatever the schedule (`training.fine_tune`).

A whole training keeps its newest rows for calibration: with two years of candles a cascade reaches
the weights half a year later. Here its rows count with the training rows as soon as they are known
to the end (`models.data.labels.lessons`), and training goes on from the serving network's weights,
few and small steps. The rows beside the cascade are trained on again (rehearsal), so that the rest
is not forgotten; a challenge on the other newest rows has the last word. Scheduled trainings start
from random weights as ever, with the lessons of the model in service; a fine-tuning restarts
their clock. Calibration uses all newest rows, lessons too: without the crashes it would find every
hazard too high.

What a model knows is told by its newest training candle, which is saved with it: a restarted bot
neither forgets a cascade nor learns it twice, and one that lost the challenge is not tried again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

from freqtrade.freqai.data_drawer import FreqaiDataDrawer

from models.base.types import Artifact, TrainingJob
from models.data.labels.cascade import CascadeConfig
from models.data.labels.lessons import Lesson, lessons
from models.data.labels.settings import LabelSettings
from models.serve.predictor import Predictor
from strategies.seams.frames import candles, time_ms

logger = logging.getLogger(__name__)


class LearningOn:
    """Which pairs are due for what happened to them, and what their training is to learn.

    Parameters
    ----------
    drawer
        FreqAI's, with the candle history and the models in service.
    """

    def __init__(
        self, labels: LabelSettings, timeframe: str, candle_ms: int, drawer: FreqaiDataDrawer
    ) -> None:
        self._labels, self._timeframe, self._candle_ms = labels, timeframe, candle_ms
        self._drawer = drawer
        self._due: set[str] = set()
        self._looked_ms: dict[str, int] = {}  # newest candle looked at, by pair

    def is_due(self, pair: str) -> bool:
        return pair in self._due

    def trained(self, pair: str) -> None:
        """Take note of a training of `pair` that worked, whoever serves now."""
        self._due.discard(pair)

    def look(self, pair: str) -> None:
        """Make `pair` due if a cascade is over that the model in service does not know.

        Once per candle; does nothing without a new one.
        """
        with self._drawer.history_lock:
            history = self._drawer.historic_data.get(pair, {}).get(self._timeframe)
        champion = self._champion(pair)
        if champion is None or history is None or history.empty:
            return
        newest = int(history["date"].iloc[-1].timestamp() * 1000)
        if self._looked_ms.get(pair) == newest:
            return
        self._looked_ms[pair] = newest
        found = self._lessons(pair, champion, newest)
        if found and pair not in self._due:
            logger.info("%s: %s is over; training goes on with it now", pair, _names(found))
            self._due.add(pair)

    def teach(self, job: TrainingJob, pair: str) -> TrainingJob:
        """Return the job with what the model in service has learned and what is new to it."""
        champion = self._champion(pair)
        if champion is None:
            return job
        m = champion.manifest
        new = self._lessons(pair, champion, int(job.time_ms[-1]))
        known = tuple((first, last) for first, last in m.get("lessons_ms", ()))
        job = replace(job, lessons_ms=(*known, *((e.first_ms, e.last_ms) for e in new)))
        if not new:
            return job
        why = ""
        if not champion.artifact.weights:
            why = "the model in service has no weights to go on from"
        elif tuple(m["feature_names"]) != job.feature_names:
            why = "its features are not those of the model in service"
        if why:
            logger.info("%s: a whole training after %s: %s", pair, _names(new), why)
            return job
        return replace(job, warm_start=champion.artifact.weights)

    def noted(self, artifact: Artifact, job: TrainingJob, pair: str) -> Artifact:
        """Return the artifact of a `teach`-ed job; its manifest tells what it was made from."""
        champion = self._champion(pair)
        if champion is None or not job.warm_start:
            return artifact
        told = artifact.manifest.get("warm_start", "the architecture cannot")
        if told != "taken":
            logger.warning("%s: a whole training instead of a fine-tuning: %s", pair, told)
            return artifact
        new = self._lessons(pair, champion, int(job.time_ms[-1]))
        source = {"from": str(champion.manifest.get("title", "")), "after": _names(new)}
        logger.info("%s: fine-tuned from %s after %s", pair, source["from"], source["after"])
        return replace(artifact, manifest={**artifact.manifest, "fine_tuned": source})

    def _champion(self, pair: str) -> Predictor | None:
        model = self._drawer.model_dictionary.get(pair)
        known = isinstance(model, Predictor) and model.history_time_ms is not None
        return model if known else None

    def _lessons(self, pair: str, champion: Predictor, until_ms: int) -> list[Lesson]:
        """Return what `champion` was not trained in the knowledge of, up to a candle."""
        assert champion.history_time_ms is not None
        after = int(champion.history_time_ms[-1])
        with self._drawer.history_lock:
            history = self._drawer.historic_data[pair][self._timeframe]
        times = time_ms(history)
        # Labels look back for a month, and to the onset before.
        reach = 2 * CascadeConfig().history_ms
        rows = history[(times > after - reach) & (times <= until_ms)]
        return lessons(candles(rows), self._candle_ms, self._labels, after)


def _names(found: list[Lesson]) -> str:
    times = (datetime.fromtimestamp(lesson.onset_ms / 1000, UTC) for lesson in found)
    return "the cascade of " + ", ".join(f"{time:%Y-%m-%d %H:%M} UTC" for time in times)
