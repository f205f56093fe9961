"""Figures of the forecasts against what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.base import columns
from models.base.columns import RETURN_QUANTILES
from models.base.types import FloatArray
from models.evaluate.metrics import Forecasts
from models.evaluate.metrics.forecast import NOMINAL, WINDOW_MS, rolling_share
from models.reports.backtest.build import given, in_span
from models.reports.backtest.record import ForecastSeries, RunRecord
from models.reports.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    band,
    line,
    packed,
    share_of_points,
    styled,
    tinted,
    when,
)

_FAN_CANDLES = 240


def reliability_figure(numbers: dict[str, Any]) -> go.Figure:
    """Return forecast probability against observed share, with block-bootstrap intervals."""
    fig = go.Figure()
    reach = [1.0, 0.0]
    for side, name, colour in (("up", "up", BLUE), ("down", "down", ORANGE)):
        bins = numbers["forecast"]["reliability"][side]
        share = _column(bins, "value")
        low, high = _column(bins, "low"), _column(bins, "high")
        forecast = _column(bins, "forecast")
        everything = np.concatenate((share, low, high, forecast, [0.5]))
        reach = [min(reach[0], np.nanmin(everything)), max(reach[1], np.nanmax(everything))]
        fig.add_trace(
            go.Scatter(
                x=forecast, y=share, name=name, mode="lines+markers",
                line={"color": colour, "width": 1}, marker={"size": 7},
                error_y={"type": "data", "symmetric": False, "array": high - share,
                         "arrayminus": share - low, "thickness": 1, "width": 3},
                hovertemplate="forecast %{x:.1%}, happened %{y:.1%}<extra>" + name + "</extra>",
            )
        )  # fmt: skip
    ends = [max(reach[0] - 0.02, 0.0), min(reach[1] + 0.02, 1.0)]
    fig.add_trace(go.Scatter(x=ends, y=ends, mode="lines", name="perfect", hoverinfo="skip",
                             line={"color": GREY, "dash": "dot", "width": 1}))  # fmt: skip
    fig.update_xaxes(title_text="forecast probability", tickformat=".0%", range=ends)
    fig.update_yaxes(title_text="share that happened", tickformat=".0%", range=ends)
    return styled(fig, 380)


def decile_figure(numbers: dict[str, Any]) -> go.Figure:
    """Return direction accuracy by confidence decile."""
    deciles = numbers["forecast"]["pooled"]["direction"]["accuracy_by_confidence"]
    value, low, high = (_column(deciles, k) for k in ("value", "low", "high"))
    fig = go.Figure(
        go.Scatter(
            x=list(range(1, len(deciles) + 1)), y=value, mode="markers", name="accuracy",
            marker={"color": BLUE, "size": 9},
            error_y={"type": "data", "symmetric": False, "array": high - value,
                     "arrayminus": value - low, "color": BLUE, "thickness": 1.2, "width": 4},
            hovertemplate="decile %{x}: %{y:.1%}<extra></extra>",
        )
    )  # fmt: skip
    fig.add_hline(y=0.5, line={"color": GREY, "dash": "dot", "width": 1})
    fig.update_xaxes(title_text="confidence decile (10 = most confident)", dtick=1)
    fig.update_yaxes(title_text="right side", tickformat=".0%")
    return styled(fig, 380, showlegend=False)


def coverage_figure(f: Forecasts) -> go.Figure:
    """Return the interval's coverage over the last 30 days and each quantile's share below."""
    f = f.with_return
    inside = ((f.outcome_return >= f.low) & (f.outcome_return <= f.high)).astype(np.float64)
    time_ms, share = rolling_share(f.time_ms, inside, WINDOW_MS)
    fig = go.Figure(line(time_ms, share, "coverage, last 30 days", BLUE, "%{y:.1%}"))
    fig.add_hline(y=NOMINAL, line={"color": GREY, "dash": "dot", "width": 1})
    bottom = min(float(share.min()) if len(share) else 0.8, 0.84) - 0.02
    fig.update_xaxes(type="date")
    fig.update_yaxes(
        title_text=f"coverage (promised: {NOMINAL:.0%})", tickformat=".0%", range=[bottom, 1.0]
    )
    return styled(fig, 340, showlegend=False)


def held_figure(groups: list[dict[str, Any]], names: list[str], title: str) -> go.Figure:
    """Return the interval's coverage in each of the `groups` of forecasts, which have `names`."""
    value, low, high = (_column(groups, k) for k in ("value", "low", "high"))
    fig = go.Figure(
        go.Scatter(
            x=names, y=value, mode="markers", marker={"color": BLUE, "size": 9},
            error_y={"type": "data", "symmetric": False, "array": high - value,
                     "arrayminus": value - low, "color": BLUE, "thickness": 1.2, "width": 4},
            hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        )
    )  # fmt: skip
    fig.add_hline(y=NOMINAL, line={"color": GREY, "dash": "dot", "width": 1})
    bottom = float(np.nanmin(np.append(low, 0.84))) - 0.02
    fig.update_xaxes(title_text=title, type="category")
    fig.update_yaxes(
        title_text=f"coverage (promised: {NOMINAL:.0%})", tickformat=".0%", range=[bottom, 1.0]
    )
    return styled(fig, 340, showlegend=False)


