"""What a person is shown of the account and its limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.serve.latency import TO_DECISION, TO_ORDER, percentiles
from models.trade.risk.limits import GuardConfig, HardLimits, Limits
from models.trade.risk.worst_hours import WorstHour
from strategies.human.figures import account_figures, latency_figures, limit_figures
from tests.test_models.trade.risk.worlds import exposure, held, lost

PAIRS = ("BTC/USDT:USDT",)
LIMITS = Limits(hard=HardLimits(reserve_quote=2_000.0), soft=GuardConfig())


def test_account_when_it_holds_a_position_then_equity_and_exposures_are_shown() -> None:
    shown = account_figures(exposure(held(-50.0, entry=110.0)))
    assert shown == {"equity": 10_500.0, "gross exposure": 5_000.0, "net exposure": -5_000.0}


def test_limits_when_a_short_is_held_then_room_margin_and_losses_are_by_hand() -> None:
    shown = limit_figures(exposure(held(-50.0)), lost(day=0.01, peak=0.04), LIMITS, PAIRS)
    assert shown == pytest.approx(
        {
            # Usable 8,000: a repeat of bitcoin's worst hours, 29.34 % down and 31.13 % up, may cost
            # 22.5 % of them, the short's in litecoin's worst, 36.36 % up, counted first.
            "room for new longs in BTC": 1_800 / 0.2934,
            "room for new shorts in BTC": 0.0,
            "a repeat of the worst hour would cost, % of equity (limit 25)": 18.2,
            "margin ratio, % (no new risk from 50)": 0.5,  # 1 % of 5,000 over 10,000
            "lost today, % (halts at 2)": 1.0,
            "lost this week, % (halts at 5)": 0.0,
            "lost from the peak, % (halts at 10)": 4.0,
        }
    )


def test_limits_when_nothing_is_held_or_known_then_only_the_room_is_shown() -> None:
    shown = limit_figures(exposure(), None, LIMITS, PAIRS)
    assert shown == pytest.approx(
        {"room for new longs in BTC": 1_800 / 0.2934, "room for new shorts in BTC": 1_800 / 0.3112}
    )
    # Where the worst hour leaves more, leverage limits: 2 x 8,000 net.
    calm = Limits(hard=HardLimits(reserve_quote=2_000.0, max_net_leverage=0.5))
    assert limit_figures(exposure(), None, calm, PAIRS)["room for new longs in BTC"] == 4_000.0


def test_limits_when_nothing_is_opened_now_then_no_room_is_shown_and_all_else_is() -> None:
    shown = limit_figures(exposure(), lost(day=0.01), LIMITS, PAIRS, "control is REDUCING")
    assert "lost today, % (halts at 2)" in shown
    assert not [name for name in shown if "room" in name]


def test_limits_when_pairs_are_many_then_the_room_is_that_in_the_tightest_coin() -> None:
    many = [f"{coin}/USDT:USDT" for coin in ("BTC", "ETH", "LTC", "NEW")]
    shown = limit_figures(exposure(), None, LIMITS, many)
    assert shown == pytest.approx(
        {"room for new longs in any coin": 1_800 / 0.85, "room for new shorts in any coin": 720.0}
    )


def test_limits_when_there_is_no_equity_then_no_share_of_it_is_told() -> None:
    shown = limit_figures(exposure(held(1.0), wallet=-5.0), None, LIMITS, PAIRS)
    assert not [name for name in shown if "worst hour" in name]


def test_latency_when_measured_then_each_percentile_is_a_measured_value() -> None:
    assert latency_figures({}) == {}
    table = {TO_DECISION: percentiles([10.0, 20.0]), TO_ORDER: percentiles([50.0])}
    assert list(latency_figures(table).values()) == [10.0, 20.0, 20.0, 50.0, 50.0, 50.0]


def test_figures_when_scenarios_speak_of_a_pair_then_it_is_shown_and_of_many_the_worst() -> None:
    ahead = WorstHour(fall_frac=0.0514, rise_frac=0.0391)
    speaking = exposure(foreseen={PAIRS[0]: ahead, "XRP/USDT:USDT": ahead}, unforeseen={})
    found = limit_figures(speaking, None, LIMITS, PAIRS)
    assert found["BTC/USDT within an hour by scenarios, % down"] == 5.1
    assert found["BTC/USDT within an hour by scenarios, % up"] == 3.9
    assert not any(name.startswith("XRP") for name in found)  # nothing is opened in it
    silent = replace(speaking, unforeseen={PAIRS[0]: "silent"})
    assert not any("by scenarios" in name for name in limit_figures(silent, None, LIMITS, PAIRS))
    hours = {f"{coin}/USDT:USDT": ahead for coin in ("BTC", "ETH", "LTC")}
    hours["BCH/USDT:USDT"] = WorstHour(fall_frac=0.01, rise_frac=0.2)
    many = limit_figures(exposure(foreseen=hours), None, LIMITS, list(hours))
    assert many["any pair within an hour by scenarios, % down"] == 5.1
    assert many["any pair within an hour by scenarios, % up"] == 20.0
