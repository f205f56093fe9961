"""The live bot through a simulated day with random faults; a week is `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_integration.soak import run, table


@pytest.mark.slow
def test_live_run_when_faults_strike_at_random_for_a_day_then_books_stops_and_memory_hold(
    tmp_path: Path,
) -> None:
    soak = run(tmp_path, hours=24, seed=26)  # two outages
    assert soak.problems == [], table(soak)
    assert len(soak.rss_mb) == 24
    assert len(soak.struck) >= 5
    assert soak.entries >= 1
