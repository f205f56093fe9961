"""What exposures lost and earned, by hand, and differences that are drawn in pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.studies.exposure.measure import (
    daily_log,
    deepest_fall,
    measure_exposure,
    worst_day,
)
from tests.test_models.studies.exposure.worlds import market, random_days, way

COST = 0.001


def test_money_when_worked_by_hand_then_it_is_the_move_less_costs_and_funding() -> None:
    over = market(np.array([0.1, -0.1, 0.2]), funding=np.array([0.5, 0.01, 0.02]))
    held = way("x", np.array([0.5, 1.0, 0.0]))
    # Nobody pays funding on what is bought at that very open: 0.5 at 1 %, then 1.0 at 2 %.
    simple = [0.05 - 0.0005, -0.1 - 0.5 * 0.01 - 0.0005, -0.02 - 0.001]
    assert daily_log(held, over, COST).tolist() == pytest.approx(np.log1p(simple).tolist())


def test_money_when_candles_are_shorter_than_a_day_then_each_day_adds_them_up() -> None:
    over = market(np.full(48, 0.01))
    hourly = replace(over, time_ms=HOUR_MS * np.arange(48, dtype=np.int64))
    log = daily_log(way("x", np.ones(48)), hourly, 0.0)
    assert log.tolist() == pytest.approx([24 * np.log(1.01)] * 2)


def test_money_when_a_candle_takes_all_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="the account of x way is lost"):
        daily_log(way("x", np.full(3, 2.0)), market(np.array([0.0, -0.6, 0.0])), COST)


def test_losses_when_worked_by_hand_then_they_are_of_the_worst_days_and_from_a_peak() -> None:
    simple = np.zeros(250)
    simple[[0, 70, 200]] = (-0.3, -0.2, -0.1)  # three days are the worst hundredth of 250
    assert worst_day(np.log1p(simple)) == pytest.approx(0.2)
    assert deepest_fall(np.log1p(simple)) == pytest.approx(1 - 0.7 * 0.8 * 0.9)
    assert deepest_fall(np.log1p(np.full(10, 0.1))) == 0.0
    both = np.log1p(np.stack([simple, 0.5 * simple]))
    assert worst_day(both).tolist() == pytest.approx([0.2, 0.1])


def test_difference_when_wild_days_are_avoided_then_its_interval_says_so_and_noise_does_not() -> (
    None
):
    moves, wild = random_days()
    over = market(moves)
    constant = way("constant", np.ones(len(moves)))
    careful = way("careful", np.where(wild > 0, 0.4, 1.0))
    rng = np.random.default_rng(5)
    noisy = way("noisy", 1.0 + 0.02 * rng.normal(size=len(moves)))
    rows = measure_exposure([careful, constant, noisy], over, 0.0, subject="careful", draws=400)
    against = rows[1]["against"]["worst_day"]
    assert against["high"] < 0
    assert against["value"] == pytest.approx(
        rows[0]["worst_day"]["value"] - rows[1]["worst_day"]["value"]
    )
    # Drawn in pairs: the interval of the difference is narrower than either's own.
    own = rows[1]["worst_day"]["high"] - rows[1]["worst_day"]["low"]
    assert against["high"] - against["low"] < own
    itself = rows[0]["against"]["net"]
    assert (itself["value"], itself["low"], itself["high"]) == (0, 0, 0)
    rows = measure_exposure([noisy, constant], over, 0.0, subject="noisy", draws=400)
    assert rows[1]["against"]["worst_day"]["low"] < 0 < rows[1]["against"]["worst_day"]["high"]


def test_costs_when_doubled_then_only_what_is_traded_costs_more() -> None:
    moves, wild = random_days()
    over, still = market(moves), way("still", np.ones(len(moves)))
    busy = way("busy", np.where(wild > 0, 0.4, 1.0))
    rows = measure_exposure([busy, still], over, COST, subject="busy", draws=50)
    lost = [row["net"]["value"] - row["net_twice"]["value"] for row in rows]
    assert lost[0] == pytest.approx(COST * busy.traded.sum(), rel=0.02)
    assert lost[1] == pytest.approx(COST, rel=0.02)  # bought once
    years = (len(moves) - 1) / 365.25
    assert rows[0]["turnover_year"] == pytest.approx(busy.traded.sum() / years)
    assert rows[0]["cost_year_frac"] == pytest.approx(COST * rows[0]["turnover_year"])


def test_measure_when_the_subject_is_missing_then_it_is_refused() -> None:
    moves, _ = random_days(100)
    with pytest.raises(InputError, match=r"expected 'y' among the entries, got \['x'\]"):
        measure_exposure([way("x", np.ones(100))], market(moves), COST, subject="y")
