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


@pytest.mark.parametrize(
    ("rests", "best", "first", "side", "expected"),
    [
        (100.0, 100.1, 100.0, 1, 100.1),  # the price left upwards: a buyer follows
        (100.0, 99.9, 100.0, -1, 99.9),  # and a seller downwards
        (0.5, 0.5001, 0.5, 1, 0.5001),  # by a tick of a coin that costs little
        (100.1, 100.3, 100.0, 1, 100.1),  # 30 bps from where it was first put: it stays
        (99.9, 99.7, 100.0, -1, 99.9),
        (100.0, 100.25, 100.0, 1, 100.25),  # 25 are followed
    ],
)
def test_quote_when_the_price_leaves_then_it_follows_as_far_as_it_may(
    rests: float, best: float, first: float, side: int, expected: float
) -> None:
    assert moved_quote(rests, best, first, side) == expected


def test_settings_when_nothing_is_said_then_a_quote_waits_as_long_as_was_measured() -> None:
    config = ExecutionConfig()
    found = (config.entry_minutes, config.exit_minutes, config.requote_seconds)
    assert found == (15.0, 10.0, 60.0)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("entry_minutes", 1, 60), ("exit_minutes", 0.5, 10), ("requote_seconds", 5, 600)],
)
def test_settings_when_at_the_edge_then_taken_and_just_beyond_refused(
    name: str, least: float, most: float
) -> None:
    for value in (least, most):
        assert getattr(ExecutionConfig(**{name: value}), name) == value  # type: ignore[arg-type]
    for value in (least - 0.01, most + 0.01):
        with pytest.raises(ValueError, match=f"<= {name} <="):
            ExecutionConfig(**{name: value})  # type: ignore[arg-type]
