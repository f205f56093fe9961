"""`breakwater stress` and `breakwater liquidation`, and recorded crashes where there are any."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.base.errors import InputError
from models.studies.stress.replay import summarise
from strategies.account.tiers import load_binance_tiers
from strategies.desk.cli import main
from strategies.desk.simulated_data import write_simulated
from strategies.desk.stress import find_crashes, limits_of, stress_table
from tests.places import SHARED, USER_DATA

EVENTS = SHARED / "data" / "events"
CONFIG = USER_DATA / "config_bitcoin.json"
PAIR = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=3, start=datetime(2024, 1, 1, tzinfo=UTC), days=40)


def test_stress_when_there_is_data_then_each_folder_is_replayed_and_reported(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["stress", "--data", str(datadir.parent), "--userdir", str(tmp_path),
                 "--config", str(CONFIG), "--every-hours", "240"]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    (crash,) = report["crashes"]
    assert (report["data"], crash["name"], crash["starts"]) == ("simulated", "simulated", 4)
    assert crash["guarded_liquidated"] == 0
    assert report["limits"]["hard"]["max_order_equity_frac"] == 2.0
    assert "| simulated | 60m | 4 |" in said
    assert said.split("\nreport: ")[0].endswith(
        (tmp_path / "reports" / "latest" / "stress.md").read_text()
    )


def test_stress_when_a_folder_holds_no_candles_then_the_error_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "--data", str(tmp_path), "--config", str(CONFIG)]) == 2
    assert "no futures candles of BTC/USDT:USDT" in capsys.readouterr().err
    with pytest.raises(InputError, match="LTC"):
        find_crashes(tmp_path, "LTC/USDT:USDT")


def test_liquidation_when_asked_for_then_a_table_of_each_pair_is_printed(
    datadir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["liquidation", "--data", str(datadir), "--pair", PAIR, "LTC/USDT:USDT"]
    assert main([*arguments, "--leverage", "3", "20"]) == 0
    said = capsys.readouterr().out
    assert "BTC/USDT:USDT, 1h candles, 2024-01-01 to 2024-02-09, positions of 10000:" in said
    assert said.count("| entries liquidated | 3x | 20x | independent |") == 2
    assert said.count("| long, 1 d |") == said.count("| short, 7 d |") == 2


@pytest.mark.slow
@pytest.mark.skipif(not EVENTS.is_dir(), reason="no recorded crashes on this machine")
@pytest.mark.parametrize("name", sorted(p.name for p in EVENTS.glob("*")) or ["none"])
def test_real_crash_when_replayed_then_the_guarded_account_survives_and_the_naive_one_does_not(
    name: str,
) -> None:
    (crash,) = find_crashes(EVENTS / name, PAIR)
    (tiers,) = load_binance_tiers([PAIR]).values()
    told = summarise(crash, tiers, limits_of(CONFIG), every_ms=24 * 3_600_000)
    assert told.guarded_liquidated == 0, stress_table([told])
    assert told.naive_liquidated > 0
    assert told.nearest_frac > 0.15
    assert told.worst_final_frac > 0.75
