"""Numbers of attempts: costs by fill, costs of a round trip, and intervals that cover the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.studies.maker.measure import FillCosts, TradedWay, measure_ways
from models.studies.maker.quotes import QuoteOutcome, QuoteRules, rested
from models.studies.maker.rules import by_coin
from models.studies.maker.trades import Attempts, DetailMarket, ExecutionStyle, TradeRule, attempted
from tests.test_models.studies.maker.worlds import TICK, hourly, random_candles

HOURS = 24 * 300
QUOTES = QuoteRules(tick=TICK, patience=3)
STYLES = {
    "taker": ExecutionStyle(name="taker", title="taker"),
    "maker": ExecutionStyle(name="maker", title="maker", entry=QUOTES, exit=QUOTES),
}
COSTS = FillCosts()


@pytest.fixture(scope="module")
def market() -> DetailMarket:
    return hourly(random_candles(HOURS, seed=3))


def way(market: DetailMarket, style: str, rule: str = "coin", **more: Any) -> TradedWay:
    decided = by_coin(HOURS, np.random.default_rng(0))
    asked = TradeRule(name=rule, title=rule, decided=decided, max_hold=4)
    made = attempted(asked, market, STYLES[style])
    return TradedWay(
        name=f"{rule}-{style}", title=f"{rule}; {style}", rule=rule, style=style, attempts=made,
        late=more.pop("late", made), **more,
    )  # fmt: skip


def measured(ways: list[TradedWay], costs: FillCosts = COSTS) -> list[dict[str, Any]]:
    times = HOUR_MS * np.arange(HOURS, dtype=np.int64)
    return measure_ways(ways, times, costs, reference="taker", draws=300)


def attempts(filled: list[bool], maker_entry: list[float], maker_exit: list[float]) -> Attempts:
    rows = len(filled)
    zero = np.zeros(rows)
    return Attempts(
        decided=np.arange(rows, dtype=np.int64), filled=np.array(filled, dtype=np.bool_),
        minutes=zero, move=np.where(filled, 0.0, np.nan), maker_entry=np.array(maker_entry),
        maker_exit=np.array(maker_exit), signal_move=zero, after=np.zeros((rows, 3)),
    )  # fmt: skip


def test_costs_when_paid_then_by_each_fill_and_nothing_of_what_was_missed() -> None:
    made = attempts([True, True, True, False], [0, 1, 1, 0], [0, 0, 1, 0])
    assert COSTS.paid(made).tolist() == pytest.approx([0.0014, 0.0009, 0.0004, 0.0])
    for wrong in ({"maker_fee_frac": -0.1}, {"slippage_frac": float("nan")}):
        with pytest.raises(ValueError, match="expected 0 <= "):
            FillCosts(**wrong)


FREE = FillCosts(maker_fee_frac=0.0, taker_fee_frac=0.0, slippage_frac=0.0)


def test_coin_when_filled_by_an_honest_model_then_even_without_fees_it_earns_in_neither_style(
    market: DetailMarket,
) -> None:
    """Of a random walk nothing can be known, so whatever earns on it is a fault of the model."""
    taker, maker = measured([way(market, "taker"), way(market, "maker")], FREE)
    assert taker["net"]["low"] < 0 < taker["net"]["high"]
    # What fills is followed by a loss, what is missed would have earned.
    assert maker["after_5m_filled"]["high"] < 0 < maker["after_5m_missed"]["low"]
    assert maker["net"]["high"] < 0
    assert maker["signal_missed"]["low"] > maker["signal_filled"]["high"]


def _by_hindsight(detail: Any, first: int, side: int, rules: QuoteRules) -> QuoteOutcome:
    """Quote at the furthest price of the candle, after it has been seen."""
    reach = detail.low if side > 0 else detail.high
    return QuoteOutcome(True, float(reach[first]), first + 1)


def _at_the_better(detail: Any, first: int, side: int, rules: QuoteRules) -> QuoteOutcome:
    """Fill at the candle's close where that is a better price than the quote."""
    made = rested(detail, first, side, rules)
    close = float(detail.close[made.row - 1])
    better = min(made.price, close) if side > 0 else max(made.price, close)
    return replace(made, price=better if made.filled else made.price)


