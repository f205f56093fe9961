"""The agents' account against a ledger of plain cash, and against what is known exactly."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from models.base.policy import AgentPositions
from models.learn.agents.account import Account, AccountRules, AgentCandle, Rounding

COST, SIGMA = 0.0007, 0.01
RULES = AccountRules(cost_frac=COST)
FLAT, HALF, LONG, SHORT = 2, 3, 4, 0


def still(price: float, funding: float = 0.0) -> AgentCandle:
    return AgentCandle(price, price, price, funding)


def lived(
    account: Account, candles: list[AgentCandle], actions: list[int | None], sigma: float = SIGMA
) -> Account:
    for row, (candle, action) in enumerate(zip(candles, actions, strict=True)):
        account.live_through(row, candle, action, sigma, may_grow=True)
    return account


def cash_ledger(account: Account, funding: dict[int, float]) -> float:
    """What the fills of a closed account leave of 1, in plain cash; `funding` was paid by row."""
    cash = 1.0
    for fill in account.fills:
        cash -= fill.side * fill.amount_base * fill.price + fill.fee_quote
    return cash - sum(funding.values())


def random_market(seed: int, rows: int = 400) -> tuple[list[AgentCandle], np.ndarray]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(SIGMA * rng.normal(size=rows)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(0.002 * rng.normal(size=rows))
    high = np.maximum(open_, close) * np.exp(0.004 * rng.random(rows))
    low = np.minimum(open_, close) * np.exp(-0.004 * rng.random(rows))
    candles = [AgentCandle(*map(float, c)) for c in zip(open_, high, low, strict=True)]
    return candles, close


@pytest.mark.parametrize("seed", range(5))
def test_account_when_it_trades_at_random_then_its_equity_is_a_cash_ledgers(seed: int) -> None:
    candles, close = random_market(seed)
    actions = np.random.default_rng(seed).integers(5, size=len(candles)).tolist()
    account = lived(Account(RULES), candles, actions)
    account.close(len(candles), float(close[-1]))
    assert {"entry", "growth", "reduction", "exit", "stop"} == {f.reason for f in account.fills}
    assert account.wallet_quote == pytest.approx(cash_ledger(account, {}), abs=1e-12)
    assert account.equity(123.0) == account.wallet_quote


def test_holding_when_nothing_happens_then_it_earns_the_price_less_fee_and_funding() -> None:
    prices = [100.0, 101.0, 101.5, 101.0]
    paid = [0.0, 0.02, 0.0, -0.01]  # per base unit, at each open
    candles = [still(p, f) for p, f in zip(prices, paid, strict=True)]
    account = lived(Account(RULES), candles, [LONG, None, None, None])
    units = 0.6 / 100
    expected = 1 - COST * 0.6 + units * (101 - 100) - units * (0.02 - 0.01)
    assert account.equity(101.0) == pytest.approx(expected, abs=1e-12)
    short = lived(Account(RULES), candles, [SHORT, None, None, None])
    expected = 1 - COST * 0.6 - units * (101 - 100) + units * (0.02 - 0.01)
    assert short.equity(101.0) == pytest.approx(expected, abs=1e-12)


def test_funding_when_a_fill_falls_on_its_moment_then_what_is_held_before_and_after_pays() -> None:
    """Held 0.6, halved at the moment of a payment, and left at the next: 0.6 + 0.3 + 0.3."""
    candles = [still(100.0), still(100.0, 0.1), still(100.0, 0.2), still(100.0)]
    account = lived(Account(RULES), candles, [LONG, HALF, FLAT, None])
    sizes = [fill.amount_base for fill in account.fills]
    paid = [fill.funding_quote for fill in account.fills]
    assert paid[0] == 0
    assert paid[1] == pytest.approx(0.1 * sizes[0])
    assert paid[2] == pytest.approx((0.1 + 0.2) * sizes[2])
    funding = dict(enumerate(paid))
    assert account.wallet_quote == pytest.approx(cash_ledger(account, funding), abs=1e-12)


def test_entry_when_funding_is_due_at_its_open_then_it_pays_at_once() -> None:
    account = lived(Account(RULES), [still(100.0, 0.5)], [LONG])
    assert account.equity(100.0) == pytest.approx(1 - COST * 0.6 - 0.5 * 0.006, abs=1e-12)


@pytest.mark.parametrize(
    ("candle", "price"),
    [
        (AgentCandle(99.0, 99.5, 97.9), 98.0),  # inside the candle, at the stop
        (AgentCandle(99.0, 99.5, 98.0), 98.0),  # touched
        (AgentCandle(97.0, 98.5, 96.0), 98.0),  # opened below and came back: Freqtrade's price
        (AgentCandle(97.0, 97.5, 96.0), 97.0),  # all of it below: at the open
        (AgentCandle(99.0, 99.5, 98.01), None),
    ],
)
def test_stop_when_a_candle_meets_it_then_it_is_filled_as_in_freqtrade(
    candle: AgentCandle, price: float | None
) -> None:
    account = lived(Account(RULES), [still(100.0), candle], [LONG, LONG])
    fills = [(f.reason, f.side, f.price) for f in account.fills]
    assert fills[1:] == ([] if price is None else [("stop", -1, pytest.approx(price))])
    # A short, mirrored at 100.
    up = AgentCandle(200 - candle.open, 200 - candle.low, 200 - candle.high)
    account = lived(Account(RULES), [still(100.0), up], [SHORT, SHORT])
    fills = [(f.reason, f.side, f.price) for f in account.fills]
    assert fills[1:] == ([] if price is None else [("stop", 1, pytest.approx(200 - price))])


def test_stop_when_hit_then_it_costs_its_distance_and_the_account_is_flat() -> None:
    account = lived(Account(RULES), [still(100.0), AgentCandle(100.0, 100.0, 90.0)], [LONG, None])
    lost = 0.6 * 0.02 + COST * 0.6 * (1 + 0.98)
    assert account.wallet_quote == pytest.approx(1 - lost, abs=1e-12)
    assert (account.held, account.amount_base, account.stop_price) == (FLAT, 0.0, 0.0)


def test_decision_to_leave_when_the_stop_lies_in_the_same_candle_then_the_open_comes_first() -> (
    None
):
    account = lived(Account(RULES), [still(100.0), AgentCandle(99.0, 99.0, 90.0)], [LONG, FLAT])
    assert [(f.reason, f.price) for f in account.fills] == [("entry", 100.0), ("exit", 99.0)]


def test_entry_when_its_own_candle_meets_the_stop_then_it_is_stopped_at_once() -> None:
    account = lived(Account(RULES), [AgentCandle(100.0, 100.5, 97.0)], [LONG])
    assert [f.reason for f in account.fills] == ["entry", "stop"]


def test_stop_when_a_position_grows_then_it_leaves_the_least_to_lose() -> None:
    up = lived(Account(RULES), [still(100.0), still(110.0)], [HALF, LONG])
    assert up.stop_price == pytest.approx(110 * 0.98)
    down = lived(Account(RULES), [still(100.0), still(97.0)], [HALF, LONG])
    assert down.stop_price == pytest.approx(down.entry_price * 0.98)
    assert 97 < down.entry_price < 100


def test_reduction_when_the_open_is_beyond_the_stop_then_the_rest_is_stopped_in_it() -> None:
    account = lived(Account(RULES), [still(100.0), AgentCandle(97.0, 97.5, 96.0)], [LONG, HALF])
    assert [(f.reason, f.price) for f in account.fills][1:] == [("reduction", 97.0), ("stop", 97.0)]


def test_size_when_a_position_changes_then_it_is_a_share_of_the_marked_equity() -> None:
    account = lived(Account(RULES), [still(100.0), still(110.0)], [HALF, LONG])
    marked = 1 + 0.003 * 10
    assert account.amount_base == pytest.approx(0.6 * marked / 110)
    turned = lived(account, [still(110.0)], [SHORT])
    assert turned.amount_base == pytest.approx(-0.6 * turned.wallet_quote / 110)
    assert [f.reason for f in turned.fills] == ["entry", "growth", "exit", "entry"]


def test_action_when_the_position_is_held_already_then_nothing_is_traded() -> None:
    candles = [still(100.0), still(105.0), still(103.0)]
    assert len(lived(Account(RULES), candles, [LONG] * 3).fills) == 1
    assert lived(Account(RULES), candles, [FLAT] * 3).equity(99.0) == 1.0


def test_guard_when_it_lets_nothing_grow_then_leaving_and_reducing_go_on() -> None:
    def after(first: int, then: int) -> list[str]:
        account = lived(Account(RULES), [still(100.0)], [first])
        account.live_through(1, still(100.0), then, SIGMA, may_grow=False)
        return [fill.reason for fill in account.fills][1:]

    assert after(HALF, LONG) == []
    assert after(LONG, HALF) == ["reduction"]
    assert after(LONG, FLAT) == after(LONG, SHORT) == ["exit"]
    account = Account(RULES)
    account.live_through(0, still(100.0), LONG, SIGMA, may_grow=False)
    assert account.fills == []


def test_rounding_when_the_exchange_has_steps_then_amounts_fall_and_stops_come_nearer() -> None:
    rounding = Rounding(
        amount=lambda x: math.floor(x * 1000) / 1000,
        price=lambda x: round(x, 1),
        stop=lambda x, side: (math.ceil if side > 0 else math.floor)(x * 10) / 10,
    )
    account = lived(Account(RULES, 10_000.0, rounding), [still(60_000.7)], [LONG], sigma=0.0123456)
    assert account.amount_base == 0.099
    exact = 60_000.7 * (1 - 2 * 0.0123456)
    assert account.stop_price == math.ceil(exact * 10) / 10
    assert lived(Account(RULES, 10.0, rounding), [still(60_000.0)], [LONG]).fills == []


def test_positions_when_four_sizes_are_traded_then_every_pair_of_them_is_reached() -> None:
    positions = AgentPositions(leverages=(0.1, 0.2, 0.3, 0.4), stop_sigmas=(9.0,) * 4)
    account = Account(AccountRules(positions=positions, cost_frac=0.0))
    for a, b in itertools.permutations(range(9), 2):
        lived(account, [still(100.0)] * 2, [a, b])
        assert account.amount_base * 100 == pytest.approx(positions.targets[b], abs=1e-9)
    assert account.equity(100.0) == pytest.approx(1.0, abs=1e-12)
