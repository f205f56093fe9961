"""What a person is shown of the account and its limits."""

from __future__ import annotations

import pytest

from models.serve.latency import TO_DECISION, TO_ORDER, percentiles
from models.trade.risk.limits import GuardConfig, HardLimits, Limits
from strategies.human.figures import account_figures, latency_figures, limit_figures
from tests.test_models.trade.risk.worlds import exposure, held, lost

LIMITS = Limits(hard=HardLimits(reserve_quote=2_000.0), soft=GuardConfig())


def test_account_when_it_holds_a_position_then_equity_and_exposures_are_shown() -> None:
    shown = account_figures(exposure(held(-50.0, entry=110.0)))
    assert shown == {"equity": 10_500.0, "gross exposure": 5_000.0, "net exposure": -5_000.0}


def test_limits_when_a_short_is_held_then_room_margin_and_losses_are_by_hand() -> None:
    shown = limit_figures(exposure(held(-50.0)), lost(day=0.01, peak=0.04), LIMITS)
    assert shown == pytest.approx(
        {
            # Usable 8,000: gross 3 x 8,000 - 5,000 = 19,000; net 2 x 8,000 with and against it.
            "room for new longs": 19_000.0,
            "room for new shorts": 11_000.0,
            "margin used, % (no new risk from 50)": 0.5,  # 1 % of 5,000 over 10,000
            "lost today, % (halts at 2)": 1.0,
            "lost this week, % (halts at 5)": 0.0,
            "lost from the peak, % (halts at 10)": 4.0,
        }
    )


def test_limits_when_nothing_is_held_or_known_then_only_the_room_is_shown() -> None:
    shown = limit_figures(exposure(), None, LIMITS)
    assert shown == {"room for new longs": 16_000.0, "room for new shorts": 16_000.0}


def test_latency_when_measured_then_each_percentile_is_a_measured_value() -> None:
    assert latency_figures({}) == {}
    table = {TO_DECISION: percentiles([10.0, 20.0]), TO_ORDER: percentiles([50.0])}
    assert list(latency_figures(table).values()) == [10.0, 20.0, 20.0, 50.0, 50.0, 50.0]
