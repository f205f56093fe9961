"""How much of the return a model claims came true on rows it was not trained on.

A least-squares slope through the origin, in [0, 1], and its lower confidence bound. Applying it:
`models.serve.decode`; what it decides: `models.trade.decision.signals`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import stats

from models.base import columns
from models.base.errors import InputError
from models.base.heads import quantile_mean
from models.base.resampling import block_sums
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.learn.training.prepare import Prepared

MIN_BLOCKS: Final = 8  # below this the spread of blocks tells next to nothing of the mean's
_TAIL: Final = 0.05  # one-sided: of a hundred bounds, five are above the true slope
_DRAWS: Final = 2_000
_HORIZONS: Final = 6  # in a block, at least
_WISHED_BLOCKS: Final = 20


def fit_edge(
    claimed: FloatArray, realised: FloatArray, block: int, seed: int
) -> tuple[float, float]:
    """Return (slope, low): the part of a claim that came true, and its one-sided 95 % lower bound.

    Both are clipped to [0, 1]: a claim is never raised and never turned round, and what came out
    backwards is worth nothing. ``low <= slope``.

    Parameters
    ----------
    claimed, realised
        (R,) mean of the forecast distribution and what came of it, both log returns over the
        horizon in units of sigma, oldest first, of rows the model was not trained on.
    block
        Rows that are drawn together. Outcomes over H candles made one candle apart share H - 1 of
        them, and claims hang on for hours, so several horizons and rather a day: `edge_block`.
    seed
        Of the bootstrap; the same rows and seed give the same numbers.

    Raises
    ------
    InputError
        If the lengths differ, a value is not finite, or there are fewer than `MIN_BLOCKS` blocks.

    Notes
    -----
    Through the origin, because an intercept would be the drift of these rows, which the model has
    not claimed: a claim of nothing stays nothing. In units of sigma all rows have about the same
    variance, so that least squares is efficient and a wild week does not decide alone.

    Heavy tails leave the slope unbiased and make it noisy: a single outcome moves it by its size
    times the claim. The bootstrap keeps them, so that they lower the bound as they should. Clipping
    outcomes at 4 sigma made the slope 8 to 15 % less noisy on returns with three degrees of freedom
    and clustered volatility, not enough to leave out of the measure what a trade earns or loses.

    Percentiles of a circular block bootstrap are too narrow with few blocks; their distance from
    the slope is widened by what Student's t asks for with as many.
    """
    _check(claimed, realised, block)
    squares = claimed * claimed
    total = float(squares.sum())
    if total == 0.0:
        return 0.0, 0.0  # nothing is claimed
    slope = float(claimed @ realised) / total
    blocks = -(-len(claimed) // block)
    start = np.random.default_rng(seed).integers(0, len(claimed), size=(_DRAWS, blocks))
    top = block_sums(claimed * realised, block)[start].sum(axis=1)  # (draws,)
    bottom = block_sums(squares, block)[start].sum(axis=1)
    drawn = np.divide(top, bottom, out=np.zeros(_DRAWS), where=bottom > 0)
    few = float(stats.t.ppf(_TAIL, blocks - 1) / stats.norm.ppf(_TAIL))
    low = slope - few * max(slope - float(np.quantile(drawn, _TAIL)), 0.0)
    return float(np.clip(slope, 0.0, 1.0)), float(np.clip(low, 0.0, 1.0))


def edge_block(horizon_candles: int, candle_ms: int, rows: int) -> int:
    """Return the block length in rows: six horizons at least, and a day where there are twenty.

    With fewer days the twentieth part of the rows: candles of a minute have few days.

    Examples
    --------
    >>> edge_block(4, 3_600_000, 2_600), edge_block(4, 60_000, 7_000)
    (24, 350)
    """
    return max(_HORIZONS * horizon_candles, min(-(-DAY_MS // candle_ms), rows // _WISHED_BLOCKS))


def calibrated_edge(raw: FloatArray, data: Prepared) -> dict[str, Any] | None:
    """Return slope, low and rows of a model's claims; None for one without quantiles.

    Parameters
    ----------
    raw
        (N, H) outputs on rows that were held out, NaN elsewhere. Lessons, which are among them and
        were trained on, do not count.

    Raises
    ------
    InputError
        If there are too few rows.
    """
    if columns.HEAD_QUANTILES in data.spec.absent:
        return None
    claimed = quantile_mean(raw[:, data.layout.quantiles])
    realised = data.job.labels[columns.LABEL_RETURN]
    fresh = np.isfinite(claimed) & np.isfinite(realised)
    fresh[_taught(data)] = False
    rows, horizon = int(fresh.sum()), data.settings.labels.horizon_candles
    block = edge_block(horizon, data.job.candle_ms, rows)
    slope, low = fit_edge(claimed[fresh], realised[fresh], block, data.job.seed)
    return {"slope": slope, "low": low, "rows": rows}


def _taught(data: Prepared) -> IntArray:
    """Return the held-out rows that were trained on."""
    spans = [np.arange(span.start, span.stop) for span in data.lessons]
    return np.concatenate([np.empty(0, dtype=np.int64), *spans])


def _check(claimed: FloatArray, realised: FloatArray, block: int) -> None:
    if claimed.shape != realised.shape or claimed.ndim != 1:
        raise InputError(
            f"expected claimed and realised of one length, got {claimed.shape} and {realised.shape}"
        )
    wrong = int((~np.isfinite(claimed) | ~np.isfinite(realised)).sum())
    if wrong:
        raise InputError(f"expected finite returns, got {wrong} of {len(claimed)} that are not")
    if block < 1 or len(claimed) < MIN_BLOCKS * block:
        raise InputError(
            f"expected at least {MIN_BLOCKS} blocks of {block} rows to tell an edge from, got "
            f"{len(claimed)} rows",
            cure="lengthen the training window or raise training.calibration_frac",
        )
