"""Whether what a model promises came: intervals in parts, and claims that pass the bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base import columns
from models.evaluate.metrics.forecast import interval_score
from models.studies.compare.promises import kept_promises
from models.studies.compare.records import Truth
from tests.test_models.studies.compare.worlds import TRADING, constant, entry, knowing, truth


def kept(t: Truth, *forecasts: dict[str, np.ndarray]) -> dict[str, object]:
    return kept_promises(entry("x", *forecasts), t, TRADING, np.random.default_rng(0))


def value(numbers: dict[str, object], name: str) -> float:
    found = numbers[name]
    return float(found["value"] if isinstance(found, dict) else found)  # type: ignore[arg-type]


def test_edge_when_all_that_was_claimed_came_then_the_slope_is_one() -> None:
    t = truth()
    numbers = kept(t, knowing(t))
    assert value(numbers, "passed") == (np.abs(t.outcome_return) >= TRADING.cost_frac).sum()
    assert value(numbers, "slope") == pytest.approx(1.0)
    assert value(numbers, "claimed") == pytest.approx(value(numbers, "realised"))


def test_edge_when_a_quarter_of_the_claims_came_then_the_slope_says_so() -> None:
    t = truth()
    boast = knowing(t)
    for name in (*columns.RETURN_QUANTILES, columns.EDGE, columns.EDGE_LOW):
        boast[name] = 4 * boast[name]
    assert value(kept(t, boast), "slope") == pytest.approx(0.25)


def test_edge_when_nothing_passes_then_there_is_nothing_to_hold_it_against() -> None:
    t = truth()
    numbers = kept(t, constant(t))
    assert value(numbers, "passed") == 0
    assert np.isnan(value(numbers, "slope"))


def test_interval_when_it_fails_at_one_time_of_day_then_that_part_is_the_lowest() -> None:
    t = truth()
    f = constant(t)  # 2 % on either side of outcomes of 1 % a standard deviation
    night = t.time_ms // 3_600_000 % 24 < 3
    f[columns.RETURN_LOW] = np.where(night, 0.0, f[columns.RETURN_LOW])
    numbers = kept(t, f)
    inside = (t.outcome_return >= f[columns.RETURN_LOW]) & (t.outcome_return <= 0.02)
    assert value(numbers, "hours_low") == pytest.approx(inside[night].mean())
    assert value(numbers, "hours_high") > 0.9
    score = interval_score(t.outcome_return, f[columns.RETURN_LOW], f[columns.RETURN_HIGH], 0.9)
    assert value(numbers, "interval_score") == pytest.approx(1e4 * score.mean())


def test_interval_when_it_fails_in_storms_then_the_lowest_tenth_is_there() -> None:
    t = truth()
    f = constant(t)
    f[columns.SIGMA] = np.abs(t.outcome_return)  # the tenth with the largest outcomes misses
    numbers = kept(t, f)
    wildest = np.sort(np.abs(t.outcome_return))[-len(t.time_ms) // 10 :]
    assert value(numbers, "tenth_low") == pytest.approx((wildest <= 0.02).mean(), abs=0.01)
    assert value(numbers, "tenth_high") == 1.0


def test_seeds_when_there_are_two_then_candles_that_pass_are_counted_a_seed() -> None:
    t = truth()
    one, two = kept(t, knowing(t)), kept(t, knowing(t), constant(t))
    assert value(two, "passed") == value(one, "passed") / 2


def test_promises_when_a_model_has_no_quantiles_then_nothing_is_made_up() -> None:
    t = truth()
    f = knowing(t)
    absent = (*columns.RETURN_QUANTILES, columns.RETURN_LOW, columns.RETURN_HIGH)
    f |= {name: np.full(len(t.time_ms), np.nan) for name in (*absent, columns.EDGE_LOW)}
    numbers = kept(t, f)
    assert value(numbers, "passed") == 0
    for name in ("tenth_low", "hours_high", "worst_month", "interval_score"):
        assert np.isnan(value(numbers, name))


def test_promises_when_an_outcome_is_not_known_yet_then_its_row_counts_nowhere() -> None:
    t = truth()
    late = t.outcome_return.copy()
    late[-4:] = np.nan
    assert value(kept(replace(t, outcome_return=late), knowing(t)), "slope") == pytest.approx(1.0)
