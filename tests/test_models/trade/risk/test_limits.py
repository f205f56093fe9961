"""Limits hold their ranges, and jitter to the strict side only."""

from __future__ import annotations

import dataclasses
import math

import pytest

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.trade.risk.limits import GuardConfig, HardLimits, jittered

CONFIGS = (HardLimits(), GuardConfig())
FIELDS = [(config, f) for config in CONFIGS for f in dataclasses.fields(config)]
IDS = [f.name for _, f in FIELDS]
CEILINGS = {
    "max_leverage": 5.0, "isolated_leverage": 20.0, "isolated_equity_frac": 0.01,
    "max_order_volume_frac": 1.0, "margin_warn": 1.0, "margin_reduce": 1.0, "margin_flatten": 1.0,
    "max_margin_gap": 1.0, "max_source_gap_frac": 1.0, "min_distance_frac": 1.0,
    "worst_hour_loss_frac": 0.25,
    "loss_day_frac": 1.0, "loss_week_frac": 1.0, "loss_peak_frac": 1.0,
    "collar_mark_frac": 1.0, "collar_index_frac": 1.0, "max_gap_frac": 1.0,
    "false_alarms_per_week": 7.0,
    "cascade_shed_frac": 1.0, "max_spread_frac": 1.0, "max_depth_frac": 1.0, "min_coverage": 0.9,
    "step_volume_frac": 0.05, "max_latency_frac": 1.0, "jitter_frac": 0.5,
    "unknown_told_s": 60.0, "unknown_reduce_s": 180.0,
}  # fmt: skip
ZERO_IS_FINE = {
    "reserve_quote", "planned_withdrawals_quote", "isolated_leverage", "min_distance_frac",
    "distance_es99_days", "repeat_window_s", "cascade_shed_frac", "min_coverage", "jitter_frac",
}  # fmt: skip
SOFT = {"max_gap_frac", "max_funding_8h_frac", "false_alarms_per_week", "price_stop_s",
        "max_spread_frac", "max_depth_frac"}  # fmt: skip


@pytest.mark.parametrize(("config", "f"), FIELDS, ids=IDS)
def test_limit_when_out_of_its_range_then_it_is_refused_by_name(
    config: HardLimits | GuardConfig, f: dataclasses.Field[float]
) -> None:
    make = type(config)
    beyond = [math.nan, math.inf, -math.inf, -1e-9]
    beyond += [] if f.name in ZERO_IS_FINE else [0.0]
    beyond += [CEILINGS[f.name] * (1 + 1e-9)] if f.name in CEILINGS else []
    beyond += (
        [0.999]
        if f.name in ("max_leverage", "max_repeats", "max_orders_per_minute", "min_outcomes")
        else []
    )
    for value in beyond:
        with pytest.raises(ConfigError, match=f"{f.name} .*got {value}"):
            make(**{f.name: value})
    if f.name not in CEILINGS:
        bounded = f.name.startswith("price_")  # among themselves
        assert bounded or make(**{f.name: 1e12})


def test_limits_when_as_strict_as_can_be_then_they_are_taken() -> None:
    assert HardLimits(max_leverage=1.0, max_gross_leverage=5e-324).max_leverage == 1.0
    least = GuardConfig(max_orders_per_minute=1, max_repeats=1, min_outcomes=1)
    assert (least.max_orders_per_minute, least.max_repeats, least.min_outcomes) == (1, 1, 1)


def test_limits_when_several_are_wrong_then_one_error_names_them_all() -> None:
    with pytest.raises(ConfigError) as caught:
        HardLimits(max_leverage=20, loss_day_frac=2)
    assert "1 <= max_leverage <= 5, got 20" in str(caught.value)
    assert "0 < loss_day_frac <= 1, got 2" in str(caught.value)
    assert "breakwater.limits" in str(caught.value)
    with pytest.raises(ConfigError, match="0 < max_latency_ms < inf, got -1"):
        GuardConfig(max_latency_ms=-1)
    with pytest.raises(ConfigError, match="1 <= max_repeats < inf, got 0"):
        GuardConfig(max_repeats=0)


