"""Hedge ratio that minimises the mean of the worst losses over a window, as a linear programme.

Source: Rockafellar & Uryasev, "Optimization of conditional value-at-risk", J. of Risk 2000.
Breaks on short windows: the worst 5 % of a month are 36 hours, often of one event.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.hedging.ratios import check_returns


def cvar_ratio(
    primary: FloatArray,
    hedges: FloatArray,
    window: int,
    refit_rows: int,
    tail: float = 0.05,
    max_ratio: float = 1.0,
) -> FloatArray:
    """Return the ratio of least CVaR over the last `window` rows, solved anew every `refit_rows`.

    Parameters
    ----------
    tail
        Share of the worst rows whose mean loss counts.
    max_ratio
        Largest sum over the hedges; each is at least 0.

    Returns
    -------
    ndarray
        (N, K), NaN on the first `window - 1` rows, constant between solutions.

    Raises
    ------
    InputError
        If fewer than ten rows lie in the tail, or the returns are not sound.
    """
    check_returns(primary, hedges)
    if not 0 < tail < 1 or tail * window < 10 or refit_rows < 1:
        raise InputError(
            f"expected at least 10 rows in the tail and refit_rows >= 1, got {tail:g} of "
            f"{window} and {refit_rows}",
            where="CVaR hedge",
        )
    out = np.full(hedges.shape, np.nan)
    for last in range(window - 1, len(primary), refit_rows):
        rows = slice(last - window + 1, last + 1)
        out[last : last + refit_rows] = least_cvar(primary[rows], hedges[rows], tail, max_ratio)
    return out


def least_cvar(
    primary: FloatArray, hedges: FloatArray, tail: float, max_ratio: float = 1.0
) -> FloatArray:
    """Return the ratio (K,) that minimises the mean loss of the worst `tail` of these rows.

    Examples
    --------
    >>> x = np.array([-0.10, 0.02, 0.03, -0.08, 0.05, 0.01])
    >>> least_cvar(0.7 * x, x[:, None], 0.34).round(6)
    array([0.7])
    """
    n, k = hedges.shape
    # Variables: ratio (K,), the value at risk, one excess per row. Loss = hedges @ ratio - primary.
    cost = np.concatenate((np.zeros(k), [1.0], np.full(n, 1.0 / (tail * n))))
    excess = hstack([csr_array(hedges), csr_array(-np.ones((n, 1))), -eye_array(n)])
    total = csr_array(np.concatenate((np.ones(k), np.zeros(n + 1)))[None])
    solved = linprog(
        cost,
        A_ub=vstack([excess, total], format="csr"),
        b_ub=np.concatenate((primary, [max_ratio])),
        bounds=[(0, max_ratio)] * k + [(None, None)] + [(0, None)] * n,
        method="highs",
    )
    if not solved.success:
        raise InputError(f"the CVaR programme has no solution: {solved.message}")
    out: FloatArray = solved.x[:k]
    return out
