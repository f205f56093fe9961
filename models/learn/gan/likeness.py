"""The parts of the joint test: how paths look, whether they are copies, and the next return."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.learn.gan.diversity import (
    flattened,
    mean_distance,
    nearest,
    nearest_other,
    of_one_size,
    path_summary,
    to_others,
)
from models.learn.gan.exchange import Part, exchanged, largest_deviation
from models.learn.gan.stylised import autocorrelation, statistics

REPEATS: Final = 239  # of the null distribution: a quarter of 5 % is 3 of 240
_BLOCK_WINDOWS: Final = 4
_POOL: Final = 500  # drawn windows that stand for all of them
_TAILS: Final = (0.01, 0.05)
_SIZE_LAGS: Final = 10
_NEIGHBOURS: Final = 10
_CLOSEST: Final = 1e-3  # of a path's size: closer is a copy


def path_part(real: FloatArray, generated: FloatArray, assets: tuple[str, ...], seed: int) -> Part:
    """Return how unlike the windows are: `models.learn.gan.stylised`, variety and kind of window.

    Parameters
    ----------
    real, generated
        (W, S, A) and (W, G, S, A), as `models.learn.gan.verdict.Evidence` has them.
    """
    candidates = np.concatenate((real[:, None], generated), axis=1)  # (W, 1 + G, S, A)
    kinds, apart = _kinds(candidates, seed)
    at = np.arange(len(real))
    usual = np.mean([_clustering(generated[:, g]) for g in range(generated.shape[1])], axis=0)

    def measured(pick: np.ndarray) -> dict[str, float]:
        windows, kind = candidates[at, pick], kinds[at, pick]
        points = flattened(windows)
        return {
            **statistics(windows, assets),
            "autocorrelation_abs_distance": float(np.linalg.norm(_clustering(windows) - usual)),
            "pairwise_distance": mean_distance(points),
            "nearest_other_path": float(np.log(nearest_other(points) + _CLOSEST).mean()),
            # The energy distance (Szekely & Rizzo 2013) to all drawn windows, less a constant.
            "kinds_of_path": float(apart[at, pick].mean() - mean_distance(kind) / 2),
        }

    picks = exchanged(len(real), generated.shape[1], _BLOCK_WINDOWS, REPEATS, seed)
    return largest_deviation(
        "paths", measured(np.zeros_like(at)), [measured(pick) for pick in picks]
    )


def _clustering(windows: FloatArray) -> FloatArray:
    return autocorrelation(np.abs(windows[:, :, 0]))


def _kinds(candidates: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return what kind of window each candidate is, (W, 1 + G, D), and how far from the drawn."""
    windows, draws = candidates.shape[:2]
    kinds = path_summary(candidates.reshape(-1, *candidates.shape[2:]))
    kinds = kinds / (kinds.std(axis=0) + 1e-9)
    drawn = np.flatnonzero(np.arange(len(kinds)) % draws)  # 0 is the real one
    rng = np.random.default_rng(seed)
    some = rng.choice(drawn, size=min(_POOL, len(drawn)), replace=False)
    apart = to_others(kinds, kinds[some])
    return kinds.reshape(windows, draws, -1), apart.reshape(windows, draws)


def memory_part(real: FloatArray, generated: FloatArray, training: FloatArray, seed: int) -> Part:
    """Return how much nearer to one training window (of V, S, A) the drawn are than the real ones.

    Meehan, Chaudhuri & Dasgupta, "A non-parametric test to detect data-copying in generative
    models", AISTATS 2020: distances of draws to the training data beside those of held-out data.

    # DIFF: theirs is a rank test of independent samples, cell by cell, so that dense places are
    compared with dense ones. Here paths are scaled to one size and the distance to the nearest
    is divided by that to the tenth nearest, or paths that are merely too small would be called
    copies; on the logarithm, so that a few copies weigh. Windows depend on each other, so the
    null distribution is the exchange's. One-sided: far is not copied.
    """
    learned_from = of_one_size(training)
    # Draw by draw: all at once would be gigabytes.
    series = (real, *generated.swapaxes(0, 1))
    closeness = np.stack([copied(of_one_size(x), learned_from) for x in series], axis=1)
    picks = exchanged(len(real), generated.shape[1], _BLOCK_WINDOWS, REPEATS, seed + 1)
    null = closeness[np.arange(len(real)), picks].mean(axis=1)  # (R,)
    name = "nearest_training_path"
    return largest_deviation(
        "memory",
        {name: float(closeness[:, 0].mean())},
        [{name: float(x)} for x in null],
        above_only=True,
    )


