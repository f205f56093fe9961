"""The better of two models on the newest rows that neither was trained on."""

from __future__ import annotations

import logging
from dataclasses import replace

from models.base.types import TrainingJob
from models.serve.challenge import challenge
from models.serve.predictor import Predictor

logger = logging.getLogger(__name__)


def challenged(
    champion: Predictor, challenger: Predictor, pair: str, job: TrainingJob
) -> Predictor:
    """Return the new model, or the serving one where the new one is clearly worse.

    Its manifest tells how they compared; the rows before its first answer are the newest either
    way.
    """
    verdict = challenge(champion, challenger, job)
    logger.info("%s: %s serves, %s", pair, verdict["serves"], verdict["why"])
    best = champion if verdict["serves"] == "champion" else challenger
    artifact = replace(best.artifact, manifest={**best.manifest, "challenge": verdict})
    return Predictor(artifact, challenger.history, challenger.history_time_ms)
