"""One line per hazard: recall at two rates of false alarms, lead, precision, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.heads import cumulative_incidence
from models.base.resampling import stationary_indices
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS, MILLIBITS
from models.evaluate.metrics.hazard import average_precision
from models.evaluate.metrics.resampling import Estimate, with_interval
from models.learn.hazard.alarms import Alarms, Watch
from models.studies.cascades.alarms import at_rate, clusters, event_bootstrap
from models.studies.cascades.panel import SIDES, Coin

RATES: Final = (1.0, 0.25)  # false alarms per week and coin
RANDOM: Final = "Random alarms"
_RANDOM_DRAWS: Final = 10
_SMALLEST: Final = 1e-9
_DRAWS: Final = 1000

# Name of a hazard -> coin -> (N, 2, K), NaN where it was not asked.
Scores = Mapping[str, Mapping[str, FloatArray]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What all hazards were asked of one side: rows by coin, and the onsets among them."""

    side: int  # 0 down, 1 up
    rows: dict[str, BoolArray]
    onsets: dict[str, IntArray]
    cluster: IntArray  # (E,) episode of each onset, coins one after the other


def asked(coins: list[Coin], scores: Scores, side: int, window: int) -> Asked:
    """Return the rows every hazard answered, and the onsets an alarm on them could have caught."""
    rows, onsets = {}, {}
    for coin in coins:
        answered = [s[coin.name] for s in scores.values() if coin.name in s]
        if len(answered) < len(scores):
            continue
        known = np.all([np.isfinite(a[:, side, 0]) for a in answered], axis=0)
        rows[coin.name] = coin.usable(side) & known
        found = np.flatnonzero(coin.onset[:, side])
        seen = [t for t in found if rows[coin.name][max(t - window, 0) : t].any()]
        onsets[coin.name] = np.array(seen, dtype=np.int64)
    times = [c.time_ms[onsets[c.name]] for c in coins if c.name in rows]
    return Asked(
        side=side,
        rows=rows,
        onsets=onsets,
        cluster=clusters(np.concatenate(times), DAY_MS),
    )


def each_side(
    coins: list[Coin], scores: Scores, window: int, only: str | None
) -> Iterator[tuple[int, Scores, Asked, list[Coin]]]:
    """Yield each side with the scores of the coins to be judged, what all were asked, and of whom.

    Parameters
    ----------
    only
        One coin's name; None is all of them.
    """
    chosen = [c for c in coins if only in (None, c.name)]
    kept = {k: {c.name: s[c.name] for c in chosen if c.name in s} for k, s in scores.items()}
    for side in range(len(SIDES)):
        what = asked(chosen, kept, side, window)
        yield side, kept, what, [c for c in chosen if c.name in what.rows]