@pytest.mark.parametrize("planted", [_by_hindsight, _at_the_better])
def test_fill_model_when_it_looks_ahead_then_the_coin_convicts_it(
    market: DetailMarket, monkeypatch: pytest.MonkeyPatch, planted: Any
) -> None:
    monkeypatch.setattr("models.studies.maker.trades.rested", planted)
    flattered = measured([way(market, "taker"), way(market, "maker")], FREE)[1]
    assert flattered["after_5m_filled"]["low"] > 0
    assert flattered["net"]["low"] > 0


def test_taker_when_measured_then_a_round_trip_costs_what_its_fees_say(
    market: DetailMarket,
) -> None:
    [row] = measured([way(market, "taker")])
    assert row["cost"]["value"] == pytest.approx(14.0, abs=0.1)  # opens are the closes before
    assert row["net"]["value"] - row["net_twice"]["value"] == pytest.approx(14.0)
    assert (row["filled"]["value"], row["exits_as_maker"]["value"]) == (1.0, 0.0)
    years = HOURS / 24 / 365.25
    assert row["trades_year"] == pytest.approx(row["attempts"] / years)
    assert row["net_year"]["value"] == pytest.approx(
        row["net"]["value"] / 1e4 * row["attempts"] / years
    )


def test_cost_of_a_maker_when_measured_then_it_is_the_signal_less_what_filled(
    market: DetailMarket,
) -> None:
    made = way(market, "maker")
    row = measured([way(market, "taker"), made])[1]
    net = made.attempts.move - COSTS.paid(made.attempts)
    by_hand = 1e4 * (made.attempts.signal_move.mean() - np.nanmean(net))
    assert row["cost"]["value"] == pytest.approx(by_hand)
    assert row["cost"]["low"] < by_hand < row["cost"]["high"]
    assert 0.3 < row["filled"]["value"] < 1.0


def test_ways_when_compared_then_over_the_same_days_and_the_reference_against_itself_is_nothing(
    market: DetailMarket,
) -> None:
    taker, maker = measured([way(market, "taker"), way(market, "maker")])
    assert [taker["against_year"][k] for k in ("value", "low", "high")] == [0, 0, 0]
    assert maker["against_year"]["value"] == pytest.approx(
        maker["net_year"]["value"] - taker["net_year"]["value"]
    )


def test_trials_when_there_are_more_then_the_end_that_all_must_hold_is_lower(
    market: DetailMarket,
) -> None:
    one = measured([way(market, "taker")])[0]
    many = measured([way(market, "taker", rule=f"r{number}") for number in range(10)])[0]
    assert many["low_of_all"] < one["low_of_all"] == pytest.approx(one["net"]["low"])
    control = [way(market, "taker", rule=f"r{n}", is_control=n > 0) for n in range(10)]
    assert measured(control)[0]["low_of_all"] == one["low_of_all"]


def test_rule_when_it_lacks_the_reference_then_refused(market: DetailMarket) -> None:
    with pytest.raises(
        InputError, match=r"expected style 'taker' of every rule, not of \['coin'\]"
    ):
        measured([way(market, "maker")])


def test_rule_when_it_never_has_a_signal_then_nothing_is_known_of_it(market: DetailMarket) -> None:
    made = way(market, "taker")
    empty = attempts([], [], [])
    nothing = TradedWay(name="n", title="n", rule="n", style="taker", attempts=empty, late=empty)
    row = measured([made, nothing])[1]
    assert row["attempts"] == 0
    assert np.isnan(row["net"]["value"])
    assert row["net_year"]["value"] == 0.0
