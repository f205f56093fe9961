"""From a run to the numbers of its report: one JSON-able dict that the page only formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.heads import quantile_mean
from models.base.types import BoolArray, FloatArray, IntArray
from models.evaluate.metrics import (
    Claims,
    Forecasts,
    daily_returns,
    edge_metrics,
    equity_metrics,
    excess_return,
    forecast_metrics,
    hazard_metrics,
    reference_metrics,
    reliability,
    trade_metrics,
)
from models.evaluate.metrics.resampling import DRAWS
from models.reports.backtest.drivers import drivers
from models.reports.backtest.funnel import funnel_advice, trade_funnel
from models.reports.backtest.money import waterfall
from models.reports.backtest.record import ForecastSeries, RunRecord, TradeRecord, TrainingRecord
from models.reports.backtest.verdict import backtest_headline, backtest_verdict
from models.reports.redaction import redacted
from models.reports.text import finite

REPORT_FORMAT: Final = 1  # of report.json; raised when the meaning of a number changes
SEED: Final = 20_240_229  # of the bootstrap; the same run gives the same intervals


def backtest_numbers(record: RunRecord, seed: int = SEED) -> dict[str, Any]:
    """Return every number of the report under its name; NaN and infinity become None.

    Parameters
    ----------
    seed
        Of the bootstrap intervals.
    """
    rng = np.random.default_rng(seed)
    time_ms, equity, start = audited(record)
    step = audit_step_ms(record)
    hold = buy_and_hold(record, time_ms)
    out: dict[str, Any] = {
        "format": REPORT_FORMAT,
        "kind": "backtest",
        "run": _run(record),
        "failures": list(record.failures),
        "equity": equity_metrics(time_ms, equity, start, step, rng),
        "buy_and_hold": equity_metrics(time_ms, hold, start, step, rng),
        "excess_over_hold_frac": excess_return(
            daily_returns(time_ms, equity, start), daily_returns(time_ms, hold, start), rng
        ).as_dict(),
        "engine": {
            "final_quote": start + sum(t.profit_quote for t in record.trades),
            "totals": dict(record.engine),
        },
        "account": _account(record),
        "money": waterfall(record),
        "trades": _trades(record.trades),
        "forecast": _forecasts(record, rng),
        "edge": _edge(record, rng.spawn(1)[0]),
        "funnel": trade_funnel(record),
        "reference": _reference(record, rng.spawn(1)[0]),
        "hazard": [_hazard(f, record, rng) for f in record.forecasts],
        "drivers": drivers(record),
        "trainings": [training_row(t) for t in record.trainings],
        "provenance": _provenance(record, seed),
    }
    shown: dict[str, Any] = finite(out)
    shown["advice"] = funnel_advice(shown)
    shown["verdict"] = backtest_verdict(shown)
    shown["headline"] = backtest_headline(shown)
    return shown


def audited(record: RunRecord) -> tuple[IntArray, FloatArray, float]:
    """Return (candle times, equity at their closes, starting wallet), quote units."""
    return record.audit.time_ms, record.audit.equity_close, record.start_wallet_quote


def audit_step_ms(record: RunRecord) -> int:
    """Return the length of the audit's candles, which need not be the strategy's."""
    times = record.audit.time_ms
    return int(times[1] - times[0]) if len(times) > 1 else record.candle_ms


def buy_and_hold(record: RunRecord, time_ms: IntArray) -> FloatArray:
    """Return the equity of the starting wallet spread evenly over the pairs, never touched.

    No leverage, no costs. A candle missing from a pair repeats its last close.
    """
    growth = np.zeros(len(time_ms))
    for pair in record.pairs:
        candles = record.candles[pair]
        closes = candles.time_ms + record.candle_ms
        row = np.searchsorted(closes, time_ms + audit_step_ms(record), side="right") - 1
        first = int(np.clip(np.searchsorted(candles.time_ms, time_ms[:1]), 0, len(candles) - 1)[0])
        price = np.where(row < first, candles.open[first], candles.close[row])
        growth += price / candles.open[first] / len(record.pairs)
    return record.start_wallet_quote * growth


def engine_equity(record: RunRecord, time_ms: IntArray) -> FloatArray:
    """Return the starting wallet plus the engine's profit of trades closed by each candle's end."""
    order = sorted(record.trades, key=lambda t: t.close_ms)
    closed = np.array([t.close_ms for t in order], dtype=np.int64)
    total = np.concatenate(([0.0], np.cumsum([t.profit_quote for t in order])))
    by_end = np.searchsorted(closed, time_ms + audit_step_ms(record), side="right")
    return np.asarray(record.start_wallet_quote + total[by_end])


def forecasts_of(series: ForecastSeries, record: RunRecord) -> Forecasts:
    """Return the forecasts the strategy could act on, inside the run's span."""
    keep = given(series, record)
    stack = [series.column(name)[keep] for name in columns.RETURN_QUANTILES]
    p = [series.column(name)[keep] for name in (columns.P_DOWN, columns.P_FLAT, columns.P_UP)]
    return Forecasts(
        time_ms=series.time_ms[keep],
        p=np.column_stack(p),
        outcome_class=series.outcome_class[keep],
        quantiles=np.column_stack(stack),
        low=series.column(columns.RETURN_LOW)[keep],
        high=series.column(columns.RETURN_HIGH)[keep],
        sigma=series.column(columns.SIGMA)[keep],
        outcome_return=series.outcome_return[keep],
        horizon_candles=series.horizon_candles,
    )


