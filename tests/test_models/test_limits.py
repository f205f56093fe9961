"""Hard limits hold for any order and any account, and refuse what is not a number."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import ConfigError
from models.risk.limits import (
    HARD_MAX_LEVERAGE,
    AccountState,
    EntryIntent,
    HardLimits,
    check_entry,
)

LIMITS = HardLimits(max_gross_leverage=3.0, max_net_leverage=2.0, reserve_quote=100.0)
INTENT = EntryIntent(pair="BTC", side=1, notional_quote=500.0, leverage=2.0)
STATE = AccountState(equity_quote=1100.0, gross_notional_quote=0.0, net_notional_quote=0.0)


def intent(**changes: float) -> EntryIntent:
    return dataclasses.replace(INTENT, **changes)


def state(**changes: float) -> AccountState:
    return dataclasses.replace(STATE, **changes)


def test_limits_when_thirty_thousand_random_orders_come_then_none_exceeds_a_limit() -> None:
    rng = np.random.default_rng(0)
    gross, net, allowed, cut, refused = 0.0, 0.0, 0, 0, 0
    for _ in range(30_000):
        equity = float(rng.lognormal(7, 1))
        usable = equity - LIMITS.reserve_quote
        order = EntryIntent(
            pair="X",
            side=int(rng.choice([-1, 1])),
            notional_quote=float(rng.lognormal(6, 2)),
            leverage=float(rng.uniform(0.5, 4.0)),
        )
        verdict = check_entry(order, AccountState(equity_quote=equity, gross_notional_quote=gross,
                                                  net_notional_quote=net), LIMITS)  # fmt: skip
        taken = verdict.notional_quote
        assert 0.0 <= taken <= order.notional_quote
        assert verdict.allowed == (taken > 0)
        assert (verdict.reason == "") == (taken == order.notional_quote)
        if taken > 0:
            assert 1 <= order.leverage <= LIMITS.max_leverage
            assert gross + taken <= LIMITS.max_gross_leverage * usable * (1 + 1e-12)
            assert abs(net + order.side * taken) <= max(
                LIMITS.max_net_leverage * usable * (1 + 1e-12), abs(net)
            )
        allowed += taken == order.notional_quote
        cut += 0 < taken < order.notional_quote
        refused += taken == 0
        # The account moves on: some positions stay, some close.
        gross, net = gross + taken, net + order.side * taken
        kept = float(rng.choice([0.0, 0.5, 0.95, 1.0]))
        gross, net = kept * gross, kept * net
    assert min(allowed, cut, refused) > 500  # every kind of verdict was met


finite = st.floats(-1e6, 1e6)


@settings(max_examples=500, deadline=None)
@given(
    order=st.builds(intent, side=st.sampled_from([-1, 1]), notional_quote=st.floats(0, 1e6),
                    leverage=st.floats(0, 10)),
    account=st.builds(state, equity_quote=finite, gross_notional_quote=st.floats(0, 1e6),
                      net_notional_quote=finite),
    gross=st.floats(0.1, 10), net=st.floats(0.1, 10), reserve=st.floats(0, 1e5),
)  # fmt: skip
def test_limits_when_tightened_then_no_order_gets_more(
    order: EntryIntent, account: AccountState, gross: float, net: float, reserve: float
) -> None:
    limits = HardLimits(max_gross_leverage=gross, max_net_leverage=net, reserve_quote=reserve)
    before = check_entry(order, account, limits).notional_quote
    assert 0 <= before <= order.notional_quote
    for name, value in (
        ("max_gross_leverage", gross / 2),
        ("max_net_leverage", net / 2),
        ("reserve_quote", reserve + 10),
        ("max_leverage", 1.0),
    ):
        tighter = dataclasses.replace(limits, **{name: value})
        assert check_entry(order, account, tighter).notional_quote <= before
    poorer = dataclasses.replace(account, equity_quote=account.equity_quote - 1)
    assert check_entry(order, poorer, limits).notional_quote <= before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_limits_when_any_number_is_not_finite_then_refused_with_a_reason(value: float) -> None:
    cases = [(intent(**{n: value}), STATE) for n in ("notional_quote", "leverage")]
    cases += [
        (INTENT, state(**{n: value}))
        for n in ("equity_quote", "gross_notional_quote", "net_notional_quote")
    ]
    for order, account in cases:
        verdict = check_entry(order, account, LIMITS)
        assert verdict.notional_quote == 0.0
        assert not verdict.allowed
        assert "not finite" in verdict.reason
    assert check_entry(INTENT, STATE, LIMITS).allowed  # the same order, sound, passes


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (intent(side=0), "no side"),
        (intent(side=2), "no side"),
        (intent(notional_quote=0.0), "expected notional > 0"),
        (intent(notional_quote=-5.0), "expected notional > 0"),
        (intent(leverage=0.9), "leverage >= 1"),
        (intent(leverage=3.001), "leverage 3.001 > 3"),
    ],
)
def test_limits_when_an_order_makes_no_sense_then_the_reason_says_what(
    order: EntryIntent, said: str
) -> None:
    verdict = check_entry(order, STATE, LIMITS)
    assert verdict.notional_quote == 0.0
    assert said in verdict.reason


def test_limits_when_worked_by_hand_then_the_reserve_is_never_used() -> None:
    # usable equity is 1100 - 100
    assert check_entry(intent(notional_quote=9e3), STATE, LIMITS).notional_quote == 2000.0
    full = state(gross_notional_quote=2500.0, net_notional_quote=0.0)
    verdict = check_entry(intent(notional_quote=9e3), full, LIMITS)
    assert (verdict.notional_quote, verdict.reason) == (
        500.0,
        "gross exposure limited to 3 x equity",
    )
    for equity in (100.0, 50.0, -10.0):
        assert "reserve" in check_entry(INTENT, state(equity_quote=equity), LIMITS).reason


def test_limits_when_an_order_hedges_then_net_room_is_on_its_side() -> None:
    long_heavy = state(gross_notional_quote=1900.0, net_notional_quote=1900.0)
    assert check_entry(intent(notional_quote=900.0), long_heavy, LIMITS).notional_quote == 100.0
    short = check_entry(intent(side=-1, notional_quote=900.0), long_heavy, LIMITS)
    assert (short.notional_quote, short.reason) == (900.0, "")


def test_limits_when_the_account_contradicts_itself_then_it_makes_no_room() -> None:
    broken = state(gross_notional_quote=-1e9, net_notional_quote=0.0)  # a sum of |notional| < 0
    generous = dataclasses.replace(LIMITS, max_net_leverage=1e6)
    assert not check_entry(intent(notional_quote=1e6), broken, generous).allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_leverage", HARD_MAX_LEVERAGE + 0.01),
        ("max_leverage", 0.5),
        ("max_leverage", math.nan),
        ("max_gross_leverage", 0.0),
        ("max_gross_leverage", math.nan),
        ("max_gross_leverage", math.inf),
        ("max_net_leverage", -1.0),
        ("max_net_leverage", math.inf),
        ("reserve_quote", -1.0),
        ("reserve_quote", math.nan),
    ],
)
def test_hard_limits_when_a_value_would_lift_them_then_it_is_refused(
    name: str, value: float
) -> None:
    with pytest.raises(ConfigError, match=name):
        HardLimits(**{name: value})


# -- extreme numbers ----------------------------------------------------------------------------

anything = st.one_of(
    st.floats(),
    st.floats(0, 1e4),
    st.sampled_from([5e-324, 1e-300, 1e16, 1e300, 1.7e308, -0.0, -1.7e308]),
)
huge = st.one_of(st.floats(200, 1e308), st.just(1.7e308))


@settings(max_examples=500, deadline=None)
@given(side=st.sampled_from([-1, 1]), numbers=st.tuples(*[anything] * 5))
def test_limits_when_numbers_are_extreme_then_the_verdict_is_finite_and_never_more_than_asked(
    side: int, numbers: tuple[float, ...]
) -> None:
    notional, leverage, equity, gross, net = numbers
    verdict = check_entry(
        intent(side=side, notional_quote=notional, leverage=leverage),
        state(equity_quote=equity, gross_notional_quote=gross, net_notional_quote=net),
        LIMITS,
    )
    assert math.isfinite(verdict.notional_quote)
    assert verdict.notional_quote >= 0
    assert verdict.reason or verdict.notional_quote == notional
    assert not verdict.allowed or verdict.notional_quote <= notional


@settings(max_examples=500, deadline=None)
@given(
    side=st.sampled_from([-1, 1]), notional=huge, equity=huge,
    gross_part=st.floats(0, 2.9), net_part=st.floats(-1.9, 1.9),
)  # fmt: skip
@example(side=-1, notional=1.7e308, equity=6e307, gross_part=1.0, net_part=1.0)  # 3 x equity = inf
def test_limits_when_account_and_order_are_huge_then_an_allowed_order_stays_inside_both(
    side: int, notional: float, equity: float, gross_part: float, net_part: float
) -> None:
    usable = equity - LIMITS.reserve_quote
    gross = min(gross_part * usable, 1.7e308)
    net = min(max(net_part * usable, -gross), gross)
    account = state(equity_quote=equity, gross_notional_quote=gross, net_notional_quote=net)
    taken = check_entry(intent(side=side, notional_quote=notional), account, LIMITS).notional_quote
    assert 0 <= taken <= notional  # nothing where the limits themselves overflow
    # In parts of the equity, where nothing overflows.
    assert gross / usable + taken / usable <= LIMITS.max_gross_leverage + 1e-9
    assert side * (net / usable) + taken / usable <= LIMITS.max_net_leverage + 1e-9
