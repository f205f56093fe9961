"""Figure of one pair: price, trades, and the forecasts they were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.base import columns
from models.base.types import Candles
from models.base.units import HOUR_MS
from models.reports.backtest.build import given, in_span
from models.reports.backtest.record import ForecastSeries, RunRecord, TradeRecord
from models.reports.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PAPER,
    RED,
    band,
    line,
    packed,
    share_of_points,
    styled,
    tinted,
    when,
    with_axes,
)
from models.reports.text import show

_MOST_CANDLES = 800  # beyond this a close line: thousands of candlesticks stall a browser
_PRICE_POINTS = 2_000  # of all pairs together: what a page of any number of them may weigh


def trades_figure(record: RunRecord, pair: str) -> go.Figure:
    """Return price with entries and exits, probabilities and interval below, panned together."""
    fig = go.Figure()
    fig.add_trace(_price(_inside(record, pair), _PRICE_POINTS // len(record.pairs)))
    for trace in _markers([t for t in record.trades if t.pair == pair], record.stake_currency):
        fig.add_trace(trace)
    series = next((f for f in record.forecasts if f.pair == pair), None)
    if series is not None:
        for trace in _forecast_traces(series, record):
            fig.add_trace(trace)
    styled(fig, 640, hovermode="closest")
    span = [float(record.start_ms), float(record.stop_ms + record.candle_ms)]
    follow = {"type": "date", "matches": "x"}
    fig.update_layout(
        xaxis={
            "type": "date",
            "range": span,
            "rangeslider": {"visible": True, "range": span, "thickness": 0.06},
        },
        xaxis2={**follow, "anchor": "y2", "showticklabels": False},
        xaxis3={**follow, "anchor": "y3"},
        yaxis={"domain": [0.56, 1.0], "title": {"text": _quote(pair)}},
        yaxis2={"domain": [0.22, 0.385], "title": {"text": "probability"}, "tickformat": ".0%"},
        yaxis3={"domain": [0.0, 0.19], "title": {"text": "return"}, "tickformat": ".1%"},
    )
    return with_axes(fig)


def _quote(pair: str) -> str:
    return pair.split("/")[-1].split(":")[0]


def _inside(record: RunRecord, pair: str) -> Candles:
    c = record.candles[pair]
    keep = (c.time_ms >= record.start_ms) & (c.time_ms <= record.stop_ms)
    return Candles(
        time_ms=c.time_ms[keep], open=c.open[keep], high=c.high[keep], low=c.low[keep],
        close=c.close[keep], volume=c.volume[keep],
    )  # fmt: skip


def _price(c: Candles, points: int) -> Any:
    if len(c) > _MOST_CANDLES:
        return line(c.time_ms, c.close, "close", INK, "%{y:,.6~g}", width=1, points=points)
    return go.Candlestick(
        x=when(c.time_ms), open=packed(c.open), high=packed(c.high), low=packed(c.low),
        close=packed(c.close), name="price",
        increasing={"line": {"color": BLUE, "width": 1}},
        decreasing={"line": {"color": ORANGE, "width": 1}},
    )  # fmt: skip


def _markers(trades: list[TradeRecord], currency: str) -> list[go.Scatter]:
    """Return holding lines, entries by side and exits by result."""
    traces = []
    for won, name, colour in ((True, "held, won", GREEN), (False, "held, lost", RED)):
        group = [t for t in trades if (t.profit_quote > 0) == won]
        if not group:
            continue
        x = [v for t in group for v in (t.open_ms, t.close_ms, np.nan)]
        y = [v for t in group for v in (t.open_rate, t.close_rate, np.nan)]
        traces.append(
            go.Scatter(x=np.array(x, dtype=np.float64), y=packed(np.array(y)), mode="lines",
                       name=name, line={"color": colour, "width": 1.5}, hoverinfo="skip")
        )  # fmt: skip
    for side, name, symbol, colour in (
        (1, "long entry", "triangle-up", BLUE),
        (-1, "short entry", "triangle-down", ORANGE),
    ):
        group = [t for t in trades if t.side == side]
        if not group:
            continue
        text = [_entry_text(t, currency) for t in group]
        traces.append(_points([t.open_ms for t in group], [t.open_rate for t in group],
                              name, symbol, colour, text))  # fmt: skip
    if not trades:
        return []
    text = [_exit_text(t, currency) for t in trades]
    traces.append(_points([t.close_ms for t in trades], [t.close_rate for t in trades],
                          "exit", "x-thin", GREY, text))  # fmt: skip
    return traces


def _points(
    x: list[int], y: list[float], name: str, symbol: str, colour: str, text: list[str]
) -> go.Scatter:
    outline = {"width": 1.8 if symbol == "x-thin" else 0.6,
               "color": colour if symbol == "x-thin" else PAPER}  # fmt: skip
    return go.Scatter(
        x=np.array(x, dtype=np.float64), y=np.array(y, dtype=np.float64), mode="markers", name=name,
        marker={"symbol": symbol, "size": 9 if symbol != "x-thin" else 6, "color": colour,
                "line": outline},
        text=text, hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _entry_text(t: TradeRecord, currency: str) -> str:
    side = "long" if t.side > 0 else "short"
    return (
        f"<b>{side}</b> {show(t.amount_base, 'amount')} at {show(t.open_rate, 'price')}"
        f"<br>stake {show(t.stake_quote, 'money')} {currency}, leverage {show(t.leverage, 'rate')}"
        f"<br>tag: {t.enter_tag or '(none)'}"
    )


def _exit_text(t: TradeRecord, currency: str) -> str:
    hours = (t.close_ms - t.open_ms) / HOUR_MS
    return (
        f"<b>exit</b> at {show(t.close_rate, 'price')}: {t.exit_reason or '(no reason)'}"
        f"<br>profit {show(t.profit_quote, 'money_change')} {currency} "
        f"after {show(hours, 'hours')}"
    )


def _forecast_traces(series: ForecastSeries, record: RunRecord) -> list[go.Scatter]:
    keep = given(series, record)
    shown = in_span(series, record)
    time_ms = series.time_ms[shown]

    def column(name: str) -> Any:
        return np.where(keep, series.column(name), np.nan)[shown]

    low, high = column(columns.RETURN_LOW), column(columns.RETURN_HIGH)
    points = share_of_points(len(record.pairs))
    middle = {"xaxis": "x2", "yaxis": "y2", "width": 1.2, "points": points}
    return [
        line(time_ms, column(columns.P_UP), "P(up)", BLUE, "%{y:.1%}", **middle),
        line(time_ms, column(columns.P_DOWN), "P(down)", ORANGE, "%{y:.1%}", **middle),
        band(time_ms, low, high, "90 % interval of the return", tinted(BLUE, 0.18), points,
             xaxis="x3", yaxis="y3"),
        line(time_ms, column(columns.LABEL_RETURN), "median forecast", INK, "%{y:.2%}",
             xaxis="x3", yaxis="y3", width=1, points=points),
    ]  # fmt: skip
