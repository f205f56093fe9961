"""The hedge's figures: money over time, ratios held, falls in crashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from models.base.types import FloatArray, IntArray
from models.reports.style import BLUE, GREEN, GREY, RED, line, styled


def hedge_equity_figure(time_ms: IntArray, curves: Mapping[str, FloatArray]) -> go.Figure:
    """Return the money made by position, hedge and both since the start."""
    colours = {"position": GREY, "hedge": BLUE, "both": GREEN}
    fig = go.Figure()
    for name, values in curves.items():
        fig.add_trace(line(time_ms, values, name, colours.get(name, RED), "%{y:,.0f} USDT"))
    fig.update_xaxes(type="date")
    return styled(fig, 380, yaxis={"title": "profit, USDT"}, hovermode="x unified")


def ratio_figure(time_ms: IntArray, legs: Mapping[str, FloatArray]) -> go.Figure:
    """Return the ratio each leg held."""
    fig = go.Figure()
    for (name, values), colour in zip(legs.items(), cycle((BLUE, GREEN, RED)), strict=False):
        fig.add_trace(line(time_ms, values, name, colour, "%{y:.2f}"))
    fig.update_xaxes(type="date")
    return styled(fig, 260, yaxis={"title": "ratio held", "rangemode": "tozero"})


def crash_figure(crashes: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return each crash's drawdown with and without the hedge."""
    names = [c["name"] for c in crashes][::-1]
    fig = go.Figure()
    for key, label, colour in (
        ("drawdown_net", "hedged", GREEN),
        ("drawdown_primary", "unhedged", GREY),
    ):
        fig.add_bar(
            y=names, x=[c[key] for c in crashes][::-1], name=label, orientation="h",
            marker={"color": colour}, hovertemplate="%{x:.1%}",
        )  # fmt: skip
    fig.update_xaxes(tickformat=".0%", title="largest fall, of the position")
    return styled(fig, 110 + 46 * len(names), barmode="group")
