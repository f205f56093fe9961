"""From candles to trades: what stopped the others, what would change it, what to try next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.types import IntArray
from models.reports.backtest.record import ForecastSeries, RunRecord
from models.reports.text import Numbers, known, show
from models.trade.decision.funnel import ENTRY_STEPS, STEP_NAMES, entry_funnel, steps_passed
from models.trade.decision.signals import DecisionConfig

_RULE_COLUMNS: Final = (
    columns.P_DOWN, columns.P_UP, columns.ABSTAIN, columns.EDGE_LOW, *columns.RETURN_QUANTILES,
    columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP,
)  # fmt: skip
_TITLES: Final = {
    "candles": "Candles", "forecast": "With a forecast", "trusted": "Trusted",
    "direction": "With a lead", "edge": "Edge pays", "hazard": "No cascade ahead",
    "free": "No position held", "filled": "Trades",
}  # fmt: skip
_AFTER: Final = {
    "free": "no position of the pair open already: one at a time",
    "filled": "the guards' consent, a stake above the exchange's smallest, and a fill",
}


def trade_funnel(record: RunRecord) -> dict[str, Any]:
    """Return how many candles of the run got how far on the way to a trade.

    Returns
    -------
    dict
        ``steps``: name, title, what it needs and the count that passed it; empty for a strategy
        with rules of its own. ``refused``: reason to count, of orders the guards let not through.
        ``best_edge_bps``: the highest lower bound on the side of a trusted forecast's lead.
    """
    refused = [{"reason": r, "count": c} for r, c in record.refused.items()]
    out: dict[str, Any] = {"steps": [], "refused": refused, "best_edge_bps": None}
    if record.decision is None:
        return out
    counts: dict[str, int] = dict.fromkeys(("candles", *STEP_NAMES, "free"), 0)
    best = [-np.inf]
    for series in record.forecasts:
        passed = _passed(series, record, record.decision)
        here = (series.time_ms >= record.start_ms) & (series.time_ms <= record.stop_ms)
        for name, count in entry_funnel(passed[here]).items():
            counts[name] += count
        counts["free"] += _free(series, record, (passed == len(ENTRY_STEPS)) & here)
        best.append(_best_edge(series, passed, here))
    counts["filled"] = len(record.trades)
    needs = {step.name: step.needs for step in ENTRY_STEPS} | _AFTER
    out["steps"] = [
        {"name": name, "title": _TITLES[name], "needs": needs.get(name, ""), "count": count}
        for name, count in counts.items()
    ]
    out["best_edge_bps"] = 1e4 * max(best) if np.isfinite(max(best)) else None
    return out


def _passed(series: ForecastSeries, record: RunRecord, rule: DecisionConfig) -> IntArray:
    forecast = {name: series.column(name) for name in _RULE_COLUMNS}
    return steps_passed(forecast, series.do_predict, series.cost_frac, rule)


def _free(series: ForecastSeries, record: RunRecord, wanted: Any) -> int:
    """Return how many of the `wanted` rows found no position of the pair at the next open."""
    held = np.zeros(len(series.time_ms), dtype=bool)
    opens = series.time_ms + record.candle_ms
    for t in record.trades:
        if t.pair == series.pair:
            held |= (opens > t.open_ms) & (opens < t.close_ms)
    return int((wanted & ~held).sum())


def _best_edge(series: ForecastSeries, passed: IntArray, here: Any) -> float:
    """Return the highest lower bound of the edge where a trusted forecast leads, a log return."""
    lead = series.column(columns.P_UP) - series.column(columns.P_DOWN)
    edge = np.sign(lead) * series.column(columns.EDGE_LOW)
    usable = edge[here & (passed >= STEP_NAMES.index("direction") + 1) & np.isfinite(edge)]
    return float(usable.max()) if len(usable) else -np.inf


def stopped_at(funnel: Numbers) -> str:
    """Return the name of the step that let nothing through, "" where something was traded."""
    return next((step["name"] for step in funnel["steps"] if not step["count"]), "")


def funnel_advice(n: Numbers) -> dict[str, Any]:
    """Return headline, explanation, what would change it and what to try, for a run's numbers.

    Empty for a run that traded: its funnel speaks for itself.
    """
    funnel = n["funnel"]
    if n["trades"]["count"]:
        return {}
    if not funnel["steps"]:
        headline = "No trade: the strategy has rules of its own, and wanted none."
        why = _refusals(funnel) or "Nothing was ordered, and no guard refused anything."
        return {"at": "", "headline": headline, "why": why, "changes": [], "next": _next(n)}
    at = stopped_at(funnel)
    headline, changes = _WORDS[at]
    return {
        "at": at,
        "headline": headline,
        "why": _why(n, at),
        "changes": list(changes),
        "next": _next(n),
    }


def _why(n: Numbers, at: str) -> str:
    """Return where the candles went, with the numbers of the step that stopped the last of them."""
    funnel, edge = n["funnel"], n["edge"]
    counts = {step["name"]: step["count"] for step in funnel["steps"]}
    names = list(counts)
    before = names[max(names.index(at) - 1, 0)]
    left = f"Of {counts['candles']:,} candles, {counts[before]:,} got as far as this step."
    if at != "edge" or not known(funnel["best_edge_bps"]):
        return " ".join(part for part in (left, _refusals(funnel)) if part)
    return (
        f"{left} The most that the lower bound of the edge promised on any of them was "
        f"{show(funnel['best_edge_bps'], 'bps_change')}; an entry needs "
        f"{show(edge['bar_bps'], 'bps')}, a round trip costs {show(edge['cost_bps'], 'bps')}."
    )


def _refusals(funnel: Numbers) -> str:
    if not funnel["refused"]:
        return ""
    listed = "; ".join(f"{r['reason']} ({r['count']:,})" for r in funnel["refused"])
    return f"The guards refused: {listed}."


def _next(n: Numbers) -> list[tuple[str, str]]:
    """Return what to try, and the command that does it."""
    return [(what, command) for what, command in _TRY if n["run"]["strategy"] not in command]


_TRY: Final = (
    ("How much must a forecast know before these rules earn anything?", "breakwater probe oracle"),
    ("Does any model know more, on the same candles?", "breakwater compare"),
    (
        "Hold Bitcoin at a steady risk, without asking which way it goes",
        "breakwater demo --strategy VolatilityTarget --model VolatilityForecaster "
        "--config user_data/config_volatility_target.json",
    ),
)
_WAIT: Final = "More candles: a model that has seen more is surer, and its bounds are closer."
_WORDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "candles": ("No trade: there was no candle to decide on.", ("A longer time range.",)),
    "forecast": (
        "No trade: the model gave no forecast.",
        ("More history before the span: the model needs complete candles to train on.",),
    ),
    "trusted": (
        "No trade: no forecast was trusted.",
        (
            "A model trained nearer to the span: what it has never seen, it abstains from.",
            "A complete past: the first candles of a data directory are warm-up.",
        ),
    ),
    "direction": (
        "No trade: no side ever led by enough.",
        (
            "A model that knows a direction. None measured so far knows much of it.",
            "Not a lower `min_advantage`: a lead that small has been chance.",
        ),
    ),
    "edge": (
        "No trade: no forecast promised what a round trip costs.",
        (
            "Lower costs: post-only orders, or a lower fee tier.",
            "A longer horizon: moves grow with time, costs do not.",
            _WAIT,
            "Not a lower bar: below cost, what is expected of every trade is a loss.",
        ),
    ),
    "hazard": (
        "No trade: every entry stood before a possible liquidation cascade.",
        (
            "A calmer span.",
            "A model without the hazard's head does not help: what is not known refuses too.",
        ),
    ),
    "free": ("No trade: a position was always open already.", ("Look at the trades below.",)),
    "filled": (
        "No trade: the guards let nothing through, or it was too small to send.",
        (
            "What a guard names; `breakwater risk` shows them all, and how much room is left.",
            "A larger account: the smallest order is the exchange's, and is never rounded up to.",
        ),
    ),
}
