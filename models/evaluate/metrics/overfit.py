"""Whether the best of many tries is good: the two numbers that count what was tried.

CSCV and the probability of backtest overfitting: Bailey, Borwein, Lopez de Prado & Zhu, "The
Probability of Backtest Overfitting", Journal of Computational Finance 2015. The deflated Sharpe
ratio: Bailey & Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 2014,
equations (1) and (2). Both look back; nothing decides by them while it trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.stats import kurtosis, norm, skew

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.evaluate.metrics.resampling import Estimate, with_interval

CSCV_BLOCKS: Final = 16  # 12,870 ways to halve them
_PBO_DRAWS: Final = 300
_SPLITS: Final = 1_000  # of each of these draws, chosen among all: their share is known to 0.02
_DAYS_TOGETHER: Final = 5.0  # mean block of the bootstrap, rows


def overfit_probability(returns: FloatArray, blocks: int = CSCV_BLOCKS) -> float:
    """Return how often the best trial of one half of time is in the lower half of the other.

    Parameters
    ----------
    returns
        (T, N) of N trials over the same T periods. The newest ``T mod blocks`` are left out, so
        that blocks are equal.
    blocks
        Even; every choice of half of them is a training set, the rest its test set.

    Raises
    ------
    InputError
        If there are fewer than two trials, or too few periods for a Sharpe ratio of each half.

    Notes
    -----
    A trial that ties with the chosen one counts against it. 0.5 is noise, but one draw of noise is
    anywhere in 0.2 to 0.6: read it with `overfit_interval`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(320, 20)); edge = noise.copy(); edge[:, 3] += 0.5
    >>> overfit_probability(edge), overfit_probability(noise) > 0.2
    (0.0, True)
    """
    _check(returns, blocks)
    size = len(returns) // blocks
    # From the first value of each: the variance of a constant is then exactly zero.
    shifted = (returns - returns[0])[: size * blocks].reshape(blocks, size, -1)  # (S, t, N)
    return _share_overfit(shifted, returns[0], _halves(blocks))


def overfit_interval(
    returns: FloatArray,
    rng: np.random.Generator,
    blocks: int = CSCV_BLOCKS,
    draws: int = _PBO_DRAWS,
) -> Estimate:
    """Return the same with a bootstrap interval; parameters and errors as `overfit_probability`.

    Periods are drawn within each block, all trials' at once, so that no period is in both halves
    of a split. What is drawn is noisier than what was seen: the interval is a wide one.
    """
    value = overfit_probability(returns, blocks)
    size = len(returns) // blocks
    shifted = (returns - returns[0])[: size * blocks].reshape(blocks, size, -1)
    halves, place = _halves(blocks), np.arange(blocks)[:, None]
    if len(halves) > _SPLITS:
        halves = halves[rng.choice(len(halves), _SPLITS, replace=False)]
    found = [
        _share_overfit(
            shifted[place, stationary_indices(size, min(_DAYS_TOGETHER, size), blocks, rng)],
            returns[0],
            halves,
        )
        for _ in range(draws)
    ]
    return with_interval(value, np.array(found))


def _check(returns: FloatArray, blocks: int) -> None:
    if blocks < 2 or blocks % 2:
        raise InputError(f"expected an even number of blocks, at least 2, got {blocks}")
    rows, trials = returns.shape
    if trials < 2:
        raise InputError(f"expected the returns of at least 2 trials, got {trials}")
    if rows // blocks * (blocks // 2) < 2:
        raise InputError(f"expected at least {max(blocks, 4)} periods, got {rows}")
    if not np.isfinite(returns).all():
        raise InputError("expected finite returns of every trial and period")


def _halves(blocks: int) -> FloatArray:
    """Return (C, S) 1 where a block is in the training set, one row for each choice of half."""
    chosen = list(combinations(range(blocks), blocks // 2))
    out = np.zeros((len(chosen), blocks))
    np.put_along_axis(out, np.array(chosen), 1.0, axis=1)
    return out


def _share_overfit(shifted: FloatArray, shift: FloatArray, halves: FloatArray) -> float:
    """Return the share of splits whose best trial is in the lower half on the other side."""
    sums, squares = shifted.sum(axis=1), (shifted**2).sum(axis=1)  # (S, N)
    rows = shifted.shape[1] * shifted.shape[0] // 2
    trained = _split_sharpe(halves @ sums, halves @ squares, shift, rows)  # (C, N)
    tested = _split_sharpe((1 - halves) @ sums, (1 - halves) @ squares, shift, rows)
    best = trained.argmax(axis=1)
    came = np.take_along_axis(tested, best[:, None], axis=1)
    rank = 1 + (tested < came).sum(axis=1)
    return float(np.mean(rank / (tested.shape[1] + 1) <= 0.5))


def _split_sharpe(
    total: FloatArray, squares: FloatArray, shift: FloatArray, rows: int
) -> FloatArray:
    """Return the Sharpe ratio a period of sums over `rows` shifted returns; 0 without spread."""
    spread = squares - total**2 / rows
    moving = spread > 4.0 * rows * np.finfo(np.float64).eps * squares
    sd = np.sqrt(np.where(moving, spread, 1.0) / (rows - 1))
    out: FloatArray = np.where(moving, (shift + total / rows) / sd, 0.0)
    return out


class DeflatedSharpe(NamedTuple):
    """How sure a Sharpe ratio is, once everything that was tried is counted.

    Attributes
    ----------
    probability
        That the true ratio is above what the best of as many tries without any edge would show;
        NaN where returns have no spread.
    observed, bar
        The ratio a year, and that best of noise, a year.
    """

    probability: float
    observed: float
    bar: float
    trials: int

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under their names."""
        return self._asdict()


