"""Whether what happened could be one more draw: a joint test by exchange, at a stated error rate.

If a generator draws from the very process, what really happened at a moment and each of its draws
are exchangeable: nobody could tell which of them happened. So "what happened" is chosen anew, block
by block of consecutive moments, among the real block and the drawn ones, and every statistic is
computed anew: the null distribution of all statistics together, with their dependence (Besag &
Clifford, "Generalized Monte Carlo significance tests", Biometrika 76, 1989; blocks as in Politis &
Romano 1994, since windows depend on each other). The one number is the largest studentised
deviation (Westfall & Young, "Resampling-based multiple testing", 1993, max T), whose p-value needs
no distribution of the statistics, and which says of every statistic how far it is off.

# DIFF: of one real and G drawn series, not of two samples of equal size: as there are many draws,
the deviation has the noise of one series only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.types import IntArray

_SMALLEST: Final = 1e-12


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the joint test.

    Attributes
    ----------
    statistic
        The largest deviation, in standard deviations of the null distribution.
    p_value
        Share of the null distribution with as large a one, what happened included; 0 where a
        statistic is not finite, so that what cannot be computed is never usable.
    deviations
        Statistic -> its deviation, or None where it is not finite.
    """

    name: str
    statistic: float
    p_value: float
    deviations: dict[str, float | None]

    def facts(self) -> dict[str, Any]:
        """Return it as JSON-able values, the largest deviations first."""
        order = sorted(self.deviations.items(), key=_by_size)
        return {
            "name": self.name,
            "statistic": round(self.statistic, 3) if np.isfinite(self.statistic) else None,
            "p_value": round(self.p_value, 5),
            "deviations": {k: None if d is None else round(d, 2) for k, d in order},
        }


def _by_size(item: tuple[str, float | None]) -> tuple[bool, float]:
    return item[1] is not None, -abs(item[1] or 0.0)


def exchanged(moments: int, draws: int, block: int, repeats: int, seed: int) -> IntArray:
    """Return whom each of `repeats` null draws takes for real, (repeats, moments) of 0..draws.

    0 is what happened. Blocks are `block` consecutive moments and begin anywhere.

    Examples
    --------
    >>> exchanged(6, 9, 3, 1, seed=0).shape
    (1, 6)
    """
    rng = np.random.default_rng(seed)
    count = moments // block + 2
    chosen = rng.integers(draws + 1, size=(repeats, count))
    offset = rng.integers(block, size=(repeats, 1))
    at = (np.arange(moments) + offset) // block  # (repeats, moments)
    return np.asarray(np.take_along_axis(chosen, at, axis=1))


def largest_deviation(
    name: str, happened: dict[str, float], null: list[dict[str, float]], *, above_only: bool = False
) -> Part:
    """Return the max T test of what happened among the null draws.

    Parameters
    ----------
    above_only
        Whether only a value above the null distribution's tells against the generator.

    Examples
    --------
    >>> null = [{"x": x / 100} for x in range(99)]
    >>> largest_deviation("p", {"x": 4.0}, null).p_value
    0.01
    """
    names = list(happened)
    values = np.array([[row[n] for n in names] for row in (happened, *null)])  # (1 + R, K)
    known = np.isfinite(values).all(axis=0)
    # Heavy-tailed statistics (a kurtosis) would set the bar for all others: on the logarithm, which
    # asinh is of large values, while correlations stay as they are.
    damped = np.arcsinh(np.where(known, values, 0.0))
    spread = np.maximum(damped.std(axis=0), _SMALLEST)
    z = (damped - damped.mean(axis=0)) / spread
    largest = (z if above_only else np.abs(z)).max(axis=1)
    share = float(np.mean(largest >= largest[0] - 1e-9))
    return Part(
        name=name,
        statistic=float(largest[0]),
        p_value=share if known.all() else 0.0,
        deviations={n: float(d) if k else None for n, d, k in zip(names, z[0], known, strict=True)},
    )
