"""Maintenance margin follows the notional's tier, without a jump at its edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.account.tiers import MarginTier, MarginTiers, from_exchange_tiers
from models.errors import InputError
from strategies.base.tiers import load_binance_tiers

LOW = MarginTier(
    floor_quote=0, cap_quote=10_000, maintenance_rate_frac=0.005, maintenance_amount_quote=0,
    max_leverage=75,
)  # fmt: skip
# 10,000 * (0.01 - 0.005) = 50 keeps the margin continuous.
HIGH = MarginTier(
    floor_quote=10_000, cap_quote=50_000, maintenance_rate_frac=0.01, maintenance_amount_quote=50,
    max_leverage=50,
)  # fmt: skip
TIERS = MarginTiers("LTC", (LOW, HIGH))
ROW = {
    "minNotional": 0.0, "maxNotional": 10_000.0, "maintenanceMarginRate": 0.005,
    "maxLeverage": 75.0, "info": {"cum": "0.0"},
}  # fmt: skip


def test_margin_when_worked_by_hand_then_it_agrees() -> None:
    assert TIERS.maintenance_margin(8_000.0) == pytest.approx(40.0)  # 8,000 * 0.005
    assert TIERS.maintenance_margin(10_000.0) == pytest.approx(50.0)  # edge: 100 - 50 = 50 too
    assert TIERS.maintenance_margin(24_000.0) == pytest.approx(190.0)  # 240 - 50
    assert TIERS.maintenance_margin(0.0) == 0.0


def test_margin_when_the_position_is_short_then_its_size_counts() -> None:
    got = TIERS.maintenance_margin(np.array([[-24_000.0, 24_000.0], [-8_000.0, 0.0]]))
    np.testing.assert_allclose(got, [[190.0, 190.0], [40.0, 0.0]])


def test_margin_when_given_a_number_then_a_number_and_nan_stays_nan() -> None:
    assert isinstance(TIERS.maintenance_margin(24_000.0), float)
    assert math.isnan(TIERS.maintenance_margin(math.nan))


def test_margin_when_beyond_the_last_cap_then_the_last_tier_applies() -> None:
    assert TIERS.maintenance_margin(100_000.0) == pytest.approx(950.0)  # 1,000 - 50
    assert TIERS.max_leverage(100_000.0) == 50


def test_leverage_when_on_an_edge_then_the_lower_one_is_granted() -> None:
    assert TIERS.max_leverage(9_999.0) == 75
    assert TIERS.max_leverage(10_000.0) == 50
    assert TIERS.max_leverage(-10_000.0) == 50


@given(a=st.floats(0, 1e6), b=st.floats(0, 1e6))
def test_margin_when_notional_grows_then_it_is_monotone_and_convex(a: float, b: float) -> None:
    low, high = sorted((a, b))
    margin = TIERS.maintenance_margin
    assert margin(low) <= margin(high)
    assert margin((low + high) / 2) <= (margin(low) + margin(high)) / 2 + 1e-6


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"floor_quote": 11_000}, "adjacent"),  # hole
        ({"floor_quote": 9_000}, "adjacent"),  # overlap
        ({"cap_quote": 10_000}, "floor < cap"),
        ({"maintenance_amount_quote": 50.02}, "jumps by 0.02"),
        ({"maintenance_rate_frac": 0.004, "maintenance_amount_quote": -10}, "rise with notional"),
        ({"maintenance_rate_frac": math.nan}, "finite"),
        ({"maintenance_amount_quote": math.inf}, "finite"),
        ({"maintenance_rate_frac": 1.0}, "maintenance rate < 1"),
    ],
)
def test_tiers_when_they_do_not_fit_together_then_pair_and_tier_are_named(
    second: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        MarginTiers("LTC", (LOW, dataclasses.replace(HIGH, **second)))
    assert "LTC" in error.value.where
    assert "2" in error.value.where


def test_tiers_when_the_edge_jumps_by_less_than_a_cent_then_they_are_accepted() -> None:
    MarginTiers("LTC", (LOW, dataclasses.replace(HIGH, maintenance_amount_quote=50.009)))


@pytest.mark.parametrize("tiers", [(), (HIGH,)])
def test_tiers_when_they_do_not_start_at_zero_then_refused(tiers: tuple[MarginTier, ...]) -> None:
    with pytest.raises(InputError, match="from notional 0"):
        MarginTiers("LTC", tiers)


def test_rows_when_parsed_then_texts_become_numbers() -> None:
    assert from_exchange_tiers("LTC", [ROW]).tiers == (LOW,)


@pytest.mark.parametrize(
    "broken", [{"info": {}}, {"maxNotional": None}, {"maintenanceMarginRate": "?"}]
)
def test_rows_when_a_field_is_missing_or_no_number_then_pair_and_tier_are_named(
    broken: dict[str, object],
) -> None:
    with pytest.raises(InputError, match="LTC, tier 1"):
        from_exchange_tiers("LTC", [{**ROW, **broken}])


def test_packaged_table_when_loaded_then_every_pair_asked_for_is_there() -> None:
    tiers = load_binance_tiers(["BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT"])
    assert list(tiers) == ["BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT"]
    assert tiers["LTC/USDT:USDT"].pair == "LTC/USDT:USDT"


def test_packaged_table_when_all_pairs_are_loaded_then_every_one_is_sound() -> None:
    from strategies.base.tiers import _table

    assert len(load_binance_tiers(_table())) == len(_table()) > 100


def test_packaged_table_when_pairs_come_from_a_generator_then_all_are_loaded() -> None:
    assert len(load_binance_tiers(p for p in ("BTC/USDT:USDT", "LTC/USDT:USDT"))) == 2


def test_packaged_table_when_a_pair_is_missing_then_all_missing_are_named() -> None:
    with pytest.raises(InputError, match="futures notation") as error:
        load_binance_tiers(["BTC/USDT:USDT", "BTC/USDT", "NO/USDT:USDT"])
    assert "'BTC/USDT', 'NO/USDT:USDT'" in str(error.value)
