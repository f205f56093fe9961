"""After the trade: books that must agree, entries nobody answered, exits in small steps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.operate.control.watch import Resting, WatchedPosition
from models.trade.risk.reconciliation import (
    Books,
    ReportedFill,
    bare_positions,
    differences,
    fill_differences,
    lost_entries,
    order_differences,
)
from models.trade.risk.reduction import STEP_S, ReductionStep, next_step

NAN = math.nan


def books(**positions: float) -> Books:
    return Books(positions=positions)


@pytest.mark.parametrize(
    ("ours", "theirs", "pending", "found"),
    [
        ({"A": 1.0}, {"A": 1.0}, {}, ()),
        ({}, {}, {}, ()),
        ({"A": 0.0}, {}, {}, ()),
        ({"A": 1.0}, {"A": 1.0 + 9e-7}, {}, ()),  # rounding
        ({"A": 1.0}, {"A": 1.0 + 1.2e-6}, {}, ("A: the exchange holds 1, the books 1",)),
        ({"A": 1.0}, {}, {}, ("A: the exchange holds 0, the books 1",)),
        ({}, {"A": -2.0}, {}, ("A: the exchange holds -2, the books 0",)),
        ({"A": 1.0}, {"A": -1.0}, {}, ("A: the exchange holds -1, the books 1",)),
        ({"B": 1.0}, {"A": 1.0}, {}, ("A: the exchange holds 1, the books 0",
                                      "B: the exchange holds 0, the books 1")),
        ({}, {"A": 1.0}, {"A": 1.0}, ()),  # a fill the books have not seen yet
        ({}, {"A": -1.0}, {"A": -1.0}, ()),
        ({}, {"A": 1.1}, {"A": 1.0}, ("A: the exchange holds 1.1, the books 0",)),
        ({}, {"A": 1.0}, {"B": 1.0}, ("A: the exchange holds 1, the books 0",)),
        ({"A": NAN}, {"A": 1.0}, {}, ("A: the exchange holds 1, the books nan",)),
        ({"A": 1.0}, {"A": NAN}, {}, ("A: the exchange holds nan, the books 1",)),
        ({"A": 1.0}, {"A": 1.0}, {"A": NAN}, ("A: the exchange holds 1, the books 1",)),
    ],
)  # fmt: skip
def test_books_when_compared_then_only_what_is_unexplained_is_named(
    ours: dict[str, float], theirs: dict[str, float], pending: dict[str, float],
    found: tuple[str, ...],
) -> None:  # fmt: skip
    assert differences(books(**ours), books(**theirs), pending) == found


def test_books_when_nothing_is_pending_then_it_may_be_left_out() -> None:
    assert differences(books(A=1.0), books(A=1.0)) == ()
    assert len(differences(books(A=1.0), books(A=2.0))) == 1


def test_lost_entry_when_the_exchange_holds_what_was_sent_then_it_is_recognised() -> None:
    sent = {"A": 1.0, "B": -2.0, "C": 3.0, "D": 1.0, "F": 1.0}
    found = books(A=1.015, B=-2.0, C=1.0, D=-1.0, E=9.0, F=1.0)
    assert lost_entries(found, books(F=0.0), sent) == (("A", 1.015), ("B", -2.0))
    assert lost_entries(found, books(A=1.0, B=0.0, F=1.0), sent) == ()
    assert lost_entries(books(A=1.03), books(), sent) == ()
    assert lost_entries(books(), books(), sent) == ()


def stop(amount: float, **changes: Any) -> Resting:
    return Resting(**{"id": "s", "symbol": "A", "side": -1, "amount": amount, "reduce_only": True,
                      "trigger": 95.0, **changes})  # fmt: skip


def test_orders_when_only_one_side_has_them_then_each_is_named() -> None:
    there = [stop(1.0, id="1"), stop(2.0, id="2"), stop(3.0, id="3", own=True)]
    assert order_differences({"1": "A", "2": "A"}, there) == ()
    assert order_differences({}, []) == ()
    assert order_differences({"1": "A", "4": "B"}, there) == (
        "A: order 2 of 2 is open on the exchange, the bot does not know it",
        "B: the bot takes order 4 for open, the exchange does not have it",
    )


def test_position_when_stops_do_not_close_it_as_a_whole_then_it_is_named() -> None:
    long = WatchedPosition(symbol="A", amount=2.0, mark=100.0)
    short = WatchedPosition(symbol="B", amount=-1.0, mark=100.0)
    assert bare_positions([long], [stop(1.2), stop(0.8)]) == ()
    assert bare_positions([long], iter([stop(2.0 - 1e-6)])) == ()  # rounding
    assert bare_positions([replace(long, amount=0.0)], []) == ()  # nothing to protect
    assert bare_positions([long], [stop(2.0 - 3e-6)]) == (
        "A: no stop on the exchange for 3e-06 of 2",
    )
    assert bare_positions([long, short], iter([stop(2.0)])) == (
        "B: no stop on the exchange for 1 of -1",
    )
    assert bare_positions([short], [stop(1.0 - 2e-6, symbol="B", side=1, trigger=105.0)]) == (
        "B: no stop on the exchange for 2e-06 of -1",
    )
    # A take-profit, an entry and a stop of the other side protect nothing.
    for useless in (stop(2.0, trigger=105.0), stop(2.0, reduce_only=False), stop(2.0, side=1)):
        assert len(bare_positions([long], [useless])) == 1


def fill(order: str = "1", amount: float = 2.0, price: float = 100.0) -> ReportedFill:
    return ReportedFill(order=order, pair="A", amount=amount, price=price)


@pytest.mark.parametrize(
    ("booked", "executed", "found"),
    [
        ([fill()], [fill()], ()),
        ([fill()], [fill(amount=2.0 - 1e-6, price=100.0099)], ()),  # rounding
        ([fill(price=100.0)], [fill(price=99.9895)], (
            "A: the exchange filled 2 at 99.9895 of order 1, the books 2 at 100",)),
        ([fill(price=NAN, amount=0.0)], [fill(price=100.0, amount=0.0)], (
            "A: the exchange filled 0 at 100 of order 1, the books 0 at nan",)),
        ([fill(amount=0.0, price=0.0)], [fill(amount=0.0, price=0.0)], ()),
        ([fill()], [fill(amount=2.0 - 3e-6)], ("A: the exchange filled 2 at 100 of order 1, "
                                               "the books 2 at 100",)),
        ([fill()], [fill(price=99.98)], ("A: the exchange filled 2 at 99.98 of order 1, "
                                         "the books 2 at 100",)),
        ([fill()], [fill(price=100.02)], ("A: the exchange filled 2 at 100.02 of order 1, "
                                          "the books 2 at 100",)),
        ([fill(price=NAN)], [fill()], ("A: the exchange filled 2 at 100 of order 1, "
                                       "the books 2 at nan",)),
        ([fill()], [fill(amount=NAN)], ("A: the exchange filled nan at 100 of order 1, "
                                        "the books 2 at 100",)),
        ([fill()], [], ("A: the exchange filled nothing of order 1, the books 2 at 100",)),
        ([], [fill("9")], ("A: the exchange filled 2 at 100 of order 9, the books nothing",)),
        ([], [fill("7")], ()),  # still open
        ([fill("7")], [fill("7", amount=1.0)], ()),
    ],
)  # fmt: skip
def test_fills_when_compared_then_amount_and_price_of_each_order_must_be_the_same(
    booked: list[ReportedFill], executed: list[ReportedFill], found: tuple[str, ...]
) -> None:
    assert fill_differences(booked, executed, {"7"}) == found


@given(
    orders=st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.floats(1e-3, 1e3),
                                                                  st.floats(1e-2, 1e5))),
    dropped=st.sets(st.sampled_from("abcdefgh")),
)  # fmt: skip
def test_fills_when_some_are_dropped_then_exactly_those_are_found(
    orders: dict[str, tuple[float, float]], dropped: set[str]
) -> None:
    all_of_them = [fill(order, *seen) for order, seen in orders.items()]
    rest = [f for f in all_of_them if f.order not in dropped]
    assert fill_differences(all_of_them, all_of_them) == ()
    assert len(fill_differences(rest, all_of_them)) == len(orders.keys() & dropped)
    assert len(fill_differences(all_of_them, rest)) == len(orders.keys() & dropped)


def step(
    held: float, target: float = 0.0, volume: float | None = 60e6, **more: float
) -> ReductionStep:
    return next_step(now_ms=7, held_quote=held, target_quote=target, volume_1h_quote=volume,
                     max_volume_frac=0.05, **more)  # fmt: skip


@pytest.mark.parametrize(
    ("held", "target", "volume", "smallest", "size", "last"),
    [
        # 60e6 an hour is 1e6 a step; 5 % of it is 50,000.
        (1e5, 0.0, 60e6, 0.0, 5e4, False),
        (1e5, 6e4, 60e6, 0.0, 4e4, True),
        (1e5, 5e4, 60e6, 0.0, 5e4, True),
        (1e5, 1e5, 60e6, 0.0, 0.0, True),
        (1e5, 2e5, 60e6, 0.0, 0.0, True),  # already below
        (1e5, 0.0, None, 0.0, 1e4, False),  # blind: a tenth
        (1e5, 0.0, 0.0, 0.0, 1e4, False),
        (1e5, 0.0, NAN, 0.0, 1e4, False),
        (1e5, 0.0, math.inf, 0.0, 1e4, False),
        (1e5, 0.0, -1.0, 0.0, 1e4, False),
        (1e5, 0.0, 600.0, 0.0, 0.5, False),
        (1e5, 0.0, 60.0, 100.0, 100.0, False),  # never too small for the exchange
        (50_050.0, 0.0, 60e6, 100.0, 50_050.0, True),  # no crumb stays
        (50_100.0, 0.0, 60e6, 100.0, 50_000.0, False),
        (1e5, 49_950.0, 60e6, 100.0, 50_050.0, True),
        (150.0, 60.0, 60e6, 100.0, 150.0, True),  # the rest could never be closed
        (80.0, 0.0, 60e6, 100.0, 80.0, True),
        (80.0, 80.0, 60e6, 100.0, 0.0, True),  # small, but nothing is to be closed
        (100.5, 100.0, 60e6, 100.2, 100.5, True),
        (1e5, 99_999.5, 60e6, 100.0, 0.5, True),
        (0.0, 0.0, 60e6, 100.0, 0.0, True),
        (1e5, 1e5, 60e6, 100.0, 0.0, True),
    ],
)
def test_step_when_worked_by_hand_then_it_is_a_share_of_the_volume_and_leaves_no_crumb(
    held: float, target: float, volume: float | None, smallest: float, size: float, last: bool
) -> None:
    made = step(held, target, volume, smallest_quote=smallest)
    assert made == ReductionStep(notional_quote=pytest.approx(size), next_ms=60_007, last=last)
    assert STEP_S == 60.0
    assert step(2.0, 1.5, None).notional_quote == pytest.approx(0.2)  # by default none is too small


@pytest.mark.parametrize(
    "changes", [{"held": -1.0}, {"held": NAN}, {"held": math.inf}, {"held": 1.0, "target": -1.0},
                {"held": 1.0, "target": NAN}, {"held": 1.0, "target": math.inf}],
)  # fmt: skip
def test_step_when_a_notional_is_no_size_then_it_is_an_error(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected notionals >= 0"):
        step(**changes)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, NAN])
def test_step_when_the_share_is_none_then_it_is_an_error(share: float) -> None:
    with pytest.raises(InputError, match="share of volume"):
        next_step(now_ms=0, held_quote=1.0, target_quote=0.0, volume_1h_quote=1.0,
                  max_volume_frac=share)  # fmt: skip
    assert next_step(now_ms=0, held_quote=1.0, target_quote=0.0, volume_1h_quote=1e9,
                     max_volume_frac=1.0).last  # fmt: skip


money = st.floats(0, 1e9)


@given(held=money, target=money, volume=st.one_of(st.none(), st.floats()), least=st.floats(0, 1e4))
def test_steps_when_repeated_then_the_position_gets_down_and_never_beyond_flat(
    held: float, target: float, volume: float | None, least: float
) -> None:
    made = step(held, target, volume, smallest_quote=least)
    assert 0 <= made.notional_quote <= held
    known = volume is not None and 0 < volume < math.inf
    cap = 0.05 * volume / 60 if known and volume is not None else 0.1 * held
    assert made.notional_quote <= max(cap, 2 * least) + least + 1e-9 * held
    if held - target > 1e-6 and cap > 1e-6:
        assert made.notional_quote > 0
