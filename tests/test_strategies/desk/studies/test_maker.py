"""`breakwater maker`: the same signals at every style, over the span there is detail of."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import ConfigError, InputError
from models.base.types import FloatArray
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.maker import MakerOptions, execution_styles, run_maker, trade_rules
from tests.places import ROOT

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("maker") / "data"
    return write_simulated(made, start=START, days=225, timeframe="5m")


def options(data: Path, **more: Any) -> MakerOptions:
    return MakerOptions(data=data, userdir=data.parent / "user", tick=0.1, **more)


def forecast(rows: int) -> dict[str, FloatArray]:
    """Return a forecast that is sure of a rise in every tenth row, and never of an edge."""
    out = {name: np.full(rows, np.nan) for name in columns.FORECAST}
    lead = np.where(np.arange(rows) % 10 == 9, 0.3, 0.01 * np.sin(np.arange(rows)))
    out |= {columns.P_UP: 0.4 + lead / 2, columns.P_DOWN: 0.4 - lead / 2, columns.P_FLAT:
            np.full(rows, 0.2), columns.ABSTAIN: np.zeros(rows), columns.SIGMA:
            np.full(rows, 0.01), columns.EDGE: lead / 1e3, columns.EDGE_LOW: lead / 1e3,
            columns.LABEL_RETURN: lead / 1e3, columns.FALSE_ALARMS_DOWN: np.full(rows, 5.0),
            columns.FALSE_ALARMS_UP: np.full(rows, 5.0), columns.LABEL_CASCADE_DOWN:
            np.zeros(rows), **dict.fromkeys(columns.RETURN_QUANTILES, lead / 1e3)}  # fmt: skip
    return out


def test_rules_when_made_then_sure_rows_are_as_rare_as_asked_and_the_edge_has_its_bar(
    data: Path,
) -> None:
    rows = 24 * 120
    rules = {r.name: r for r in trade_rules(forecast(rows), slice(2_200, rows), options(data))}
    assert list(rules) == ["shipped", "shipped_low", "tenth", "twentieth", "coin"]
    assert len({len(rule.decided.side) for rule in rules.values()} | {rows - 2_200}) == 1
    assert not rules["shipped"].decided.side.any()  # an edge of 3 bps is below every cost
    assert rules["tenth"].decided.side.mean() == pytest.approx(0.1, abs=0.01)
    assert np.abs(rules["coin"].decided.side).all()
    assert {rules[name].max_hold for name in ("tenth", "coin")} == {4}
    strong = {**forecast(rows), columns.EDGE_LOW: np.full(rows, 0.0008)}
    made = {r.name: r for r in trade_rules(strong, slice(2_200, rows), options(data))}
    assert not made["shipped"].decided.side.any()  # 8 bps: below 14, above 4
    assert (made["shipped_low"].decided.side == 1).any()


def test_styles_when_made_then_quotes_count_in_detail_candles_and_only_one_takes() -> None:
    styles = {s.name: s for s in execution_styles(options(Path("x"), detail="1m"))}
    assert styles["taker"].entry is styles["taker"].exit is styles["maker_entry"].exit is None
    maker = styles["maker"]
    assert maker.entry is not None
    assert maker.exit is not None
    assert (maker.entry.patience, maker.exit.patience, maker.entry.follows) == (15, 10, True)
    waits = styles["maker_waits"].entry
    assert waits is not None
    assert not waits.follows


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"detail": "15m"}, "expected detail candles of at most 5 minutes that divide 1h"),
        ({"entry_minutes": 7}, "expected entry_minutes in whole candles of 5m, at most 1h, got 7"),
        ({"exit_minutes": 65}, "expected exit_minutes in whole candles"),
        ({"model": "lsmt"}, "unknown model 'lsmt'"),
    ],
)
def test_options_when_wrong_then_refused_by_name(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        options(tmp_path, **wrong)


def test_span_when_there_is_no_detail_of_it_then_refused_with_what_there_is(data: Path) -> None:
    with pytest.raises(InputError, match="expected a span from 2024-01-01 to 2024-08-13"):
        run_maker(options(data, start="2023-12-31", model="volatility"))
    with pytest.raises(ConfigError, match="the tick of DOGE/USDT:USDT is not known"):
        run_maker(dataclasses.replace(options(_renamed(data)), tick=0.0, pair="DOGE/USDT:USDT"))


def _renamed(data: Path) -> Path:
    """Return the data with Bitcoin's candles under a name the exchange double does not list."""
    out = data.parent / "renamed"
    (out / "futures").mkdir(parents=True, exist_ok=True)
    for file in (data / "futures").glob("BTC_*"):
        (out / "futures" / file.name.replace("BTC_", "DOGE_")).write_bytes(file.read_bytes())
    return out


def test_command_when_the_data_have_no_detail_then_it_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coarse = write_simulated(tmp_path / "data", days=3)
    assert main(["maker", "--data", str(coarse), "--userdir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "expected the file BTC_USDT_USDT-5m-futures.feather" in said


def test_command_when_typed_then_every_way_is_measured_and_a_page_is_written(data: Path) -> None:
    """The command itself with the real training worker, on a small simulated market."""
    typed = (
        f"maker --data {data} --model volatility --train-days 120 --refit-days 60 "
        f"--start 2024-08-01 --stop 2024-08-12 --userdir {data.parent / 'user'}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "strategies.desk.cli", *typed.split()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| most confident tenth; maker, 15 min | " in done.stdout
    report = data.parent / "user" / "reports" / "latest-maker"
    assert {p.name for p in report.iterdir()} == {"index.html", "report.json", "table.md"}
    assert "SIMULATED MARKET" in (report / "index.html").read_text()
    numbers = json.loads((report / "report.json").read_text())
    assert numbers["trials"] == 20
    ways = {way["name"]: way for way in numbers["ways"]}
    assert len(ways) == 25
    assert ways["coin-taker"]["attempts"] > 40
    assert ways["coin-taker"]["filled"]["value"] == 1.0
    assert 5.0 <= ways["coin-maker"]["minutes"]["value"] <= 15.0
