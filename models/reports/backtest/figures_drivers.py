"""Figures of what drove the forecasts: bars, with the error each of them carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from models.evaluate.explain.forecast import short_names
from models.evaluate.explain.text import UNITS, measured
from models.reports.style import BLUE, GREY, INK, ORANGE, styled, tinted

_SHOWN: Final = 15
_UNIT, _SCALE = UNITS["advantage"][1:]


def features_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """Return the mean size of each feature's moves, the largest first."""
    rows = rows[:_SHOWN]
    fig = _bars([r["feature"] for r in rows], rows, "all candles")
    return styled(fig, 60 + 24 * len(rows), showlegend=False)


def ages_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """Return the mean size of the moves of each block of candles, the youngest first."""
    fig = _bars([_candles(r["age"]) for r in rows], rows, "all features")
    return styled(fig, 60 + 34 * len(rows), showlegend=False)


def driven_figure(forecast: dict[str, Any]) -> go.Figure:
    """Return the strongest drivers of one forecast with their sign, and the sum of all others."""
    rest = forecast["rest"]
    labels = [f"{d['feature']}, {_candles(d['age'])}" for d in forecast["drivers"]]
    labels.append(f"{rest['count']} others together")
    return _signed(labels, [*forecast["drivers"], rest], 24, pale_last=True)


def driven_ages_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """Return what each block of candles moved one forecast by, the youngest first."""
    return _signed([f"{_candles(r['age'])}, all features" for r in rows], rows, 34)


def _signed(
    labels: list[str], rows: Sequence[dict[str, Any]], step: int, pale_last: bool = False
) -> go.Figure:
    colours = [BLUE if r["value"] > 0 else ORANGE for r in rows]
    if pale_last:
        colours[-1] = tinted(colours[-1], 0.45)
    fig = _horizontal(labels, rows, colours)
    fig.add_vline(x=0, line={"color": INK, "width": 1})
    fig.update_xaxes(title_text=f"moves p_up − p_down, {_UNIT}")
    return styled(fig, 60 + step * len(rows), showlegend=False)


def permutation_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """Return what each feature is worth to a tree model on the rows it was checked on."""
    rows = rows[:_SHOWN]
    labels = list(short_names([r["feature"] for r in rows]))
    fig = _horizontal(labels, rows, [BLUE] * len(rows), scale=1.0, errors=1.0, unit="millibits")
    fig.update_xaxes(title_text="loss without it, millibits")
    return styled(fig, 60 + 24 * len(rows), showlegend=False)


def _bars(labels: list[str], rows: Sequence[dict[str, Any]], what: str) -> go.Figure:
    fig = _horizontal(labels, rows, [BLUE] * len(rows))
    fig.add_trace(
        go.Scatter(
            x=[_SCALE * r["noise"] for r in rows], y=labels, mode="markers",
            marker={"symbol": "line-ns-open", "size": 12, "color": INK, "line": {"width": 2}},
            hovertemplate="sampling alone: %{x:.2f}<extra></extra>",
        )
    )  # fmt: skip
    fig.update_xaxes(title_text=f"mean move, {_UNIT} ({what})", rangemode="tozero")
    return fig


def _horizontal(
    labels: list[str],
    rows: Sequence[dict[str, Any]],
    colours: list[str],
    *,
    scale: float = _SCALE,
    errors: float = 2.0,
    unit: str = _UNIT,
) -> go.Figure:
    """Return horizontal bars, the first on top, with `errors` standard errors."""
    text = [" ± ".join(measured(scale * r["value"], scale * r["error"])) for r in rows]
    fig = go.Figure(
        go.Bar(
            x=[scale * r["value"] for r in rows], y=labels, orientation="h",
            marker={"color": colours}, customdata=text,
            error_x={"type": "data", "array": [errors * scale * r["error"] for r in rows],
                     "color": GREY, "thickness": 1, "width": 3},
            hovertemplate="%{y}: %{customdata} " + unit + "<extra></extra>",
        )
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return fig


def _candles(age: str) -> str:
    """Return a block of candles in words.

    Examples
    --------
    >>> _candles("last"), _candles("2–4"), _candles("older")
    ('last candle', 'candles 2–4', 'older candles')
    """
    return {"last": "last candle", "older": "older candles"}.get(age, f"candles {age}")
