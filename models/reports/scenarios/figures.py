"""The scenarios' figures: prices to come as a fan, the lows of every engine, coverage by decile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from models.base.types import FloatArray, IntArray
from models.reports.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    band,
    line,
    styled,
    tinted,
)
from models.scenarios.paths import CoinHistory
from models.studies.scenarios.rule import coin_of
from models.studies.scenarios.study import ScenarioStudy

_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
_DASHES: Final = ("solid", "dash", "dot")  # more engines than colours
_LOW_LEVEL: Final = 0.001  # that engines are held beside each other at


def scenario_figures(study: ScenarioStudy, history: CoinHistory) -> dict[str, go.Figure]:
    """Return the page's figures by their titles: prices to come, lows, coverage by volatility."""
    numbers, fan = study.numbers, study.fan
    coins = [a for a, c in enumerate(history.coins) if coin_of(c) in numbers["judged_coins"]]
    out: dict[str, go.Figure] = {}
    closes = history.time_ms + history.candle_ms
    for a in coins if fan is not None else []:
        assert fan is not None
        past = history.close[-len(fan) :, a].cumsum()
        ahead = closes[-1] + history.candle_ms * np.arange(1, len(fan) + 1)
        out[f"Prices of {coin_of(history.coins[a])} to come"] = ahead_figure(
            closes[-len(fan) :], np.expm1(past - past[-1]), ahead, fan[:, a]
        )
    if numbers["lows"]:
        title = f"Lows of every engine, {100 * (1 - _LOW_LEVEL):.6g} %"
        out[title] = lows_figure(numbers["lows"], _LOW_LEVEL)
    for a in coins if numbers["deciles"] else []:
        title = f"Coverage of {coin_of(history.coins[a])}"
        out[title] = calm_to_wild(numbers["deciles"], history.coins[a])
    return out


def ahead_figure(
    past_ms: IntArray, past: FloatArray, ahead_ms: IntArray, fan: FloatArray
) -> go.Figure:
    """Return the closes that were (B,) and the quantiles of those to come (T, 7), as returns.

    Both over the newest close; the quantiles are `models.studies.scenarios.envelope.FAN`.
    """
    fig = go.Figure()
    start = np.zeros((1, fan.shape[1]))
    at, ahead = np.concatenate((past_ms[-1:], ahead_ms)), np.concatenate((start, fan))
    for low, high, name, alpha in (
        (0, 6, "99 %", 0.14), (1, 5, "90 %", 0.22), (2, 4, "half", 0.34),
    ):  # fmt: skip
        fig.add_trace(band(at, ahead[:, low], ahead[:, high], name, tinted(BLUE, alpha)))
    fig.add_trace(line(at, ahead[:, 3], "median", BLUE, "%{y:+.1%}"))
    fig.add_trace(line(past_ms, past, "closes that were", GREY, "%{y:+.1%}"))
    fig.update_xaxes(type="date")
    return styled(fig, 340, yaxis={"title": "over the newest close", "tickformat": "+.0%"})


def lows_figure(rows: Sequence[Mapping[str, Any]], level: float) -> go.Figure:
    """Return, by coin, every engine's low of one level with its interval."""
    shown = [r for r in rows if r["level"] == level]
    engines = list(dict.fromkeys(r["engine"] for r in shown))
    fig = go.Figure()
    for engine, colour in zip(engines, cycle(_COLOURS), strict=False):
        own = [r for r in shown if r["engine"] == engine]
        fig.add_bar(
            y=[r["coin"].partition("/")[0] for r in own][::-1],
            x=[r["value"] for r in own][::-1], name=engine, orientation="h",
            marker={"color": colour}, hovertemplate="%{x:.1%}",
        )  # fmt: skip
    coins = len({r["coin"] for r in shown})
    fig.update_xaxes(tickformat=".0%", title="low within 24 hours", range=[-1, 0])
    return styled(fig, 90 + coins * (24 + 12 * len(engines)), barmode="group")


def calm_to_wild(rows: Sequence[Mapping[str, Any]], coin: str) -> go.Figure:
    """Return how often each engine's 90 % interval of 24 hours held, by decile of volatility."""
    fig = go.Figure()
    engines = list(dict.fromkeys(r["engine"] for r in rows))
    for number, engine in enumerate(engines):
        own = [r for r in rows if r["engine"] == engine and r["coin"] == coin]
        fig.add_scatter(
            x=[r["decile"] for r in own], y=[r["covered"]["value"] for r in own],
            mode="lines", name=engine, hovertemplate="%{y:.0%}",
            line={"color": _COLOURS[number % len(_COLOURS)],
                  "dash": _DASHES[number // len(_COLOURS) % len(_DASHES)]},
        )  # fmt: skip
    fig.add_hline(y=0.9, line={"color": GREY, "dash": "dot", "width": 1})
    fig.update_xaxes(title="tenth of hours, from calm to wild", dtick=1)
    return styled(fig, 320, yaxis={"title": "inside the 90 % interval", "tickformat": ".0%"})
