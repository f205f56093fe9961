"""The rows trees are fitted on, and the blocks of time they are held out in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.base.columns import LABEL_DIRECTION, LABEL_RETURN
from models.base.errors import InputError
from models.base.types import BoolArray, Float32Array, FloatArray, IntArray
from models.base.windows import Span
from models.learn.training.prepare import Prepared

FEWEST_FOLD_ROWS = 50  # of a held-out block, and of what is left to fit on


@dataclass(frozen=True)
class Table:
    """Rows with every feature, a direction and a return; nothing is imputed."""

    row: IntArray  # (R,) position in the job's frame, increasing
    x: Float32Array  # (R, F) raw features
    direction: IntArray  # (R,) class index
    scaled_return: FloatArray  # (R,) units of sigma over the horizon
    event: FloatArray  # (R, 2, K) sides down, up
    at_risk: FloatArray  # (R, 2, K); 0 everywhere where the side's label is unknown

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: NDArray[np.intp]) -> Table:
        """Return the rows at positions `keep`."""
        return Table(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def feature_table(data: Prepared, span: Span) -> Table:
    """Return the usable rows of `span`."""
    job, targets = data.job, data.rows.targets
    known: BoolArray = np.asarray(np.isfinite(job.features).all(axis=1))
    for label in (LABEL_DIRECTION, LABEL_RETURN):
        known &= np.isfinite(job.labels[label])
    row = span.start + np.flatnonzero(known[span.start : span.stop])
    return Table(
        row=row,
        x=job.features[row],
        direction=targets.direction.numpy()[row],
        scaled_return=job.labels[LABEL_RETURN][row],
        event=targets.event.numpy()[row].astype(np.float64),
        at_risk=targets.at_risk.numpy()[row].astype(np.float64),
    )


def purged_blocks(
    row: IntArray, span: Span, blocks: int, purge: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return (fit, held out), positions in `row`, for each of `blocks` equal spans of time.

    `purge` rows on both sides of a held-out block are in neither part: the label of a row before
    it looks into the block, and the labels of the block look into the rows behind it (López de
    Prado, "Advances in financial machine learning", 2018, chapter 7).

    Raises
    ------
    InputError
        If a part has fewer than `FEWEST_FOLD_ROWS` rows.

    Examples
    --------
    >>> (fit, held), *_ = purged_blocks(np.arange(300), Span(0, 300), 3, purge=5)
    >>> held[[0, -1]], fit[[0, -1]]
    (array([ 0, 99]), array([105, 299]))
    """
    edges = np.linspace(span.start, span.stop, blocks + 1).astype(np.int64)
    out = []
    for start, stop in pairwise(edges.tolist()):
        held = np.flatnonzero((row >= start) & (row < stop))
        fit = np.flatnonzero((row < start - purge) | (row >= stop + purge))
        if min(len(held), len(fit)) < FEWEST_FOLD_ROWS:
            raise InputError(
                f"expected at least {FEWEST_FOLD_ROWS} training rows with features and labels in "
                f"each of {blocks} blocks and outside it, got {len(held)} and {len(fit)}",
                where=f"rows {start} to {stop} of the training frame",
                cure="raise freqai.train_period_days, or lower network.blocks",
            )
        out.append((fit, held))
    return out
