"""Many outcomes in few numbers, streamed: blocks come in, memory holds a few numbers of each path.

Intervals tell what another seed could have said (Monte-Carlo error) and nothing about whether the
engine that drew the paths is right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaincinv

from models.base.errors import InputError
from models.base.types import FloatArray
from models.scenarios.paths import PathBlock
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes, joined_outcomes, path_outcomes

LEVELS: Final = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
CONFIDENCE: Final = 0.95
_IN_TAIL: Final = 10  # paths a mean of the worst needs at least


@dataclass(frozen=True)
class Chance:
    """A share of paths, and the ends of its 95 % Monte-Carlo interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AccountDistribution:
    """What an account may become, by horizon (H) and quantile level (Q); equity in quote units.

    Attributes
    ----------
    worst_1, worst_01
        Mean equity of the worst 1 % and 0.1 % of paths (expected shortfall), (H,); NaN with fewer
        than 10 such paths.
    at_extremes, at_closes
        Chance of liquidation by each horizon: the bound that safety takes, and the least it is.
    distance
        (Q,) of the paths' least adverse move of all legs left, at most 1; 0 is a liquidation.
    first_passage
        (T,) share of the paths that are first liquidated, at extremes, in each candle.
    """

    paths: int
    horizons: tuple[int, ...]  # candles
    levels: tuple[float, ...]
    equity: FloatArray  # (H, Q), NaN where a level has no path to itself
    mean: FloatArray  # (H,)
    worst_1: FloatArray
    worst_01: FloatArray
    at_extremes: tuple[Chance, ...]
    at_closes: tuple[Chance, ...]
    distance: FloatArray
    first_passage: FloatArray


def account_outcomes(
    setups: Sequence[ScenarioAccount],
    coins: Sequence[str],
    blocks: Iterable[PathBlock],
    horizons: Sequence[int],
    *,
    threads: int = 1,
    largest_scale: float | None = None,
) -> list[PathOutcomes]:
    """Take several accounts along the same paths; return the outcomes of each, in their order.

    Parameters
    ----------
    blocks
        Drawn one after the other while earlier ones are lived through; at most `threads` + 1 are
        in memory. The outcomes do not depend on `threads`.

    Raises
    ------
    InputError, AlignmentError
        As `path_outcomes`, or if there is no account, thread or block.
    """
    if not setups or threads < 1:
        raise InputError(f"expected an account and a thread, got {len(setups)} and {threads}")

    def lived(block: PathBlock) -> list[PathOutcomes]:
        return [
            path_outcomes(one, coins, block, horizons, largest_scale=largest_scale)
            for one in setups
        ]

    done: list[list[PathOutcomes]] = []
    waiting: deque[Future[list[PathOutcomes]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            waiting.append(pool.submit(lived, block))
            if len(waiting) > threads:
                done.append(waiting.popleft().result())
        done += [one.result() for one in waiting]
    if not done:
        raise InputError("expected at least one block of paths, got none", where="scenarios")
    return [joined_outcomes(parts) for parts in zip(*done, strict=True)]


def outcome_bytes(paths: int, horizons: int, accounts: int) -> int:
    """Return what the outcomes of so many paths take in memory, the joining of parts included."""
    return 2 * accounts * paths * (16 * horizons + 24)


def distribution_of(outcomes: PathOutcomes, horizons: Sequence[int]) -> AccountDistribution:
    """Return the distribution over all paths.

    Examples
    --------
    >>> few = PathOutcomes(equity=np.arange(1000.0)[:, None], scale=np.empty((1000, 0)),
    ...                    at_extremes=np.where(np.arange(1000) < 5, 0, -1),
    ...                    at_closes=np.full(1000, -1), distance=np.ones(1000))
    >>> known = distribution_of(few, [1])
    >>> float(known.worst_1[0]), known.at_extremes[0].share
    (4.5, 0.005)
    """
    count = len(outcomes)
    levels = np.array(LEVELS)
    told = np.minimum(levels, 1 - levels) * count >= 1
    equity = np.quantile(outcomes.equity, levels, axis=0).T  # (H, Q)
    within = [
        [int(((at >= 0) & (at < end)).sum()) for end in horizons]
        for at in (outcomes.at_extremes, outcomes.at_closes)
    ]
    died = outcomes.at_extremes[outcomes.at_extremes >= 0]
    return AccountDistribution(
        paths=count,
        horizons=tuple(horizons),
        levels=LEVELS,
        equity=np.where(told, equity, np.nan),
        mean=outcomes.equity.mean(axis=0),
        worst_1=_shortfall(outcomes.equity, 0.01),
        worst_01=_shortfall(outcomes.equity, 0.001),
        at_extremes=tuple(chance_of(hits, count) for hits in within[0]),
        at_closes=tuple(chance_of(hits, count) for hits in within[1]),
        distance=np.where(told, np.quantile(outcomes.distance, levels), np.nan),
        first_passage=np.bincount(died, minlength=horizons[-1]) / count,
    )


def chance_of(hits: int, trials: int) -> Chance:
    """Return the share of hits with its exact 95 % interval (Clopper & Pearson 1934).

    Examples
    --------
    >>> chance_of(0, 10_000)
    Chance(share=0.0, low=0.0, high=0.00036...)
    """
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return Chance(hits / trials, low, high)


def _shortfall(equity: FloatArray, level: float) -> FloatArray:
    """Return the mean of the worst `level` of the rows, (H,); part of a row counts as a part.

    Source: Acerbi & Tasche, "On the coherence of expected shortfall" (2002), definition 2.6.
    """
    weight = level * len(equity)
    if weight < _IN_TAIL * (1 - 1e-9):  # 0.001 * 10,000 may be a rounding below 10
        return np.full(equity.shape[1], np.nan)
    whole = int(weight + 1e-9)
    worst = np.sort(equity, axis=0)[: whole + 1]
    last = worst[min(whole, len(worst) - 1)]
    out: FloatArray = (worst[:whole].sum(axis=0) + (weight - whole) * last) / weight
    return out