def quantile_figure(numbers: dict[str, Any]) -> go.Figure:
    """Return how often the outcome fell below each forecast quantile, minus the level promised."""
    rows = numbers["forecast"]["pooled"]["quantiles"].get("share_below", [])
    level = _column(rows, "level")
    value, low, high = (_column(rows, k) - level for k in ("value", "low", "high"))
    fig = go.Figure(
        go.Scatter(
            x=[f"{100 * x:.0f} %" for x in level], y=value, mode="markers",
            marker={"color": BLUE, "size": 9},
            error_y={"type": "data", "symmetric": False, "array": high - value,
                     "arrayminus": value - low, "color": BLUE, "thickness": 1.2, "width": 4},
            hovertemplate="%{x} quantile: %{y:+.1%}<extra></extra>",
        )
    )  # fmt: skip
    fig.add_hline(y=0.0, line={"color": GREY, "dash": "dot", "width": 1})
    fig.update_xaxes(title_text="forecast quantile", type="category")
    fig.update_yaxes(title_text="share below − level", tickformat="+.0%")
    return styled(fig, 340, showlegend=False)


def fan_figure(series: ForecastSeries, record: RunRecord) -> go.Figure:
    """Return the last forecasts' quantile fan with the outcome that followed each."""
    known = given(series, record) & np.isfinite(series.outcome_return)
    rows = np.flatnonzero(known)[-_FAN_CANDLES:]
    time_ms, fig = series.time_ms[rows], go.Figure()
    q = [series.column(name)[rows] for name in RETURN_QUANTILES]
    for low, high, name, alpha in ((0, 4, "5 to 95 %", 0.15), (1, 3, "25 to 75 %", 0.3)):
        fig.add_trace(band(time_ms, q[low], q[high], name, tinted(BLUE, alpha)))
    fig.add_trace(line(time_ms, q[2], "median", BLUE, "%{y:.2%}"))
    fig.add_trace(
        go.Scatter(x=when(time_ms), y=packed(series.outcome_return[rows]), name="outcome",
                   mode="markers", marker={"color": INK, "size": 3.5},
                   hovertemplate="%{y:.2%}<extra>outcome</extra>")
    )  # fmt: skip
    fig.update_xaxes(type="date")
    fig.update_yaxes(title_text=f"log return over {series.horizon_candles} candles",
                     tickformat=".1%")  # fmt: skip
    return styled(fig, 360)


def hazard_figure(series: ForecastSeries, record: RunRecord) -> go.Figure:
    """Return the probability of a cascade within the horizon, true onsets marked."""
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    shown = in_span(series, record)
    keep = given(series, record)
    for row, label, name, steps, colour in (
        (1, "down", columns.LABEL_CASCADE_DOWN, series.outcome_cascade_down, RED),
        (2, "up", columns.LABEL_CASCADE_UP, series.outcome_cascade_up, BLUE),
    ):
        p = np.where(keep, series.column(name), np.nan)[shown]
        points = share_of_points(len(record.pairs))
        fig.add_trace(line(series.time_ms[shown], p, f"P({label} cascade)", colour, "%{y:.1%}",
                           width=1, points=points), row=row, col=1)  # fmt: skip
        # Onset is in the candle after the row that says "one candle to go".
        onset = series.time_ms[shown & (steps == 1)] + record.candle_ms
        top = float(np.nanmax(p)) if np.isfinite(p).any() else 1.0
        fig.add_trace(_onsets(onset, top, f"{label} onset"), row=row, col=1)
        fig.update_yaxes(title_text=label, tickformat=".0%", rangemode="tozero", row=row, col=1)
    fig.update_xaxes(type="date")
    return styled(fig, 380)


def _onsets(time_ms: Any, top: float, name: str) -> go.Scatter:
    return go.Scatter(
        x=when(time_ms), y=np.full(len(time_ms), top * 1.08), mode="markers", name=name,
        marker={"symbol": "triangle-down", "color": INK, "size": 9},
        error_y={"type": "data", "symmetric": False, "array": np.zeros(len(time_ms)),
                 "arrayminus": np.full(len(time_ms), top * 1.08), "color": GREY, "thickness": 1,
                 "width": 0},
        hovertemplate="%{x}<extra>" + name + "</extra>",
    )  # fmt: skip


def _column(rows: list[dict[str, Any]], name: str) -> FloatArray:
    return np.array([np.nan if r[name] is None else r[name] for r in rows], dtype=np.float64)
