"""Whether forecasts keep their promises: intervals in calm, storms and at every hour, and edges.

The rows of all seeds are pooled; the bootstrap moves all seeds of a candle together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.base import columns
from models.base.heads import quantile_mean
from models.base.types import FloatArray
from models.evaluate.metrics.edge import Claims, edge_metrics
from models.evaluate.metrics.forecast import Forecasts, interval_metrics
from models.evaluate.metrics.resampling import UNKNOWN
from models.studies.compare.records import ComparedModel, Trading, Truth


def kept_promises(
    entry: ComparedModel, truth: Truth, trading: Trading, rng: np.random.Generator
) -> dict[str, Any]:
    """Return where the 90 % interval held, and what of the claimed edge came.

    Returns
    -------
    dict
        Coverage in the lowest and highest tenth of forecast volatility (``tenth_low``, ``_high``)
        and three hours of the day (``hours_low``, ``_high``), of the worst 30 days
        (``worst_month``); ``interval_score`` in basis points; and ``passed``, candles a seed whose
        edge's lower bound pays the cost, with what they claimed (``claimed``) and what of it came
        (``realised``), basis points, and the ``slope`` of the one on the other. NaN without a head.
    """
    of_interval, of_edge = rng.spawn(2)
    edges = Claims.pooled([_claims(f, truth) for f in entry.forecasts])
    bar_frac = trading.decision.min_edge_costs * trading.cost_frac
    passed = edge_metrics(edges, bar_frac, of_edge)["passed"]
    return {
        **_held(Forecasts.joined([_forecasts(f, truth) for f in entry.forecasts]), of_interval),
        "passed": passed["rows"] / len(entry.forecasts),
        "claimed": passed["claimed_bps"],
        "realised": passed["realised_bps"],
        "slope": passed["slope"],
    }


def _held(every: Forecasts, rng: np.random.Generator) -> dict[str, Any]:
    known = every.with_return
    if not len(known):
        names = ("tenth_low", "tenth_high", "hours_low", "hours_high", "worst_month")
        return dict.fromkeys(names, np.nan) | {"interval_score": UNKNOWN.as_dict()}
    found = interval_metrics(known, rng)
    tenths, hours = (
        [part["value"] for part in found[name]] for name in ("by_volatility_decile", "by_hour")
    )
    return {
        "tenth_low": min(tenths),
        "tenth_high": max(tenths),
        "hours_low": min(hours),
        "hours_high": max(hours),
        "worst_month": found["worst_30d_coverage"],
        "interval_score": found["score_bps"],
    }


def _quantiles(forecast: Mapping[str, FloatArray]) -> FloatArray:
    return np.column_stack([forecast[name] for name in columns.RETURN_QUANTILES])


def _forecasts(forecast: Mapping[str, FloatArray], truth: Truth) -> Forecasts:
    p = [forecast[name] for name in (columns.P_DOWN, columns.P_FLAT, columns.P_UP)]
    return Forecasts(
        time_ms=truth.time_ms,
        p=np.column_stack(p),
        outcome_class=truth.outcome_class,
        quantiles=_quantiles(forecast),
        low=forecast[columns.RETURN_LOW],
        high=forecast[columns.RETURN_HIGH],
        sigma=forecast[columns.SIGMA],
        outcome_return=truth.outcome_return,
        horizon_candles=truth.horizon_candles,
    )


def _claims(forecast: Mapping[str, FloatArray], truth: Truth) -> Claims:
    return Claims(
        time_ms=truth.time_ms,
        claimed=quantile_mean(_quantiles(forecast)),
        edge=forecast[columns.EDGE],
        edge_low=forecast[columns.EDGE_LOW],
        realised=truth.outcome_return,
        entered=np.zeros(len(truth.time_ms), dtype=np.int64),
        horizon_candles=truth.horizon_candles,
    )
