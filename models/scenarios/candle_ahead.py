"""How far the next candle may go: the worst lows and highs that an engine holds possible.

The expected shortfall of the log price: the mean of the worst `SHOCK_LEVEL` of the lows drawn, for
shorts of the highs, and the upper end of its Monte-Carlo error (Manistre & Hancock, "Variance of
the CTE estimator", North American Actuarial Journal 9, 2005), so that few draws never make it
smaller than more would.

DIFF: of the log price, not of the price. A rise by a Pareto tail has no mean in price; in logs it
has one wherever the tail index is below one. For falls it is the larger of the two (Jensen).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.scenarios.paths import Scenarios

SHOCK_LEVEL: Final = 1e-3  # share of candles that are worse than what the mean is taken of
LEAST_TAIL: Final = 50  # draws; of fewer no mean is told
_UPPER: Final = 1.645  # standard errors: one-sided 95 %


@dataclass(frozen=True, kw_only=True)
class CandleShock:
    """Moves of one coin within the next candle, as fractions of the newest close."""

    fall_frac: float  # of the low, in [0, 1)
    rise_frac: float  # of the high, >= 0


def candle_shocks(
    scenarios: Scenarios, paths: int, seed: int, level: float = SHOCK_LEVEL
) -> dict[str, CandleShock]:
    """Return the shock of each coin in the candle after those the scenarios stand at.

    Raises
    ------
    InputError
        If `level` of the paths are fewer than `LEAST_TAIL`.
    """
    tail = int(level * paths)
    if tail < LEAST_TAIL:
        raise InputError(
            f"expected at least {LEAST_TAIL / level:,.0f} paths, got {paths:,}: a mean of "
            f"{tail} draws says little"
        )
    lows, highs = [], []
    for block in scenarios.draw(paths, 1, seed):
        lows.append(-block.low[:, 0])
        highs.append(block.high[:, 0])
    down, up = (_shortfall(np.concatenate(moves), tail) for moves in (lows, highs))
    return {
        coin: CandleShock(fall_frac=float(-np.expm1(-down[i])), rise_frac=float(np.expm1(up[i])))
        for i, coin in enumerate(scenarios.coins)
    }


def _shortfall(moves: FloatArray, tail: int) -> FloatArray:
    """Return the upper bound of the mean of the `tail` largest of adverse moves, (P, A) -> (A,).

    Examples
    --------
    >>> _shortfall(np.arange(1_000.0)[:, None], 100).round(1).tolist()  # 949.5 and its error
    [958.6]
    """
    share = tail / len(moves)
    worst = np.partition(moves, len(moves) - tail, axis=0)[-tail:]
    mean, least = worst.mean(axis=0), worst.min(axis=0)
    variance = (worst.var(axis=0) + (1 - share) * (mean - least) ** 2) / tail
    return np.asarray(mean + _UPPER * np.sqrt(variance))
