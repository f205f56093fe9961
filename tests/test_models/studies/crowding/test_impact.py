"""The market that is sold into: its law, its recovery, and that nothing comes from nowhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from models.base.errors import ConfigError, InputError
from models.studies.crowding.book import LevelBook
from models.studies.crowding.impact import ImpactRules, ShapedMarket


@pytest.mark.parametrize("law", ["square-root", "linear"])
def test_sale_when_paid_then_it_is_the_integral_of_the_price(law: str) -> None:
    rules = ImpactRules(law=law)
    market = ShapedMarket(rules)
    market.sell(0.02)
    paid = market.sell(0.3)
    whole, _ = quad(lambda q: math.exp(-rules.displacement(q)), 0.02, 0.32)
    assert paid == pytest.approx(whole, rel=1e-7)


def test_market_when_it_rests_then_half_of_what_was_taken_is_back_after_a_half_life() -> None:
    market = ShapedMarket(ImpactRules(half_life_min=45.0))
    market.sell(0.2)
    for _ in range(45):
        market.rest(1.0)
    assert market.taken == pytest.approx(0.1)
    never = ShapedMarket(ImpactRules(half_life_min=math.inf))
    never.sell(0.2)
    never.rest(1e9)
    assert never.taken == 0.2


@pytest.mark.parametrize("law", ["square-root", "linear"])
def test_book_when_sold_into_then_coins_and_money_change_hands_and_none_are_made(law: str) -> None:
    book = LevelBook(ImpactRules(law=law), np.random.default_rng(3))
    rng, offered = np.random.default_rng(1), LevelBook(ImpactRules(law=law)).full.sum()
    paid = sold = 0.0
    for _ in range(200):
        quantity = float(rng.uniform(0, 0.01))
        paid, sold = paid + book.sell(quantity), sold + quantity
        book.rest(1.0)
        assert (book.resting >= 0).all()
        assert (book.resting <= book.full * (1 + 1e-12)).all()
    assert book.makers_coins == pytest.approx(sold)
    assert book.sellers_money == pytest.approx(paid)
    assert book.sellers_coins + book.makers_coins == pytest.approx(0.0, abs=1e-12)
    assert book.sellers_money + book.makers_money == pytest.approx(0.0, abs=1e-12)
    assert 0 < paid < sold < offered  # below the reference price, all of it


@pytest.mark.parametrize("law", ["square-root", "linear"])
def test_book_when_its_orders_are_even_then_it_is_the_closed_form(law: str) -> None:
    rules = ImpactRules(law=law, half_life_min=20.0)
    book, market = LevelBook(rules), ShapedMarket(rules)
    for quantity in (0.01, 0.2, 0.0, 0.05):
        assert book.sell(quantity) == pytest.approx(market.sell(quantity), abs=2e-5)
        assert book.fall == pytest.approx(market.fall, abs=2e-4)
        book.rest(7.0)
        market.rest(7.0)
        assert book.fall == pytest.approx(market.fall, abs=2e-4)


@pytest.mark.parametrize(("law", "slope"), [("square-root", 0.5), ("linear", 1.0)])
def test_book_when_metaorders_are_regressed_then_the_law_comes_out(law: str, slope: float) -> None:
    sizes = np.geomspace(1e-2, 0.5, 12)
    falls = []
    for size in sizes:
        drawn = []
        for seed in range(10):
            book = LevelBook(ImpactRules(law=law), np.random.default_rng(seed))
            for _ in range(20):  # in twenty child orders
                book.sell(size / 20)
            drawn.append(book.fall)
        falls.append(np.mean(drawn))
    found = np.polyfit(np.log(sizes), np.log(falls), 1)[0]
    assert found == pytest.approx(slope, abs=0.03)


def test_book_when_more_is_sold_than_is_bid_then_it_says_so() -> None:
    book = LevelBook(ImpactRules(law="linear"))
    with pytest.raises(InputError, match="days' volumes"):
        book.sell(book.full.sum() * 1.01)
    with pytest.raises(InputError, match="law of impact"):
        LevelBook(ImpactRules(law="none"))


@pytest.mark.parametrize(
    "wrong",
    [{"law": "cubic"}, {"strength": math.nan}, {"depth_frac": 0.0}, {"sigma_day": -1.0},
     {"half_life_min": math.nan}],
)  # fmt: skip
def test_rules_when_one_makes_no_sense_then_it_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong)).replace("law", "law of impact")):
        ImpactRules(**wrong)  # type: ignore[arg-type]
