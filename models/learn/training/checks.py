"""What a training job must be before any time is spent on it; every refusal names its column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base import columns
from models.base.errors import AlignmentError, ConfigError, InputError
from models.base.types import BoolArray, Float32Array, TrainingJob
from models.base.windows import Span

# 1 / std is part of the exported graph, in float32; subnormal numbers have no inverse there.
MUTED_STD = 1e30  # standard deviation that makes nothing of a column
_SMALLEST_STD = 1 / np.finfo(np.float32).max


def check_job(
    job: TrainingJob, optional: BoolArray | None = None, extra_labels: Sequence[str] = ()
) -> BoolArray:
    """Return which rows (N,) have every feature that is not `optional` (F,).

    Raises
    ------
    ConfigError
        If the seed is negative.
    InputError
        If features are not (N, F), a column cannot be learnt from, or a label is no label.
    AlignmentError
        If names, times or labels are not as many as columns and rows, or a name comes twice.
    """
    if job.seed < 0:
        raise ConfigError(f"expected a seed >= 0, got {job.seed}", where=job.title)
    if job.features.ndim != 2:
        raise InputError(
            f"expected features of shape (rows, features), got {job.features.shape}",
            where=job.title,
        )
    _check_alignment(job)
    x, names = job.features, job.feature_names
    needed = np.ones(x.shape[1], dtype=np.bool_) if optional is None else ~optional
    problems = [f"{names[i]} is infinite" for i in np.flatnonzero(np.isinf(x).any(axis=0))]
    problems += [
        f"{names[i]} is NaN in every row" for i in np.flatnonzero(np.isnan(x).all(axis=0) & needed)
    ]
    if columns.FEATURE_SIGMA not in names:
        problems.append(f"{columns.FEATURE_SIGMA} is missing; forecasts are scaled by it")
    elif (x[:, names.index(columns.FEATURE_SIGMA)] < 0).any():
        problems.append(f"{columns.FEATURE_SIGMA} is negative; it is a standard deviation")
    for label in (*columns.LABELS, *extra_labels):
        if label not in job.labels:
            problems.append(f"label {label} is missing")
        elif not np.isfinite(job.labels[label]).any():
            problems.append(f"label {label} has no known value")
    if columns.LABEL_DIRECTION in job.labels:
        direction = job.labels[columns.LABEL_DIRECTION]
        strange = np.setdiff1d(direction[np.isfinite(direction)], (-1.0, 0.0, 1.0))
        if len(strange):
            problems.append(
                f"label {columns.LABEL_DIRECTION} must be -1, 0 or 1, got {strange[:3].tolist()}"
            )
    finite = np.asarray(np.isfinite(x[:, needed]).all(axis=1))
    if not problems and not finite.any():
        problems.append(f"no row has all {len(names)} features")
    _refuse(problems, job)
    return finite


def check_training_rows(
    job: TrainingJob, finite: BoolArray, rows: Span, optional: BoolArray | None = None
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return the usable training rows (R, F), and their mean and standard deviation (F,).

    An `optional` (F,) column that is never known or does not move in them has the standard
    deviation `MUTED_STD`.

    Raises
    ------
    InputError
        If the rows have no label or no usable row, or a column does not move over them, or by so
        little that float32 cannot tell.
    """
    names, span = job.feature_names, slice(rows.start, rows.stop)
    needed = np.ones(len(names), dtype=np.bool_) if optional is None else ~optional
    problems = [
        f"label {label} is unknown in every training row"
        for label in (columns.LABEL_RETURN, columns.LABEL_DIRECTION)
        if not np.isfinite(job.labels[label][span]).any()
    ]
    x = job.features[span]
    problems += [
        f"{names[i]} is NaN in every training row"
        for i in np.flatnonzero(np.isnan(x).all(axis=0) & needed)
    ]
    known = x[finite[span]]
    if not problems and not len(known):
        problems.append(f"no training row has all {len(names)} features")
    _refuse(problems, job)
    mean, std = known.mean(axis=0, dtype=np.float64), known.std(axis=0, dtype=np.float64)
    still = np.ptp(known, axis=0) == 0
    for i in np.flatnonzero(~needed):
        present = known[np.isfinite(known[:, i]), i].astype(np.float64)
        moves = len(present) > 0 and np.ptp(present) > 0 and present.std() >= _SMALLEST_STD
        mean[i], std[i] = (present.mean(), present.std()) if moves else (0.0, MUTED_STD)
        still[i] = False
    flat = ~still & (std < _SMALLEST_STD)
    problems = [f"{names[i]} is constant" for i in np.flatnonzero(still)]
    problems += [
        f"{names[i]} has a standard deviation of {std[i]:.1e}, too small for float32"
        for i in np.flatnonzero(flat)
    ]
    _refuse(problems, job)
    return known, mean.astype(np.float32), std.astype(np.float32)


def check_blocks(job: TrainingJob, finite: BoolArray, blocks: Sequence[Span], purge: int) -> None:
    """Check that each block can judge the members that leave it out, and leaves them rows.

    Raises
    ------
    InputError
        If a block, or what is left without it and `purge` rows around it, has no usable row with a
        label.
    """
    problems = []
    for label in (columns.LABEL_RETURN, columns.LABEL_DIRECTION):
        known = finite & np.isfinite(job.labels[label])
        for number, block in enumerate(blocks, start=1):
            inside = known[block.start : block.stop].any()
            before, behind = known[: max(block.start - purge, 0)], known[block.stop + purge :]
            for there, where in (
                (inside, "of"), (before.any() or behind.any(), "outside"),
            ):  # fmt: skip
                if not there:
                    problems.append(
                        f"label {label} is unknown in every usable row {where} block {number} of "
                        f"{len(blocks)}, left out in turn"
                    )
    _refuse(problems, job)


def _check_alignment(job: TrainingJob) -> None:
    rows, width = job.features.shape
    names = job.feature_names
    problems = []
    if len(names) != width:
        problems.append(f"expected one name per feature column, got {len(names)} for {width}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        problems.append(f"feature names come twice: {twice[:5]}")
    if len(job.time_ms) != rows:
        problems.append(f"expected one time per row, got {len(job.time_ms)} for {rows}")
    problems += [
        f"expected one {label} per row, got {len(values)} for {rows}"
        for label, values in job.labels.items()
        if len(values) != rows
    ]
    if problems:
        raise AlignmentError("; ".join(problems), where=job.title)


def _refuse(problems: list[str], job: TrainingJob) -> None:
    if problems:
        raise InputError(
            "; ".join(problems[:10]),
            where=job.title,
            cure="repair or remove these columns, or provide more history before the window",
        )
