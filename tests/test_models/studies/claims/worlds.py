"""A market of trends, and models that lean to a side as often rightly as they are told to."""

from __future__ import annotations

import numpy as np

from models.studies.claims.claimed import NEEDED, ClaimEvidence
from models.studies.compare.records import ComparedModel, Truth
from tests.test_models.studies.compare import worlds

COST = 0.002
_TREND = 20  # candles


def trends(rows: int = 3_000, seed: int = 0) -> Truth:
    """Return a market that goes one way for a while; a row's outcome is the candle after the next
    open, where what is decided at its close is filled.
    """
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.choice([-1.0, 1.0], rows // _TREND + 1), _TREND)[: rows + 1]
    move = 0.004 * drift + 0.003 * rng.normal(size=rows + 1)
    log = np.concatenate(([0.0], np.cumsum(move)))  # of opens, (rows + 2,)
    ahead = move[1:]
    return Truth(
        time_ms=worlds.HOUR * np.arange(rows, dtype=np.int64),
        outcome_class=np.where(np.abs(ahead) > COST, np.sign(ahead), 0.0),
        outcome_return=ahead,
        open=np.exp(log[:rows]),
        horizon_candles=1,
        candle_ms=worlds.HOUR,
    )


def leaning(name: str, t: Truth, right: float, seed: int = 0) -> ComparedModel:
    """Return a model that leans by random strengths, to the side that comes `right` of the time."""
    rng = np.random.default_rng(seed)
    side = np.sign(t.outcome_return) * np.where(rng.random(len(t.time_ms)) < right, 1, -1)
    lean = 0.3 * rng.random(len(side)) * side
    p = np.column_stack([0.4 - lean, np.full(len(side), 0.2), 0.4 + lean])
    return worlds.entry(name, worlds.forecast(p, lean))


def evidence(
    number: int, t: Truth, subject: float, rivals: float, seed: int
) -> dict[str, ClaimEvidence]:
    """Return what a claim needs: its first model right `subject` of the time, all else `rivals`.

    Models of the same seed and rate are the same model.
    """
    out = {}
    for timeframe, (first, *others) in NEEDED[number].items():
        models = {first: leaning(first, t, subject, 0)}
        models |= {name: leaning(name, t, rivals, seed) for name in others}
        out[timeframe] = ClaimEvidence(models=models, truth=t, cost_frac=COST)
    return out
