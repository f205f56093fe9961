"""Joint residual rows whose tails go beyond what was seen, each in its rank.

McNeil & Frey, "Estimation of tail-related risk measures for heteroscedastic financial time series",
J. Empirical Finance 7, 2000: residuals beyond a high quantile follow a generalised Pareto
distribution (`pareto.py`). A drawn row keeps its rank in each tail: the j-th of k exceedances
becomes a value from the j-th of k equal parts of the distribution. What was extreme together stays
so. One uniform number serves all coins of a row: what goes beyond the largest seen does so
together.

DIFF: a value never becomes smaller than it was, so that what was seen stays possible where the
fitted tail passes below its outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.scenarios.pareto import ParetoTail, fit_pareto

_APART_MS = 6 * HOUR_MS  # residuals of one event


@dataclass(frozen=True, kw_only=True)
class RankedTail:
    """One coin's one tail: its distribution, and where each row of the history stands in it."""

    tail: ParetoTail  # of what is multiplied by `sign`
    sign: float  # -1 for falls
    rank: IntArray  # (R,) 1 is just beyond the threshold, 0 not beyond it

    def replace(self, rows: IntArray, x: FloatArray, share: FloatArray) -> None:
        """Put new values in the places of `x` (P, T) that are beyond the threshold, if larger.

        `share` (P, T) in (0, 1] is how deep in its part of the tail each row goes.
        """
        rank = self.rank[rows]
        there = rank > 0
        part = (rank[there] - share[there]) / self.tail.exceedances
        x[there] = self.sign * np.maximum(self.sign * x[there], self.tail.beyond(part))


@dataclass(frozen=True, kw_only=True)
class JointTails:
    """Both tails of every coin's close, the lower one of its low, the upper one of its high."""

    close: tuple[tuple[RankedTail, RankedTail], ...]  # per coin: falls, rises
    low: tuple[RankedTail, ...]
    high: tuple[RankedTail, ...]

    def replace(
        self,
        rows: IntArray,
        close: FloatArray,
        low: FloatArray,
        high: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        """Change drawn residuals (P, T, A) of `rows` (P, T) in place."""
        share = 1.0 - rng.random(rows.shape)
        for i, both in enumerate(self.close):
            for one in both:
                one.replace(rows, close[:, :, i], share)
            self.low[i].replace(rows, low[:, :, i], share)
            self.high[i].replace(rows, high[:, :, i], share)


def fit_tails(
    time_ms: IntArray,
    close: FloatArray,
    low: FloatArray,
    high: FloatArray,
    quantile: float,
    confidence: float,
) -> JointTails:
    """Fit every tail of residuals (R, A) of candles that opened at `time_ms`, beyond `quantile`.

    Raises
    ------
    InputError
        If too few are beyond it.
    """

    def ranked(x: FloatArray, sign: float) -> RankedTail:
        up = sign * x
        threshold = float(np.quantile(up, quantile))
        tail = fit_pareto(up, time_ms, threshold, _APART_MS, confidence)
        beyond = np.flatnonzero(up > threshold)
        rank = np.zeros(len(up), dtype=np.int64)
        rank[beyond[np.argsort(up[beyond], kind="stable")]] = np.arange(1, len(beyond) + 1)
        return RankedTail(tail=tail, sign=sign, rank=rank)

    return JointTails(
        close=tuple((ranked(x, -1.0), ranked(x, 1.0)) for x in close.T),
        low=tuple(ranked(x, -1.0) for x in low.T),
        high=tuple(ranked(x, 1.0) for x in high.T),
    )
