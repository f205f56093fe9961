"""Three judged engines as their page shows them: one believed, one rejected, one that broke."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.base.units import HOUR_MS
from models.reports.scenarios.figures import ahead_figure, calm_to_wild, lows_figure

NOW_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS
COINS = ("BTC/USDT:USDT", "LTC/USDT:USDT")
LOSSES = ("1 h", "24 h", "168 h", "24 h, worst price")
RUN: dict[str, Any] = {
    "title": "Which scenarios of BTC, LTC to believe", "span": "judged from a to b",
    "data": "simulated market", "simulated": True, "paths": 2048, "far_paths": 102_400,
    "origins": 1000, "seed": 0, "newest_ms": NOW_MS, "judged": "BTC and LTC",
    "losses": ", ".join(LOSSES),
    "notes": ["2 gaps, 5 candles left out"],
    "left_out": {"XRP/USDT:USDT": "expected at least 1001 candles, got 12"},
}  # fmt: skip


def tail_row(
    engine: str, coin: str, loss: str, side: str, level: float, p: float
) -> dict[str, Any]:
    hits = 10 if p > 0.01 else 31
    return {
        "engine": engine, "coin": coin, "loss": loss, "side": side, "level": level, "hits": hits,
        "origins": 1000, "expected": 1000 * level,
        "coverage": {"statistic": 1.0, "p": p}, "even": {"statistic": 2.0, "p": 0.4},
        "shortfall": {"statistic": -0.3, "p": p / 2},
    }  # fmt: skip


def study(believed: str = "filtered") -> dict[str, Any]:
    """What `models.studies.scenarios.study` finds; "broken" gave no answer."""
    p = {"filtered": 0.3 if believed else 1e-5, "bootstrap": 1e-6}
    tails = [
        tail_row(*key, p[key[0]])
        for key in product(p, COINS, LOSSES, ("long", "short"), (0.01, 0.05))
    ]
    rejected = [
        {**row, "test": test, "adjusted_p": 1e-5}
        for row in tails if row["coverage"]["p"] < 1e-3 for test in ("coverage", "shortfall")
    ]  # fmt: skip
    energy = [
        {"engine": e, "loss": loss, "energy": 0.03, "origins": 1000,
         "against": {"value": v, "low": v - 0.01, "high": v + 0.01}}
        for (e, v), loss in product(
            (("filtered", -0.03), ("bootstrap", 0.0), ("broken", np.nan)), LOSSES
        )
    ]  # fmt: skip
    engines = [
        {"engine": e, "tests": 96, "enough": True, "failures": {}, "energy": 0.03,
         "smallest_p": 0.2,
         "rejected": [r for r in rejected if r["engine"] == e],
         "passes": not any(r["engine"] == e for r in rejected)}
        for e in p
    ]  # fmt: skip
    broken = {
        "engine": "broken", "tests": 0, "enough": False, "rejected": [], "passes": False,
        "energy": np.nan, "smallest_p": np.nan, "failures": {"fitted until 2023-01-01": "it broke"},
    }  # fmt: skip
    lows = [
        {"engine": e, "coin": coin, "level": level, "value": v, "low": v - 0.02, "high": v + 0.02}
        for e, coin, (level, v) in product(
            p, COINS, ((0.01, -0.08), (0.001, -0.17), (0.0001, -0.3))
        )
    ]
    crashes = [
        {"engine": e, "day": "2025-10-10", "what": "tariffs", "coin": coin, "came": -0.59,
         "paths": 102_400, "lowest": -0.61, "far": -0.2, "as_low": as_low, "inside": as_low > 0}
        for (e, as_low), coin in product((("filtered", 2e-5), ("bootstrap", 0.0)), COINS)
    ]  # fmt: skip
    deciles = [
        {"engine": e, "coin": coin, "decile": d, "volatility": 0.01 * d,
         "covered": {"value": 0.97 - slope * d, "low": 0.8, "high": 1.0}}
        for (e, slope), coin, d in product(
            (("filtered", 0.01), ("bootstrap", 0.02)), COINS, range(1, 11)
        )
    ]  # fmt: skip
    return {
        "believed": believed, "shown": "filtered", "reference": "bootstrap",
        "judged_coins": ["BTC", "LTC"],
        "engines": [*engines, broken], "tails": tails, "energy": energy, "deciles": deciles,
        "lows": lows, "crashes": crashes, "notes": {"filtered": ["LTC by EWMA"], "bootstrap": []},
    }  # fmt: skip


def figures(numbers: dict[str, Any]) -> dict[str, go.Figure]:
    hours = np.arange(1, 169)
    fan = np.sqrt(hours)[:, None] * np.array([-2.6, -1.6, -0.7, 0.0, 0.7, 1.6, 2.6]) / 200
    past = np.sin(hours / 20) / 50
    before = NOW_MS + HOUR_MS * (hours - 168)
    return {
        "Prices of BTC to come": ahead_figure(
            before, past - past[-1], NOW_MS + HOUR_MS * hours, fan
        ),
        "Lows of every engine, 99.9 %": lows_figure(numbers["lows"], 0.001),
        "Coverage of LTC": calm_to_wild(numbers["deciles"], COINS[1]),
    }
