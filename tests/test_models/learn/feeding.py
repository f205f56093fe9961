"""Training jobs of the hedge with collected feeds and a peer."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base import columns
from models.base.types import TrainingJob
from tests.test_contract import planted

FEED = f"{columns.FEED}funding"
LATE = f"{columns.FEED}late"  # never known in training


def with_feeds(job: TrainingJob, seed: int = 0) -> TrainingJob:
    """The job with a feed that is missing in a third of the rows, and one that never came."""
    rng, rows = np.random.default_rng(seed), len(job.time_ms)
    feed = np.where(rng.random(rows) < 1 / 3, np.nan, rng.normal(size=rows))
    never = np.full(rows, np.nan)
    return dataclasses.replace(
        job,
        features=np.column_stack((job.features, feed, never)).astype(np.float32),
        feature_names=(*job.feature_names, FEED, LATE),
    )


def pooled(steps: int = 20) -> TrainingJob:
    settings = {**planted.SETTINGS, "training": {**planted.SETTINGS["training"]}}
    settings["training"] |= {"max_steps": steps, "evaluate_every": 10}
    own = with_feeds(planted.planted_job("hedge", settings=settings))
    peer = with_feeds(planted.planted_job("hedge", seed=1, title="peer"), seed=1)
    return dataclasses.replace(own, peers=(peer,))
