"""One hedge year by year and crash by crash: no single number stands for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.base.types import BoolArray, FloatArray
from models.base.units import HOUR_MS
from models.evaluate.metrics.equity import expected_shortfall
from models.evaluate.metrics.resampling import Estimate, with_interval
from models.studies.hedge.crashes import NamedCrash
from models.studies.hedge.effectiveness import HedgedReturns, share_gone

_WEEK: Final = 7 * 24
_QUARTER_DAY: Final = 6
_LEAST: Final = 30 * 24  # hours of a year that can be told
_DRAWS: Final = 500


def by_year(r: HedgedReturns, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return one row per calendar year (UTC) with 30 days at least, intervals of blocks of a week.

    Each has `name`, `hours`, and the estimates `effectiveness`, `es99` and `es99_unhedged`.
    """
    year = r.time_ms.astype("datetime64[ms]").astype("datetime64[Y]")
    rows = [(str(y), year == y) for y in np.unique(year)]
    return [_row(name, r, at, _WEEK, rng) for name, at in rows if at.sum() >= _LEAST]


def by_crash(
    r: HedgedReturns, crashes: Sequence[NamedCrash], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return the same of each crash whose hours are all there; blocks of six hours.

    Such an interval is about the hours of that crash; it says nothing about the next.
    """
    inside = [
        c for c in crashes
        if r.time_ms[0] <= c.start_ms and c.stop_ms - HOUR_MS <= r.time_ms[-1]
    ]  # fmt: skip
    return [
        _row(c.name, r, (r.time_ms >= c.start_ms) & (r.time_ms < c.stop_ms), _QUARTER_DAY, rng)
        for c in inside
    ]


def _row(
    name: str, r: HedgedReturns, rows: BoolArray, block: int, rng: np.random.Generator
) -> dict[str, Any]:
    net, primary = r.net[rows], r.primary[rows]
    return {
        "name": name,
        "hours": int(rows.sum()),
        "effectiveness": share_gone(primary**2, net**2, rng, block).as_dict(),
        "es99": shortfall(net, block, rng).as_dict(),
        "es99_unhedged": shortfall(primary, block, rng).as_dict(),
    }


def shortfall(returns: FloatArray, block: int, rng: np.random.Generator) -> Estimate:
    """Return the mean loss of the worst 1 % of hours with a block-bootstrap 95 % interval.

    Examples
    --------
    >>> shortfall(np.full(400, -0.02), 6, np.random.default_rng(0))
    Estimate(value=0.02, low=0.02, high=0.02)
    """
    n, count = len(returns), -(-len(returns) // block)
    drawn = np.empty(_DRAWS)
    for i in range(_DRAWS):
        first = rng.integers(0, n, size=(count, 1))
        drawn[i] = expected_shortfall(returns[((first + np.arange(block)) % n).ravel()[:n]])
    return with_interval(expected_shortfall(returns), drawn)
