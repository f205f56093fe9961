"""The comparison's figures: one interval per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from models.reports.style import BLUE, GREY, styled
from models.reports.text import known


def forest(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    title: str,
    null: float,
    drawn: str = "mean over seeds, 95 % interval",
) -> go.Figure:
    """Return one interval per row, with the seeds' range behind it and the null as a line.

    Parameters
    ----------
    drawn
        What the marks are, for the legend.
    """
    shown = [row for row in reversed(rows) if known(row[key]["value"])]
    names = [row["title"] for row in shown]
    fig = go.Figure()
    if shown and "seed_low" in shown[0][key]:
        for row in shown:
            fig.add_scatter(
                x=[row[key]["seed_low"], row[key]["seed_high"]], y=[row["title"]] * 2, mode="lines",
                line={"width": 9, "color": "rgba(230,159,0,0.35)"}, showlegend=False,
                hoverinfo="skip",
            )  # fmt: skip
        fig.add_scatter(
            x=[None], y=[None], mode="lines", name="range over seeds",
            line={"width": 9, "color": "rgba(230,159,0,0.35)"},
        )  # fmt: skip
    value = [row[key]["value"] for row in shown]
    fig.add_scatter(
        x=value, y=names, mode="markers", name=drawn,
        marker={"color": BLUE, "size": 8},
        error_x={
            "type": "data", "symmetric": False, "color": BLUE, "thickness": 1.5, "width": 3,
            "array": [row[key]["high"] - row[key]["value"] for row in shown],
            "arrayminus": [row[key]["value"] - row[key]["low"] for row in shown],
        },
    )  # fmt: skip
    fig.add_vline(x=null, line={"color": GREY, "dash": "dot", "width": 1})
    return styled(
        fig,
        110 + 26 * len(shown),
        margin={"l": 8, "r": 12, "t": 60, "b": 8},
        title={
            "text": title,
            "font": {"size": 13},
            "x": 0,
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 4},
        },
        legend={
            "orientation": "h",
            "y": 0.86,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "font": {"size": 11},
        },
    )
