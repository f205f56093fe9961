"""A backtest's history: what is asked for, and what there is of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.base.errors import InputError
from strategies.bot.data_check import check_backtest_data, days_to_train_on
from strategies.desk.backtests.simulated_data import write_simulated

BTC, WARM_UP = "BTC/USDT:USDT", 48
START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty days of candles, to 2024-02-10."""
    return write_simulated(tmp_path_factory.mktemp("market") / "data", start=START, days=40)


def config(datadir: Path, days: int, timerange: str = "20240131-20240209") -> dict[str, Any]:
    return {
        "datadir": datadir, "timeframe": "1h", "timerange": timerange,
        "exchange": {"pair_whitelist": [BTC]},
        "freqai": {"enabled": True, "train_period_days": days, "feature_parameters": {}},
    }  # fmt: skip


def test_history_when_it_holds_all_that_is_asked_for_then_that_is_trained_on(
    datadir: Path,
) -> None:
    asked = config(datadir, 28)
    found = check_backtest_data(asked, WARM_UP)
    assert {file.first_ms - START_MS for file in found.files} == {0}
    assert days_to_train_on(asked, WARM_UP) == 28


def test_history_when_it_lacks_less_than_half_of_the_training_then_the_cure_says_what_it_has(
    datadir: Path,
) -> None:
    asked = config(datadir, 50)
    with pytest.raises(InputError, match="short at the start") as caught:
        check_backtest_data(asked, WARM_UP)
    assert "or set freqai.train_period_days to 28" in caught.value.cure
    assert days_to_train_on(asked, WARM_UP) == 28
    check_backtest_data(config(datadir, 28), WARM_UP)  # what is advised is taken


def test_history_when_it_lacks_more_than_half_of_the_training_then_nothing_less_is_advised(
    datadir: Path,
) -> None:
    asked = config(datadir, 60)
    with pytest.raises(InputError, match="short at the start") as caught:
        check_backtest_data(asked, WARM_UP)
    assert "train_period_days" not in caught.value.cure
    assert days_to_train_on(asked, WARM_UP) == 60


def test_history_when_nothing_is_trained_then_all_of_the_warm_up_is_needed(datadir: Path) -> None:
    asked = config(datadir, 50, "20240102-20240209") | {"freqai": {"enabled": False}}
    with pytest.raises(InputError, match="short at the start"):
        check_backtest_data(asked, WARM_UP)


def test_history_when_one_file_begins_late_then_the_days_are_counted_from_there(
    tmp_path: Path,
) -> None:
    write_simulated(tmp_path / "data", start=START, days=40)
    marks = tmp_path / "data" / "futures" / "BTC_USDT_USDT-1h-mark.feather"
    pd.read_feather(marks)[30:].reset_index(drop=True).to_feather(marks)
    assert days_to_train_on(config(tmp_path / "data", 28), WARM_UP) == 26


def test_history_when_a_file_is_broken_then_its_fault_is_told_and_no_other(tmp_path: Path) -> None:
    write_simulated(tmp_path / "data", start=START, days=40)
    (tmp_path / "data" / "futures" / "BTC_USDT_USDT-1h-futures.feather").write_bytes(b"no feather")
    with pytest.raises(InputError, match="could not read BTC_USDT_USDT-1h-futures"):
        check_backtest_data(config(tmp_path / "data", 28), WARM_UP)
