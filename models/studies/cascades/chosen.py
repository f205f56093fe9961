"""Levels of alarm chosen before the test, on rows left out of the fit, and what became of them.

A hazard that was fitted on a row knows too much of it. Training rows are cut into blocks of time;
each is answered by a fit of the others, and the level for a rate of false alarms is read off those
answers: `models.learn.hazard.alarms`. Then it is kept for the tested rows, whatever they bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from models.base.resampling import stationary_indices
from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS
from models.evaluate.metrics.resampling import with_interval
from models.learn.hazard.alarms import Alarms, false_alarm_levels, raise_alarms
from models.serve.decode import false_alarms_per_week
from models.studies.cascades.alarms import event_bootstrap
from models.studies.cascades.baselines import Fit, Hazard
from models.studies.cascades.measure import (
    RATES,
    Asked,
    Scores,
    asked,
    each_side,
    incidence,
    watches,
)
from models.studies.cascades.panel import SIDES, Coin

_BLOCKS: Final = 4
_DRAWS: Final = 2000
_DAYS: Final = 14.0  # drawn together


def left_out(
    fit: Fit,
    coins: list[Coin],
    train: dict[str, BoolArray],
    edges: tuple[int, ...],
    blocks: int = _BLOCKS,
) -> dict[str, FloatArray]:
    """Return coin -> hazards (N, 2, K) of the training rows by fits without their block of time.

    All coins are cut at the same moments, as they crash together; rows whose labels reach into a
    block do not count in its fit.
    """
    seen = np.concatenate([c.time_ms[train[c.name]] for c in coins])
    bounds = np.linspace(seen.min(), seen.max() + 1, blocks + 1).astype(np.int64)
    out = {c.name: np.full((len(c), 2, len(edges)), np.nan) for c in coins}
    for begin, end in pairwise(bounds):
        kept = {}
        for c in coins:
            reach = (edges[-1] + 1) * c.candle_ms
            near = (c.time_ms >= begin - reach) & (c.time_ms < end + reach)
            kept[c.name] = train[c.name] & ~near
        hazard = fit(coins, kept, edges)
        for c in coins:
            rows = train[c.name] & (c.time_ms >= begin) & (c.time_ms < end)
            out[c.name][rows] = hazard(c)[rows]
    return out


def chosen_rates(
    fit: Fit,
    hazard: Hazard,
    coins: list[Coin],
    train: dict[str, BoolArray],
    edges: tuple[int, ...],
) -> dict[str, FloatArray]:
    """Return coin -> false alarms a week at each row's hazard (N, 2), counted on training rows.

    Parameters
    ----------
    hazard
        What `fit` made of all training rows.
    """
    unseen = left_out(fit, coins, train, edges)
    served = {c.name: hazard(c) for c in coins}
    out = {c.name: np.full((len(c), 2), np.nan) for c in coins}
    for side in range(len(SIDES)):
        what = asked(coins, {"left out": unseen}, side, edges[-1])
        own = incidence(served, side)
        fitted = false_alarm_levels(
            watches(coins, what, incidence(unseen, side)),
            edges[-1],
            coins[0].candle_ms,
            [own[c.name] for c in coins],
        )
        for c in coins:
            out[c.name][:, side] = false_alarms_per_week(own[c.name], fitted)
    return out


def measure_chosen(
    coins: list[Coin],
    scores: Scores,
    rates: Mapping[str, Mapping[str, FloatArray]],
    edges: tuple[int, ...],
    only: str | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return one row per hazard, side and chosen rate, on the rows and onsets all were asked.

    Parameters
    ----------
    rates
        Name -> coin -> (N, 2) as `chosen_rates`; NaN warns of nothing.

    Returns
    -------
    list of dict
        ``chosen`` and ``fired`` false alarms per week and coin, the latter with the interval of a
        bootstrap over days; ``recall`` with that of one over episodes, ``chance``: the share of
        asked candles on which an alarm stands, ``caught``, ``events``, ``lead_h``.
    """
    out = []
    for side, kept, what, used in each_side(coins, scores, edges[-1], only):
        for name in kept:
            rng = np.random.default_rng(seed)
            for rate in RATES:
                warned = {c.name: rates[name][c.name][:, side] <= rate for c in used}
                found = _figures(used, what, warned, edges[-1], rng)
                out.append({"name": name, "side": SIDES[side], "chosen": rate, **found})
    return out


def _figures(
    coins: list[Coin],
    what: Asked,
    warned: Mapping[str, BoolArray],
    window: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    score = {name: rows.astype(np.float64) for name, rows in warned.items()}
    found = [raise_alarms(w, 1.0, window) for w in watches(coins, what, score)]
    hit = np.concatenate([a.caught for a in found])
    lead = np.concatenate([a.lead for a in found]) * coins[0].candle_ms / (DAY_MS / 24)
    known = lead[np.isfinite(lead)]
    asked_rows = sum(int(what.rows[c.name].sum()) for c in coins)
    return {
        **_fired(coins, what, found, rng),
        "recall": with_interval(
            float(hit.mean()), event_bootstrap(hit.astype(float), what.cluster, rng)
        ).as_dict(),
        "chance": sum(len(a.raised) for a in found) * window / asked_rows,
        "caught": int(hit.sum()),
        "events": len(hit),
        "lead_h": float(np.median(known)) if len(known) else np.nan,
    }


def _fired(
    coins: list[Coin], what: Asked, found: list[Alarms], rng: np.random.Generator
) -> dict[str, Any]:
    """Return false alarms per week and coin; days are drawn together, coins warn of the same."""
    false = np.concatenate(
        [c.time_ms[a.raised[~a.right]] for c, a in zip(coins, found, strict=True)]
    )
    asked_ms = np.concatenate([c.time_ms[what.rows[c.name]] for c in coins])
    first = int(asked_ms.min() // DAY_MS)
    days = int(asked_ms.max() // DAY_MS) - first + 1
    wrong = np.bincount(false // DAY_MS - first, minlength=days).astype(np.float64)
    weeks = np.bincount(asked_ms // DAY_MS - first, minlength=days) * (
        coins[0].candle_ms / (7 * DAY_MS)
    )
    index = stationary_indices(days, _DAYS, _DRAWS, rng)
    draws = wrong[index].sum(axis=1) / weeks[index].sum(axis=1)
    return {
        "fired": with_interval(float(wrong.sum() / weeks.sum()), draws).as_dict(),
        "false": len(false),
    }


def hour_by_hour(
    coins: list[Coin],
    scores: Scores,
    rates: Mapping[str, Mapping[str, FloatArray]],
    day_ms: int,
) -> list[dict[str, Any]]:
    """Return each candle of one day: what the price did from the close before, and what was said.

    What was said is known at the close of the candle: it warns of those after it.
    """
    out = []
    for coin in coins:
        market = coin.candles
        said = {name: np.stack([incidence(s, i)[coin.name] for i in (0, 1)], axis=1)
                for name, s in scores.items() if coin.name in s}  # fmt: skip
        for t in np.flatnonzero((coin.time_ms >= day_ms) & (coin.time_ms < day_ms + DAY_MS)):
            before = market.close[t - 1]
            row = {
                "coin": coin.name,
                "time_ms": int(coin.time_ms[t]),
                "close_frac": float(market.close[t] / before - 1),
                "low_frac": float(market.low[t] / before - 1),
                "onset": [bool(x) for x in coin.onset[t]],
                "said": {
                    name: {"p": p[t].tolist(), "per_week": rates[name][coin.name][t].tolist()}
                    for name, p in said.items()
                },
            }
            out.append(row)
    return out
