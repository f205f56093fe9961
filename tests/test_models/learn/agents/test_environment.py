"""The agents' account and environment, against a ledger kept in quote and base units."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from models.base.types import FloatArray
from models.base.windows import Span
from models.learn.agents.environment import (
    OBSERVATION_CLIP,
    RUIN,
    Account,
    AccountRules,
    AgentMarket,
    MarketEnv,
    walk,
)

COST = 0.0007
RULES = AccountRules(cost_frac=COST, margin_penalty=0.0, life_candles=10_000)
SIGMA = 0.01


def market(rows: int = 400, seed: int = 0, runs: tuple[Span, ...] | None = None) -> AgentMarket:
    rng = np.random.default_rng(seed)
    return AgentMarket(
        features=rng.normal(size=(rows, 3)).astype(np.float32),
        log_return=SIGMA * rng.normal(size=rows),
        sigma=np.full(rows, SIGMA),
        runs=runs or (Span(0, rows),),
    )


def play(env: MarketEnv, actions: list[int], start: int = 0) -> FloatArray:
    """Rewards of `actions` from a flat account on row `start`."""
    env.reset(seed=0, options={"start": start})
    return np.array([env.step(action)[1] for action in actions])


def ledger_log_equity(targets: FloatArray, log_return: FloatArray, rules: AccountRules) -> float:
    """The same account kept in cash and quantity at explicit prices."""
    cash, quantity, price, held = 1.0, 0.0, 100.0, 0.0
    for target, r in zip(targets, log_return, strict=True):
        equity = cash + quantity * price
        drifted = abs(quantity * price) / equity > rules.max_leverage
        if target != held or drifted:
            change = abs(target - quantity * price / equity)
            paid = rules.cost_frac * change * equity
            cash, quantity = equity - paid, 0.0
            quantity = target * cash / price
            cash, held = cash - quantity * price, target
        price *= math.exp(r)
    return math.log(cash + quantity * price)


def test_environment_when_checked_by_gymnasium_then_it_keeps_the_interface() -> None:
    check_env(MarketEnv(market(), dataclasses.replace(RULES, life_candles=24)))


@pytest.mark.parametrize("sizes", [(-1.0, 0.0, 1.0), (-2.0, -1.0, 0.0, 1.0, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_rewards_when_summed_then_they_are_the_change_of_log_equity(
    sizes: tuple[float, ...], seed: int
) -> None:
    rules = dataclasses.replace(RULES, targets=sizes, max_leverage=2.1)
    world, rng = market(seed=seed), np.random.default_rng(seed)
    actions = np.repeat(rng.integers(len(sizes), size=60), rng.integers(1, 9, size=60))[:399]
    env = MarketEnv(world, rules)
    total = play(env, actions.tolist()).sum()
    targets = np.array(sizes)[actions]
    expected = ledger_log_equity(targets, world.log_return[1 : len(actions) + 1], rules)
    assert total == pytest.approx(expected, abs=1e-9)
    assert total == pytest.approx(env.account.log_equity, abs=1e-12)


def test_rewards_when_always_flat_then_they_are_zero() -> None:
    assert (play(MarketEnv(market(), RULES), [1] * 399) == 0).all()


@pytest.mark.parametrize("leverage", [0.5, 1.0])
def test_buying_and_holding_when_played_then_it_earns_the_price_less_one_cost(
    leverage: float,
) -> None:
    rules = dataclasses.replace(RULES, targets=(-leverage, 0.0, leverage))
    world = market()
    total = play(MarketEnv(world, rules), [2] * 399).sum()
    price = math.exp(world.log_return[1:].sum())
    expected = math.log1p(-COST * leverage) + math.log1p(leverage * (price - 1))
    assert total == pytest.approx(expected, abs=1e-9)


def test_random_policy_when_the_price_stands_still_then_it_loses_cost_times_turnover() -> None:
    world = dataclasses.replace(market(5000), log_return=np.zeros(5000))
    env = MarketEnv(world, RULES)
    total = play(env, np.random.default_rng(0).integers(3, size=4999).tolist()).sum()
    assert env.account.traded == pytest.approx(4999 * 8 / 9, rel=0.05)  # mean |change| of targets
    assert total == pytest.approx(-COST * env.account.traded, rel=1e-3)


def test_random_policy_when_the_price_moves_then_it_loses_cost_times_turnover() -> None:
    lost, paid = [], []
    for seed in range(40):
        env = MarketEnv(market(2000, seed), dataclasses.replace(RULES, max_leverage=10.0))
        lost.append(play(env, np.random.default_rng(seed).integers(3, size=1999).tolist()).sum())
        paid.append(COST * env.account.traded)
    # Log equity also loses half the variance it is exposed to: two thirds of the time, SIGMA^2.
    expected = -np.mean(paid) - 1999 * 2 / 3 * SIGMA**2 / 2
    assert np.mean(lost) == pytest.approx(expected, abs=3 * np.std(lost) / math.sqrt(len(lost)))


def test_cost_when_positions_change_then_it_is_charged_on_the_change_alone() -> None:
    world = dataclasses.replace(market(), log_return=np.zeros(400))
    rewards = play(MarketEnv(world, RULES), [2, 2, 0, 0, 1, 1])
    np.testing.assert_allclose(
        rewards, [math.log1p(-COST), 0, math.log1p(-2 * COST), 0, math.log1p(-COST), 0], atol=1e-15
    )


def test_fill_when_decided_on_row_t_then_it_earns_the_next_candle_and_not_its_own() -> None:
    r = np.zeros(10)
    r[4], r[5] = 0.03, 0.05
    env = MarketEnv(dataclasses.replace(market(10), log_return=r), RULES)
    assert play(env, [2], start=4)[0] == pytest.approx(0.05 + math.log1p(-COST))


def test_observation_when_the_future_is_permuted_then_it_is_unchanged() -> None:
    world, now = market(), 200
    order = np.concatenate((np.arange(now + 1), np.random.default_rng(1).permutation(199) + 201))
    other = dataclasses.replace(
        world, features=world.features[order], log_return=world.log_return[order]
    )
    assert not np.array_equal(world.log_return, other.log_return)
    actions = np.random.default_rng(2).integers(3, size=now)
    seen = []
    for one in (world, other):
        env = MarketEnv(one, RULES)
        rows = [env.reset(options={"start": 0})[0]]
        seen.append(np.array(rows + [env.step(action)[0] for action in actions]))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_leverage_when_a_hundred_thousand_actions_are_random_then_it_stays_under_the_cap() -> None:
    rng, rules = np.random.default_rng(0), AccountRules(targets=(-2.0, -1.0, 0.0, 1.0, 2.0),
                                                        max_leverage=2.5)  # fmt: skip
    account, cut, most = Account(rules), 0, 0.0
    for action, r in zip(rng.integers(5, size=100_000), 0.05 * rng.normal(size=100_000),
                         strict=True):  # fmt: skip
        cut += account.margin_ratio > 1.0
        account.fill(rules.targets[action] if rng.random() < 0.5 else account.target)
        most = max(most, abs(account.leverage))
        account.earn(float(r))
    assert cut > 100  # the cap was met
    assert most <= rules.max_leverage


def test_margin_when_a_loss_carries_the_position_over_the_cap_then_it_is_penalised_and_cut() -> (
    None
):
    r = np.zeros(10)
    r[1] = 0.3  # against a short: leverage 1.35 / 0.65
    world = dataclasses.replace(market(10), log_return=r)
    with_penalty = MarketEnv(world, dataclasses.replace(RULES, margin_penalty=0.5))
    first, second = play(with_penalty, [0, 0])
    drifted = math.exp(0.3) / (2 - math.exp(0.3))
    earned = math.log1p(-COST) + math.log(2 - math.exp(0.3))
    assert first == pytest.approx(earned - 0.5 * (drifted / 1.25 - 1))
    assert second == pytest.approx(math.log1p(-COST * (drifted - 1)))
    assert with_penalty.account.leverage == -1.0


def test_account_when_a_candle_takes_all_equity_then_it_is_liquidated_and_the_episode_ends() -> (
    None
):
    r = np.zeros(10)
    r[1] = 0.8
    env = MarketEnv(dataclasses.replace(market(10), log_return=r), RULES)
    env.reset(options={"start": 0})
    _, reward, terminated, truncated, _ = env.step(0)
    assert (terminated, truncated) == (True, False)
    assert reward == pytest.approx(math.log(RUIN) + math.log1p(-COST))
    assert env.account.leverage == 0.0


def test_episode_when_a_candle_is_missing_or_its_life_is_over_then_it_is_truncated() -> None:
    rules = dataclasses.replace(RULES, life_candles=5)
    env = MarketEnv(market(20, runs=(Span(0, 4), Span(6, 20))), rules)
    for start, steps in ((0, 3), (2, 1), (6, 5), (17, 2)):
        env.reset(options={"start": start})
        over = [env.step(2)[3] for _ in range(steps)]
        assert over == [False] * (steps - 1) + [True]


def test_episodes_when_seeded_then_they_repeat_and_leave_the_global_state_alone() -> None:
    def starts(seed: int) -> FloatArray:
        env = MarketEnv(market(), RULES)
        first = [env.reset(seed=seed)[0]]
        return np.array(first + [env.reset()[0] for _ in range(20)])

    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(starts(3), starts(3))
    assert not np.array_equal(starts(3), starts(4))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_observation_when_holding_then_it_shows_position_profit_and_margin() -> None:
    r = np.full(10, 0.01)
    env = MarketEnv(dataclasses.replace(market(10), log_return=r),
                    dataclasses.replace(RULES, life_candles=4))  # fmt: skip
    env.reset(options={"start": 2})
    env.step(0)
    seen, *_ = env.step(0)
    leverage = -math.exp(0.02) / (2 - math.exp(0.02))
    np.testing.assert_allclose(seen[-3:], [leverage, -0.02 / (0.01 * 2), -leverage / 1.25], 1e-6)
    np.testing.assert_array_equal(seen[:-3], env.market.features[4])
    assert (np.abs(seen) <= OBSERVATION_CLIP).all()


def test_walk_when_compared_with_the_environment_then_it_earns_the_same_and_closes() -> None:
    world, rng = market(), np.random.default_rng(5)
    actions = rng.integers(3, size=400)
    env = MarketEnv(world, RULES)
    total = play(env, actions[:399].tolist()).sum()
    closing = math.log1p(-COST * abs(env.account.leverage))
    walked = walk(np.array(RULES.targets)[actions], world.log_return, RULES, world.runs)
    assert walked.log_equity == pytest.approx(total + closing, abs=1e-12)
    assert walked.leverage == 0.0
