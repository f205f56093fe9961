"""Maintenance margin follows the notional's tier, without a jump at its edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.trade.account.tiers import MarginTier, MarginTiers, from_exchange_tiers
from strategies.account.tiers import load_binance_tiers

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
BITCOIN = load_binance_tiers(["BTC/USDT:USDT"])["BTC/USDT:USDT"]
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
        ({"maintenance_rate_frac": 0.0}, "0 < maintenance rate"),
        ({"max_leverage": 0.99}, "leverage >= 1"),
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
    with pytest.raises(InputError, match=r"jumps by 0\.01"):
        MarginTiers("LTC", (LOW, dataclasses.replace(HIGH, maintenance_amount_quote=50.011)))


def test_tiers_when_two_share_a_rate_then_they_fit_and_a_cent_exactly_is_still_rounding() -> None:
    flat = dataclasses.replace(HIGH, maintenance_rate_frac=0.005, maintenance_amount_quote=0.01)
    assert MarginTiers("LTC", (LOW, flat)).maintenance_margin(20_000.0) == pytest.approx(99.99)
    with pytest.raises(InputError, match=r"jumps by 0\.01"):
        MarginTiers("LTC", (LOW, dataclasses.replace(flat, maintenance_amount_quote=0.011)))
    MarginTiers("LTC", (dataclasses.replace(LOW, maintenance_amount_quote=0.01),))
    with pytest.raises(InputError, match="no maintenance amount in the first tier"):
        MarginTiers("LTC", (dataclasses.replace(LOW, maintenance_amount_quote=0.011),))


@pytest.mark.parametrize("tiers", [(), (HIGH,)])
def test_tiers_when_they_do_not_start_at_zero_then_refused(tiers: tuple[MarginTier, ...]) -> None:
    with pytest.raises(InputError, match="from notional 0"):
        MarginTiers("LTC", tiers)


@pytest.mark.parametrize("amount", [50.0, -50.0])
def test_tiers_when_the_first_has_a_maintenance_amount_then_refused(amount: float) -> None:
    # 50 would make the margin of a notional of 8,000 negative: 8,000 * 0.005 - 50 = -10,
    # and an account without equity would pass as safe.
    with pytest.raises(InputError, match="no maintenance amount in the first tier") as error:
        MarginTiers("LTC", (dataclasses.replace(LOW, maintenance_amount_quote=amount),))
    assert error.value.where == "LTC, tier 1"


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


# Binance's published brackets of BTCUSDT as Freqtrade 2026.9 packages them:
# 0.4 % to 300,000; 0.5 % less 300 to 800,000; 0.65 % less 1,500 to 3 million; 1 % less 12,000 to
# 12 million; ... 50 % less 421,482,000 from 1.2 to 1.8 billion.
@pytest.mark.parametrize(
    ("notional", "margin", "leverage"),
    [
        (50_000.0, 200.0, 150),  # 50,000 * 0.004: also the stake of a 20x position, see below
        (299_999.0, 1_199.996, 150),  # * 0.004
        (300_000.0, 1_200.0, 100),  # edge: 300,000 * 0.005 - 300 = 300,000 * 0.004
        (800_000.0, 3_700.0, 75),  # edge: 5,200 - 1,500 = 4,000 - 300
        (1_000_000.0, 5_000.0, 75),  # 6,500 - 1,500
        (3_000_000.0, 18_000.0, 50),  # edge: 30,000 - 12,000 = 19,500 - 1,500
        (5_000_000.0, 38_000.0, 50),  # 50,000 - 12,000
        (2_000_000_000.0, 578_518_000.0, 1),  # beyond the last cap: 1e9 - 421,482,000
    ],
)
def test_bitcoin_table_when_worked_by_hand_then_it_agrees(
    notional: float, margin: float, leverage: int
) -> None:
    assert BITCOIN.maintenance_margin(notional) == pytest.approx(margin)
    assert BITCOIN.maintenance_margin(-notional) == pytest.approx(margin)
    assert BITCOIN.max_leverage(notional) == leverage


def test_bitcoin_table_when_looked_up_by_stake_then_the_margin_is_too_low() -> None:
    # The control: 50,000 at 20x is 1,000,000; the stake's rate is 0.4 % instead of 0.65 %.
    rate_by_stake, rate = BITCOIN.marginal_rate(np.array([50_000.0, 1_000_000.0]))
    assert (rate_by_stake, rate) == (0.004, 0.0065)
    assert 1_000_000 * rate_by_stake < BITCOIN.maintenance_margin(1_000_000.0)


@given(edge=st.sampled_from(BITCOIN.tiers[1:]), width=st.floats(0, 1_000))
def test_bitcoin_table_when_an_edge_is_crossed_then_the_margin_does_not_jump(
    edge: MarginTier, width: float
) -> None:
    below = BITCOIN.maintenance_margin(edge.floor_quote - width)
    above = BITCOIN.maintenance_margin(edge.floor_quote + width)
    # At most the higher rate on the way across, and a cent of rounding at the edge.
    assert -1e-6 <= above - below <= 2 * width * edge.maintenance_rate_frac + 0.011
