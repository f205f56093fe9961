"""The tail hedge: least by brute force and by the full programme; liquidation never likelier."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import bmat, csr_array, eye_array

from models.base.errors import AlignmentError, ConfigError, InputError, PackError
from models.base.types import IntArray
from models.scenarios.paths import PathBlock
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import path_outcomes
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.hedging.liquidated_paths import liquidated_paths, unraised_legs
from models.trade.hedging.path_losses import unit_losses
from models.trade.hedging.policy import HedgeAction
from models.trade.hedging.ratios import static_ratio
from models.trade.hedging.shortfall_cuts import ShortfallProgramme, worst_mean
from models.trade.hedging.tail_hedge import HedgedAccount, TailHedgeConfig, tail_hedge
from tests.test_models.trade.hedging.tails import (
    COINS,
    RATES,
    account_of,
    block_of,
    fat_paths,
    mean_of_worst,
    objective,
)

FREE = TailHedgeConfig(tail=0.05, least_change=0.0)


def rows_of(block: PathBlock, rows: slice | IntArray) -> PathBlock:
    return PathBlock(
        close=block.close[rows], low=block.low[rows], high=block.high[rows],
        funding=block.funding[rows], answers=block.answers[rows],
    )  # fmt: skip


@pytest.mark.parametrize("reduces", [False, True], ids=["kept", "may-reduce"])
@pytest.mark.parametrize(
    ("leverage", "held", "price", "seed"),
    [(2.0, (0.0,), 4.0, 3), (-2.0, (0.3,), 10.0, 3), (2.0, (0.2, 0.6), 10.0, 3),
     (4.0, (0.0, 0.0), 6.0, 3), (12.0, (0.0,), 6.0, 4)],
    ids=["one-leg", "short", "two-legs", "two-legs-4x", "one-leg-short-of-margin"],
)  # fmt: skip
def test_hedge_when_every_other_is_tried_then_none_is_better(
    leverage: float, held: tuple[float, ...], price: float, seed: int, reduces: bool
) -> None:
    account, block = account_of(leverage, held), fat_paths(200, 3, len(held), seed)
    config = replace(FREE, may_reduce_primary=reduces, upside_price=price)
    found = tail_hedge(account, COINS[: 1 + len(held)], [block], config)
    value, liquidated = objective(account, block, config, found.kept, found.ratio)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.after.liquidated == liquidated
    assert found.factor == 1.0
    whole, _ = objective(account, block, config, 1.0, held)
    bare, _ = objective(account, block, replace(config, upside_price=0.0), 1.0, held)
    assert found.upside == pytest.approx((bare - whole) / price)
    steps = np.linspace(0, 1, 11)
    tried = [
        objective(account, block, config, kept, ratio)[0]
        for kept in (steps if reduces else [1.0])
        for ratio in product(steps, repeat=len(held))
        if sum(ratio) <= config.max_ratio + 1e-9
    ]
    assert value <= min(tried) + 1e-6
    assert min(tried) - value < 0.02 * abs(leverage)  # the grid is fine enough to notice


@pytest.mark.parametrize("leverage", [2.0, 18.0])
def test_hedge_when_there_is_one_candle_then_it_is_the_full_programmes(leverage: float) -> None:
    account, block = account_of(leverage, (0.1, 0.0)), fat_paths(400, 1, 2, seed=5)
    config = replace(FREE, may_reduce_primary=True, upside_price=5.0)
    found = tail_hedge(account, COINS, [block], config)
    units = unit_losses([block], COINS, 1, RATES)
    p, a, c = 400, 3, config.cost_frac * leverage
    held = np.array([1.0, 0.1, 0.0])
    one, per, nothing = np.ones((p, 1)), eye_array(p), None
    losses = csr_array(leverage * units.at_closes[:, :, 0].T)
    shortages = csr_array(leverage * units.at_extremes[:, :, 0].T)
    # Variables: w, |w - held|, two values at risk, an excess of each path over both, what is short.
    tail = np.full(p, 1.0 / (config.tail * p))
    paid = csr_array(np.full((1, a), c))
    rows = bmat([
        [losses, nothing, -one, nothing, -per, nothing, nothing],
        [shortages, nothing, nothing, -one, nothing, -per, nothing],
        [eye_array(a), -eye_array(a), nothing, nothing, nothing, nothing, nothing],
        [-eye_array(a), -eye_array(a), nothing, nothing, nothing, nothing, nothing],
        [csr_array([[0.0, 1.0, 1.0]]), nothing, nothing, nothing, nothing, nothing, nothing],
        [nothing, paid, nothing, np.ones((1, 1)), nothing, csr_array(tail[None]), -np.ones((1, 1))],
    ])  # fmt: skip
    most = np.concatenate([np.zeros(2 * p), held, -held, [config.max_ratio, 1.0]])
    price = config.upside_price * leverage * units.upside
    goal = np.concatenate([
        [-price, 0, 0], np.full(a, c), [1.0, 0.0], tail, np.zeros(p), [config.liquidation_weight]
    ])  # fmt: skip
    bounds = [(0, 1)] * a + [(0, None)] * a + [(None, None)] * 2 + [(0, None)] * (2 * p + 1)
    solved = linprog(goal, A_ub=rows, b_ub=most, bounds=bounds, method="highs")
    assert solved.success
    least = np.array(found.ratio) / found.factor  # before they were made smaller
    assert [found.kept, *least] == pytest.approx(solved.x[:a], abs=1e-3)
    value, _ = objective(account, block, config, found.kept, least)
    assert value == pytest.approx(solved.fun, abs=2e-6)
    assert (solved.x[0] < 0.99) == (leverage > 10)  # margin is short, and something is cut


def test_ratio_when_returns_are_normal_and_have_no_mean_then_it_is_that_of_least_variance() -> None:
    rng = np.random.default_rng(2)
    leg = 0.03 * rng.standard_normal(20_000)
    primary = 0.7 * leg + 0.015 * rng.standard_normal(20_000)
    both = np.column_stack((primary, leg))
    both = np.concatenate((both, -both))  # no mean
    close = np.log1p(both)[:, None, :]
    block = replace(block_of(close), funding=np.zeros_like(close))
    config = TailHedgeConfig(least_change=0.0, cost_frac=0.0)
    found = tail_hedge(account_of(1.0, (0.0,)), COINS[:2], [block], config)
    least = static_ratio(both[:, 0], both[:, 1:], len(both))[-1]
    assert least == pytest.approx([0.7], abs=0.01)
    assert found.ratio == pytest.approx(least, abs=0.05)
    assert found.after.es < 0.65 * found.before.es  # sigma 0.015 of 0.0258


# -- liquidation ----------------------------------------------------------------------------------


def squeezes() -> PathBlock:
    """Return paths on some of which the leg rises within a candle while the primary falls.

    The worst closes are those of the market: they ask for all the hedge there may be. On 40 of
    1,000 paths there is 6 % left at 10x, which a leg that rises by 10 % takes.
    """
    rng = np.random.default_rng(8)
    close = 0.002 * rng.standard_normal((1_000, 2, 2))
    close[:30, 1] = np.log([0.86, 0.88])  # the market falls: liquidated without a hedge
    below, above = np.zeros_like(close), np.zeros_like(close)
    close[30:70, 1] = 0.0
    below[30:70, 1, 0], above[30:70, 1, 1] = -np.log(0.945), np.log(1.10)
    return block_of(close, below, above)


@pytest.mark.parametrize("reduces", [False, True], ids=["kept", "may-reduce"])
def test_chance_of_liquidation_when_legs_would_raise_it_then_they_are_made_smaller(
    reduces: bool,
) -> None:
    block, account = squeezes(), account_of(10.0, (0.0,))
    config = TailHedgeConfig(liquidation_weight=0.0, least_change=0.0, may_reduce_primary=reduces,
                             upside_price=100.0)  # fmt: skip
    found = tail_hedge(account, COINS[:2], [block], config)
    # What has the least shortfall liquidates on more paths than no leg at all: 40 squeezes.
    full = min(
        ((*objective(account, block, config, 1.0, (r,)), r) for r in np.linspace(0, 1, 101)),
        key=lambda row: row[0],
    )
    assert full[1] > found.without_legs.liquidated
    assert found.after.liquidated <= found.without_legs.liquidated
    assert 0 < found.factor < 1
    assert 0 < found.ratio[0] < full[2]
    assert "would make liquidation likelier" in found.reason
    fewer = [
        objective(account, block, config, found.kept, (f * found.ratio[0],))[1]
        for f in np.linspace(0, 1, 41)
    ]
    assert min(fewer) >= found.after.liquidated


@pytest.mark.parametrize("leverage", [3.0, 5.0, 10.0, 15.0])
@pytest.mark.parametrize("weight", [0.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_chance_of_liquidation_when_paths_are_any_then_no_fewer_legs_have_a_smaller(
    leverage: float, weight: float, seed: int
) -> None:
    block, account = fat_paths(300, 6, 2, seed), account_of(leverage, (0.3, 0.0))
    config = replace(FREE, liquidation_weight=weight, cost_frac=0.01)
    found = tail_hedge(account, COINS, [block], config)
    a, b = found.ratio
    fewer = [(f * a, f * b) for f in np.linspace(0, 1, 21)] + [(a, 0.0), (0.0, b)]
    counts = [objective(account, block, config, found.kept, one)[1] for one in fewer]
    assert found.after.liquidated <= min(counts)
    assert (found.without_legs.liquidated, found.after.liquidated) == (counts[0], counts[20])


def test_a_leg_when_it_alone_raises_the_chance_of_liquidation_then_it_is_left_out() -> None:
    # Two paths survive with nearly all of the first leg only, one without the second leg only.
    shortages = np.array([[1.05, 1.05, 0.8], [-0.14, -0.14, -0.2], [0.0, 0.0, 0.9]])[:, :, None]
    programme = ShortfallProgramme(
        losses=shortages, shortages=shortages, tail=0.5, weight=0.0, cost=0.0,
        held=np.array([1.0, 0.0, 0.0]), price=np.zeros(3), lower=np.zeros(3), upper=np.ones(3),
        limits=np.zeros((0, 3)), most=np.zeros(0),
    )  # fmt: skip
    both = np.array([1.0, 0.5, 0.5])
    assert liquidated_paths(programme, both).tolist() == [False, False, True]
    assert liquidated_paths(programme, 0.5 * both + [0.5, 0, 0]).tolist() == [True, True, False]
    units, factor = unraised_legs(programme, both)
    assert (units.tolist(), factor) == ([1.0, 0.5, 0.0], 1.0)
    assert not liquidated_paths(programme, units).any()


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_liquidations_when_counted_then_they_are_those_of_the_account_room(side: int) -> None:
    block = fat_paths(300, 8, 2, seed=4)
    account = account_of(8.0 * side, (0.4, 0.2))
    config = replace(FREE, least_change=0.99)  # held as it is
    found = tail_hedge(account, COINS, [block], config)
    tiers = {
        coin: MarginTiers(coin, (MarginTier(floor_quote=0, cap_quote=1e9, maintenance_rate_frac=r,
                                            maintenance_amount_quote=0, max_leverage=50),))
        for coin, r in zip(COINS, RATES, strict=True)
    }  # fmt: skip
    amounts = [side * 8_000.0, -side * 3_200.0, -side * 1_600.0]
    setup = ScenarioAccount(
        account=CrossAccount(
            wallet_quote=1_000.0, tiers=tiers,
            positions=tuple(Position(pair=c, amount_base=n, entry_price=1.0)
                            for c, n in zip(COINS, amounts, strict=True)),
        ),
        marks=dict.fromkeys(COINS, 1.0),
    )  # fmt: skip
    there = path_outcomes(setup, COINS, block, [8])
    assert 0 < found.before.liquidated < 1
    assert found.before.liquidated == (there.at_extremes >= 0).mean()


# -- the worst day --------------------------------------------------------------------------------


def test_worst_day_when_the_primary_may_be_reduced_then_a_repeat_costs_what_is_allowed() -> None:
    account = account_of(3.0, (0.5,), worst_day_moves=(0.58, 0.02))
    config = replace(FREE, may_reduce_primary=True)
    found = tail_hedge(account, COINS[:2], [fat_paths(300, 4, 1)], config)
    cost = 3.0 * (0.58 * found.kept + 0.02 * found.ratio[0])
    assert cost == pytest.approx(0.15, abs=1e-6)
    assert found.cut_needed == 0.0
    assert found.ratio[0] < 0.5
    assert found.action is HedgeAction.INCREASE  # what is cut is hedged with the coin itself


def test_worst_day_when_the_position_may_not_be_reduced_then_the_cut_is_told_and_it_is_hedged() -> (
    None
):
    account = account_of(3.0, (0.0,), worst_day_moves=(0.58, 0.02))
    block = fat_paths(300, 4, 1)
    found = tail_hedge(account, COINS[:2], [block], FREE)
    assert found.cut_needed == pytest.approx(1 - 0.15 / (3 * 0.58))
    assert found.kept == 1.0
    free = tail_hedge(account_of(3.0, (0.0,)), COINS[:2], [block], FREE)
    assert found.ratio == free.ratio
    assert found.ratio[0] > 0.2
    assert "91% of the position would have to be cut" in found.reason
    assert "would have to be cut" not in free.reason


def test_worst_day_when_the_position_meets_it_alone_then_legs_may_not_break_it() -> None:
    account = account_of(0.5, (0.0,), worst_day_moves=(0.29, 0.01))
    found = tail_hedge(account, COINS[:2], [fat_paths(300, 4, 1)], FREE)
    assert found.cut_needed == 0.0
    assert 0.5 * (0.29 + 0.01 * found.ratio[0]) <= 0.15 + 1e-6
    wide = tail_hedge(account_of(0.5, (0.0,)), COINS[:2], [fat_paths(300, 4, 1)], FREE)
    assert 0.5 * (0.29 + 0.01 * wide.ratio[0]) <= 0.15  # it does not bind here ...
    tight = replace(FREE, worst_day_equity_frac=0.146)  # ... and does here
    bound = tail_hedge(account, COINS[:2], [fat_paths(300, 4, 1)], tight)
    assert bound.ratio == pytest.approx([0.2], abs=1e-6)
    assert wide.ratio[0] > 0.2


# -- what must not matter -------------------------------------------------------------------------


def test_hedge_when_the_paths_come_in_another_order_then_it_is_the_same() -> None:
    block, account = fat_paths(400, 5, 2), account_of(5.0, (0.1, 0.1))
    config = replace(FREE, may_reduce_primary=True)
    order = np.random.default_rng(0).permutation(400)
    here = tail_hedge(account, COINS, [block], config)
    there = tail_hedge(
        account, COINS, [rows_of(block, order[:150]), rows_of(block, order[150:])], config
    )
    assert there.value == pytest.approx(here.value, abs=2e-6)
    assert [there.kept, *there.ratio] == pytest.approx([here.kept, *here.ratio], abs=1e-3)
    assert there.after.liquidated == here.after.liquidated


def test_hedge_when_the_account_is_a_thousand_times_as_large_then_it_is_the_same() -> None:
    block, small = fat_paths(400, 5, 2), account_of(5.0, (0.1, 0.1))
    large = replace(small, equity_quote=1e6, notional_quote=5e6)
    here, there = (tail_hedge(a, COINS, [block], FREE) for a in (small, large))
    assert there.ratio == pytest.approx(here.ratio, abs=1e-9)
    assert (there.before, there.action) == (here.before, here.action)


@pytest.mark.parametrize("leverage", [2.0, 5.0, 10.0])
def test_hedge_when_started_from_the_last_one_then_it_is_that_of_a_cold_start(
    leverage: float,
) -> None:
    account, config = account_of(leverage, (0.2, 0.1)), replace(FREE, may_reduce_primary=True)
    before = tail_hedge(account, COINS, [fat_paths(400, 5, 2, seed=1)], config)
    other = fat_paths(400, 5, 2, seed=2)
    cold, warm = (tail_hedge(account, COINS, [other], config, last) for last in (None, before))
    assert warm.value == pytest.approx(cold.value, abs=2e-6)
    assert [warm.kept, *warm.ratio] == pytest.approx([cold.kept, *cold.ratio], abs=2e-3)
    again = tail_hedge(account, COINS, [other], config, cold)
    assert again.rounds < cold.rounds
    fewer = tail_hedge(account, COINS, [fat_paths(300, 5, 2, seed=2)], config, before)
    assert fewer.value == pytest.approx(
        tail_hedge(account, COINS, [fat_paths(300, 5, 2, seed=2)], config).value, abs=2e-6
    )


def test_mean_of_the_worst_when_the_tail_cuts_a_path_then_only_its_part_counts() -> None:
    rng = np.random.default_rng(0)
    losses, held = rng.standard_normal((2, 57, 4)), np.array([1.5, 0.3])
    largest = np.tensordot(held, losses, 1).max(axis=1)
    for tail in (0.01, 0.1, 0.33, 0.999):
        value, cut = worst_mean(losses, held, tail)
        assert value == pytest.approx(mean_of_worst(largest, tail), abs=1e-12)
        assert cut.slope(losses) @ held == pytest.approx(value, abs=1e-12)
        assert cut.weights.sum() == pytest.approx(1.0)


# -- actions and reasons --------------------------------------------------------------------------


def test_action_when_more_less_or_nothing_is_worth_its_cost_then_it_says_so() -> None:
    block = fat_paths(400, 5, 1)
    config = replace(FREE, least_change=0.05, max_ratio=1.5)
    none = tail_hedge(account_of(2.0, (0.0,)), COINS[:2], [block], config)
    assert none.action is HedgeAction.INCREASE
    assert re.match(r"BTC/USDT:USDT 0\.00 to \d\.\d\d: the worst 5% lose", none.reason)
    much = tail_hedge(account_of(2.0, (1.4,)), COINS[:2], [block], config)
    assert much.action is HedgeAction.DECREASE
    near = (none.ratio[0] + 0.04,)
    stays = tail_hedge(account_of(2.0, near), COINS[:2], [block], config)
    assert (stays.action, stays.ratio) == (HedgeAction.MAINTAIN, near)
    assert stays.reason.startswith("nothing is worth its cost")
    dear = replace(config, least_change=0.0, cost_frac=0.049)
    assert tail_hedge(account_of(2.0, near), COINS[:2], [block], dear).action is (
        HedgeAction.MAINTAIN
    )


# -- what is refused ------------------------------------------------------------------------------


def test_hedge_when_paths_or_account_are_not_sound_then_it_says_what_where_and_the_cure() -> None:
    block, account = fat_paths(300, 3, 1), account_of(2.0, (0.0,))
    holed = replace(block, close=np.where(block.close == block.close.max(), np.nan, block.close))
    wrong = {
        "no paths": lambda: tail_hedge(account, COINS[:2], [], FREE),
        "empty": lambda: tail_hedge(account, COINS[:2], [rows_of(block, slice(0))], FREE),
        "nan": lambda: tail_hedge(account, COINS[:2], [holed], FREE),
        "few": lambda: tail_hedge(account, COINS[:2], [rows_of(block, slice(199))], FREE),
        "coins": lambda: tail_hedge(account, COINS, [block], FREE),
        "steps": lambda: tail_hedge(account, COINS[:2], [block, fat_paths(300, 2, 1)], FREE),
        "no leg": lambda: account_of(2.0, ()),
        "flat": lambda: account_of(0.0, (0.0,)),
        "unknown": lambda: account_of(np.nan, (0.0,)),
        "leg on its side": lambda: account_of(2.0, (-0.1,)),
        "rates": lambda: replace(account, rates_frac=(0.01,)),
        "dead": lambda: tail_hedge(account_of(120.0, (0.0,)), COINS[:2], [block], FREE),
    }  # fmt: skip
    for name, run in wrong.items():
        with pytest.raises(PackError) as told:
            run()
        assert isinstance(told.value, (InputError, AlignmentError)), name
        assert "expected" in told.value.problem or name == "dead", name
        assert told.value.where, name
        assert told.value.cure or name == "nan", name


@pytest.mark.parametrize(
    "wrong",
    [{"tail": 0.0}, {"max_ratio": 2.0}, {"upside_price": -1.0}, {"liquidation_weight": np.nan},
     {"worst_day_equity_frac": 0.0}, {"least_change": 1.0}, {"cost_frac": 0.1}],
)  # fmt: skip
def test_config_when_out_of_range_then_it_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TailHedgeConfig(**wrong)


def test_account_when_its_leverage_is_asked_then_it_is_the_primarys_alone() -> None:
    account = HedgedAccount(
        equity_quote=500.0, notional_quote=-1_000.0, held=(0.5,), rates_frac=(0.01, 0.01)
    )
    assert account.leverage == 2.0
