"""One job's data, checked, cut and scaled: what every architecture is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models.base import columns
from models.base.config import from_mapping
from models.base.errors import AlignmentError
from models.base.heads import HeadLayout
from models.base.spec import ModelSpec
from models.base.types import BoolArray, Float32Array, IntArray, TrainingJob
from models.base.units import DAY_MS
from models.base.windows import Span, contiguous_runs
from models.learn.training.checks import check_blocks, check_job, check_training_rows
from models.learn.training.loop import Rows, clip_runs
from models.learn.training.loss import joined, prior_outputs, targets
from models.learn.training.settings import ModelSettings
from models.learn.training.split import Split, left_out_blocks, split_rows
from models.serve.decode import novelty_score
from models.serve.drift import fit_drift

_LABEL_OF_EXTRA = {
    columns.HEAD_PEAK: columns.LABEL_PEAK,
    columns.HEAD_ACTION: columns.LABEL_ACTION,
}


@dataclass(frozen=True)
class Peer:
    """Another market's rows behind the job's own: its runs, and its rows of each span."""

    runs: list[Span]
    split: Split

    def within(self, span: Span, burn_in: int) -> list[Span]:
        """Return the runs whose counted rows lie in `span`."""
        return clip_runs(self.runs, span, burn_in)


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
    drift: dict[str, Any]  # what is usual in the training rows: `models.serve.drift`
    optional: BoolArray  # (F,) features that may be missing
    peers: tuple[Peer, ...] = ()
    lessons: tuple[Span, ...] = ()  # calibration rows that count with the training rows
    # Blocks each left out by one member; then every span of the split is the whole of them.
    blocks: tuple[Span, ...] = ()

    def lesson_runs(self, burn_in: int) -> list[Span]:
        """Return the gap-free runs whose counted rows are lessons."""
        return [run for span in self.lessons for run in clip_runs(self.rows.runs, span, burn_in)]

    @property
    def held_out(self) -> Span:
        """The longest gap-free run after the training rows, or of the newest block left out."""
        first = self.blocks[-1] if self.blocks else self.split.validation
        after = Span(first.start, len(self.job.time_ms))
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
    age_days = (time_ms[-1] - time_ms) / DAY_MS
    return np.asarray(0.5 ** (age_days / half_life_days), dtype=np.float32)


def prepare(job: TrainingJob, spec: ModelSpec) -> Prepared:
    """Check, split and scale a job for the architecture `spec`.

    Raises
    ------
    ConfigError, InputError, AlignmentError
        If a setting is wrong, the frame is too short, or its columns, rows or labels do not fit.
    """
    settings = ModelSettings.from_blocks(job.settings, where=f"settings of {job.title}")
    torch.set_num_threads(settings.training.threads)
    config = from_mapping(spec.config, settings.network, where=f"network {job.network}")
    optional = np.array(
        [spec.reads_feeds and name.startswith(columns.FEED) for name in job.feature_names],
        dtype=np.bool_,
    )
    finite = check_job(job, optional, _extra_labels(spec))
    blocks = _blocks(job, spec, settings)
    whole = Span(0, blocks[-1].stop) if blocks else None
    split = Split(whole, whole, whole) if whole else _split(len(job.time_ms), spec, settings)
    layout = _layout(spec, settings, config)
    own = Rows(
        features=torch.from_numpy(np.where(finite[:, None], job.features, 0.0).astype(np.float32)),
        targets=targets(job, layout, spec.competing),
        weight=torch.from_numpy(recency_weights(job.time_ms, settings.training.half_life_days)),
        runs=contiguous_runs(job.time_ms, job.candle_ms, finite),
    )
    known, mean, std = check_training_rows(job, finite, split.train, optional)
    check_blocks(job, finite, blocks, settings.labels.purge_candles)
    peers, rows = _with_peers(job, own, layout, split, spec, optional, settings)
    return Prepared(
        job=job,
        settings=settings,
        spec=spec,
        config=config,
        layout=layout,
        split=split,
        rows=rows,
        prior=_prior(rows, split, peers, layout),
        mean=mean,
        std=std,
        novelty_threshold=_novelty_threshold((known - mean) / std, optional),
        drift=fit_drift(known[:, ~optional]),
        optional=optional,
        peers=tuple(peers),
        lessons=_lessons(job, split) if spec.learns_from_others and not blocks else (),
        blocks=blocks,
    )


def _blocks(job: TrainingJob, spec: ModelSpec, settings: ModelSettings) -> tuple[Span, ...]:
    """Return the blocks to leave out in turn; none where the newest rows are held out instead.

    A challenge is judged on rows neither model was trained on, a fine-tuned network would meet its
    left-out rows again in blocks that have moved on, and peers' rows of a block tell of it.
    """
    training = settings.training
    held_out = (
        job.peers or training.pool or training.challenge or training.fine_tune or job.warm_start
    )
    if not spec.cross_fits or training.cross_fit == 1 or held_out:
        return ()
    return left_out_blocks(
        len(job.time_ms),
        purge=settings.labels.purge_candles,
        blocks=training.cross_fit,
        minimum=max(2 * spec.contexts[-1], spec.minimum_rows),
    )


def _split(rows: int, spec: ModelSpec, settings: ModelSettings) -> Split:
    return split_rows(
        rows,
        purge=settings.labels.purge_candles,
        validation_frac=settings.training.validation_frac,
        calibration_frac=settings.training.calibration_frac,
        minimum=max(2 * spec.contexts[-1], spec.minimum_rows),
    )


def _layout(spec: ModelSpec, settings: ModelSettings, config: Any) -> HeadLayout:
    return HeadLayout(
        bin_edges=settings.labels.bin_edges,
        peak_edges=settings.labels.peak_edges if columns.HEAD_PEAK in spec.extra else (),
        action=columns.HEAD_ACTION in spec.extra,
        volatility=columns.HEAD_VOLATILITY in spec.extra,
        policy=len(config.targets) if columns.HEAD_POLICY in spec.extra else 0,
    )


def _extra_labels(spec: ModelSpec) -> tuple[str, ...]:
    """Return the labels only its extra heads need; volatility is learnt from ranges ahead."""
    return tuple(_LABEL_OF_EXTRA[name] for name in spec.extra if name in _LABEL_OF_EXTRA)


def _prior(rows: Rows, split: Split, peers: list[Peer], layout: HeadLayout) -> torch.Tensor:
    """Return the best constant raw output (H,) on the training rows, own and peers'."""
    trained_on = [split.train, *(peer.split.train for peer in peers)]
    counted = torch.cat([torch.arange(span.start, span.stop) for span in trained_on])
    return prior_outputs(rows.targets, counted, layout)


