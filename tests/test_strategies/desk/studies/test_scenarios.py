"""`breakwater scenarios`: the command on a simulated market, and what it refuses or leaves out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios import catalog
from models.scenarios.bootstrap import BlockBootstrap
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.scenarios import ScenarioOptions, load_history, trial_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("simulated") / "data", days=400)


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "copied"))


def file_of(data: Path, coin: str) -> Path:
    return data / "futures" / f"{coin}_USDT_USDT-1h-futures.feather"


def change(data: Path, coin: str, how: Any) -> None:
    how(pd.read_feather(file_of(data, coin))).reset_index(drop=True).to_feather(file_of(data, coin))


def typed(data: Path, userdir: Path, *more: str) -> list[str]:
    return [
        "scenarios", "--data", str(data), "--coins", "BTC", "LTC", "--engines", "bootstrap",
        "--start", "2021-10-20", "--paths", "1024", "--far-paths", "2048",
        "--userdir", str(userdir), *more,
    ]  # fmt: skip


def test_command_when_typed_twice_then_each_run_has_its_own_page(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed(data, tmp_path)) == 0
    said = capsys.readouterr().out
    assert "[2/2] bootstrap: the lows to come; " in said
    assert "left)" not in said
    assert "| BTC, 24 h | falls |" in said
    assert main(typed(data, tmp_path)) == 0
    pages = sorted((tmp_path / "reports").glob("scenarios-*/report.json"))
    first, second = (json.loads(page.read_text()) for page in pages)
    assert first["tails"] == second["tails"]  # the same seed
    assert len(first["tails"]) == 2 * 4 * 2 * 2
    assert first["run"]["simulated"]
    assert [e["engine"] for e in first["engines"]] == ["bootstrap"]
    page = (tmp_path / "reports" / "latest-scenarios" / "index.html").read_text()
    assert "Prices of LTC to come" in page


class Interrupted(BlockBootstrap):
    """The bootstrap, at which a person loses patience before its second fit."""

    fits = 0

    def fit(self, history: Any) -> Any:
        Interrupted.fits += 1
        if Interrupted.fits == 2:
            raise KeyboardInterrupt
        return super().fit(history)


def numbers_of(page: Path) -> dict[str, Any]:
    got: dict[str, Any] = json.loads((page / "report.json").read_text())
    return {name: value for name, value in got.items() if name != "run"}


def test_command_when_it_was_interrupted_then_the_same_one_goes_on_and_finds_the_same(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog.ENGINES, "bootstrap", Interrupted)  # type: ignore[arg-type]
    line = typed(data, tmp_path / "stopped")
    assert main(line) == 130
    said = capsys.readouterr()
    assert "[1/2] bootstrap, fitted until 2021-10-20: " in said.out
    assert "goes on" not in said.out
    assert not list((tmp_path / "stopped" / "reports").glob("scenarios-*"))
    assert main(line) == 0
    said = capsys.readouterr()
    assert "goes on where an earlier run was: 1 of 2 pieces are kept from it\n" in said.out
    assert " origins, kept from before; " in said.out
    assert "the lows to come; " in said.out
    assert Interrupted.fits == 2 + 2  # the far tail, and the fan of prices
    assert main(typed(data, tmp_path / "whole")) == 0
    pages = [tmp_path / name / "reports" / "latest-scenarios" for name in ("stopped", "whole")]
    assert numbers_of(pages[0]) == numbers_of(pages[1])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engines", "boostrap"], "did you mean 'bootstrap'?"),
        (["--coins", "DOGE"], "no 1h futures candles of DOGE"),
        (["--paths", "100000000"], "about 95.4 GiB"),
        (["--far-paths", "1000000000"], "where: far paths"),
        (["--start", "2031-01-01"], "expected a start within the candles"),
        (["--start", "2021-12-01", "--stop", "2021-12-09"], "at least 100 origins"),
        (["--start", "soon"], "expected a day YYYY-MM-DD, got 'soon'"),
        (["--timeframe", "1hour"], "timeframe"),
    ],
)
def test_command_when_what_is_asked_cannot_be_then_it_is_said_and_nothing_is_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    try:
        code: Any = main(typed(data, tmp_path, *more))
    except SystemExit as ended:  # the parser's own refusal
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_history_when_a_coin_is_short_or_missing_then_it_is_left_out_and_said(copied: Path) -> None:
    change(copied, "LTC", lambda frame: frame.tail(1200))
    file_of(copied, "ETH").unlink(missing_ok=True)
    gathered = load_history(ScenarioOptions(data=copied))
    assert "BTC/USDT:USDT" in gathered.history.coins
    assert "LTC/USDT:USDT" not in gathered.history.coins
    assert "got 1200" in gathered.left_out["LTC/USDT:USDT"]
    assert gathered.left_out["ETH/USDT:USDT"] == "no candles of it"
    with pytest.raises(InputError, match="candles of LTC/USDT:USDT, got 1200"):
        load_history(ScenarioOptions(data=copied, coins=("BTC", "LTC")))


def test_history_when_a_price_is_not_a_number_then_the_file_is_named(copied: Path) -> None:
    def spoilt(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[50, "low"] = np.nan
        return frame

    change(copied, "BTC", spoilt)
    with pytest.raises(InputError, match=r"BTC_USDT_USDT-1h-futures\.feather"):
        load_history(ScenarioOptions(data=copied))


def test_history_when_no_coin_has_candles_then_the_folder_and_a_cure_are_named(
    copied: Path,
) -> None:
    for file in (copied / "futures").glob("*.feather"):
        file.unlink()
    with pytest.raises(InputError, match="got none") as error:
        load_history(ScenarioOptions(data=copied))
    assert "--coins" in error.value.cure


def test_history_when_an_event_follows_then_its_later_candles_are_asked_of_the_last_fit(
    data: Path, copied: Path
) -> None:
    change(copied, "BTC", lambda frame: frame.head(9000))
    change(copied, "LTC", lambda frame: frame.head(9000))
    coins = ("BTC", "LTC")
    short = load_history(ScenarioOptions(data=copied, coins=coins)).history
    options = ScenarioOptions(data=copied, event=data, coins=coins, stop="2022-01-05")
    joined = load_history(options).history
    whole = load_history(ScenarioOptions(data=data, coins=coins)).history
    assert len(short.close) == 8999
    np.testing.assert_array_equal(joined.close, whole.close)
    np.testing.assert_array_equal(joined.funding, whole.funding)
    trial = trial_of(joined, options)
    stop = int(np.datetime64("2022-01-05", "ms").astype(np.int64))
    assert trial.origins.known_ms[-1] + DAY_MS <= stop
    assert trial.folds[-1].stop_ms == joined.time_ms[-1] + HOUR_MS


def test_options_when_wrong_then_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="refit_days >= 1, got 0"):
        ScenarioOptions(data=tmp_path, refit_days=0)
