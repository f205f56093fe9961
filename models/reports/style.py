"""How the report's figures look: colours, layout, and thinning of long series."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.types import FloatArray, IntArray

# Okabe & Ito's palette: told apart with any kind of colour vision.
BLUE: Final = "#0072b2"
SKY: Final = "#56b4e9"
GREEN: Final = "#009e73"
ORANGE: Final = "#e69f00"
RED: Final = "#d55e00"
PURPLE: Final = "#cc79a7"
GREY: Final = "#6b7280"
LIGHT: Final = "#cbd5e1"
INK: Final = "#1f2937"
POINTS: Final = 2_000  # a line keeps at most about this many; extremes survive the thinning


def tinted(colour: str, alpha: float) -> str:
    """Return a hex colour as rgba.

    Examples
    --------
    >>> tinted("#0072b2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{alpha})"


def styled(fig: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Give `fig` the report's fonts, margins and legend."""
    fig.update_layout(
        height=height,
        template=go.layout.Template(),
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        margin={"l": 8, "r": 12, "t": 36, "b": 8},
        legend={
            "orientation": "h",
            "y": 1.0,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "traceorder": "normal",
        },
        hoverlabel={"font": {"size": 12}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    fig.update_xaxes(automargin=True, gridcolor="#eef2f7", linecolor=LIGHT)
    fig.update_yaxes(automargin=True, gridcolor="#eef2f7", zerolinecolor=LIGHT,
                     title_standoff=6)  # fmt: skip
    fig.update_layout(**layout)
    return fig


def when(time_ms: IntArray) -> FloatArray:
    """Return times for a date axis; numbers are packed, date strings are not."""
    return time_ms.astype(np.float64)


def packed(values: FloatArray) -> Any:
    """Return `values` as float32: seven digits are more than a screen shows."""
    return np.asarray(values, dtype=np.float32)


def thinned(values: FloatArray, points: int = POINTS) -> IntArray:
    """Return rows of `values` that draw the same line: each bucket's first, minimum and maximum.

    Rows where the series becomes NaN or stops being NaN are kept, so gaps stay gaps.

    Examples
    --------
    >>> thinned(np.array([0.0, 5.0, 1.0, 1.0, -3.0, 1.0]), 3)
    array([0, 1, 4, 5])
    """
    n = len(values)
    if n <= points:
        return np.arange(n)
    keep = {0, n - 1}
    for bucket in np.array_split(np.arange(n), max(1, points // 3)):
        finite = bucket[np.isfinite(values[bucket])]
        keep.add(int(bucket[0]))
        if len(finite):
            keep |= {int(finite[values[finite].argmin()]), int(finite[values[finite].argmax()])}
    edge = np.flatnonzero(np.diff(np.isnan(values).astype(np.int8)))
    return np.array(sorted(keep | set(edge.tolist()) | set((edge + 1).tolist())), dtype=np.int64)


def line(
    time_ms: IntArray, values: FloatArray, name: str, colour: str, hover: str, **more: Any
) -> go.Scatter:
    """Return a thinned line over time; `hover` formats y, for example ``%{y:.1%}``."""
    rows = thinned(values, more.pop("points", POINTS))
    style = {"color": colour, "width": more.pop("width", 1.5), "dash": more.pop("dash", "solid")}
    return go.Scatter(
        x=when(time_ms[rows]),
        y=packed(values[rows]),
        name=name,
        mode="lines",
        line=style,
        hovertemplate=f"{hover}<extra>{name}</extra>",
        **more,
    )


def band(
    time_ms: IntArray, low: FloatArray, high: FloatArray, name: str, fill: str, **more: Any
) -> go.Scatter:
    """Return the area between `low` and `high`, one closed outline per run without NaN.

    Filling between two lines instead would bridge the gaps with a wrong area.
    """
    rows = thinned(np.where(np.isfinite(low), high, np.nan))
    known = np.isfinite(low[rows]) & np.isfinite(high[rows])
    x, y = [np.empty(0)], [np.empty(0)]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], known.astype(np.int8), [0]))))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        run = rows[first:stop]
        times = when(time_ms[run])
        x += [times, times[::-1], np.array([np.nan])]
        y += [high[run], low[run][::-1], np.array([np.nan])]
    return go.Scatter(
        x=np.concatenate(x),
        y=packed(np.concatenate(y)),
        name=name,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=fill,
        hoverinfo="skip",
        **more,
    )
