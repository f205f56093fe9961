"""Percentiles that were measured, stages that add up, and a model that is called slow for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ConfigError
from models.operate.journal.records import plain
from models.serve.latency import (
    BUDGET_MS,
    SLOW_MS,
    STAGES,
    TO_DECISION,
    TO_ORDER,
    CandleLatency,
    LatencySummary,
    percentiles,
)


def order_at(ms: float) -> CandleLatency:
    return CandleLatency(
        pair="BTC/USDT:USDT",
        candle_ms=0,
        took_ms={"sent": 5.0},
        at_ms={"decision": ms / 2, "sent": ms},
    )


def test_percentiles_when_counted_by_hand_then_they_are_the_nearest_ranks() -> None:
    # Nearest rank, ordinal ceil(p / 100 * n): of 1..200 the 100th, 190th and 198th.
    p = percentiles(range(200, 0, -1), budget=150.0)
    assert (p.count, p.p50, p.p95, p.p99) == (200, 100.0, 190.0, 198.0)
    assert p.over_budget


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_percentiles_when_values_are_any_then_each_is_one_of_them_and_they_rise(
    values: list[float],
) -> None:
    p = percentiles(values)
    assert {p.p50, p.p95, p.p99} <= set(values)
    assert p.p50 <= p.p95 <= p.p99 <= max(values)
    for rank, value in ((50, p.p50), (95, p.p95), (99, p.p99)):
        assert np.mean(np.array(values) <= value) >= rank / 100 - 1e-12
    assert not p.over_budget  # none was given


def test_percentiles_when_there_are_no_values_then_they_are_nan() -> None:
    p = percentiles([])
    assert p.count == 0
    assert all(math.isnan(v) for v in (p.p50, p.p95, p.p99))


def test_summary_when_more_is_measured_than_kept_then_the_oldest_is_forgotten() -> None:
    summary = LatencySummary(window=30)
    for ms in [9_000.0] * 50 + [100.0] * 30:
        summary.add(order_at(ms))
    table = summary.table()
    assert (table[TO_ORDER].count, table[TO_ORDER].p99) == (30, 100.0)
    assert table[TO_DECISION].p99 == 50.0
    assert table["sent"].budget == BUDGET_MS["sent"]
    assert set(table) == {"sent", TO_DECISION, TO_ORDER}  # stages not seen are not made up


def test_budgets_when_listed_then_every_stage_has_one() -> None:
    assert set(BUDGET_MS) == {*STAGES, TO_DECISION, TO_ORDER}


@pytest.mark.parametrize(
    ("ms", "slow"), [(SLOW_MS - 1, False), (SLOW_MS, False), (SLOW_MS + 1, True)]
)
def test_slow_when_one_order_in_twenty_is_late_then_the_limit_decides(
    ms: float, slow: bool
) -> None:
    summary = LatencySummary()
    for _ in range(19):
        summary.add(order_at(20.0))
    summary.add(order_at(ms))
    assert summary.slow is slow


def test_slow_when_there_are_too_few_candles_then_nobody_is_condemned() -> None:
    summary = LatencySummary()
    for _ in range(19):
        summary.add(order_at(5_000.0))
    assert not summary.slow
    assert summary.whole is None


def test_slow_when_there_are_no_orders_then_the_decisions_are_judged() -> None:
    summary = LatencySummary()
    for _ in range(20):
        summary.add(CandleLatency(pair="X", candle_ms=0, at_ms={"decision": SLOW_MS + 1}))
    assert summary.slow
    assert summary.whole is not None
    assert (summary.whole.count, summary.whole.p99) == (20, SLOW_MS + 1)
    for _ in range(20):
        summary.add(order_at(30.0))
    assert summary.whole.p99 == 30.0  # an order says more than a decision


def test_slow_when_no_more_orders_leave_then_newer_decisions_acquit_in_the_end() -> None:
    summary = LatencySummary(window=30)
    for _ in range(20):
        summary.add(order_at(5_000.0))
    for candle in range(1, 30):
        assert summary.slow  # orders of as many candles as decisions are kept for count
        at = {"decision": 50.0}
        summary.add(CandleLatency(pair="X", candle_ms=60_000 * candle, at_ms=at))
    summary.add(CandleLatency(pair="X", candle_ms=60_000 * 30, at_ms={"decision": 50.0}))
    assert not summary.slow
    assert TO_ORDER not in summary.table()


def test_summary_when_its_window_is_too_small_to_judge_then_it_is_refused() -> None:
    with pytest.raises(ConfigError):
        LatencySummary(window=5)


def test_record_when_it_goes_to_the_journal_then_it_is_plain_values() -> None:
    assert plain(order_at(80.0))["at_ms"] == {"decision": 40.0, "sent": 80.0}
