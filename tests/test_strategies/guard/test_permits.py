"""A permit lets one order pass, no larger than it says and not for long; until then it counts."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from strategies.guard.permits import UNANSWERED_S, VALID_S, NewRisk, Permits

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def risk(**changes: Any) -> NewRisk:
    one = {"pair": BTC, "side": 1, "amount_base": 2.0, "rate": 100.0, "leverage": 3.0}
    return NewRisk(**one | changes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def permits(clock: Clock) -> Permits:
    return Permits(clock)


def test_notional_when_asked_then_it_is_amount_times_rate() -> None:
    assert risk().notional_quote == 200.0


WITHIN = {
    "as_permitted": {},
    "smaller": {"amount_base": 0.1},
    "one_part_in_ten_million_larger": {"amount_base": 2.0 * (1 + 1e-7)},
    "as_much_larger_as_rounding_makes_it": {"amount_base": 2.0 * (1 + 1e-6)},
    "less_leverage": {"leverage": 1.0},
    "leverage_as_rounding_makes_it": {"leverage": 3.0 * (1 + 1e-6)},
    "leverage_rounded": {"leverage": 3.0 * (1 + 1e-7)},
    "a_better_rate": {"rate": 90.0},
    "a_rate_rounded": {"rate": 100.0 * (1 + 1e-7)},
}
BEYOND = {
    "another_pair": ({"pair": ETH}, "no guard has been asked"),
    "another_side": ({"side": -1}, "expected side +1 of BTC/USDT:USDT"),
    "no_side": ({"side": 0}, "expected side +1"),
    "larger_than_rounding": ({"amount_base": 2.0 * (1 + 1.2e-6)}, "expected at most 2,"),
    "larger": ({"amount_base": 2.0 * (1 + 1e-5)}, "expected at most 2,"),
    "nothing": ({"amount_base": 0.0}, "expected at most 2,"),
    "negative": ({"amount_base": -1.0}, "expected at most 2,"),
    "amount_nan": ({"amount_base": math.nan}, "expected at most 2,"),
    "amount_inf": ({"amount_base": math.inf}, "expected at most 2,"),
    "more_leverage": ({"leverage": 3.001}, "expected leverage 3 at most"),
    "no_leverage": ({"leverage": 0.0}, "expected leverage 3 at most"),
    "leverage_nan": ({"leverage": math.nan}, "expected leverage 3 at most"),
    "a_worse_rate": ({"rate": 100.01}, "expected a rate of 100 or better"),
    "rate_zero": ({"rate": 0.0}, "expected a rate of 100 or better"),
    "rate_nan": ({"rate": math.nan}, "expected a rate of 100 or better"),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHIN)
def test_order_when_within_its_permit_then_it_may_leave(permits: Permits, name: str) -> None:
    permits.issue(risk())
    assert permits.why_not(risk(**WITHIN[name])) == ""
    assert permits.take(risk(**WITHIN[name])) == ""


@pytest.mark.parametrize("name", BEYOND)
def test_order_when_beyond_its_permit_then_it_is_told_why(permits: Permits, name: str) -> None:
    changes, why = BEYOND[name]
    permits.issue(risk())
    assert why in permits.why_not(risk(**changes))
    assert why in permits.take(risk(**changes))


def test_short_when_its_rate_is_lower_then_that_is_worse(permits: Permits) -> None:
    permits.issue(risk(side=-1))
    assert permits.why_not(risk(side=-1, rate=101.0)) == ""
    assert permits.why_not(risk(side=-1, rate=100.0 * (1 - 1e-7))) == ""
    assert "or better" in permits.why_not(risk(side=-1, rate=99.99))


def test_rate_when_small_or_at_the_edge_of_rounding_then_it_is_one_like_others(
    permits: Permits,
) -> None:
    permits.issue(risk(rate=0.5))
    assert permits.why_not(risk(rate=0.5)) == ""
    permits.issue(risk(rate=1e6))
    assert permits.why_not(risk(rate=1e6 + 1)) == ""
    assert "or better" in permits.why_not(risk(rate=1e6 + 1.1))


def test_permit_when_used_then_it_is_gone(permits: Permits) -> None:
    permits.issue(risk())
    assert permits.take(risk(amount_base=1.0)) == ""
    assert permits.take(risk(amount_base=1.0)) == "no guard has been asked for it"


def test_permit_when_tried_in_vain_then_it_is_gone_too_and_others_stay(permits: Permits) -> None:
    permits.issue(risk())
    permits.issue(risk(pair=ETH))
    assert permits.take(risk(amount_base=3.0)) != ""
    assert permits.take(risk()) != ""
    assert permits.take(risk(pair=ETH)) == ""


def test_permit_when_issued_again_then_only_the_newer_counts(permits: Permits) -> None:
    permits.issue(risk())
    permits.issue(risk(amount_base=1.0))
    assert permits.pending_quote(1) == 100.0
    assert permits.take(risk()) != ""


def test_permit_when_its_time_is_over_then_it_is_void_and_counts_no_more(
    permits: Permits, clock: Clock
) -> None:
    permits.issue(risk())
    clock.now_s += VALID_S - 0.001
    assert permits.why_not(risk()) == ""
    assert permits.pending_quote(1) == 200.0
    clock.now_s += 0.001
    assert permits.why_not(risk()) == "the guards' permit for it was valid for 15 s"
    assert permits.pending_quote(1) == 0.0
    assert permits.take(risk()) != ""


def test_exposure_when_permits_are_out_then_each_side_counts_its_own(permits: Permits) -> None:
    assert permits.pending_quote(1) == permits.pending_quote(-1) == 0.0
    permits.issue(risk())
    permits.issue(risk(pair=ETH, side=-1, amount_base=5.0))
    assert permits.pending_quote(1) == 200.0
    assert permits.pending_quote(-1) == 500.0


def test_exposure_when_an_order_is_on_its_way_then_it_counts_until_it_is_answered(
    permits: Permits, clock: Clock
) -> None:
    permits.issue(risk())
    order, other = risk(amount_base=1.5), risk(pair=ETH)
    assert permits.take(order) == ""
    permits.issue(other)
    assert permits.take(other) == ""
    clock.now_s += 1e9  # however long it takes
    assert permits.pending_quote(1) == 350.0
    permits.settle(order, answered=True)
    assert permits.pending_quote(1) == 200.0
    permits.settle(other, answered=True)
    assert permits.pending_quote(1) == 0.0


def test_exposure_when_two_orders_are_alike_then_each_counts_by_itself(permits: Permits) -> None:
    first, second = risk(), risk()
    for order in (first, second):
        permits.issue(order)
        assert permits.take(order) == ""
    assert permits.pending_quote(1) == 400.0
    permits.settle(first, answered=True)
    assert permits.pending_quote(1) == 200.0


def test_exposure_when_an_order_is_never_answered_then_it_counts_until_the_books_are_compared(
    permits: Permits, clock: Clock
) -> None:
    permits.issue(risk())
    order = risk()
    assert permits.take(order) == ""
    permits.settle(order, answered=False)
    clock.now_s += UNANSWERED_S - 0.001
    assert permits.pending_quote(1) == 200.0
    clock.now_s += 0.001
    assert permits.pending_quote(1) == 0.0


def test_permit_when_many_ask_at_once_then_one_gets_it(permits: Permits) -> None:
    permits.issue(risk())
    start, got = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        got.append(permits.take(risk()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got).count("") == 1


def test_times_when_read_then_a_permit_is_short_and_a_lost_answer_outlasts_the_comparison() -> None:
    assert VALID_S == 15.0
    assert UNANSWERED_S == 60.0  # a difference of the books halts after 15 s of loops
