"""How far each forecast gets on its way to an entry: what `signals` decides, step by step.

`signals` says whether a row is entered, and nothing of why not. Here every row is given the number
of steps it passes, in order; one that passes all of them is one that `signals` enters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from models.base import columns
from models.base.types import FloatArray, IntArray
from models.trade.decision.signals import DecisionConfig, expected_return, signals


class EntryStep(NamedTuple):
    """One thing that an entry needs of its forecast."""

    name: str
    needs: str  # in words, after "needs"


ENTRY_STEPS: Final = (
    EntryStep("forecast", "a forecast of the model for the candle"),
    EntryStep("trusted", "a model in service, a complete past, a market like the one trained on"),
    EntryStep("direction", "a lead of one side's probability over the other's"),
    EntryStep("edge", "the lower bound of the edge above what a round trip costs, on that side"),
    EntryStep("hazard", "no warning of a liquidation cascade against that side"),
)
STEP_NAMES: Final = tuple(step.name for step in ENTRY_STEPS)


def steps_passed(
    forecast: Mapping[str, FloatArray],
    do_predict: FloatArray,
    cost_frac: float,
    config: DecisionConfig,
) -> IntArray:
    """Return how many of `ENTRY_STEPS` each row passes before one stops it, (N,).

    Parameters
    ----------
    forecast, do_predict, cost_frac, config
        As `models.trade.decision.signals.signals` takes them.

    Notes
    -----
    A number that is missing (NaN) stops its row at the step that needs it. Where both sides pass
    a step alike, which takes a threshold of 0, neither is entered and the row stops at "edge".
    """
    with np.errstate(invalid="ignore"):
        advantage = forecast[columns.P_UP] - forecast[columns.P_DOWN]
        claimed, edge = expected_return(forecast), forecast[columns.EDGE_LOW]
        needed = config.min_edge_costs * cost_frac
        waived = columns.HEAD_QUANTILES in config.without
        lead_long = advantage >= config.min_advantage
        lead_short = -advantage >= config.min_advantage
        pays_long = waived | ((edge >= needed) & (claimed >= 0))
        pays_short = waived | ((-edge >= needed) & (claimed <= 0))
        each = (
            np.isfinite(forecast[columns.P_UP]),
            (do_predict == 1) & (forecast[columns.ABSTAIN] == 0),
            lead_long | lead_short,
            (lead_long & pays_long) ^ (lead_short & pays_short),
            signals(forecast, do_predict, cost_frac, config).side != 0,
        )
    passed: IntArray = np.cumprod(np.stack(each), axis=0, dtype=np.int64).sum(axis=0)
    return passed


def entry_funnel(passed: IntArray) -> dict[str, int]:
    """Return how many rows there are, and how many pass each step and all before it.

    Examples
    --------
    >>> entry_funnel(np.array([0, 2, 2, 3, 5]))
    {'candles': 5, 'forecast': 4, 'trusted': 4, 'direction': 2, 'edge': 1, 'hazard': 1}
    """
    counts = {name: int((passed > k).sum()) for k, name in enumerate(STEP_NAMES)}
    return {"candles": len(passed), **counts}
