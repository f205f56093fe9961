"""Losses of the day, the week and from the peak, folded over time and kept over restarts."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.trade.risk.losses import (
    LossState,
    loss_state_from,
    observe_equity,
    to_mapping,
    transferred,
)

DAY = 86_400_000
MONDAY = 4 * DAY  # 1970-01-05


def folded(*seen: tuple[int, float]) -> LossState:
    state = None
    for time_ms, equity in seen:
        state = observe_equity(state, time_ms, equity)
    assert state is not None
    return state


def test_losses_when_folded_by_hand_then_each_has_its_own_start() -> None:
    state = folded((MONDAY, 1000.0), (MONDAY + 1, 1100.0), (MONDAY + DAY, 1045.0))
    assert state.day_start_quote == 1100.0  # what the old day left
    assert state.day_frac == pytest.approx(0.05)
    assert state.week_frac == pytest.approx(-0.045)
    assert state.peak_frac == pytest.approx(0.05)
    later = observe_equity(state, MONDAY + 2 * DAY - 1, 990.0)
    assert later.day_frac == pytest.approx(0.1)
    assert observe_equity(later, MONDAY + 2 * DAY, 990.0).day_frac == 0.0
    assert (state.time_ms, state.equity_quote) == (MONDAY + DAY, 1045.0)


def test_losses_when_the_week_turns_then_only_monday_starts_a_new_one() -> None:
    sunday = MONDAY + 7 * DAY - 1
    state = folded((MONDAY - DAY, 1000.0), (MONDAY, 900.0), (sunday, 800.0))
    assert state.week_start_quote == 1000.0
    assert state.week_frac == pytest.approx(0.2)
    assert observe_equity(state, sunday + 1, 800.0).week_frac == 0.0
    assert observe_equity(state, sunday + 1, 760.0).week_frac == pytest.approx(
        0.05
    )  # lost overnight
    assert observe_equity(state, sunday + 1, 760.0).peak_frac == pytest.approx(0.24)
    assert folded((MONDAY - 1, 1000.0), (MONDAY, 950.0)).week_frac == pytest.approx(0.05)


def test_losses_when_restarted_from_plain_numbers_then_nothing_is_forgotten() -> None:
    seen = [(MONDAY + k * DAY // 5, 1000.0 + 50 * math.sin(k)) for k in range(60)]
    whole = folded(*seen)
    state = None
    for time_ms, equity in seen:
        state = observe_equity(state, time_ms, equity)
        state = loss_state_from(json.loads(json.dumps(to_mapping(state))))
    assert state == whole


@pytest.mark.parametrize("equity", [math.nan, math.inf, -math.inf])
def test_losses_when_the_equity_is_no_number_then_it_is_an_error(equity: float) -> None:
    with pytest.raises(InputError, match="finite equity"):
        observe_equity(None, 0, equity)
    with pytest.raises(InputError, match="finite equity"):
        observe_equity(folded((0, 1.0)), 1, equity)


def test_losses_when_time_runs_backwards_or_there_was_never_money_then_it_is_an_error() -> None:
    state = folded((5, 1000.0))
    with pytest.raises(InputError, match="expected a time from 5 on, got 4"):
        observe_equity(state, 4, 1000.0)
    assert observe_equity(state, 5, 900.0).equity_quote == 900.0
    for equity in (0.0, -1.0):
        with pytest.raises(InputError, match="equity > 0"):
            observe_equity(None, 0, equity)


def test_losses_when_everything_is_gone_then_they_stay_a_total_loss() -> None:
    state = folded((MONDAY, 1000.0), (MONDAY + 1, -50.0))
    assert state.day_frac == pytest.approx(1.05)
    tomorrow = observe_equity(state, MONDAY + DAY, -50.0)
    assert tomorrow.peak_frac == pytest.approx(1.05)
    assert tomorrow.day_frac > 1


@pytest.mark.parametrize(
    "change",
    [{"peak_quote": 0.0}, {"day_start_quote": -1.0}, {"week_start_quote": math.nan},
     {"equity_quote": math.inf}, {"equity_quote": "1"}, {"more": 1.0}, {"time_ms": True}],
)  # fmt: skip
def test_losses_when_kept_numbers_are_not_sound_then_they_are_refused(change: dict) -> None:
    values = to_mapping(folded((5, 1000.0)))
    assert loss_state_from(values) == folded((5, 1000.0))
    assert loss_state_from({**values, "peak_quote": 0.5}).peak_quote == 0.5
    with pytest.raises(InputError, match="expected finite"):
        loss_state_from({**values, **change})
    del values["peak_quote"]
    with pytest.raises(InputError, match="expected finite"):
        loss_state_from(values)


def fracs(state: LossState) -> tuple[float, float, float]:
    return state.day_frac, state.week_frac, state.peak_frac


def test_transfer_when_money_comes_or_goes_then_references_scale_and_losses_stay() -> None:
    state = folded((MONDAY, 1000.0), (MONDAY + 1, 1100.0), (MONDAY + DAY, 1045.0))
    deposit = transferred(state, 1045.0, 2090.0)
    assert deposit.day_start_quote == deposit.peak_quote == pytest.approx(2200.0)
    assert deposit.week_start_quote == pytest.approx(2000.0)
    assert deposit.equity_quote == 2090.0
    assert fracs(observe_equity(deposit, MONDAY + DAY, 2090.0)) == pytest.approx(fracs(state))
    # As amounts, not shares, the 55 lost today would be a tenth of what is left.
    withdrawal = transferred(state, -550.0, 495.0)
    assert fracs(observe_equity(withdrawal, MONDAY + DAY, 495.0)) == pytest.approx(fracs(state))
    assert transferred(state, 0.0, 1045.0) == state
    tomorrow = observe_equity(transferred(state, 1000.0, 2045.0), MONDAY + 2 * DAY, 2045.0)
    assert tomorrow.day_frac == pytest.approx(0.0)  # the deposit is in yesterday's last equity


def test_transfer_when_there_is_nothing_on_one_side_then_what_was_lost_stays_lost() -> None:
    lost = folded((MONDAY, 1000.0), (MONDAY + 1, 0.5))
    # Liquidated while nobody looked, then filled up: 1000 of 1500 are gone.
    refilled = observe_equity(transferred(lost, 500.0, 500.0), MONDAY + 2, 500.0)
    assert fracs(refilled) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert transferred(lost, 500.0, 499.0).peak_quote == 1500.0
    assert transferred(folded((MONDAY, 0.5)), 0.5, 1.0).peak_quote == 1.0  # scaled: twice as much
    assert transferred(folded((MONDAY, 1.0)), -0.5, 0.5).peak_quote == 0.5
    assert transferred(lost, -0.5, 0.0).peak_quote == 999.5  # emptied: the amount itself
    cents = folded((MONDAY, 1000.0), (MONDAY + 1, 1.0))
    assert transferred(cents, -0.5, 0.5).peak_quote == 500.0  # cents are something
    assert transferred(lost, 0.5, 1.0).peak_quote == 2000.0
    emptied = transferred(folded((MONDAY, 1000.0)), -1000.0, 0.0)
    assert 0 < emptied.peak_quote < 1e-300
    assert loss_state_from(to_mapping(emptied)) == emptied
    for bad in ((math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(InputError, match="finite numbers"):
            transferred(lost, *bad)


@given(
    equities=st.lists(st.floats(500.0, 2000.0), min_size=1, max_size=9),
    amount=st.floats(-0.9, 9.0),
)
def test_transfer_of_any_size_then_no_loss_is_hidden_and_none_is_made_up(
    equities: list[float], amount: float
) -> None:
    state = folded(*((MONDAY + k, equity) for k, equity in enumerate(equities)))
    quote = amount * state.equity_quote
    after = state.equity_quote + quote
    moved = observe_equity(transferred(state, quote, after), state.time_ms, after)
    assert fracs(moved) == pytest.approx(fracs(state), abs=1e-9)
