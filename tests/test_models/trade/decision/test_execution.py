"""A quote never crosses, follows the price away from it only, and an exit may not lie for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.config import from_mapping
from models.base.errors import ConfigError, InputError
from models.trade.decision.execution import ExecutionConfig, OrderStyle, moved_quote, quote_at

PRICES = st.floats(1.0, 1e6)
SIDES = st.sampled_from([1, -1])


def test_style_when_not_said_then_orders_are_market_orders() -> None:
    config = from_mapping(ExecutionConfig, {}, where="breakwater.execution")
    assert config.style is OrderStyle.TAKER
    assert not config.quotes
    assert from_mapping(ExecutionConfig, {"style": "maker"}, where="block").quotes


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"style": "makr"}, "maker"),
        ({"exit_minute": 5}, "did you mean 'exit_minutes'"),
        ({"exit_minutes": 11}, "must not lie for ever"),
        ({"exit_minutes": float("nan")}, "expected 0.5 <= exit_minutes"),
        ({"entry_minutes": 0}, "expected 1 <= entry_minutes <= 60"),
        ({"requote_seconds": 1}, "expected 5 <= requote_seconds"),
    ],
)
def test_settings_when_mistyped_or_weaker_then_refused_by_name(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(ExecutionConfig, wrong, where="breakwater.execution")
    assert said in str(caught.value)


@given(bid=PRICES, spread=st.floats(1e-3, 10.0), side=SIDES)
def test_quote_when_put_then_it_is_on_its_own_side_of_the_book(
    bid: float, spread: float, side: int
) -> None:
    quote, ask = quote_at(bid, bid + spread, side), bid + spread
    assert side * (quote - (ask if side > 0 else bid)) < 0


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 1.0), (2.0, 2.0), (2.0, 1.0), (1.0, float("nan"))])
def test_quote_when_the_book_is_empty_or_crossed_then_there_is_none(bid: float, ask: float) -> None:
    with pytest.raises(InputError, match="expected 0 < bid < ask"):
        quote_at(bid, ask, 1)


@given(rests=PRICES, best=PRICES, first=PRICES, side=SIDES)
def test_quote_when_moved_then_away_from_it_and_never_far_beyond_where_it_was_put(
    rests: float, best: float, first: float, side: int
) -> None:
    price = moved_quote(rests, best, first, side)
    assert price in (rests, best)
    assert side * (price - rests) >= 0
    if price != rests:
        assert side * (price / first - 1) <= 0.0025 * (1 + 1e-9)