def in_span(series: ForecastSeries, record: RunRecord) -> BoolArray:
    """Return the rows inside the run's span."""
    return np.asarray((series.time_ms >= record.start_ms) & (series.time_ms <= record.stop_ms))


def given(series: ForecastSeries, record: RunRecord) -> BoolArray:
    """Return the rows inside the run's span on which the model did not abstain."""
    willing = (series.do_predict == 1) & (series.column(columns.ABSTAIN) != 1)
    return np.asarray(in_span(series, record) & willing)


def _run(record: RunRecord) -> dict[str, Any]:
    names = (
        "title", "strategy", "model", "pairs", "timeframe", "candle_ms", "start_ms", "stop_ms",
        "stake_currency", "start_wallet_quote", "data_label", "created_ms",
    )  # fmt: skip
    return {**{name: getattr(record, name) for name in names}, "simulated": record.simulated}


def _provenance(record: RunRecord, seed: int) -> dict[str, Any]:
    versions: dict[str, Any] = {}
    for training in record.trainings:
        versions.update(training.manifest.get("versions", {}))
    return {
        "data_source": record.data_source,
        "data_sha256": record.data_sha256,
        "datadir": record.datadir,
        "model_dir": record.model_dir,
        "commit": record.commit,
        "command": record.command,
        "seeds": dict(record.seeds),
        "bootstrap": {"seed": seed, "draws": DRAWS},
        "versions": versions,
        "config": redacted(record.config),
    }


def _account(record: RunRecord) -> dict[str, Any]:
    a = record.audit
    distance, closest = _extreme(a.distance_to_liquidation_frac, a.time_ms, np.nanargmin)
    ratio, fullest = _extreme(a.margin_ratio_worst, a.time_ms, np.nanargmax)
    with np.errstate(invalid="ignore", divide="ignore"):
        leverage = np.where(a.equity_close > 0, a.gross_notional / a.equity_close, np.nan)
    exposed = a.gross_notional > 0
    held = bool((~np.isnan(a.distance_to_liquidation_frac)).any())
    return {
        "liquidated_at_ms": a.liquidated_at_ms,
        "held": held,
        "min_distance_frac": distance,
        "min_distance_ms": closest,
        "max_margin_ratio": ratio,
        "max_margin_ratio_ms": fullest,
        "max_gross_leverage": _extreme(leverage, a.time_ms, np.nanargmax)[0],
        "time_in_market_frac": float(exposed.mean()) if len(exposed) else np.nan,
        "summary": a.summary(),
    }


def _extreme(values: FloatArray, time_ms: IntArray, which: Any) -> tuple[float, int | None]:
    finite = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(finite).any():
        return float("nan"), None
    row = int(which(finite))
    return float(finite[row]), int(time_ms[row])


def _trades(trades: Sequence[TradeRecord]) -> dict[str, Any]:
    return trade_metrics(
        np.array([t.profit_quote for t in trades], dtype=np.float64),
        np.array([t.side for t in trades], dtype=np.int64),
        np.array([t.open_ms for t in trades], dtype=np.int64),
        np.array([t.close_ms for t in trades], dtype=np.int64),
        [t.exit_reason or "(none)" for t in trades],
    )


def _forecasts(record: RunRecord, rng: np.random.Generator) -> dict[str, Any]:
    per_pair = {f.pair: forecasts_of(f, record) for f in record.forecasts}
    usable = [f for f in per_pair.values() if len(f)]
    if not usable:
        return {"pooled": {}, "pairs": {}, "candles": 0, "given_frac": None, "reliability": {}}
    pooled = Forecasts.joined(usable)
    rows = sum(int(in_span(f, record).sum()) for f in record.forecasts)
    all_metrics = {pair: forecast_metrics(f, rng) for pair, f in per_pair.items()}
    return {
        "candles": rows,
        "given_frac": len(pooled) / rows,
        "horizon_candles": pooled.horizon_candles,
        "cost_frac": max(f.cost_frac for f in record.forecasts),
        "pooled": forecast_metrics(pooled, rng)
        if len(usable) > 1
        else next(m for pair, m in all_metrics.items() if len(per_pair[pair])),
        "pairs": all_metrics,
        "reliability": {
            "up": reliability(pooled, 1, rng),
            "down": reliability(pooled, -1, rng),
        },
    }


