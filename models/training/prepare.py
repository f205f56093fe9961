"""One job's data, checked, cut and scaled: what every architecture is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models import catalog
from models.config import from_mapping
from models.heads import HeadLayout
from models.runtime.decode import novelty_score
from models.spec import ModelSpec
from models.training.checks import check_job, check_training_rows
from models.training.loop import Rows, clip_runs
from models.training.loss import prior_outputs, targets
from models.training.settings import ModelSettings
from models.training.split import Split, split_rows
from models.types import Float32Array, IntArray, TrainingJob
from models.windows import Span, contiguous_runs


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One job's data and settings; statistics come from the training rows only."""

    job: TrainingJob
    settings: ModelSettings
    spec: ModelSpec
    config: Any  # an instance of `spec.config`
    layout: HeadLayout
    split: Split
    rows: Rows
    prior: torch.Tensor  # (H,) best constant raw output on the training rows
    mean: Float32Array  # (F,) of the training rows
    std: Float32Array
    novelty_threshold: float  # 99.9 % of the training rows are below

    @property
    def held_out(self) -> Span:
        """The longest gap-free run after the training rows."""
        after = Span(self.split.validation.start, len(self.job.time_ms))
        return max(clip_runs(self.rows.runs, after, 0), key=len)


def recency_weights(time_ms: IntArray, half_life_days: float) -> Float32Array:
    """Return each row's weight in the loss, (N,): halves every `half_life_days`, newest 1.

    Examples
    --------
    >>> recency_weights(np.array([0, 1, 2]) * 86_400_000, 1.0)
    array([0.25, 0.5 , 1.  ], dtype=float32)
    """
    if not half_life_days or not len(time_ms):
        return np.ones(len(time_ms), dtype=np.float32)
    age_days = (time_ms[-1] - time_ms) / 86_400_000
    return np.asarray(0.5 ** (age_days / half_life_days), dtype=np.float32)


def prepare(job: TrainingJob) -> Prepared:
    """Check, split and scale a job.

    Raises
    ------
    ConfigError, InputError, AlignmentError
        If a setting is wrong, the frame is too short, or its columns, rows or labels do not fit.
    """
    settings = ModelSettings.from_blocks(job.settings, where=f"settings of {job.title}")
    torch.set_num_threads(settings.training.threads)
    spec = catalog.load(job.network)
    config = from_mapping(spec.config, settings.network, where=f"network {job.network}")
    finite = check_job(job)
    split = split_rows(
        len(job.time_ms),
        purge=settings.labels.purge_candles,
        validation_frac=settings.training.validation_frac,
        calibration_frac=settings.training.calibration_frac,
        minimum=max(2 * spec.contexts[-1], spec.minimum_rows),
    )
    layout = HeadLayout(bin_edges=settings.labels.bin_edges)
    rows = Rows(
        features=torch.from_numpy(np.where(finite[:, None], job.features, 0.0).astype(np.float32)),
        targets=targets(job, layout),
        weight=torch.from_numpy(recency_weights(job.time_ms, settings.training.half_life_days)),
        runs=contiguous_runs(job.time_ms, job.candle_ms, finite),
    )
    known, mean, std = check_training_rows(job, finite, split.train)
    return Prepared(
        job=job,
        settings=settings,
        spec=spec,
        config=config,
        layout=layout,
        split=split,
        rows=rows,
        prior=prior_outputs(rows.targets, slice(split.train.start, split.train.stop), layout),
        mean=mean,
        std=std,
        novelty_threshold=float(np.quantile(novelty_score((known - mean) / std), 0.999)),
    )
