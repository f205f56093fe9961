"""The tail hedge walked forward: no look ahead, and entries counted as elsewhere in the pack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.base.types import Candles, FloatArray
from models.scenarios.bootstrap import BlockBootstrap
from models.scenarios.history import gather_history
from models.scenarios.paths import CoinHistory
from models.studies.hedge.ladder import Scene
from models.studies.hedge.objectives import (
    TailRule,
    Walk,
    cut_and_hedged,
    daily_changes,
    liquidated_starts,
    paired_gap,
    walked_targets,
)
from models.trade.account.first_passage import liquidation_table
from models.trade.account.tiers import MarginTiers
from models.trade.hedging.simulate import Costs, banded
from models.trade.hedging.tail_hedge import TailHedge, TailHedgeConfig
from tests.test_models.studies.hedge.sample import HOUR, TIER, make_scene

TIERS = [MarginTiers(pair, (TIER,)) for pair in ("LTC", "BTC")]
WALK = Walk(every=200, refit_every=4, paths=200, steps=5, seed=3)
RULES = {
    "keeps": TailRule(leverage=5.0, config=TailHedgeConfig(tail=0.05)),
    "day": TailRule(
        leverage=5.0, config=TailHedgeConfig(tail=0.05, may_reduce_primary=True),
        limits_worst_day=True,
    ),
}  # fmt: skip


def wicked(seed: int = 0) -> Scene:
    """Return a scene with wicks, on the hours of the clock."""
    scene, rng = make_scene(), np.random.default_rng(seed)
    below, above = 0.01 * np.abs(rng.standard_t(3, (2, *scene.low.shape)))
    close = np.column_stack([scene.primary.close, scene.hedges[0].close])
    opened = np.column_stack([scene.primary.open, scene.hedges[0].open])
    return replace(
        scene, low=np.minimum(close, opened) * (1 - np.minimum(below, 0.5)),
        high=np.maximum(close, opened) * (1 + above),
    )  # fmt: skip


def candles_of(scene: Scene) -> dict[str, Candles]:
    markets = [scene.primary, *scene.hedges]
    return {
        m.pair: Candles(time_ms=scene.time_ms, open=m.open, high=scene.high[:, a],
                        low=scene.low[:, a], close=m.close, volume=np.ones(len(m.close)))
        for a, m in enumerate(markets)
    }  # fmt: skip


def history_of(scene: Scene) -> CoinHistory:
    return gather_history(candles_of(scene), HOUR).history


def walked(scene: Scene, history: CoinHistory) -> dict[str, tuple[FloatArray, list[TailHedge]]]:
    return walked_targets(scene, history, BlockBootstrap(), (0.01, 0.01), RULES, WALK)


def constant(cut: float, ratio: float, rows: int) -> FloatArray:
    return np.tile(np.array([cut, ratio]), (rows, 1))


def test_targets_when_the_future_changes_then_no_earlier_one_does() -> None:
    scene = wicked()
    here = walked(scene, history_of(scene))
    cut = 2_000  # between two decisions
    close = scene.primary.close.copy()
    close[cut:] *= np.exp(np.cumsum(np.full(len(close) - cut, -0.01)))
    opened = np.concatenate((close[:1], close[:-1]))
    low, high = scene.low.copy(), scene.high.copy()
    low[cut:, 0], high[cut:, 0] = 0.8 * close[cut:], 1.2 * opened[cut:]
    other = replace(
        scene, primary=replace(scene.primary, open=opened, close=close), low=low, high=high
    )
    there = walked(other, history_of(other))
    for name in RULES:
        np.testing.assert_array_equal(here[name][0][:cut], there[name][0][:cut])
        assert not np.array_equal(here[name][0][cut:], there[name][0][cut:])
        assert np.isnan(here[name][0][: scene.start - 1]).all()
        assert np.isfinite(here[name][0][scene.start - 1 :]).all()
    assert (here["keeps"][0][scene.start :, 0] == 0).all()
    assert (here["day"][0][scene.start :, 0] > 0).any()


def test_worst_day_when_limited_then_a_repeat_of_the_known_ones_costs_what_is_allowed() -> None:
    scene = wicked()
    scene.low[300, 0] = 0.5 * scene.primary.close[287]  # of day 12, that begins after row 287
    made = walked(scene, history_of(scene))["day"][1]
    for one in made:
        assert 5.0 * 0.5 * one.kept <= 0.15 + 1e-6
    assert max(5.0 * 0.5 * one.kept for one in made) > 0.14


def test_walk_when_the_history_ends_before_the_scene_then_it_is_refused() -> None:
    scene = wicked()
    history = history_of(scene)
    with pytest.raises(AlignmentError, match="none of that candle"):
        walked(scene, history.until(int(scene.time_ms[2_000])))


# -- entries --------------------------------------------------------------------------------------


def bare(scene: Scene) -> Scene:
    return replace(scene, start=1, costs=Costs(fee_frac=0.0, slippage_frac=0.0))


@pytest.mark.parametrize("leverage", [5.0, 10.0])
def test_entries_when_nothing_is_hedged_then_as_many_are_liquidated_as_at_first_passage(
    leverage: float,
) -> None:
    scene = bare(wicked())
    path = cut_and_hedged(scene, banded(constant(0, 0, 3_200), 0.0))
    hit = liquidated_starts(scene, path, TIERS, leverage, horizon=72, every=1)
    table = liquidation_table(
        candles_of(scene)["LTC"], HOUR, TIERS[0], leverages=[leverage], holds_ms=[72 * HOUR]
    )
    (long,) = (row for row in table if row.side > 0)
    assert 0.01 < long.share < 0.9
    assert (len(hit), hit.mean()) == (long.entries, long.share)


def test_entries_when_half_is_cut_then_it_is_half_the_leverage() -> None:
    scene = bare(wicked())
    whole = cut_and_hedged(scene, banded(constant(0, 0, 3_200), 0.0))
    half = cut_and_hedged(scene, banded(constant(0.5, 0, 3_200), 0.0))
    np.testing.assert_array_equal(
        liquidated_starts(scene, half, TIERS, 10.0, horizon=72)[1:],  # cut from the first close on
        liquidated_starts(scene, whole, TIERS, 5.0, horizon=72)[1:],
    )
    assert daily_changes(scene, half, 10.0)[1:] == pytest.approx(
        daily_changes(scene, whole, 5.0)[1:]
    )


def test_entries_when_hedged_then_each_is_that_of_an_account_taken_candle_by_candle() -> None:
    scene = replace(wicked(), start=200)
    path = cut_and_hedged(scene, banded(constant(0.2, 0.6, 3_200), 0.05))
    hit = liquidated_starts(scene, path, TIERS, 12.0, horizon=48, every=24)
    found = []
    for s in range(200, 3_200 - 48 + 1, 24):
        cash = scene.primary.close[s - 1] / 12.0
        alive = True
        for t in range(s, s + 48):
            cash += path.primary_pnl[t] + path.hedge_pnl[t]
            left, leg = 1.0 + path.amount_base[t, 0], path.amount_base[t, 1]
            low, high = scene.low[t, 0], scene.high[t, 1]
            equity = cash + left * (low - scene.primary.close[t])
            equity += leg * (high - scene.hedges[0].close[t])
            alive &= equity > 0.01 * (left * low - leg * high)
        found.append(not alive)
    assert hit.tolist() == found
    assert 0 < sum(found) < len(found)
    assert left == pytest.approx(0.8)
    with pytest.raises(InputError, match="at least 3001 candles"):
        liquidated_starts(scene, path, TIERS, 12.0, horizon=3_001)


def test_gap_when_one_is_the_other_and_a_little_then_it_is_that() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_t(4, 600)
    assert paired_gap(x, x, 10, rng, 0.01) == (0.0, 0.0, 0.0)
    shifted = paired_gap(x + 0.5, x, 10, rng, None)
    assert shifted == pytest.approx((0.5, 0.5, 0.5))
    assert paired_gap(2 * x, x, 10, rng, 0.01).value > 0
    assert paired_gap(x + 0.5, x, 10, rng, 0.01) == pytest.approx((-0.5, -0.5, -0.5))
