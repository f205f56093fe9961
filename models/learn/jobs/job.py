"""How a training job is made, whoever asks for it: the bot, a comparison, a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.types import BoolArray, Float32Array, FloatArray, IntArray, TrainingJob
from models.learn.training.settings import without_places

FEWEST_PEER_ROWS: Final = 512  # usable; a sequence burns in over up to a whole context


@dataclass(frozen=True, kw_only=True)
class MarketRows:
    """One market's rows, oldest first, as a training is given them.

    Attributes
    ----------
    features
        (N, F) float32, unscaled, NaN where not computable, in the order of `feature_names`.
    labels
        Name to (N,) float64; NaN where the future needed is not known.
    time_ms
        (N,) candle open times.
    """

    features: Float32Array
    feature_names: tuple[str, ...]
    labels: Mapping[str, FloatArray]
    time_ms: IntArray
    candle_ms: int

    def cut(self, rows: slice | BoolArray) -> MarketRows:
        """Return some of the rows."""
        return replace(
            self,
            features=self.features[rows],
            labels={name: values[rows] for name, values in self.labels.items()},
            time_ms=self.time_ms[rows],
        )

    def only(self, keep: BoolArray) -> MarketRows:
        """Return rows of which those that are not to `keep` (N,) have no features and no labels.

        They stay where they are, so that candles keep their distance; those behind the last row
        that is kept are cut off.
        """
        held = replace(
            self,
            features=np.where(keep[:, None], self.features, np.float32(np.nan)),
            labels={name: np.where(keep, v, np.nan) for name, v in self.labels.items()},
        )
        return held.cut(slice(0, int(np.flatnonzero(keep)[-1]) + 1))

    def job(
        self, network: str, *, settings: Mapping[str, Any], seed: int, title: str
    ) -> TrainingJob:
        """Return the training of `network` on these rows.

        Parameters
        ----------
        settings
            Blocks of `models.learn.training.settings.ModelSettings`.
        title
            For progress lines, errors and the manifest.
        """
        return TrainingJob(
            network=network,
            features=self.features,
            feature_names=self.feature_names,
            labels=self.labels,
            time_ms=self.time_ms,
            candle_ms=self.candle_ms,
            settings=without_places(settings),
            seed=seed,
            title=title,
        )


def feature_matrix(features: Sequence[FloatArray] | Sequence[Float32Array]) -> Float32Array:
    """Return feature columns, F times (N,), as the rows a training and a forecast take, (N, F)."""
    return np.column_stack(list(features)).astype(np.float32)


def peer_of(job: TrainingJob, rows: MarketRows, title: str) -> TrainingJob:
    """Return another market's rows within the span of `job`, to be learned from beside its own.

    Raises
    ------
    InputError
        If fewer than `FEWEST_PEER_ROWS` rows are usable, or a label is never known.
    """
    inside = rows.cut((rows.time_ms >= job.time_ms[0]) & (rows.time_ms <= job.time_ms[-1]))
    peer = replace(
        job,
        features=inside.features,
        labels={name: inside.labels[name] for name in job.labels},
        time_ms=inside.time_ms,
        title=title,
    )
    needed = [not name.startswith(columns.FEED) for name in peer.feature_names]
    usable = int(np.isfinite(peer.features[:, needed]).all(axis=1).sum())
    if usable < FEWEST_PEER_ROWS:
        raise InputError(f"{usable} usable candles, at least {FEWEST_PEER_ROWS} are needed")
    blind = [name for name in columns.LABELS if not np.isfinite(peer.labels[name]).any()]
    if blind:
        raise InputError(f"{', '.join(blind)} is never known")
    return peer
