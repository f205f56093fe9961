"""Whether a study fits into memory, asked before hours of work and not by the kernel after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.base import columns
from models.base.errors import ConfigError
from models.base.types import FloatArray

MOST_BYTES: Final = 6 << 30
_PROCESS: Final = 900 << 20  # of this one with its libraries
_WORKER: Final = 1_300 << 20  # of one training with its libraries
_COPIES: Final = 4  # of features and forecasts that live at a time, and what is made of them


def needed_bytes(features: int, rows: int, tested: int, forecasts: int, jobs: int) -> int:
    """Return what a study needs at its height.

    Parameters
    ----------
    features, rows
        Size of the features.
    tested, forecasts
        Rows that are forecast, and how often each: models times seeds.
    jobs
        Trainings side by side.

    Examples
    --------
    >>> needed_bytes(50, 50_000, 35_000, 12, 1) >> 20
    2909
    """
    table = 8 * features * rows
    answers = 8 * len(columns.FORECAST) * tested * forecasts
    return _PROCESS + jobs * (_WORKER + table) + _COPIES * (table + answers)


def require_study_memory(
    features: Mapping[str, FloatArray], tested: int, forecasts: int, jobs: int
) -> None:
    """Refuse a study that would need more than `MOST_BYTES`.

    Raises
    ------
    ConfigError
        If it would; says how much, and what makes it less.
    """
    rows = max((len(column) for column in features.values()), default=0)
    needed = needed_bytes(len(features), rows, tested, forecasts, jobs)
    if needed > MOST_BYTES:
        raise ConfigError(
            f"expected at most {MOST_BYTES >> 30} GB of memory to be needed, got about "
            f"{needed / (1 << 30):.1f} GB for {rows:,} candles and {forecasts} forecasts of "
            f"{tested:,} of them",
            cure="fewer --models, --seeds, --folds or --jobs, or longer candles",
        )