def _novelty_threshold(z: Float32Array, optional: BoolArray) -> float:
    """Return the score that 99.9 % of the standardised training rows (R, F) are below."""
    known_or_mean = np.where(optional & np.isnan(z), np.float32(0.0), z)
    return float(np.quantile(novelty_score(known_or_mean), 0.999))


def _lessons(job: TrainingJob, split: Split) -> tuple[Span, ...]:
    """Return the rows of the job's lessons that no other part of the split holds."""
    spans = []
    for first_ms, last_ms in job.lessons_ms:
        first, stop = np.searchsorted(job.time_ms, (first_ms, last_ms + 1))
        spans.append(Span(max(int(first), split.calibration.start), int(stop)))
    return tuple(span for span in spans if span.stop > span.start)


def _with_peers(
    job: TrainingJob,
    rows: Rows,
    layout: HeadLayout,
    split: Split,
    spec: ModelSpec,
    optional: BoolArray,
    settings: ModelSettings,
) -> tuple[list[Peer], Rows]:
    """Return the peers, and the rows with theirs behind.

    A peer is cut at the moments the job itself is, not at its own shares: markets crash together,
    and a peer's training rows must not have seen what the validation rows are about.
    """
    peers, start = [], len(rows.features)
    features, labels, weights = [rows.features], [rows.targets], [rows.weight]
    for other in job.peers:
        if other.feature_names != job.feature_names or other.candle_ms != job.candle_ms:
            raise AlignmentError(
                f"expected the features and candles of {job.title}", where=other.title
            )
        finite = check_job(other, optional)  # one without a cascade tells how rare they are
        peers.append(_peer(job, other, finite, split, start))
        x = np.where(finite[:, None], other.features, 0.0).astype(np.float32)
        features.append(torch.from_numpy(x))
        labels.append(targets(other, layout, spec.competing))
        times = np.append(other.time_ms, job.time_ms[-1])  # weights halve from the job's last row
        half_life_days = settings.training.half_life_days
        weights.append(torch.from_numpy(recency_weights(times, half_life_days)[:-1]))
        start += len(other.time_ms)
    if not peers:
        return [], rows
    return peers, Rows(torch.cat(features), joined(labels), torch.cat(weights), rows.runs)


def _peer(
    job: TrainingJob, other: TrainingJob, finite: BoolArray, split: Split, start: int
) -> Peer:
    """Return where the rows of `other`, the first of them at `start`, count in the job's spans."""
    runs = contiguous_runs(other.time_ms, other.candle_ms, finite)
    spans = [
        Span(
            start + int(np.searchsorted(other.time_ms, job.time_ms[s.start])),
            start + int(np.searchsorted(other.time_ms, job.time_ms[s.stop - 1], side="right")),
        )
        for s in (split.train, split.validation, split.calibration)
    ]
    first = Span(start, spans[0].stop)  # whatever it has from before the job's own first row
    return Peer(
        [Span(start + run.start, start + run.stop) for run in runs],
        Split(first, spans[1], spans[2]),
    )