def copied(points: FloatArray, others: FloatArray) -> FloatArray:
    """Return each point's log distance (W,) to the nearest of `others` less that to the tenth."""
    near = nearest(points, others, _NEIGHBOURS)
    return np.asarray(np.log(near[:, 0] + _CLOSEST) - np.log(near[:, -1] + _CLOSEST))


def next_part(outcome: FloatArray, drawn: FloatArray, seed: int) -> Part:
    """Return how unlike the next returns are: both tails' size, how often they are hit, and when.

    Value at risk and expected shortfall of all rows together; hits of each row's own quantile as
    often as it says (Kupiec 1995) and not twice in a row more often (Christoffersen 1998). Hits are
    few, so sizes are looked at as well: where an outcome's size ranks among its row's draws says
    nothing of the next one's (Diebold, Gunther & Tay, "Evaluating density forecasts", 1998).

    # DIFF: the first two ask a likelihood ratio's chi-square; here counts are held against the
    exchange's, row by row, as one step ahead nothing overlaps.

    Parameters
    ----------
    outcome, drawn
        (R,) and (R, N).
    """
    rows = np.arange(len(outcome))
    candidates = np.concatenate((outcome[:, None], drawn), axis=1)
    rank = np.abs(candidates).argsort(axis=1).argsort(axis=1) / candidates.shape[1] - 0.5
    # What happened is among those the bars are made of: else a draw would have helped to make its
    # own bar and what happened not, and be hit more often by that alone.
    bars = {
        (side, level): np.quantile(side * candidates, 1 - level, axis=1)
        for side in (-1.0, 1.0)
        for level in _TAILS
    }

    def measured(pick: np.ndarray) -> dict[str, float]:
        y, out = candidates[rows, pick], {}
        for (side, level), bar in bars.items():
            name = f"{level:.0%} {'down' if side < 0 else 'up'}"
            sizes, hit = side * y, side * y > bar
            worst = np.quantile(sizes, 1 - level)
            out[f"value_at_risk {name}"] = float(worst)
            out[f"expected_shortfall {name}"] = float(sizes[sizes >= worst].mean())
            out[f"hits {name}"] = float(hit.sum())
            out[f"hits_together {name}"] = float((hit[1:] & hit[:-1]).sum())
        size = rank[rows, pick]
        out["sizes_together"] = float(autocorrelation(size[None], _SIZE_LAGS).mean())
        return out

    picks = exchanged(len(outcome), drawn.shape[1], 1, REPEATS, seed + 2)
    return largest_deviation(
        "next_return", measured(np.zeros_like(rows)), [measured(pick) for pick in picks]
    )


def score_part(
    real: FloatArray, generated: FloatArray, baselines: dict[str, FloatArray], seed: int
) -> Part:
    """Return how much worse the energy score is than each baseline's; a tie passes.

    What is exchanged here are the windows, by the stationary bootstrap around the mean: draws may
    be worse than a baseline's without being told apart from what happened.
    """
    rng = np.random.default_rng(seed + 3)
    own = energy_score(real, generated)
    worse = np.column_stack([own - energy_score(real, drawn) for drawn in baselines.values()])
    mean = worse.mean(axis=0)  # (B,)
    picks = stationary_indices(len(worse), float(_BLOCK_WINDOWS), REPEATS, rng)
    null = worse[picks].mean(axis=1) - mean  # (R, B)
    spread = np.maximum(null.std(axis=0), 1e-12)
    z, largest = mean / spread, (null / spread).max(axis=1)
    known = np.isfinite(z)
    share = float((1 + np.sum(largest >= z.max())) / (1 + REPEATS))
    return Part(
        name="score",
        statistic=float(z.max()),
        p_value=share if known.all() else 0.0,
        deviations={
            f"energy_score_over_{name}": float(d) if ok else None
            for name, d, ok in zip(baselines, z, known, strict=True)
        },
    )


def energy_score(real: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return E|X - y| - E|X - X'| / 2 of each window (W,), unbiased; lower is better.

    Gneiting & Raftery, "Strictly proper scoring rules", JASA 102, 2007.
    """
    out = np.empty(len(real))
    for w, y in enumerate(real):
        x = drawn[w].reshape(drawn.shape[1], -1)  # (G, S A)
        squares = (x**2).sum(axis=1)
        between = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0.0))
        count = len(x)
        miss = np.linalg.norm(x - y.ravel(), axis=1).mean()
        out[w] = miss - between.sum() / (count * (count - 1)) / 2
    return out
