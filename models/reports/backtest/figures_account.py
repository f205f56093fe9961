"""Figures of the account: equity, drawdown, margin, and where the money went."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.base.types import FloatArray
from models.evaluate.metrics import drawdown
from models.reports.backtest.build import audited, buy_and_hold, engine_equity
from models.reports.backtest.record import RunRecord
from models.reports.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    line,
    styled,
    tinted,
)
from models.reports.text import show

_UNFALLEN = (-0.1, 0.0)  # drawdown's axis where there was none
_RATIO_LINES = ((0.3, "warn"), (0.5, "reduce only"), (0.7, "flatten"), (1.0, "liquidation"))


def equity_figure(record: RunRecord) -> go.Figure:
    """Return equity at closes and at the worst price inside each candle, and the drawdown."""
    time_ms, equity, start = audited(record)
    worst = record.audit.equity_worst
    unit = record.stake_currency
    hover = "%{y:,.2f} " + unit
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32],
                        vertical_spacing=0.06)  # fmt: skip
    for trace in (
        line(time_ms, buy_and_hold(record, time_ms), "buy and hold", ORANGE, hover, dash="dot"),
        line(time_ms, engine_equity(record, time_ms), "engine, closed trades", GREY, hover,
             dash="dash", width=1.2),
        line(time_ms, worst, "worst inside candle", RED, hover, width=0.8),
        line(time_ms, equity, "audited equity", BLUE, hover, width=2),
    ):  # fmt: skip
        fig.add_trace(trace, row=1, col=1)
    peak = np.maximum.accumulate(np.concatenate(([start], equity)))[1:]
    for trace in (
        line(time_ms, np.minimum(worst / peak - 1.0, 0.0), "drawdown, worst inside candle", RED,
             "%{y:.1%}", width=0.8, showlegend=False),
        line(time_ms, -drawdown(equity, start), "drawdown at close", BLUE, "%{y:.1%}", width=1,
             fill="tozeroy", fillcolor=tinted(BLUE, 0.15), showlegend=False),
    ):  # fmt: skip
        fig.add_trace(trace, row=2, col=1)
    fig.update_yaxes(title_text=unit, row=1, col=1)
    fell = float(min(np.min(worst / peak), np.min(equity / peak))) < 1.0
    fig.update_yaxes(title_text="drawdown", tickformat=".0%", row=2, col=1)
    if not fell:  # around a constant plotly's axis would reach from -100 % to 100 %
        fig.update_yaxes(range=_UNFALLEN, row=2, col=1)
    _mark_liquidation(fig, record)
    fig.update_xaxes(type="date")
    return styled(fig, 520, hovermode="x unified")


def margin_figure(record: RunRecord) -> go.Figure:
    """Return margin ratio, distance to liquidation and gross leverage over time."""
    a = record.audit
    fig = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05,
                        row_heights=[0.4, 0.35, 0.25])  # fmt: skip
    for trace in (
        line(a.time_ms, a.margin_ratio_worst, "worst margin ratio", RED, "%{y:.3f}",
             width=1),
        line(a.time_ms, a.margin_ratio_close, "margin ratio at close", BLUE, "%{y:.3f}"),
    ):  # fmt: skip
        fig.add_trace(trace, row=1, col=1)
    distance = np.minimum(a.distance_to_liquidation_frac, 1.0)  # beyond, nothing liquidates
    fig.add_trace(
        line(a.time_ms, distance, "distance to liquidation", PURPLE, "%{y:.1%}", width=2),
        row=2, col=1,
    )  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        leverage = np.where(a.equity_close > 0, a.gross_notional / a.equity_close, np.nan)
    fig.add_trace(
        line(a.time_ms, leverage, "gross leverage", GREEN, "%{y:.2f}×", width=1.2, fill="tozeroy",
             fillcolor=tinted(GREEN, 0.12)),
        row=3, col=1,
    )  # fmt: skip
    highest = _finite_max(a.margin_ratio_worst)
    for level, label in _RATIO_LINES:
        if level <= 1.3 * highest:
            fig.add_hline(y=level, row=1, col=1, line={"color": GREY, "dash": "dot", "width": 1},
                          annotation={"text": label, "font": {"size": 10, "color": GREY}},
                          annotation_position="top left")  # fmt: skip
    fig.update_yaxes(title_text="margin ratio", range=[0, min(1.3 * highest, 1.3) or 1.0],
                     row=1, col=1)  # fmt: skip
    fig.update_yaxes(title_text="distance", tickformat=".0%", range=[0, _farthest(distance)],
                     row=2, col=1)  # fmt: skip
    fig.update_yaxes(title_text="leverage", ticksuffix="×", rangemode="tozero", row=3, col=1)
    _mark_liquidation(fig, record)
    fig.update_xaxes(type="date")
    return styled(fig, 560, hovermode="x unified")


def waterfall_figure(numbers: dict[str, Any], currency: str) -> go.Figure:
    """Return the steps from the starting wallet to the final equity."""
    money = numbers["money"]
    dead = numbers["account"]["liquidated_at_ms"] is not None
    steps = [s for s in money["steps"] if dead or not s["label"].startswith("Liquidation")]
    steps.append({"label": "Unexplained", "quote": money["residual_quote"]})
    labels = ["Start", *(s["label"] for s in steps), "Final equity"]
    amounts = [money["start_quote"], *(s["quote"] for s in steps), money["final_quote"]]
    kinds = ["absolute", *("relative" for _ in steps), "total"]
    text = [show(v, "money" if k != "relative" else "money_change")
            for v, k in zip(amounts, kinds, strict=True)]  # fmt: skip
    # The start dwarfs the steps: the axis begins a little below the lowest bar instead of at 0.
    path = np.cumsum([money["start_quote"], *(s["quote"] or 0.0 for s in steps)])
    reach = max(float(np.ptp(path)), 1e-6 * money["start_quote"])
    fig = go.Figure(
        go.Waterfall(
            y=[f"{label}: {amount}" for label, amount in zip(labels, text, strict=True)],
            x=amounts,
            measure=kinds,
            orientation="h",
            textposition="none",
            increasing={"marker": {"color": GREEN}},
            decreasing={"marker": {"color": RED}},
            totals={"marker": {"color": BLUE}},
            connector={"line": {"color": GREY, "width": 1}},
            hovertemplate="%{y} " + currency + "<extra></extra>",
        )
    )
    fig.update_xaxes(
        title_text=currency, nticks=6, range=[float(path.min()) - 0.25 * reach,
                                              float(path.max()) + 0.25 * reach]
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return styled(fig, 80 + 34 * len(labels), showlegend=False)


def _mark_liquidation(fig: go.Figure, record: RunRecord) -> None:
    if record.audit.liquidated_at_ms is not None:
        fig.add_vline(x=float(record.audit.liquidated_at_ms), line={"color": RED, "width": 2})


def _farthest(distance: FloatArray) -> float:
    """Return the top of the distance axis: near misses must stay visible below safe hours."""
    finite = distance[np.isfinite(distance)]
    return (
        min(float(finite.max()), max(0.5, 4 * float(finite.min()))) * 1.05 if len(finite) else 1.0
    )


def _finite_max(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else 0.0
