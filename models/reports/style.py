"""How the report's figures look: colours, layout, and thinning of long series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.types import FloatArray, IntArray

# After Okabe & Ito's palette: told apart with any kind of colour vision. Each is dark enough for
# white paper (contrast 3 or more) and has its counterpart for a dark page.
BLUE: Final = "#0072b2"
GREEN: Final = "#009e73"
ORANGE: Final = "#b87700"
RED: Final = "#d55e00"
PURPLE: Final = "#b3548a"
GREY: Final = "#5b6472"
LIGHT: Final = "#cbd5e1"
INK: Final = "#1f2937"
GRID: Final = "#e9eef4"
PAPER: Final = "#ffffff"
AT_NIGHT: Final[Mapping[str, str]] = {
    BLUE: "#6cb8ea", GREEN: "#3cc79d", ORANGE: "#eba93a", RED: "#ff8f5a", PURPLE: "#e39ac4",
    GREY: "#a3aebd", LIGHT: "#46536a", INK: "#e6eaf0", GRID: "#273142", PAPER: "#161c26",
}  # fmt: skip
POINTS: Final = 1_000  # a line keeps at most about this many; extremes survive the thinning


def tinted(colour: str, alpha: float) -> str:
    """Return a hex colour as rgba.

    Examples
    --------
    >>> tinted("#0072b2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    return f"{_channels(colour)},{alpha})"


def night_colours() -> dict[str, str]:
    """Return what every colour of a figure becomes on a dark page, tints as they begin."""
    tints = {_channels(day): _channels(night) for day, night in AT_NIGHT.items()}
    return {**AT_NIGHT, **tints}


def _channels(colour: str) -> str:
    """Return how the rgba of a hex colour begins."""
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b}"


def styled(fig: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Give `fig` the report's fonts, margins and axes.

    The page writes the legend beside the figure, where it wraps and can be reached by a keyboard;
    ``showlegend=False`` leaves it out.
    """
    fig.update_layout(
        height=height,
        template=go.layout.Template(),
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        hoverlabel={"font": {"size": 12, "color": INK}, "bgcolor": PAPER, "bordercolor": LIGHT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    fig.update_layout(**layout)
    return with_axes(fig)


def with_axes(fig: go.Figure) -> go.Figure:
    """Give the axes of `fig` the report's lines, and room for what is written at them."""
    fig.update_xaxes(automargin=True, gridcolor=GRID, linecolor=LIGHT, zerolinecolor=LIGHT)
    fig.update_yaxes(automargin=True, gridcolor=GRID, zerolinecolor=LIGHT, title_standoff=6)
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


def share_of_points(pairs: int) -> int:
    """Return how many points a line of one of so many pairs keeps: a page of many stays small."""
    return max(300, POINTS // pairs)


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
    time_ms: IntArray, low: FloatArray, high: FloatArray, name: str, fill: str,
    points: int = POINTS, **more: Any,
) -> go.Scatter:  # fmt: skip
    """Return the area between `low` and `high`, one closed outline per run without NaN.

    Filling between two lines instead would bridge the gaps with a wrong area.
    """
    rows = thinned(np.where(np.isfinite(low), high, np.nan), points)
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
