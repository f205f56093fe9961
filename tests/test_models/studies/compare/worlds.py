"""Models to compare: one that knows, one that does not, on one made-up market."""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.base.types import FloatArray
from models.studies.compare import ComparedModel, Trading
from models.studies.compare.records import Truth
from models.trade.decision.signals import DecisionConfig

HOUR = 3_600_000
ROWS = 24 * 60
TRADING = Trading(cost_frac=0.002, decision=DecisionConfig())


def truth(seed: int = 0, rows: int = ROWS) -> Truth:
    rng = np.random.default_rng(seed)
    move = 0.01 * rng.normal(size=rows)
    price = 100 * np.exp(np.concatenate(([0.0], np.cumsum(move))))
    return Truth(
        time_ms=HOUR * np.arange(rows, dtype=np.int64),
        outcome_class=np.where(np.abs(move) > 0.002, np.sign(move), 0.0),
        outcome_return=move,
        open=price[:-1],  # the candle that opens at t moves by move[t]
        horizon_candles=1,
        candle_ms=HOUR,
    )


def forecast(p: FloatArray, centre: FloatArray, width: float = 0.02) -> dict[str, FloatArray]:
    """Forecast columns of class probabilities (N, 3) and a symmetric interval."""
    rows = len(p)
    out = {name: np.zeros(rows) for name in columns.FORECAST}
    out |= {columns.P_DOWN: p[:, 0], columns.P_FLAT: p[:, 1], columns.P_UP: p[:, 2]}
    steps = np.array([-1, -0.5, 0, 0.5, 1]) * width
    for i, name in enumerate(columns.RETURN_QUANTILES):
        out[name] = centre + steps[i]
    out[columns.EDGE] = out[columns.EDGE_LOW] = centre  # all of the claim is believed
    out[columns.RETURN_LOW], out[columns.RETURN_HIGH] = centre - width, centre + width
    for name in (columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP):
        out[name] = np.full(rows, columns.MOST_FALSE_ALARMS)  # nothing to fear
    return out


def knowing(t: Truth, trust: float = 0.8) -> dict[str, FloatArray]:
    """A forecast that puts `trust` on the class that will come."""
    p = np.full((len(t.time_ms), 3), (1 - trust) / 2)
    p[np.arange(len(p)), (t.outcome_class + 1).astype(int)] = trust
    return forecast(p, t.outcome_return)


def constant(t: Truth) -> dict[str, FloatArray]:
    share = np.bincount((t.outcome_class + 1).astype(int), minlength=3) / len(t.time_ms)
    return forecast(np.tile(share, (len(t.time_ms), 1)), np.zeros(len(t.time_ms)))


def entry(name: str, *forecasts: dict[str, FloatArray]) -> ComparedModel:
    return ComparedModel(
        name=name, title=name.title(), forecasts=forecasts, fit_seconds=1, parameters=9
    )
