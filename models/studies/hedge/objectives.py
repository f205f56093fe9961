"""The tail hedge walked forward beside simpler hedges: same candles, fills, costs and account.

Every decision sees what is known at its close: the engine is fitted on candles that had closed, and
stands at the newest. A cut of the primary is traded like a leg in the same coin, so that its cost
counts like any other; margin and extremes go by what is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import BoolArray, FloatArray
from models.base.units import DAY_MS
from models.evaluate.metrics.resampling import Estimate, with_interval
from models.scenarios.paths import CoinHistory, Engine, FittedEngine, PathBlock
from models.studies.hedge.ladder import Scene
from models.trade.account.distance import total_margin
from models.trade.account.tiers import MarginTiers
from models.trade.hedging.simulate import Decider, HedgePath, simulate
from models.trade.hedging.tail_hedge import (
    HedgedAccount,
    TailHedge,
    TailHedgeConfig,
    tail_hedge,
)

_DRAWS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class TailRule:
    """One way to ask the tail hedge: at which leverage, with what allowed."""

    leverage: float  # of the primary over equity, whole again at every decision
    config: TailHedgeConfig
    limits_worst_day: bool = False  # the worst day of the candles known by then


@dataclass(frozen=True, kw_only=True)
class Walk:
    """When is decided, on which paths."""

    every: int  # candles between two decisions
    refit_every: int  # decisions between two fits of the engine
    paths: int
    steps: int
    seed: int


def walked_targets(
    scene: Scene,
    history: CoinHistory,
    engine: Engine,
    rates_frac: Sequence[float],
    rules: Mapping[str, TailRule],
    walk: Walk,
) -> dict[str, tuple[FloatArray, list[TailHedge]]]:
    """Return each rule's targets (N, 1 + K) and its decisions.

    A target's first column is the share of the primary that is cut, the others are the legs'
    ratios; row t is known at its close, NaN before the first decision.

    Parameters
    ----------
    history
        Of the primary and then the hedges, as the scene has them; may begin earlier.

    Raises
    ------
    AlignmentError
        If a decision's newest candle is not in the history.
    """
    n, k = len(scene.time_ms), len(scene.hedges)
    close = np.column_stack([scene.primary.close, *(m.close for m in scene.hedges)])
    out = {name: (np.full((n, 1 + k), np.nan), list[TailHedge]()) for name in rules}
    fitted: FittedEngine | None = None
    rows = range(max(scene.start - 1, 0), n, walk.every)
    for number, t in enumerate(rows):
        past = history.until(int(scene.time_ms[t]) + history.candle_ms)
        if not len(past.time_ms) or past.time_ms[-1] != scene.time_ms[t]:
            raise AlignmentError(
                f"expected a history up to row {t}, got none of that candle",
                where="walk of the tail hedge",
                cure="hand in the history of the scene's own candles",
            )
        if fitted is None or number % walk.refit_every == 0:
            fitted = engine.fit(past)
        blocks = list(fitted.given(past).draw(walk.paths, walk.steps, walk.seed))
        day = _worst_day(past)
        for name, rule in rules.items():
            target, made = out[name]
            held = np.zeros(k)
            if made:
                drift = close[t] / close[t - walk.every]
                held = np.array(made[-1].ratio) * drift[1:] / drift[0]
            made.append(_decided(scene, history.coins, blocks, rates_frac, rule, held, day, made))
            target[t : t + walk.every] = [1.0 - made[-1].kept, *made[-1].ratio]
    return out


def _decided(
    scene: Scene, coins: Sequence[str], blocks: Sequence[PathBlock], rates_frac: Sequence[float],
    rule: TailRule, held: FloatArray, day: tuple[float, ...], made: Sequence[TailHedge],
) -> TailHedge:  # fmt: skip
    account = HedgedAccount(
        equity_quote=1.0,
        notional_quote=rule.leverage if scene.amount_base > 0 else -rule.leverage,
        held=tuple(held.tolist()),
        rates_frac=tuple(rates_frac),
        worst_day_moves=day if rule.limits_worst_day else None,
    )
    return tail_hedge(account, coins, blocks, rule.config, made[-1] if made else None)


def _worst_day(past: CoinHistory) -> tuple[float, ...]:
    """Return how far a long primary fell on its worst day so far, and the legs rose on it.

    Known at the end of the past; a day is one of the clock, against the close before it.
    """
    day = past.time_ms // DAY_MS
    _, first = np.unique(day, return_index=True)
    level = np.cumsum(past.close, axis=0)
    before = np.concatenate((np.zeros((1, level.shape[1])), level[first[1:] - 1]))
    opened = np.concatenate((np.zeros((1, level.shape[1])), level[:-1]))
    low = np.minimum.reduceat(opened + past.low, first, axis=0) - before
    high = np.maximum.reduceat(opened + past.high, first, axis=0) - before
    worst = int(np.argmin(low[:, 0]))
    rises = np.maximum(np.expm1(high[worst, 1:]), 0.0)
    return (float(-np.expm1(low[worst, 0])), *rises.tolist())


def cut_and_hedged(scene: Scene, decider: Decider) -> HedgePath:
    """Return what a decider of (cut, ratio of each leg) does; instrument 0 is the primary."""
    both = [scene.primary, *scene.hedges]
    return simulate(
        scene.time_ms, scene.primary, scene.amount_base, both, decider, scene.costs
    )  # fmt: skip


def daily_changes(scene: Scene, path: HedgePath, leverage: float) -> FloatArray:
    """Return equity's change of each whole day from the scene's start on, (D,).

    A fraction of equity whose leverage is the same again every hour: leverage times the result
    over the primary's whole notional.
    """
    hourly = (path.primary_pnl + path.hedge_pnl)[scene.start :] / path.notional[scene.start :]
    days = len(hourly) // 24
    out: FloatArray = leverage * hourly[: 24 * days].reshape(days, 24).sum(axis=1)
    return out


def liquidated_starts(
    scene: Scene,
    path: HedgePath,
    tiers: Sequence[MarginTiers],
    leverage: float,
    *,
    horizon: int = 720,
    every: int = 24,
) -> BoolArray:
    """Return which entries one cross account would not have survived, (S,).

    An entry is made at a close with the whole position and the hedge already on, and held for
    `horizon` candles while the hedge goes on being traded. In every candle each position meets its
    own adverse extreme.

    Parameters
    ----------
    path
        Of `cut_and_hedged`.
    tiers
        Of the primary, then of each hedge.

    Raises
    ------
    InputError
        If there are fewer candles than the horizon.
    """
    first, n = max(scene.start, 1), len(scene.time_ms)
    if n - first < horizon:
        raise InputError(f"expected at least {horizon} candles, got {n - first}", where="starts")
    amount = np.column_stack([scene.amount_base + path.amount_base[:, 0], path.amount_base[:, 1:]])
    close = np.column_stack([scene.primary.close, *(m.close for m in scene.hedges)])
    worst = np.where(amount >= 0, scene.low, scene.high)  # (N, 1 + K)
    fall = (amount * (worst - close)).sum(axis=1) - total_margin(amount * worst, tiers)
    total = np.cumsum(path.primary_pnl + path.hedge_pnl)
    left = total + fall  # but for the equity an entry begins with
    starts = np.arange(first, n - horizon + 1, every)
    equity = np.abs(scene.amount_base) * scene.primary.close[starts - 1] / leverage
    least = np.array([left[s : s + horizon].min() for s in starts])
    out: BoolArray = equity - total[starts - 1] + least <= 0
    return out


def paired_gap(
    ours: FloatArray, theirs: FloatArray, block: int, rng: np.random.Generator, tail: float | None
) -> Estimate:
    """Return ours minus theirs with a circular block-bootstrap 95 % interval, rows in pairs.

    Parameters
    ----------
    tail
        Of the expected shortfall that is compared; None compares means.
    """
    n = len(ours)

    def measured(x: FloatArray) -> float:
        if tail is None:
            return float(x.mean())
        count = max(1, int(np.ceil(tail * n - 1e-9)))
        return float(-np.partition(x, count - 1)[:count].mean())

    gaps = np.empty(_DRAWS)
    for i in range(_DRAWS):
        first = rng.integers(0, n, size=(-(-n // block), 1))
        rows = ((first + np.arange(block)) % n).ravel()[:n]
        gaps[i] = measured(ours[rows]) - measured(theirs[rows])
    return with_interval(measured(ours) - measured(theirs), gaps)
