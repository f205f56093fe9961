"""The agents' environment: its interface, its rewards, and what it shows of the future: nothing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from models.base.policy import NO_CHOICE, AgentPositions
from models.base.types import FloatArray
from models.base.windows import Span
from models.learn.agents.account import Account, AccountRules
from models.learn.agents.environment import (
    OBSERVATION_CLIP,
    AgentMarket,
    MarketEnv,
    walk,
)

COST = 0.0007
RULES = AccountRules(cost_frac=COST, life_candles=10_000)
SIGMA = 0.01
FLAT, LONG = 2, 4


def market(
    rows: int = 400, seed: int = 0, runs: tuple[Span, ...] | None = None, still: bool = False
) -> AgentMarket:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum((0.0 if still else SIGMA) * rng.normal(size=rows)))
    open_ = np.concatenate(([100.0], close[:-1]))
    reach = np.ones(rows) if still else np.exp(0.004 * rng.random(rows))
    return AgentMarket(
        features=rng.normal(size=(rows, 3)).astype(np.float32),
        open=open_,
        high=np.maximum(open_, close) * reach,
        low=np.minimum(open_, close) / reach,
        close=close,
        funding=np.where(np.arange(rows) % 8 == 0, 0.01 * rng.normal(size=rows), 0.0),
        sigma=np.full(rows, SIGMA),
        runs=runs or (Span(0, rows),),
    )


def play(env: MarketEnv, actions: list[int], start: int = 0) -> FloatArray:
    """Rewards of `actions` from a flat account on row `start`."""
    env.reset(seed=0, options={"start": start})
    return np.array([env.step(action)[1] for action in actions])


def test_environment_when_checked_by_gymnasium_then_it_keeps_the_interface() -> None:
    check_env(MarketEnv(market(), dataclasses.replace(RULES, life_candles=24)))


@pytest.mark.parametrize("sizes", [(1.0,), (0.3, 0.6), (0.2, 0.4, 0.8, 1.5)])
@pytest.mark.parametrize("seed", range(3))
def test_rewards_when_summed_then_they_are_the_change_of_log_equity(
    sizes: tuple[float, ...], seed: int
) -> None:
    positions = AgentPositions(leverages=sizes, stop_sigmas=(2.5,) * len(sizes))
    rules = dataclasses.replace(RULES, positions=positions)
    world, rng = market(seed=seed), np.random.default_rng(seed)
    actions = np.repeat(rng.integers(2 * len(sizes) + 1, size=60), rng.integers(1, 9, size=60))
    env = MarketEnv(world, rules)
    total = play(env, actions[:399].tolist()).sum()
    row = len(actions[:399])
    assert any(fill.reason == "stop" for fill in env.account.fills)
    equity = env.account.equity(float(world.close[row]))
    assert total == pytest.approx(math.log(equity), abs=1e-9)


def test_rewards_when_always_flat_then_they_are_zero() -> None:
    assert (play(MarketEnv(market(), RULES), [FLAT] * 399) == 0).all()


@pytest.mark.parametrize("leverage", [0.5, 1.0])
def test_buying_and_holding_when_played_then_it_earns_the_price_less_one_cost_and_funding(
    leverage: float,
) -> None:
    positions = AgentPositions(leverages=(leverage,), stop_sigmas=(1e9,))
    world = market()
    tame = dataclasses.replace(world, close=world.close[0] * (world.close / world.close[0]) ** 0.1)
    tame = dataclasses.replace(tame, open=np.roll(tame.close, 1), high=tame.close, low=tame.close)
    total = play(MarketEnv(tame, dataclasses.replace(RULES, positions=positions)), [2] * 399).sum()
    entry = tame.open[1]
    grown = 1 - COST * leverage + leverage * (tame.close[-1] / entry - 1)
    grown -= leverage / entry * tame.funding[1:].sum()
    assert total == pytest.approx(math.log(grown), abs=1e-9)


def test_holding_with_a_stop_when_the_price_falls_through_then_it_lost_the_distance() -> None:
    world = market(10, still=True)
    price = np.full(10, 100.0)
    fallen = np.where(np.arange(10) >= 4, 50.0, price)
    world = dataclasses.replace(
        world, close=fallen, low=fallen, funding=np.zeros(10), open=price, high=price
    )
    total = play(MarketEnv(world, RULES), [LONG, LONG, LONG, LONG, FLAT]).sum()
    lost = 0.6 * 2 * SIGMA + COST * 0.6 * (2 - 2 * SIGMA)
    assert total == pytest.approx(math.log(1 - lost), abs=1e-9)


def test_random_policy_when_the_price_stands_still_then_it_loses_cost_times_turnover() -> None:
    world = dataclasses.replace(market(5000, still=True), funding=np.zeros(5000))
    env = MarketEnv(world, RULES)
    total = play(env, np.random.default_rng(0).integers(5, size=4999).tolist()).sum()
    sizes = np.array(RULES.positions.targets)
    turnover = np.abs(sizes[:, None] - sizes).mean() * 4999
    assert total == pytest.approx(-COST * turnover, rel=0.05)


def test_fill_when_decided_on_row_t_then_it_is_at_the_next_open_and_never_earlier() -> None:
    world = market(10, still=True)
    close = np.array([100.0, 100, 100, 100, 103, 108, 108, 108, 108, 108])
    world = dataclasses.replace(
        world, close=close, open=np.roll(close, 1), funding=np.zeros(10), high=close, low=close
    )
    reward = play(MarketEnv(world, RULES), [LONG], start=4)[0]
    assert reward == pytest.approx(math.log(1 - COST * 0.6 + 0.6 * (108 / 103 - 1)))


def test_observation_when_the_future_is_permuted_then_it_is_unchanged() -> None:
    world, now = market(), 200
    order = np.concatenate((np.arange(now + 1), np.random.default_rng(1).permutation(199) + 201))
    names = ("features", "open", "high", "low", "close", "funding", "sigma")
    other = dataclasses.replace(world, **{name: getattr(world, name)[order] for name in names})
    assert not np.array_equal(world.close, other.close)
    actions = np.random.default_rng(2).integers(5, size=now)
    seen = []
    for one in (world, other):
        env = MarketEnv(one, RULES)
        rows = [env.reset(options={"start": 0})[0]]
        seen.append(np.array(rows + [env.step(action)[0] for action in actions]))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_observation_when_prices_ahead_differ_then_what_is_decided_on_does_not_show_them() -> None:
    """The control: the candle ahead does change the reward, and the next observation."""
    world = market(10, still=True)
    close = world.close.copy()
    close[5:] = 50.0
    fallen = dataclasses.replace(world, close=close, low=close)
    envs = [MarketEnv(one, RULES) for one in (world, fallen)]
    for env in envs:
        env.reset(options={"start": 3})
    before = [env.step(LONG)[0] for env in envs]
    np.testing.assert_array_equal(before[0], before[1])
    (after, reward, *_), (stopped, lost, *_) = (env.step(LONG) for env in envs)
    assert lost < reward
    assert (after[-5:].argmax(), stopped[-5:].argmax()) == (LONG, FLAT)


def test_account_when_a_gap_takes_all_equity_then_it_is_liquidated_and_the_episode_ends() -> None:
    positions = AgentPositions(leverages=(3.0,), stop_sigmas=(2.0,))
    world = market(10, still=True)
    close = world.close.copy()
    close[2:] = 60.0
    world = dataclasses.replace(
        world, close=close, open=close, high=close, low=close, funding=np.zeros(10)
    )
    env = MarketEnv(world, dataclasses.replace(RULES, positions=positions))
    env.reset(options={"start": 0})
    env.step(2)
    _, reward, terminated, truncated, _ = env.step(2)
    assert (terminated, truncated) == (True, False)
    assert reward < math.log(0.02)


def test_episode_when_a_candle_is_missing_or_its_life_is_over_then_it_is_truncated() -> None:
    rules = dataclasses.replace(RULES, life_candles=5)
    env = MarketEnv(market(20, runs=(Span(0, 4), Span(6, 20))), rules)
    for start, steps in ((0, 3), (2, 1), (6, 5), (17, 2)):
        env.reset(options={"start": start})
        over = [env.step(LONG)[3] for _ in range(steps)]
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


def test_observation_when_a_position_is_held_then_it_is_one_of_zeros_and_ones() -> None:
    env = MarketEnv(market(10, still=True), RULES)
    seen, _ = env.reset(options={"start": 2})
    np.testing.assert_array_equal(seen[-5:], [0, 0, 1, 0, 0])
    seen, *_ = env.step(3)
    np.testing.assert_array_equal(seen[-5:], [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(seen[:-5], env.market.features[3])
    assert (np.abs(seen) <= OBSERVATION_CLIP).all()


def test_walk_when_compared_with_the_environment_then_it_earns_the_same_and_closes() -> None:
    world, rng = market(), np.random.default_rng(5)
    table = rng.integers(5, size=(400, 5))
    env = MarketEnv(world, RULES)
    env.reset(options={"start": 0})
    total = sum(env.step(table[row, env.account.held])[1] for row in range(399))
    env.account.close(399, float(world.close[-1]))
    walked = walk(table, world, Account(RULES))
    assert walked.fills == env.account.fills
    assert walked.wallet_quote == env.account.wallet_quote
    assert math.log(walked.wallet_quote) == pytest.approx(total, abs=1e-3)  # but for the last cost


def test_walk_when_a_row_has_no_table_then_what_is_held_is_kept() -> None:
    world = dataclasses.replace(market(20, still=True), funding=np.zeros(20))
    table = np.full((20, 5), LONG)
    table[5:] = NO_CHOICE
    walked = walk(table, world, Account(RULES))
    assert [(fill.row, fill.reason) for fill in walked.fills] == [(1, "entry"), (19, "exit")]
