"""Distributions of an account: against SciPy and loops, the same on one thread and on two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from models.base.errors import InputError
from models.scenarios.paths import PathBlock
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes
from models.trade.account.scenario_scale import chance_at_scale, largest_with_chance
from models.trade.account.scenario_summary import (
    LEVELS,
    account_outcomes,
    chance_of,
    distribution_of,
    outcome_bytes,
)
from tests.test_models.trade.account.lived import random_block, random_setup

COINS = ("BTC/USDT:USDT", "LTC/USDT:USDT")
HORIZONS = (2, 12)
NAMES = list(PathOutcomes.__annotations__)


def world(seed: int = 3) -> tuple[list[ScenarioAccount], list[PathBlock]]:
    rng = np.random.default_rng(seed)
    setups = [random_setup(rng, COINS, stops=k > 0, deleveraging=k > 1) for k in range(3)]
    return setups, [random_block(rng, 300, 12, 2, size=0.03) for _ in range(5)]


def test_outcomes_when_lived_on_one_thread_and_on_two_then_they_are_the_same_bytes() -> None:
    setups, blocks = world()
    one, two = (
        account_outcomes(setups, COINS, blocks, HORIZONS, threads=n, largest_scale=3.0)
        for n in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        assert all(getattr(a, n).tobytes() == getattr(b, n).tobytes() for n in NAMES)
    assert len(one[0]) == 1_500


def test_outcomes_when_paths_are_cut_otherwise_then_they_are_the_same() -> None:
    setups, blocks = world()
    whole = PathBlock(**{
        n: np.concatenate([getattr(b, n) for b in blocks]) for n in PathBlock.__annotations__
    })  # fmt: skip
    many = account_outcomes(setups, COINS, blocks, HORIZONS)
    once = account_outcomes(setups, COINS, [whole], HORIZONS)
    for a, b in zip(many, once, strict=True):
        assert np.allclose(a.equity, b.equity, rtol=0, atol=1e-9)
        assert (a.at_extremes == b.at_extremes).all()


def test_blocks_when_streamed_then_few_are_alive_at_once() -> None:
    setups, blocks = world()
    alive: list[int] = []
    gone: list[int] = []

    class Told(PathBlock):
        def __del__(self) -> None:
            gone.append(1)

    def drawn() -> Iterator[PathBlock]:
        for k in range(20):
            block = blocks[k % len(blocks)]
            alive.append(k - len(gone))
            yield Told(**{n: getattr(block, n) for n in PathBlock.__annotations__})

    account_outcomes(setups[:1], COINS, drawn(), HORIZONS, threads=2)
    assert max(alive) <= 5
    assert len(gone) >= 15


@pytest.mark.parametrize(("hits", "trials"), [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50)])
def test_chance_when_compared_with_scipy_then_the_interval_is_the_exact_one(
    hits: int, trials: int
) -> None:
    theirs = stats.binomtest(hits, trials).proportion_ci(method="exact")
    ours = chance_of(hits, trials)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.share == hits / trials


def test_distribution_when_equity_is_normal_then_tails_are_the_known_ones() -> None:
    rng = np.random.default_rng(0)
    draws = rng.standard_normal(400_000)
    known = distribution_of(outcomes(draws), [12])
    assert known.equity[0] == pytest.approx(stats.norm.ppf(LEVELS), abs=0.05)
    for got, level in ((known.worst_1, 0.01), (known.worst_01, 0.001)):
        assert got[0] == pytest.approx(-stats.norm.pdf(stats.norm.ppf(level)) / level, abs=0.05)


def test_shortfall_when_a_path_is_in_part_in_the_tail_then_in_part_it_counts() -> None:
    known = distribution_of(outcomes(np.arange(1_050.0)[::-1].copy()), [12])
    # 1 % are 10.5 paths: 0 to 9 whole, half of 10.
    assert known.worst_1[0] == pytest.approx((45 + 0.5 * 10) / 10.5)
    assert np.isnan(known.worst_01[0])
    assert np.isnan(distribution_of(outcomes(np.arange(999.0)), [12]).equity[0, 0])
    assert distribution_of(outcomes(np.arange(10_000.0)), [12]).worst_01[0] == 4.5


def test_liquidations_when_counted_then_by_horizon_and_by_candle() -> None:
    few = replace(
        outcomes(np.ones(4)), at_extremes=np.array([-1, 0, 2, 11]),
        at_closes=np.array([-1, 1, -1, -1]), equity=np.ones((4, 2)),
    )  # fmt: skip
    known = distribution_of(few, HORIZONS)
    assert [c.share for c in known.at_extremes] == [0.25, 0.75]
    assert [c.share for c in known.at_closes] == [0.25, 0.25]
    assert known.first_passage.tolist() == [0.25, 0, 0.25, *[0] * 8, 0.25]


def outcomes(equity: np.ndarray) -> PathOutcomes:
    count = len(equity)
    return PathOutcomes(
        equity=equity[:, None], scale=np.empty((count, 0)), at_extremes=np.full(count, -1),
        at_closes=np.full(count, -1), distance=np.ones(count),
    )  # fmt: skip


def test_largest_scale_when_tried_size_by_size_then_no_larger_one_meets_the_chance() -> None:
    rng = np.random.default_rng(1)
    scale = rng.lognormal(0.5, 0.5, 5_000)
    found = largest_with_chance(scale, 0.01, 100.0)
    assert found.bounded
    assert found.chance == chance_at_scale(scale, found.factor)
    assert found.chance.high <= 0.01
    larger = [s for s in np.sort(scale)[:200] if s > found.factor]
    assert all(chance_at_scale(scale, float(s)).high > 0.01 for s in larger)
    sizes = np.linspace(0.1, 20, 300)
    shares = [chance_at_scale(scale, float(s)).share for s in sizes]
    assert (np.diff(shares) >= 0).all()


def test_largest_scale_when_nothing_liquidates_then_it_says_that_it_looked_no_further() -> None:
    found = largest_with_chance(np.full(5_000, np.inf), 0.001, 7.0)
    assert (found.factor, found.bounded, found.chance.share) == (7.0, False, 0.0)


def test_largest_scale_when_paths_are_too_few_then_it_says_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="at least 3688 paths") as caught:
        largest_with_chance(np.ones(1_000), 0.001, 7.0)
    assert caught.value.cure == "draw more paths"
    assert chance_of(0, 3_688).high <= 0.001 < chance_of(0, 3_687).high


@pytest.mark.parametrize("chance", [0.0, 1.0, -0.1, float("nan")])
def test_largest_scale_when_the_chance_is_none_then_it_is_refused(chance: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        largest_with_chance(np.ones(5_000), chance, 7.0)


def test_outcomes_when_there_is_nothing_to_live_then_it_is_refused() -> None:
    setups, blocks = world()
    for bad in (
        lambda: account_outcomes([], COINS, blocks, HORIZONS),
        lambda: account_outcomes(setups, COINS, blocks, HORIZONS, threads=0),
        lambda: account_outcomes(setups, COINS, [], HORIZONS),
    ):
        with pytest.raises(InputError, match="expected"):
            bad()


def test_bytes_when_told_then_the_outcomes_take_no_more() -> None:
    setups, blocks = world()
    got = account_outcomes(setups, COINS, blocks, HORIZONS, largest_scale=2.0)
    held = sum(getattr(one, n).nbytes for one in got for n in NAMES)
    assert 2 * held == outcome_bytes(1_500, len(HORIZONS), len(setups))
