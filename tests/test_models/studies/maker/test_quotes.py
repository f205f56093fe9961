"""A resting order fills only where the price goes through it, by what was known when it was put."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.types import Candles
from models.studies.maker.quotes import QuoteOutcome, QuoteRules, rested
from tests.test_models.studies.maker.worlds import (
    TICK,
    candles,
    quoted_by_brute_force,
    random_candles,
)

RULES = QuoteRules(tick=TICK, patience=3)


@pytest.mark.parametrize(("side", "name"), [(1, "low"), (-1, "high")])
def test_order_when_only_touched_then_it_is_not_filled_and_a_tick_further_it_is(
    side: int, name: str
) -> None:
    flat = [100.0] * 6
    quote = 100.0 - side * TICK
    touched = candles(flat, **{name: [100.0, quote, quote, quote, 100.0, 100.0]})
    assert rested(touched, 1, side, RULES) == QuoteOutcome(False, quote, 4)
    through = candles(flat, **{name: [100.0, quote, quote - side * TICK, 100.0, 100.0, 100.0]})
    assert rested(through, 1, side, RULES) == QuoteOutcome(True, quote, 3)


@pytest.mark.parametrize("side", [1, -1])
def test_order_when_the_price_runs_away_then_it_follows_at_boundaries_only(side: int) -> None:
    away = candles(100.0 + side * np.array([0.0, 2.0, 5.0, 9.0, 9.0]))
    assert rested(away, 1, side, RULES) == QuoteOutcome(False, 100.0 + side * 4.5, 4)
    waits = QuoteRules(tick=TICK, patience=3, follows=False)
    assert rested(away, 1, side, waits) == QuoteOutcome(False, 100.0 - side * TICK, 4)


@pytest.mark.parametrize("side", [1, -1])
def test_order_when_the_price_comes_back_then_it_fills_at_the_quote_of_the_candle_before(
    side: int,
) -> None:
    back = candles(100.0 + side * np.array([0.0, 2.0, 1.0, 1.0]))
    assert rested(back, 1, side, RULES) == QuoteOutcome(True, 100.0 + side * 1.5, 3)


def test_order_when_it_is_filled_in_its_own_candle_then_by_a_quote_from_before_that_candle() -> (
    None
):
    """The planted look-ahead: a quote put after the candle's low was seen fills at that low."""
    dip = candles([100.0, 100.0, 100.0], low=[100.0, 90.0, 100.0])
    honest = rested(dip, 1, 1, QuoteRules(tick=TICK, patience=1))
    assert honest == QuoteOutcome(True, 99.5, 2)
    assert honest.price > dip.low[1] + 9


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**16), first=st.integers(1, 30), side=st.sampled_from([1, -1]),
    patience=st.integers(1, 6), follows=st.booleans(),
)  # fmt: skip
def test_order_when_played_by_another_model_in_whole_ticks_then_the_same_becomes_of_it(
    seed: int, first: int, side: int, patience: int, follows: bool
) -> None:
    detail = random_candles(4, seed)
    rules = QuoteRules(tick=TICK, patience=patience, follows=follows)
    got = rested(detail, first, side, rules)
    filled, quote, row = quoted_by_brute_force(detail, first, side, rules)
    assert (got.filled, round(got.price / TICK), got.row) == (filled, quote, row)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**16), first=st.integers(1, 30), side=st.sampled_from([1, -1]),
    cut=st.integers(0, 6),
)  # fmt: skip
def test_quote_when_later_candles_change_then_what_was_over_before_does_not(
    seed: int, first: int, side: int, cut: int
) -> None:
    detail = random_candles(4, seed)
    changed = {f.name: getattr(detail, f.name).copy() for f in fields(Candles)}
    for name in ("open", "high", "low", "close"):
        changed[name][first + cut :] *= 1.5
    rules = QuoteRules(tick=TICK, patience=6)
    before, after = (
        rested(detail, first, side, rules),
        rested(Candles(**changed), first, side, rules),
    )
    if before.row <= first + cut:  # all it needed was known
        assert after == before
    # The first quote is known before its candle, whatever that candle does.
    one = QuoteRules(tick=TICK, patience=1)
    changed["close"][:first] = detail.close[:first]
    assert (
        rested(Candles(**changed), first, side, one).price == rested(detail, first, side, one).price
    )


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**16), first=st.integers(1, 30), side=st.sampled_from([1, -1]))
def test_fill_when_it_happens_then_the_candle_traded_beyond_it_and_never_at_a_better_price(
    seed: int, first: int, side: int
) -> None:
    detail = random_candles(4, seed)
    got = rested(detail, first, side, QuoteRules(tick=TICK, patience=6))
    if got.filled:
        reach = (detail.low if side > 0 else detail.high)[got.row - 1]
        assert side * (got.price - reach) >= TICK
        assert side * (got.price - (detail.close[first - 1] - side * TICK)) >= 0


def test_orders_when_there_is_no_candle_before_or_too_few_after_then_refused() -> None:
    detail = candles([100.0] * 5)
    for first in (0, 3):
        with pytest.raises(InputError, match="expected a candle before row"):
            rested(detail, first, 1, RULES)
    for wrong in ({"tick": 0.0, "patience": 1}, {"tick": 1.0, "patience": 0}):
        with pytest.raises(InputError, match="expected a tick > 0 and a patience >= 1"):
            QuoteRules(**wrong)
