"""A hedge's one number in a crash: cut beforehand, borne if the record held, and why not if not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.base.errors import InputError
from models.studies.stress.numbered import (
    Breach,
    CrashRows,
    numbered,
    rows_of_crash,
    summarise_numbered,
)
from tests.test_models.studies.stress.falling import falling, numbered_rules

AT = 120  # hour of the fall
START, UNTIL = AT - 10, AT + 47


def test_window_when_a_coin_falls_then_the_day_before_and_the_crash_are_the_starts() -> None:
    window = rows_of_crash(falling({AT: 60.0}))
    # The first of the days that end as low: it begins 24 closes before the hour of the fall.
    assert window == CrashRows(first=AT - 48, stop=AT, until=AT + 24, fall_frac=0.4)
    with pytest.raises(InputError, match="two days of candles before the worst day"):
        rows_of_crash(falling({30: 60.0}))


@pytest.mark.parametrize(("leverage", "share"), [(0.2, 1.0), (1.0, 0.3), (3.0, 0.1)])
def test_number_when_the_record_holds_then_what_is_too_large_is_cut_and_no_start_costs_more(
    leverage: float, share: float
) -> None:
    crash, rules = falling({AT: 55.0}), numbered_rules(0.5)
    out = numbered(crash, rules, leverage, START, UNTIL)
    assert out.share == pytest.approx(share, rel=1e-3)
    assert out.held_back_by == ("" if share == 1.0 else "worst_day_bearable")
    assert 0.08 < out.cost_frac <= 0.15
    assert out.breach is None
    # The control: let in whole, the same crash breaks the number.
    loose = replace(rules, worst_day_frac=1.0)
    let_in = numbered(crash, loose, leverage, START, UNTIL)
    assert let_in.opened_frac > out.opened_frac or leverage == 0.2
    assert (let_in.cost_frac > 0.15) == (leverage > 0.2)


def test_number_when_the_record_does_not_hold_then_it_is_broken_and_says_so() -> None:
    out = numbered(falling({AT: 55.0}), numbered_rules(0.3), 1.0, START, UNTIL)
    assert out.opened_frac == pytest.approx(0.5, rel=1e-3)
    assert out.alone_frac == pytest.approx(0.5 * 0.45, rel=0.01)
    assert out.breach is Breach.BEYOND
    assert out.survived


def test_number_when_the_fall_goes_on_for_two_days_then_it_says_that_no_day_was_beyond() -> None:
    crash = falling({AT: 75.0, AT + 30: 56.5})
    out = numbered(crash, numbered_rules(0.3), 1.0, START, UNTIL)
    assert out.cost_frac > 0.15
    assert out.breach is Breach.LONGER


def test_number_when_the_position_outgrew_it_then_only_leave_to_reduce_keeps_it() -> None:
    """The price rises by half, the hedge loses nothing: a larger part of the equity is at stake."""
    crash = falling({START + 2: 120.0, START + 4: 150.0, AT + 20: 106.0})
    kept = numbered(crash, numbered_rules(0.3), 1.0, START, UNTIL)
    assert kept.cost_frac > 0.15
    assert kept.breach is Breach.OUTGREW
    cut = numbered(crash, numbered_rules(0.3, may_reduce=True), 1.0, START, UNTIL)
    assert cut.cost_frac <= 0.15
    assert cut.breach is None


def test_number_when_only_costs_are_above_it_then_neither_fall_nor_size_is_blamed() -> None:
    out = numbered(falling({AT: 70.0}), numbered_rules(0.3), 1.0, START, UNTIL)
    assert 0.15 < out.cost_frac < 0.155
    assert out.breach is Breach.COSTS


def test_record_when_candles_show_worse_before_the_start_then_the_size_knows() -> None:
    fallen = falling({60: 50.0, AT: 20.0})
    out = numbered(fallen, numbered_rules(0.1), 1.0, START, UNTIL)
    assert out.opened_frac == pytest.approx(0.3, rel=1e-3)  # of the day shown, not of the record
    before = numbered(fallen, numbered_rules(0.1), 1.0, 58, UNTIL)
    assert before.opened_frac > 0.9  # what came later is not known yet


def test_summary_when_all_starts_are_in_then_they_add_up() -> None:
    crash, rules = falling({AT: 55.0}), numbered_rules(0.3)
    told = summarise_numbered(crash, rules, 1.0, "as known")
    assert (told.starts, told.cut, told.whole, told.refused) == (48, 48, 0, 0)
    assert told.held_back_by == {"worst_day_bearable": 48}
    assert told.broken == {"a fall beyond the record": 48}
    assert (told.known_frac, told.fall_frac) == (0.3, pytest.approx(0.45))
    assert told.record == "as known"
    with pytest.raises(InputError, match="expected a number"):
        numbered(crash, replace(rules, worst_day_frac=None), 1.0, START, UNTIL)


def test_position_when_the_smallest_order_is_larger_then_it_is_refused() -> None:
    rules = replace(numbered_rules(0.5), smallest_quote={"LTC/USDT:USDT": 4_000.0})
    out = numbered(falling({AT: 55.0}), rules, 1.0, START, UNTIL)
    assert (out.opened_frac, out.cost_frac, out.held_back_by) == (0.0, 0.0, "worst_day_bearable")
