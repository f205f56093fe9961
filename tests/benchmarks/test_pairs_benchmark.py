"""The benchmark of many pairs counts what a bot says, and its coins are ones the exchange has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategies.desk.loopback.tiers import margin_tiers
from tests.benchmarks import pairs, pairs_bot
from tests.benchmarks.pairs import PairsCost, TrainingCost
from tests.places import USER_DATA

ONE = PairsCost(
    pairs=10, memory_mib=500.4, worker_mib=460.0, close_cpu_s=1.234, close_s=2.0,
    idle_cpu_frac=0.05, weight=300, models_mib=4.56, held=3, gross=1.5, load=0.7,
)  # fmt: skip


def test_coins_when_fifty_are_asked_for_then_all_differ_and_have_margin_tiers() -> None:
    coins = pairs_bot.coins(50)
    assert [coin.base for coin in coins[:3]] == ["BTC", "ETH", "LTC"]
    assert len({coin.name for coin in coins}) == 50
    tiers = margin_tiers(coins)
    assert all(max(t.max_leverage for t in tiers[c.name].tiers) >= 20 for c in coins)


def test_market_when_four_coins_are_simulated_then_each_three_have_a_seed_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_bot, "DAYS", 60)
    coins = pairs_bot.coins(4)
    feeds = pairs_bot.simulated(tmp_path, coins).feeds
    assert list(feeds) == [coin.name for coin in coins]
    first, last = feeds[coins[0].name].contract, feeds[coins[3].name].contract
    assert first.at(first.start_ms + 10**9) != last.at(first.start_ms + 10**9)


def test_answers_when_a_log_repeats_a_pair_then_it_is_one() -> None:
    line = "forecast of {} at 2026-01-01 00:00:00+00:00: 1\n"
    assert pairs.answered(line.format("A/B:B") * 2 + line.format("C/B:B")) == 2
    assert pairs.answered("") == 0


def test_limits_when_the_benchmark_judges_them_then_they_are_the_shipped_ones() -> None:
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    assert shipped["breakwater"]["limits"]["max_gross_leverage"] == pairs.MAX_GROSS
    config = pairs_bot.configuration("https://127.0.0.1:1", ["BTC/USDT:USDT"])
    assert config["breakwater"]["limits"] == shipped["breakwater"]["limits"]


def test_table_when_costs_are_known_then_each_has_a_row_and_a_day_is_so_many_trainings() -> None:
    head, _, row, _, load = pairs.table([ONE]).splitlines()
    assert row == "| 10 | 500 | 460 | 1.23 | 2.0 | 5.0 | 300 | 4.6 | 3 | 1.50 |"
    assert head.count("|") == row.count("|")
    assert "0.7" in load
    training = TrainingCost(rows=100, minutes=4.0, cpu_minutes=2.0, worker_mib=1.0, model_mib=0.5)
    assert "1 pairs 2.0, 50 pairs 100.0" in pairs.daily(training, [1, 50])
