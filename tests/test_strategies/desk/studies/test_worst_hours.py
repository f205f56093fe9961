"""`breakwater worst-hours`: measured on candles, never made calmer, and marks only if whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import InputError
from models.trade.risk.worst_hours import ASSUMED_DAY, recorded_day, worst_24_hours, worst_hour
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.worst_hours import measured_hours, merged_hours, record_before

HOUR = 3_600_000


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=5, start=datetime(2024, 1, 1, tzinfo=UTC), days=6)


def test_table_when_measured_then_it_is_what_the_candles_show_and_never_less(datadir: Path) -> None:
    rows = {row["coin"]: row for row in measured_hours([datadir], "a market")}
    assert {"BTC", "ETH", "LTC"} <= set(rows)
    for coin, row in rows.items():
        c = load_checked(datadir, f"{coin}/USDT:USDT", "1h")
        seen = worst_hour(c.time_ms, c.high, c.low, c.close, HOUR)
        assert 0 <= row["traded"]["fall_frac"] - seen.fall_frac < 1.1e-4
        assert 0 <= row["traded"]["rise_frac"] - seen.rise_frac < 1.1e-4
        day, of_all = row["traded"]["day"], worst_24_hours(c.time_ms, c.high, c.low, c.close, HOUR)
        assert 0 <= day["fall_frac"] - of_all.fall_frac < 1.1e-4
        assert 0 <= day["rise_frac"] - of_all.rise_frac < 1.1e-4
        at = datetime.strptime(day["fall_at"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        k = int(np.searchsorted(c.time_ms, at.timestamp() * 1000))  # the first candle of the day
        assert 1 - c.low[k : k + 24].min() / c.close[k - 1] == pytest.approx(of_all.fall_frac)
        assert row["source"] == "a market"


def test_table_when_renewed_then_a_worse_hour_on_record_stays(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "hours.json"
    arguments = ["worst-hours", "--data", str(datadir), "--write", str(table)]
    assert main(arguments) == 0
    rows = json.loads(table.read_text())["coins"]
    said = capsys.readouterr().out
    assert "| any other | assumed | an hour | -85.0% |" in said
    assert "| any other | assumed | a day | -100.0% |" in said
    btc = next(row for row in rows if row["coin"] == "BTC")
    btc["traded"] |= {"fall_frac": 0.9, "fall_at": "2010-01-01 00:00", "from": "2010-01-01"}
    btc["traded"]["day"] |= {"fall_frac": 0.95, "fall_at": "2010-01-01 00:00"}
    table.write_text(json.dumps({"coins": [*rows, {**btc, "coin": "OLD"}]}))
    assert main(arguments) == 0
    again = {row["coin"]: row for row in json.loads(table.read_text())["coins"]}
    assert again["BTC"]["traded"]["fall_frac"] == 0.9
    assert again["BTC"]["traded"]["fall_at"] == "2010-01-01 00:00"
    assert again["BTC"]["traded"]["day"]["fall_frac"] == 0.95
    assert again["BTC"]["traded"]["day"]["rise_frac"] < 0.95
    assert "OLD" in again
    # The marks begin 14 years after the record: what they would show is not the worst.
    assert "mark" not in again["BTC"]


def test_record_when_known_at_a_moment_then_later_candles_do_not_change_it(datadir: Path) -> None:
    pair, c = "LTC/USDT:USDT", load_checked(datadir, "LTC/USDT:USDT", "1h")
    for hours in (30, 80):
        then = c.cut(slice(0, hours))
        day = worst_24_hours(then.time_ms, then.high, then.low, then.close, HOUR)
        known = record_before([datadir], int(then.time_ms[-1]) + HOUR)
        found = recorded_day(pair, table=known)
        assert 0 <= found.fall_frac - day.fall_frac < 1.1e-4
        assert 0 <= found.rise_frac - day.rise_frac < 1.1e-4
    # An hour short of the second close, the last candle is not known.
    unknown = record_before([datadir, datadir], int(c.time_ms[1]) + HOUR - 1)
    assert recorded_day(pair, table=unknown) == ASSUMED_DAY
    with pytest.raises(InputError, match="no 1h futures candles"):
        record_before([datadir / "futures"], int(c.time_ms[-1]))


def test_rows_when_merged_then_each_way_keeps_its_worse_hour() -> None:
    def row(fall: float, rise: float, day: str) -> dict[str, object]:
        hour = {"fall_frac": fall, "fall_at": day, "rise_frac": rise, "rise_at": day}
        hour |= {"from": day, "to": day, "day": {**hour, "fall_frac": 1 - fall}}
        return {"coin": "A", "source": day, "traded": hour}

    (one,) = merged_hours([row(0.5, 0.1, "2020-01-01")], [row(0.2, 0.4, "2021-01-01")])
    assert (one["traded"]["fall_at"], one["traded"]["rise_at"]) == ("2020-01-01", "2021-01-01")
    within_a_day = one["traded"]["day"]
    assert (within_a_day["fall_at"], within_a_day["rise_at"]) == ("2021-01-01", "2021-01-01")
    assert (one["traded"]["from"], one["traded"]["to"]) == ("2020-01-01", "2021-01-01")


def test_command_when_there_are_no_candles_then_it_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worst-hours", "--data", str(tmp_path)]) == 2
    assert "name Freqtrade data directories" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"coins": 7}', '{"coins": [{"coin": "A"}]}', '{"hours": []}']
)
def test_command_when_the_file_to_write_is_another_then_it_is_refused_and_kept(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "table.json"
    file.write_text(content)
    assert main(["worst-hours", "--data", str(datadir), "--write", str(file)]) == 2
    said = capsys.readouterr().err
    assert "expected a table of worst hours" in said
    assert str(file) in said
    assert file.read_text() == content