def measure_hazards(
    coins: list[Coin],
    scores: Scores,
    edges: tuple[int, ...],
    only: str | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return one row per hazard and side; hazards are compared on the same rows and onsets.

    Parameters
    ----------
    edges
        Upper edges of the hazard bins, candles; the last is the horizon.
    only
        One coin's name; None pools them under one threshold.

    Returns
    -------
    list of dict
        ``recall_1``, ``recall_0.25`` with the interval of an event bootstrap, ``against_<rate>``
        the paired difference to random alarms at the same rate, ``lead_h``, ``average_precision``
        and its ``lift`` over the base rate, ``gain_millibits`` per asked row over the constant
        hazard, ``calibration`` by horizon as observed over forecast.
    """
    candle_h = coins[0].candle_ms / HOUR_MS
    window = edges[-1]  # an alarm stands as long as the hazard looks ahead
    out = []
    for side, kept, what, used in each_side(coins, scores, window, only):
        p = {
            name: {c.name: _incidence(s[c.name])[:, side] for c in used} for name, s in kept.items()
        }
        rng = np.random.default_rng(seed)
        luck = _random(used, what, window, candle_h, rng)
        for name in kept:
            row = {"name": name, "side": SIDES[side], "events": len(what.cluster),
                   "episodes": int(what.cluster.max(initial=-1)) + 1,
                   "coin_weeks": _rows(used, what) * candle_h / 168}  # fmt: skip
            row |= _recall(used, what, p[name], window, candle_h, rng)
            row |= _likelihood(used, what, kept[name], side, edges, rng)
            row |= _precision(used, what, p[name], edges[-1])
            row["calibration"] = _calibration(used, what, kept[name], side, edges)
            row["random"] = luck
            out.append(row)
    return out


def _incidence(hazard: FloatArray) -> FloatArray:
    """Return P(onset of a side within the horizon, first), (N, 2) from (N, 2, K)."""
    return np.column_stack(cumulative_incidence(hazard[:, 0], hazard[:, 1]))


def _rows(coins: list[Coin], what: Asked) -> int:
    return sum(int(what.rows[c.name].sum()) for c in coins)


def watches(coins: list[Coin], what: Asked, score: Mapping[str, FloatArray]) -> list[Watch]:
    """Return the coins' asked rows and onsets with a score (N,) for each."""
    return [Watch(score[c.name], what.rows[c.name], what.onsets[c.name]) for c in coins]


def caught(
    coins: list[Coin], what: Asked, score: Mapping[str, FloatArray], rate: float, window: int
) -> tuple[BoolArray, list[Alarms]]:
    """Return which onsets (E,) a score catches at `rate` false alarms per week, and the alarms."""
    candle_h = coins[0].candle_ms / HOUR_MS
    found = at_rate(watches(coins, what, score), rate, window, candle_h)
    return np.concatenate([a.caught for a in found]), found


def incidence(scores: Mapping[str, FloatArray], side: int) -> dict[str, FloatArray]:
    """Return coin -> P(onset of `side` within the horizon), (N,)."""
    return {name: _incidence(h)[:, side] for name, h in scores.items()}


def _recall(
    coins: list[Coin],
    what: Asked,
    score: Mapping[str, FloatArray],
    window: int,
    candle_h: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for rate in RATES:
        hit, found = caught(coins, what, score, rate, window)
        draws = event_bootstrap(hit.astype(float), what.cluster, rng)
        out[f"recall_{rate:g}"] = with_interval(float(hit.mean()), draws).as_dict()
        out[f"caught_{rate:g}"] = int(hit.sum())
        if rate == RATES[0]:
            lead = np.concatenate([a.lead for a in found]) * candle_h
            known = lead[np.isfinite(lead)]
            out["lead_h"] = float(np.median(known)) if len(known) else float("nan")
            weeks = _rows(coins, what) * candle_h / 168
            out["false_per_week"] = sum(a.false for a in found) / weeks
    return out


def _random(
    coins: list[Coin], what: Asked, window: int, candle_h: float, rng: np.random.Generator
) -> dict[str, float]:
    """Return the mean recall of scores drawn at random, by rate: what luck alone catches."""
    out = {}
    for rate in RATES:
        hits = []
        for _ in range(_RANDOM_DRAWS):
            score = {c.name: rng.random(len(c)) for c in coins}
            found = at_rate(watches(coins, what, score), rate, window, candle_h)
            hits.append(float(np.concatenate([a.caught for a in found]).mean()))
        out[f"{rate:g}"] = float(np.mean(hits))
    return out


def row_log_likelihood(
    coin: Coin, hazard: FloatArray, side: int, edges: tuple[int, ...]
) -> FloatArray:
    """Return each row's log likelihood in nats, (N,), the other side competing."""
    event, at_risk = coin.targets(side, edges)
    h = np.clip(hazard[:, side], _SMALLEST, 1 - _SMALLEST)
    out: FloatArray = (at_risk * (event * np.log(h) + (1 - event) * np.log1p(-h))).sum(axis=1)
    return out


def _likelihood(
    coins: list[Coin],
    what: Asked,
    hazards: Mapping[str, FloatArray],
    side: int,
    edges: tuple[int, ...],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the gain over the best constant hazard of the asked rows themselves."""
    gains, days = [], []
    flat = _best_constant(coins, what, side, edges)
    for c in coins:
        rows = what.rows[c.name]
        constant = np.tile(flat, (len(c), 2, 1))
        gain = row_log_likelihood(c, hazards[c.name], side, edges) - row_log_likelihood(
            c, constant, side, edges
        )
        gains.append(gain[rows] * MILLIBITS)
        days.append(c.time_ms[rows] // DAY_MS)
    gain, day = np.concatenate(gains), np.concatenate(days)
    slot = day - day.min()
    total, count = np.bincount(slot, gain), np.bincount(slot).astype(float)
    index = stationary_indices(len(total), 14.0, _DRAWS, rng)
    with np.errstate(invalid="ignore"):
        draws = total[index].sum(axis=1) / count[index].sum(axis=1)
    return {"gain_millibits": with_interval(float(gain.mean()), draws).as_dict()}


def _best_constant(coins: list[Coin], what: Asked, side: int, edges: tuple[int, ...]) -> FloatArray:
    event, risk = np.zeros(len(edges)), np.zeros(len(edges))
    for c in coins:
        e, r = c.targets(side, edges)
        event += e[what.rows[c.name]].sum(axis=0)
        risk += r[what.rows[c.name]].sum(axis=0)
    return np.asarray(np.maximum(event, 0.5) / np.maximum(risk, 1.0))


def _precision(
    coins: list[Coin], what: Asked, score: Mapping[str, FloatArray], horizon: int
) -> dict[str, float]:
    p = np.concatenate([score[c.name][what.rows[c.name]] for c in coins])
    event = np.concatenate([_first_within(c, what.side, horizon)[what.rows[c.name]] for c in coins])
    base = float(event.mean())
    value = average_precision(p, event)
    return {"average_precision": value, "base_rate": base, "lift": value / base if base else np.nan}


def _first_within(coin: Coin, side: int, horizon: int) -> BoolArray:
    own, other = coin.steps[:, side], coin.steps[:, 1 - side]
    with np.errstate(invalid="ignore"):
        return np.asarray((own <= horizon) & (own <= other))


def _calibration(
    coins: list[Coin],
    what: Asked,
    hazards: Mapping[str, FloatArray],
    side: int,
    edges: tuple[int, ...],
) -> list[dict[str, float]]:
    """Return, by horizon, mean forecast and observed rate, over all rows and the top tenth."""
    out = []
    for k, edge in enumerate(edges):
        p = np.concatenate(
            [_incidence(hazards[c.name][:, :, : k + 1])[what.rows[c.name], side] for c in coins]
        )
        event = np.concatenate([_first_within(c, side, edge)[what.rows[c.name]] for c in coins])
        top = p >= np.quantile(p, 0.9)
        out.append(
            {
                "horizon_candles": edge,
                "forecast": float(p.mean()),
                "observed": float(event.mean()),
                "top_forecast": float(p[top].mean()),
                "top_observed": float(event[top].mean()),
            }
        )
    return out


def paired_recall(
    coins: list[Coin],
    scores: Scores,
    challenger: str,
    rival: str,
    side: int,
    window: int,
    seed: int = 0,
) -> Estimate:
    """Return recall(challenger) - recall(rival) at one false alarm a week, event bootstrap."""
    what = asked(coins, scores, side, window)
    used = [c for c in coins if c.name in what.rows]
    hits = [
        caught(used, what, incidence(scores[name], side), RATES[0], window)[0].astype(float)
        for name in (challenger, rival)
    ]
    apart = hits[0] - hits[1]
    draws = event_bootstrap(apart, what.cluster, np.random.default_rng(seed))
    return with_interval(float(apart.mean()), draws)