@pytest.mark.parametrize(
    ("make", "values", "said"),
    [
        (HardLimits, {"margin_warn": 0.51}, "margin_warn <= margin_reduce <= margin_flatten"),
        (HardLimits, {"margin_reduce": 0.71}, "0.3, 0.71, 0.7"),
        (GuardConfig, {"price_warn_s": 10.1}, "price_warn_s <= price_stop_s <= price_silent_s"),
        (GuardConfig, {"price_silent_s": 9.9}, "3, 10, 9.9"),
    ],
)
def test_limits_when_their_order_is_wrong_then_they_are_refused(
    make: type, values: dict[str, float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**values)
    assert HardLimits(margin_warn=0.5, margin_reduce=0.5, margin_flatten=0.5).margin_warn == 0.5
    assert GuardConfig(price_warn_s=10, price_stop_s=10, price_silent_s=10).price_stop_s == 10


def test_limits_when_read_from_a_config_then_types_and_names_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'loss_day_frac'"):
        from_mapping(HardLimits, {"loss_dayfrac": 0.01}, where="breakwater.limits")
    with pytest.raises(ConfigError, match="expected a number for false_alarms_per_week"):
        from_mapping(GuardConfig, {"false_alarms_per_week": "0.1"}, where="breakwater.guards")
    with pytest.raises(ConfigError, match="expected a whole number for max_repeats"):
        from_mapping(GuardConfig, {"max_repeats": 2.5}, where="breakwater.guards")


def test_jitter_when_drawn_then_soft_thresholds_move_to_the_strict_side_and_no_other_moves() -> (
    None
):
    config, drawn = GuardConfig(), [jittered(GuardConfig(), seed) for seed in range(200)]
    for f in dataclasses.fields(config):
        asked = getattr(config, f.name)
        values = [getattr(d, f.name) for d in drawn]
        if f.name in SOFT:
            # One that is stricter when higher is divided by the share.
            shares = [asked / v if f.name == "false_alarms_per_week" else v / asked for v in values]
            assert 0.8 <= min(shares) < 0.82
            assert 0.98 < max(shares) <= 1
            assert len(set(values)) == 200
        else:
            assert set(values) == {asked}
    assert jittered(config, 7) == jittered(config, 7)
    assert jittered(config, None) is config
    plain = GuardConfig(jitter_frac=0.0)
    assert jittered(plain, 7) == plain
    often = GuardConfig(false_alarms_per_week=7.0)  # no further than a person may go
    assert all(jittered(often, seed).false_alarms_per_week == 7.0 for seed in range(50))
    near = GuardConfig(price_warn_s=9.9)
    assert all(jittered(near, seed).price_stop_s >= 9.9 for seed in range(50))


def test_limits_when_thresholds_are_the_defaults_then_they_are_the_strict_ones() -> None:
    assert HardLimits() == HardLimits(
        max_leverage=3.0, max_gross_leverage=3.0, max_net_leverage=2.0,
        max_order_equity_frac=0.05, max_order_volume_frac=0.01, worst_hour_loss_frac=0.25,
        reserve_quote=0.0,
        planned_withdrawals_quote=0.0, isolated_leverage=0.0, isolated_equity_frac=0.01,
        margin_warn=0.3, margin_reduce=0.5, margin_flatten=0.7, min_distance_frac=0.15,
        distance_es99_days=3.0, loss_day_frac=0.02, loss_week_frac=0.05, loss_peak_frac=0.1,
    )  # fmt: skip
    assert GuardConfig() == GuardConfig(
        collar_mark_frac=0.01, collar_index_frac=0.005, max_gap_frac=0.01,
        max_orders_per_minute=10, max_repeats=3, repeat_window_s=3600.0,
        max_funding_8h_frac=0.001, false_alarms_per_week=0.25, cascade_shed_frac=0.5,
        price_warn_s=3.0,
        price_stop_s=10.0, price_silent_s=60.0, max_candle_age=1.0, max_spread_frac=0.001,
        max_depth_frac=0.1, max_novelty=1.0, max_drift=1.0, min_coverage=0.75, min_outcomes=200,
        max_latency_ms=200.0, max_latency_frac=0.01,
        step_volume_frac=0.05, jitter_frac=0.2,
    )  # fmt: skip
