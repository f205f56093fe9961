"""Signals become trades one at a time; what fills is worth what its fills were, to the tick."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import Candles
from models.base.units import HOUR_MS, MINUTE_MS
from models.studies.compare.money import positions
from models.studies.maker.quotes import QuoteRules
from models.studies.maker.trades import (
    Attempts,
    ExecutionStyle,
    attempted,
    detail_market,
    later,
)
from tests.test_models.studies.maker.worlds import (
    PER_HOUR,
    STEP_MS,
    TICK,
    candles,
    hourly,
    random_candles,
    rule,
)

TAKER = ExecutionStyle(name="taker", title="taker")
QUOTES = QuoteRules(tick=TICK, patience=2)
MAKER = ExecutionStyle(name="maker", title="maker", entry=QUOTES, exit=QUOTES)


def same(one: Attempts, other: Attempts, rows: int) -> None:
    for field in fields(Attempts):
        np.testing.assert_array_equal(
            getattr(one, field.name)[:rows], getattr(other, field.name)[:rows], field.name
        )


def test_market_orders_when_walked_then_positions_are_those_of_the_comparison() -> None:
    rng = np.random.default_rng(1)
    market = hourly(random_candles(400))
    side = rng.choice([-1, 0, 0, 0, 1], size=400).astype(int).tolist()
    asked = rule(side, hold=5, long=rng.random(400) < 0.2, short=rng.random(400) < 0.2)
    got = attempted(asked, market, TAKER)
    held = positions(asked.decided, 5)
    before = np.concatenate(([0], held[:-1]))
    entered = np.flatnonzero((held != 0) & (before == 0))
    assert len(got.decided) > 30
    np.testing.assert_array_equal(got.decided, entered[: len(got.decided)])
    assert len(entered) - len(got.decided) <= 1  # one that the data end in
    assert got.filled.all()
    assert not (got.maker_entry + got.minutes).any()


def test_trade_when_filled_then_its_move_is_from_fill_to_fill_and_pays_its_funding() -> None:
    """By hand: bought at a quote of 99.5 in the second candle, sold at 109.5 less than the bid."""
    rows = 4 * PER_HOUR
    close, low, high = np.full(rows, 100.0), np.full(rows, 100.0), np.full(rows, 100.0)
    close[2 * PER_HOUR :] = low[2 * PER_HOUR :] = high[2 * PER_HOUR :] = 110.0
    low[2 * PER_HOUR] = 100.0
    low[PER_HOUR + 1] = 99.0  # through the quote, ten minutes after the decision at most
    high[3 * PER_HOUR] = 111.0  # through the offer of 110.5
    detail = candles(close, low=low, high=high)
    funding = (np.array([2 * HOUR_MS + 3]), np.array([0.001]))  # stamped some milliseconds late
    asked = rule([1, 0, 0, 0], hold=2)
    maker = attempted(asked, hourly(detail, funding=funding), MAKER)
    assert maker.move[0] == pytest.approx(np.log(110.5 / 99.5) - 0.001)
    assert (maker.minutes[0], maker.maker_entry[0], maker.maker_exit[0]) == (10.0, 1.0, 1.0)
    assert maker.signal_move[0] == pytest.approx(np.log(1.1))
    np.testing.assert_allclose(maker.after[0, :2], np.log(np.array([100.0, 110.0]) / 99.5))
    assert np.isnan(maker.after[0, 2])  # beyond the data
    taker = attempted(asked, hourly(detail, funding=funding), TAKER)
    assert taker.move[0] == pytest.approx(np.log(1.1) - 0.001)
    short = attempted(rule([-1, 0, 0, 0], hold=2), hourly(detail, funding=funding), TAKER)
    assert short.move[0] == pytest.approx(-taker.move[0])


def test_exit_when_nobody_takes_it_then_it_goes_to_market_after_its_patience() -> None:
    rows = 4 * PER_HOUR
    close = np.full(rows, 100.0)
    close[3 * PER_HOUR :] = 100.0 - 3.0 * np.arange(1, PER_HOUR + 1)  # falls away from the offer
    low = np.minimum(close, np.concatenate(([100.0], close[:-1])))
    low[PER_HOUR] = 99.0
    got = attempted(rule([1, 0, 0, 0], hold=2), hourly(candles(close, low=low)), MAKER)
    assert (got.maker_entry[0], got.maker_exit[0]) == (1.0, 0.0)
    assert got.move[0] == pytest.approx(np.log(94.0 / 99.5))  # two candles of patience lower


def test_entry_when_missed_then_the_next_signal_is_heard_and_nothing_was_earned() -> None:
    rows = 8 * PER_HOUR
    market = hourly(candles(100.0 + np.arange(rows)))  # never comes back to a buyer
    asked = rule([1, 1, 0, 1, 0, 0, 0, 0], hold=2)
    got = attempted(asked, market, MAKER)
    assert got.decided.tolist() == [0, 1, 3]
    assert not (got.filled | np.isfinite(got.move)).any()
    assert (got.signal_move > 0).all()  # of what was missed it is known what it would have been
    assert attempted(rule([1, 1, 0, 1, 0, 0, 0, 0], hold=2), market, TAKER).decided.tolist() == [
        0,
        3,
    ]


@pytest.mark.parametrize("style", [TAKER, MAKER], ids=["taker", "maker"])
def test_trades_when_the_future_changes_then_those_that_were_over_do_not(
    style: ExecutionStyle,
) -> None:
    rng = np.random.default_rng(2)
    side = rng.choice([-1, 0, 1], size=300).astype(int).tolist()
    detail, cut = random_candles(300), 200 * PER_HOUR
    changed = {f.name: getattr(detail, f.name).copy() for f in fields(Candles)}
    for name in ("open", "high", "low", "close"):
        changed[name][cut:] *= 1.1
    known = attempted(rule(side), hourly(detail), style)
    other = attempted(rule(side), hourly(Candles(**changed)), style)
    over = int(np.searchsorted(known.decided, 200 - 4 - 6))  # held four hours, followed four
    assert over > 20
    same(known, other, over)
    assert not np.array_equal(known.signal_move, other.signal_move)  # the control


def test_signals_when_acted_on_late_then_all_come_so_many_rows_later() -> None:
    asked = rule([1, 0, -1, 0], long=np.array([True, False, False, False]))
    late = later(asked.decided, 1)
    assert late.side.tolist() == [0, 1, 0, -1]
    assert late.exit_long.tolist() == [False, True, False, False]
    assert asked.decided.side.tolist() == [1, 0, -1, 0]
    market = hourly(random_candles(4))
    assert attempted(replace(asked, decided=late, max_hold=1), market, TAKER).decided.tolist() == [
        1
    ]


def test_orders_when_they_would_rest_beyond_the_next_decision_then_refused() -> None:
    long = QuoteRules(tick=TICK, patience=PER_HOUR + 1)
    with pytest.raises(InputError, match="given up before the next decision, 12 detail candles"):
        attempted(rule([1] * 9), hourly(random_candles(9)), replace(MAKER, entry=long))


def test_detail_when_a_candle_is_missing_or_does_not_divide_the_hour_then_refused() -> None:
    whole = random_candles(3)
    hours = HOUR_MS * np.arange(3, dtype=np.int64)
    for rows in (np.delete(np.arange(36), 7), np.arange(0, 36, 7), np.arange(1)):
        part = Candles(**{f.name: getattr(whole, f.name)[rows] for f in fields(Candles)})
        with pytest.raises(InputError, match="expected detail candles without gaps"):
            detail_market(hours, HOUR_MS, part)
    made = detail_market(hours, HOUR_MS, whole)
    assert made.first.tolist() == [12, 24, -1]
    assert made.step_ms == STEP_MS == 5 * MINUTE_MS
