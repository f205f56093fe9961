"""The files of user_data/examples through Freqtrade's own `backtesting`, and their misuses."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.demo import run_backtest
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from tests.places import ROOT, USER_DATA

EXAMPLES = USER_DATA / "examples"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 200
STOP = START + timedelta(days=DAYS)
# The simulated market has next to no edge: whoever asks for one makes no trades to look at.
WAIVED = {"decision": {"without": ["quantiles", "hazard"], "min_advantage": 0.0}}


@pytest.fixture(autouse=True)
def _typed_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=11, start=START, days=DAYS)


def backtested(
    config: str | Path,
    datadir: Path,
    userdir: Path,
    *words: str,
    days: int = 25,
    stop: datetime = STOP,
    **blocks: Any,
) -> tuple[int, str]:
    """Run Freqtrade's own command on an example's config; return its exit code and what it said."""
    userdir.mkdir()
    over = userdir / "config_over.json"
    over.write_text(json.dumps(blocks), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "freqtrade", "backtesting"),
        *("--config", str(Path("user_data/examples") / config), "--config", str(over)),
        *("--userdir", str(userdir), "--datadir", str(datadir)),
        *("--timerange", f"{stop - timedelta(days=days):%Y%m%d}-{stop:%Y%m%d}"),
        *("--cache", "none", *words),
    ]
    code, _ = run_backtest(command, userdir / "log")
    return code, (userdir / "log").read_text(encoding="utf-8")


def trades_of(userdir: Path, strategy: str) -> list[dict[str, Any]]:
    (archive,) = (userdir / "backtest_results").glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        result = json.loads(opened.read(f"{archive.stem}.json"))
    return list(result["strategy"][strategy]["trades"])


def test_own_model_when_backtested_then_guards_size_it_and_the_audit_takes_its_result(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    userdir = tmp_path / "user"
    hard = {"breakwater": {"limits": {"max_net_leverage": 0.3}}}
    code, log = backtested("config_own_model.json", datadir, userdir, **hard)
    assert code == 0, log[-3000:]
    trades = trades_of(userdir, "RidgeStrategy")
    assert trades
    # The pack's own: the hard limit binds every position, and none is held for days.
    assert 2_000 < max(trade["stake_amount"] * trade["leverage"] for trade in trades) < 3_010
    assert max(trade["trade_duration"] for trade in trades) <= 25 * 60
    capsys.readouterr()
    assert main(["audit", "--userdir", str(userdir), "--data", str(datadir), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    paid = sum(trade["profit_abs"] for trade in trades)
    assert told["engine_final_quote"] == pytest.approx(10_000 + paid)
    assert abs(told["off_quote"]) < 1.0  # the engine rounds funding to the trade's own hours


def test_own_rule_when_backtested_then_it_only_takes_entries_away(
    datadir: Path, tmp_path: Path
) -> None:
    small = {"freqai": {"train_period_days": 100, "backtest_period_days": 70,
                        "model_training_parameters": {"training": {"max_steps": 20}}},
             "breakwater": WAIVED}  # fmt: skip
    words = ("--freqaimodel", "LinearForecaster")
    longs = "config_longs_only.json"
    code, log = backtested(longs, datadir, tmp_path / "own", *words, days=70, **small)
    assert code == 0, log[-3000:]
    base = {**small, "strategy": "BitcoinCrossMargin", "strategy_path": "strategies"}
    code, _ = backtested(longs, datadir, tmp_path / "base", *words, days=70, **base)
    assert code == 0
    own = trades_of(tmp_path / "own", "BitcoinLongsOnly")
    every = trades_of(tmp_path / "base", "BitcoinCrossMargin")
    assert own
    assert all(fits_the_rule(datadir, trade) for trade in own)
    assert not all(fits_the_rule(datadir, trade) for trade in every)


def fits_the_rule(datadir: Path, trade: dict[str, Any]) -> bool:
    """Whether a trade is a long after a month that rose, by the candle before its own."""
    candles = load_checked(datadir, "BTC/USDT:USDT", "1h")
    known = int(np.searchsorted(candles.time_ms, trade["open_timestamp"])) - 1
    rises = candles.close[known] > candles.close[known - 30 * 24]
    return bool(rises and not trade["is_short"])


def test_other_coin_when_its_candles_are_there_then_it_is_backtested(
    datadir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(datadir, other)
    for path in (other / "futures").glob("LTC_*"):  # what the simulated market calls Litecoin
        path.rename(path.with_name(path.name.replace("LTC_", "SOL_")))
    small = {"freqai": {"train_period_days": 100, "backtest_period_days": 25,
                        "model_training_parameters": {"training": {"max_steps": 20}}},
             "breakwater": WAIVED}  # fmt: skip
    words = ("--freqaimodel", "LinearForecaster")
    code, log = backtested("config_other_coin.json", other, tmp_path / "user", *words, **small)
    assert code == 0, log[-3000:]
    trades = trades_of(tmp_path / "user", "BitcoinCrossMargin")
    assert {trade["pair"] for trade in trades} == {"SOL/USDT:USDT"}
    # Nobody measured its worst hour: assumed, an hour leaves it about a quarter of equity.
    assert max(trade["stake_amount"] * trade["leverage"] for trade in trades) < 2_700


def test_other_timeframe_when_its_candles_are_there_then_it_is_backtested(tmp_path: Path) -> None:
    half_hours = write_simulated(
        tmp_path / "half hours", seed=11, start=START, days=90, timeframe="30m"
    )
    stop = START + timedelta(days=90)
    small = {"freqai": {"train_period_days": 60, "backtest_period_days": 10,
                        "model_training_parameters": {"training": {"max_steps": 20}}},
             "breakwater": WAIVED}  # fmt: skip
    code, log = backtested(
        "config_other_timeframe.json", half_hours, tmp_path / "user", "--freqaimodel",
        "LinearForecaster", stop=stop, days=10, **small,
    )  # fmt: skip
    assert code == 0, log[-3000:]
    trades = trades_of(tmp_path / "user", "BitcoinCrossMargin")
    assert trades
    assert max(trade["trade_duration"] for trade in trades) <= 13 * 30


def test_own_strategy_when_the_model_is_the_packs_then_freqtrade_ends_on_it_by_name(
    datadir: Path, tmp_path: Path
) -> None:
    words = ("--freqaimodel", "LinearForecaster", "--freqaimodel-path", "freqaimodels")
    code, log = backtested("config_own_model.json", datadir, tmp_path / "user", *words)
    assert code != 0
    assert "where: freqai.model_training_parameters.alpha" in log
    assert "cure: a model of the pack takes the blocks" in " ".join(log.split())
    block = json.loads((EXAMPLES / "config_own_model.json").read_text(encoding="utf-8"))
    block["freqai"]["model_training_parameters"] = {}
    block["add_config_files"] = [str(USER_DATA / "config_base.json")]
    mine = tmp_path / "config_mine.json"
    mine.write_text(json.dumps(block), encoding="utf-8")
    code, log = backtested(mine, datadir, tmp_path / "again", *words)
    assert code != 0
    assert "got LinearForecaster of the pack, whose forecast it does not read" in log
    assert "derive the strategy from BitcoinCrossMargin" in log


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ("config_longs_only.json", "LSTMForecaster"),
        ("config_other_coin.json", "LSTMForecaster"),
        ("config_other_timeframe.json", "LSTMForecaster"),
        ("config_own_model.json", "RidgeRegressor"),
    ],
)
def test_example_when_the_doctor_judges_it_then_nothing_is_refused(
    config: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["doctor", "--config", f"user_data/examples/{config}", "--freqaimodel", model]
    assert main(words) == 0
    assert "safety can rely on all of them" in capsys.readouterr().out


def test_examples_when_listed_then_each_file_is_told_of_in_their_page() -> None:
    page = (USER_DATA / "docs" / "examples.md").read_text(encoding="utf-8")
    files = [path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".json"}]
    assert len(files) >= 7
    assert [name for name in files if name not in page] == []


def test_demo_when_the_configs_model_is_not_the_packs_then_the_two_commands_for_it_are_said(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "user_data/examples/config_own_model.json"
    words = ["--config", config, "--data", str(datadir), "--userdir", str(tmp_path / "user")]
    assert main(["demo", *words]) == 2
    said = capsys.readouterr().err
    assert "got RidgeRegressor" in said
    assert f"freqtrade backtesting --config {config}, then breakwater audit" in said
    assert not (tmp_path / "user").exists()