def claims_of(series: ForecastSeries, record: RunRecord) -> Claims:
    """Return what the strategy was promised, inside the run's span, and what came of it.

    An entry stands on the candle before the one it was filled in.
    """
    keep = given(series, record)
    time_ms = series.time_ms[keep]
    side = {t.open_ms - record.candle_ms: t.side for t in record.trades if t.pair == series.pair}
    quantiles = np.column_stack([series.column(name)[keep] for name in columns.RETURN_QUANTILES])
    return Claims(
        time_ms=time_ms,
        claimed=quantile_mean(quantiles),
        edge=series.column(columns.EDGE)[keep],
        edge_low=series.column(columns.EDGE_LOW)[keep],
        realised=series.outcome_return[keep],
        entered=np.array([side.get(t, 0) for t in time_ms.tolist()], dtype=np.int64),
        horizon_candles=series.horizon_candles,
    )


def _edge(record: RunRecord, rng: np.random.Generator) -> dict[str, Any]:
    """Return claimed against realised; None for every number where no model states an edge."""
    found = [claims_of(f, record) for f in record.forecasts]
    cost = max((f.cost_frac for f in record.forecasts), default=np.nan)
    rule = {"cost_bps": 1e4 * cost, "min_edge_costs": record.min_edge_costs,
            "waived": record.edge_waived}  # fmt: skip
    if not any(np.isfinite(c.edge).any() for c in found):
        return {**rule, "stated": 0}
    return rule | edge_metrics(Claims.pooled(found), record.min_edge_costs * cost, rng)


def _reference(record: RunRecord, rng: np.random.Generator) -> dict[str, Any]:
    """Return what the volatility reference gains on the rows the model answered, and who is ahead.

    Rows of several pairs are sorted by time as the forecasts are.
    """
    found = [
        (forecasts_of(f, record), record.reference.p[f.pair][given(f, record)])
        for f in record.forecasts
        if f.pair in record.reference.p
    ]
    out = {"title": record.reference.title, "missing": record.reference.missing, "rows": 0}
    if not found:
        return out
    series, p = zip(*found, strict=True)
    order = np.argsort(np.concatenate([f.time_ms for f in series]), kind="stable")
    return out | reference_metrics(Forecasts.joined(series), np.concatenate(p)[order], rng)


def _hazard(series: ForecastSeries, record: RunRecord, rng: np.random.Generator) -> dict[str, Any]:
    out: dict[str, Any] = {"pair": series.pair}
    for side, name, steps in (
        ("down", columns.LABEL_CASCADE_DOWN, series.outcome_cascade_down),
        ("up", columns.LABEL_CASCADE_UP, series.outcome_cascade_up),
    ):
        horizon = series.cascade_horizon_candles or _longest(steps) - 1
        p = np.where(given(series, record), series.column(name), np.nan)
        out[side] = hazard_metrics(p, steps, max(horizon, 1), rng)
    return out


def _longest(steps: FloatArray) -> int:
    return int(np.nanmax(steps)) if np.isfinite(steps).any() else 2


def training_row(training: TrainingRecord) -> dict[str, Any]:
    """Return what the per-training table shows of a manifest; missing entries are None."""
    m = training.manifest
    metrics, gaps = m.get("metrics", {}), m.get("context_gap_sd", {})
    context = m.get("context_candles")
    return {
        "pair": training.pair,
        "trained_until_ms": training.trained_until_ms,
        "network": m.get("network"),
        "parameters": m.get("parameters"),
        "spans_ms": m.get("spans_ms", {}),
        "rows": m.get("rows", {}),
        "validation_gain_millibits": metrics.get("validation", {}).get("gain_millibits"),
        "calibration_accuracy": metrics.get("calibration", {}).get("accuracy_moving"),
        "calibration_coverage_raw": metrics.get("calibration", {}).get("coverage_raw"),
        "moves_slope": m.get("calibration", {}).get("moves_slope"),
        "direction_slope": m.get("calibration", {}).get("direction_slope"),
        "edge": m.get("calibration", {}).get("edge") or {},
        "context_candles": context,
        "context_gap_sd": gaps.get(str(context)),
        "best_step": m.get("best_step"),
        "fit_seconds": m.get("seconds", {}).get("fit"),
        "seed": m.get("seed"),
        "onnx_sha256": m.get("onnx_sha256"),
    }
