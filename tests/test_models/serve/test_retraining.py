"""When a pair is trained: monthly in calm, weekly in a volatile market, at once on an alarm, and
never inside a cascade."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.base.types import Candles
from models.base.units import DAY_MS, HOUR_MS
from models.serve.retraining import RetrainingConfig, schedule, volatility_ratio

CONFIG = RetrainingConfig(enabled=True)
CALM = {"ratio": 1.0, "alarms": (), "in_cascade": False, "in_shadow": False}


@pytest.mark.parametrize(
    ("days", "changed", "due", "why"),
    [
        (29.9, {}, False, ""),
        (30.0, {}, True, "30 days in a calm market"),
        (6.9, {"ratio": 1.6}, False, ""),
        (7.0, {"ratio": 1.6}, True, "7 days in a volatile market (1.60 times usual)"),
        (7.0, {"ratio": 1.5}, False, ""),
        (30.0, {"ratio": None}, True, "30 days in a calm market"),
        (0.9, {"alarms": ("loss",)}, False, ""),
        (1.0, {"alarms": ("loss", "edge")}, True, "alarm: edge; loss"),
        (1.0, {"alarms": ("features",)}, False, ""),
        (7.0, {"alarms": ("features",)}, True, "7 days in a market unlike the training's"),
        (1.0, {"alarms": ("features", "loss")}, True, "alarm: features; loss"),
    ],
)
def test_schedule_when_days_pass_or_alarms_sound_then_it_is_due_as_the_policy_says(
    days: float, changed: dict, due: bool, why: str
) -> None:
    found = schedule(CONFIG, age_ms=int(days * DAY_MS), **{**CALM, **changed})
    assert (found.due, found.why, found.held) == (due, why, "")


@pytest.mark.parametrize("alarms", [(), ("loss",)])
def test_schedule_when_a_cascade_is_not_over_or_a_shadow_waits_then_it_is_held_whatever_for(
    alarms: tuple,
) -> None:
    old = {**CALM, "alarms": alarms}
    held = schedule(CONFIG, age_ms=99 * DAY_MS, **{**old, "in_cascade": True})
    assert (held.due, held.held) == (False, "a cascade is not over")
    held = schedule(CONFIG, age_ms=99 * DAY_MS, **{**old, "in_shadow": True})
    assert (held.due, held.held) == (False, "a new model is in its shadow period")
    assert not schedule(CONFIG, age_ms=0, **{**CALM, "in_cascade": True}).held  # not its time


def prices(days: int, sigma: np.ndarray | float, seed: int = 0) -> Candles:
    moves = sigma * np.random.default_rng(seed).normal(size=days * 24)
    close = 100 * np.exp(np.cumsum(moves))
    time_ms = np.arange(days * 24, dtype=np.int64) * HOUR_MS
    return Candles(time_ms=time_ms, open=close, high=close, low=close, close=close, volume=close)


def test_ratio_when_the_last_week_is_wilder_then_it_says_how_much_and_forgets_after_it() -> None:
    sigma = np.full(90 * 24, 0.01)
    sigma[-7 * 24 :] = 0.03
    found = volatility_ratio(prices(90, sigma), HOUR_MS)
    assert found is not None
    assert found == pytest.approx(3 / np.sqrt((83 + 7 * 9) / 90), rel=0.1)
    assert volatility_ratio(prices(90, 0.01), HOUR_MS) == pytest.approx(1.0, abs=0.15)
    assert volatility_ratio(prices(200, np.r_[np.full(110 * 24, 0.2), sigma]), HOUR_MS) == (
        pytest.approx(found, rel=0.1)
    )


def test_ratio_when_there_are_too_few_candles_or_nothing_moves_then_nobody_knows() -> None:
    assert volatility_ratio(prices(20, 0.01), HOUR_MS) is None
    assert volatility_ratio(prices(30, 0.0), HOUR_MS) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"calm_days": 0}, {"volatile_days": 31}, {"shadow_days": -1}, {"volatile_ratio": 0.9},
        {"max_boldness": 0.5}, {"kept_models": 0}, {"alarm_days": float("nan")},
    ],
)  # fmt: skip
def test_config_when_a_number_makes_no_sense_then_it_is_refused(changed: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(changed))):
        from_mapping(RetrainingConfig, changed, where="breakwater.retraining")
    assert replace(CONFIG, enabled=False) == RetrainingConfig()
