"""What a run's log tells of refused entries, and whether a strategy follows the usual rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategies.desk.backtests.demo import follows_forecasts, refusals
from strategies.desk.terminal.places import STRATEGIES

LOG = """2026-01-01 00:00:00 - strategies.bot.forecast - INFO - BTC entry refused: spread 3.5 of 2
2026-01-01 01:00:00 - strategies.bot.forecast - INFO - BTC long entry refused: spread 4 of 2
2026-01-01 02:00:00 - strategies.bot.forecast - INFO - BTC short entry refused: no mark price
2026-01-01 02:00:00 - freqtrade - INFO - nothing of the kind
"""


def test_refusals_when_a_log_has_some_then_each_reason_is_counted_without_its_numbers(
    tmp_path: Path,
) -> None:
    (tmp_path / "demo.log").write_text(LOG, encoding="utf-8")
    assert refusals(tmp_path / "demo.log") == {"spread … of …": 2, "no mark price": 1}


@pytest.mark.parametrize(
    ("strategy", "follows"),
    [("BitcoinCrossMargin", True), ("VolatilityTarget", False), ("BitcoinAgent", False),
     ("LitecoinHedge", False), ("NotThere", False)],
)  # fmt: skip
def test_strategy_when_asked_then_only_one_with_the_rules_entries_follows_them(
    strategy: str, follows: bool
) -> None:
    assert follows_forecasts(strategy, STRATEGIES) is follows


def test_strategy_when_it_changes_its_entries_then_nothing_is_said_of_its_rules(
    tmp_path: Path,
) -> None:
    (tmp_path / "Mine.py").write_text(
        "from strategies.bot.forecast import ForecastStrategy\n\n\n"
        "class Mine(ForecastStrategy):\n"
        "    def populate_entry_trend(self, dataframe, metadata):\n"
        "        return dataframe\n"
    )
    assert follows_forecasts("Mine", tmp_path) is False
