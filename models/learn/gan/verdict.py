"""Whether generated paths may stand for real ones: `usable`, or for illustration only.

One joint test at an error rate of 5 %: if the generator draws from the very process, it is called
illustrative in at most 5 of 100 trainings. Its parts (paths, memory, next return, score) share the
rate by Bonferroni, so that the joint rate holds however they depend on each other.

A test that convicts nobody says nothing: with few windows every generator passes. Below
`FEWEST_TO_TELL` windows paths stay illustrative, whatever the p-value. With as many, independent
candles, the wrong generator hardest to tell, were convicted on 24 of 25 markets
(`tests/test_models/learn/gan/controls.py`, which counts the true ones that pass as well).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.types import FloatArray
from models.learn.gan.exchange import Part
from models.learn.gan.likeness import memory_part, next_part, path_part, score_part

USABLE: Final = "usable"
ILLUSTRATIVE: Final = "illustrative"
ERROR_RATE: Final = 0.05  # of all parts together
FEWEST_TO_TELL: Final = 50  # windows with which the wrong controls were convicted
_NAMED: Final = 5  # of the statistics that deviate most


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Held-out windows and what a generator makes of the same moments; units of sigma.

    Attributes
    ----------
    real, generated, training
        (W, S, A) windows that do not overlap, (W, G, S, A) independent draws from the same
        moments, and (V, S, A) windows of the training rows.
    next_real, next_drawn
        (R,) the traded pair's next return of consecutive rows, and (R, N) draws of it.
    baselines
        Name -> (W, G, S, A) draws from the same moments.
    """

    assets: tuple[str, ...]
    real: FloatArray
    generated: FloatArray
    training: FloatArray
    next_real: FloatArray
    next_drawn: FloatArray
    baselines: dict[str, FloatArray]


def judge(evidence: Evidence, seed: int) -> dict[str, Any]:
    """Return the label, the joint p-value and the parts it comes from, as JSON-able facts."""
    e = evidence
    parts = [
        path_part(e.real, e.generated, e.assets, seed),
        memory_part(e.real, e.generated, e.training, seed),
        next_part(e.next_real, e.next_drawn, seed),
        score_part(e.real, e.generated, e.baselines, seed),
    ]
    p_value = min(1.0, len(parts) * min(part.p_value for part in parts))
    against = reasons(parts, len(e.real))
    return {
        "label": ILLUSTRATIVE if against else USABLE,
        "against": against,
        "p_value": round(p_value, 5),
        "error_rate": ERROR_RATE,
        "parts": [part.facts() for part in parts],
        "deviate_most": deviate_most(parts),
        "windows": len(e.real),
        "window_candles": e.real.shape[1],
    }


def reasons(parts: list[Part], windows: int) -> list[str]:
    """Return why the paths may not be used: the parts that convict, or that none could."""
    rate = ERROR_RATE / len(parts)
    out = [
        f"{p.name}: p {p.p_value:.4f}, expected above {rate:.4f}"
        for p in parts
        if p.p_value <= rate
    ]
    if windows < FEWEST_TO_TELL:
        out.append(f"expected at least {FEWEST_TO_TELL} held-out windows to tell, got {windows}")
    return out


def deviate_most(parts: list[Part]) -> list[str]:
    """Return the statistics furthest off over all parts; one that is not finite comes first."""
    every = [(name, d) for part in parts for name, d in part.deviations.items()]
    every.sort(key=lambda item: -np.inf if item[1] is None else -abs(item[1]))
    return [name for name, _ in every[:_NAMED]]