def deflated_sharpe(
    returns: FloatArray, trial_sharpes: Sequence[float], trials: int, periods_per_year: float
) -> DeflatedSharpe:
    """Return the deflated Sharpe ratio of one trial among all.

    Parameters
    ----------
    returns
        (T,) of the trial, a period each.
    trial_sharpes
        Yearly ratios of all trials that have one; their spread sets the bar.
    trials
        How many were tried, those without a ratio too. They are counted as if none were like
        another, which asks too much rather than too little.

    Raises
    ------
    InputError
        If fewer than three returns are given, several trials without two ratios, or returns so
        extreme that the variance of their ratio is not positive.

    Examples
    --------
    >>> daily = np.tile([0.02, -0.01, 0.01, -0.01], 100)
    >>> found = deflated_sharpe(daily, [0.1, 1.0, -0.4], 100, 365.25)
    >>> round(found.probability, 3), round(found.bar, 2)
    (0.991, 1.47)
    """
    if len(returns) < 3 or trials < 1:
        raise InputError(f"expected >= 3 returns and >= 1 trial, got {len(returns)} and {trials}")
    if trials > 1 and len(trial_sharpes) < 2:
        raise InputError(f"expected the Sharpe ratios of at least 2 of {trials} trials")
    year = float(np.sqrt(periods_per_year))
    bar = float(np.std(trial_sharpes)) / year * _best_of_noise(trials) if trials > 1 else 0.0
    sd = float(returns.std(ddof=1))
    if not sd > 1e-15:
        return DeflatedSharpe(float("nan"), float("nan"), bar * year, trials)
    ratio = float(returns.mean()) / sd
    variance = 1 - float(skew(returns)) * ratio + (float(kurtosis(returns)) + 2) / 4 * ratio**2
    if not variance > 0:
        raise InputError(f"returns too extreme or too few for a deflated Sharpe ratio: {variance}")
    z = (ratio - bar) * np.sqrt((len(returns) - 1) / variance)
    return DeflatedSharpe(float(norm.cdf(z)), ratio * year, bar * year, trials)


def _best_of_noise(trials: int) -> float:
    """Return the expected highest of so many standard normal numbers."""
    if trials == 1:
        return 0.0
    first, second = norm.ppf([1 - 1 / trials, 1 - 1 / (trials * np.e)])
    return float((1 - np.euler_gamma) * first + np.euler_gamma * second)
