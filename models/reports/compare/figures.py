"""The comparison's figures: one interval per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from models.reports.style import BLUE, GREY, ORANGE, styled, tinted
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
    title
        What is measured, at its axis.
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
                line={"width": 9, "color": tinted(ORANGE, 0.4)}, showlegend=False,
                hoverinfo="skip", legendgroup="seeds",
            )  # fmt: skip
        fig.add_scatter(
            x=[None], y=[None], mode="lines", name="range over seeds",
            legendgroup="seeds", line={"width": 9, "color": tinted(ORANGE, 0.4)},
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
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(type="category")
    return styled(fig, 80 + 26 * len(shown))
