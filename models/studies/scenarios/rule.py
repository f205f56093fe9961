"""The rule by which an engine is believed; written before any engine was looked at.

An engine passes if it answered at every origin and none of its tests is rejected at 5 % after
Holm's correction over all of them: conditional coverage, coverage at any volatility and expected
shortfall; of the judged coins, both sides, 1 % and 5 %, and every loss asked about. Of those that
pass, the one with the lowest energy score over 24 hours is the default. A right engine is refused
in at most one run of twenty; to believe a wrong one is the costlier mistake, so it is not less.
If none passes none is believed, and the page shows the one with the fewest tests rejected.

Added after the first run, and only stricter: below `LEAST_BELIEVED` origins nobody passes. Tests of
a few months reject hardly anything, and that is no reason to believe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.evaluate.tails.scores import holm

JUDGED_COINS: Final = ("BTC", "LTC")
REJECTED_AT: Final = 0.05
LEAST_BELIEVED: Final = 1_000  # origins: ten exceedances of 1 % expected
TESTS: Final = ("coverage", "even", "shortfall")
RANKED_BY: Final = "24 h"


@dataclass(frozen=True, kw_only=True)
class EngineVerdict:
    """Whether an engine passes, and what speaks against it."""

    engine: str
    tests: int
    rejected: tuple[Mapping[str, Any], ...]  # rows of `tail_rows` with the test, its adjusted p
    smallest_p: float  # adjusted
    energy: float  # over `RANKED_BY`
    enough: bool  # origins to believe anything
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        return self.tests > 0 and self.enough and not self.rejected and not self.failures


def coin_of(pair: str) -> str:
    """Return the coin of a pair.

    Examples
    --------
    >>> coin_of("LTC/USDT:USDT")
    'LTC'
    """
    return pair.partition("/")[0]


def judge_engine(
    engine: str,
    rows: Iterable[Mapping[str, Any]],
    energies: Iterable[Mapping[str, Any]],
    failures: Mapping[str, str],
    coins: Collection[str] = JUDGED_COINS,
    least: int = LEAST_BELIEVED,
) -> EngineVerdict:
    """Return the verdict on one engine from its `tail_rows` and `energy_rows`.

    Below `least` origins it cannot pass.
    """
    own = [r for r in rows if r["engine"] == engine and coin_of(r["coin"]) in coins]
    asked = [(row, test) for row in own for test in TESTS]
    adjusted = holm([row[test]["p"] for row, test in asked])
    rejected = tuple(
        {**row, "test": test, "adjusted_p": float(p)}
        for (row, test), p in zip(asked, adjusted, strict=True)
        if p <= REJECTED_AT
    )
    (ranked,) = [e for e in energies if e["engine"] == engine and e["loss"] == RANKED_BY]
    return EngineVerdict(
        engine=engine, tests=len(asked), rejected=rejected, energy=float(ranked["energy"]),
        enough=bool(ranked["origins"] >= least),
        smallest_p=float(adjusted.min()) if len(adjusted) else np.nan, failures=failures,
    )  # fmt: skip


def believed_engine(verdicts: Sequence[EngineVerdict]) -> str:
    """Return the default: of those that pass, the nearest to what came; empty if none passes."""
    passing = [v for v in verdicts if v.passes]
    return min(passing, key=lambda v: v.energy).engine if passing else ""


def shown_engine(verdicts: Sequence[EngineVerdict]) -> str:
    """Return the believed engine; else the one with the fewest tests rejected that answered all."""
    if name := believed_engine(verdicts):
        return name
    answered = [v for v in verdicts if v.tests]
    if not answered:
        return ""
    return min(answered, key=lambda v: (bool(v.failures), len(v.rejected), v.energy)).engine
