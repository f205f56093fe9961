"""Every trading style through Freqtrade's own `backtesting`, on simulated candles of its length."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strategies.bot.styles import STYLES, Style
from strategies.desk.backtests.demo import DemoOptions, backtest_command, run_backtest
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from tests.places import ROOT, USER_DATA

START = datetime(2024, 1, 1, tzinfo=UTC)
# Days that the small model trains on, and that are traded; before both lie 430 candles of warm-up.
# A month of them passes before it can be told what a cascade is.
SMALL: dict[Style, tuple[int, int]] = {
    Style.SCALP: (36, 3),
    Style.INTRADAY_15M: (40, 6),
    Style.INTRADAY_1H: (120, 20),
    Style.SWING: (260, 60),
    Style.POSITION: (820, 120),
}


def small_config(style: Style, folder: Path) -> Path:
    """Write the style's own config with few days of training, and without bars to an entry."""
    train_days, test_days = SMALL[style]
    block = {
        "add_config_files": [str(USER_DATA / STYLES[style].config)],
        "strategy_path": str(ROOT / "strategies"),
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        # The simulated market has next to no edge: whoever asks for one makes no trades to look at.
        "breakwater": {"decision": {"without": ["quantiles", "hazard"], "min_advantage": 0.0}},
        "freqai": {
            "train_period_days": train_days,
            "backtest_period_days": test_days,
            "model_training_parameters": {"training": {"max_steps": 20}},
        },
    }
    path = folder / "config_small.json"
    path.write_text(json.dumps(block), encoding="utf-8")
    return path


def trades_of(userdir: Path) -> list[dict[str, Any]]:
    (archive,) = (userdir / "backtest_results").glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        (name,) = [n for n in opened.namelist() if n == f"{archive.stem}.json"]
        result = json.loads(opened.read(name))
    return list(result["strategy"]["BitcoinCrossMargin"]["trades"])


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_style_when_backtested_by_freqtrade_then_it_trades_and_holds_as_long_as_its_candles_say(
    style: Style, tmp_path: Path
) -> None:
    (train_days, test_days), made = SMALL[style], STYLES[style]
    config = json.loads((USER_DATA / made.config).read_text(encoding="utf-8"))
    candle = {"m": 1, "h": 60, "d": 1440}[made.timeframe[-1]] * int(made.timeframe[:-1])
    warm_up = 1 + 430 * candle // 1440
    days = train_days + warm_up + test_days
    datadir = write_simulated(
        tmp_path / "data", seed=11, start=START, days=days, timeframe=made.timeframe
    )
    userdir = tmp_path / "user_data"
    userdir.mkdir()
    options = DemoOptions(
        config=small_config(style, tmp_path), model="LinearForecaster", userdir=userdir
    )
    stop = START + timedelta(days=days)
    timerange = f"{stop - timedelta(days=test_days):%Y%m%d}-{stop:%Y%m%d}"
    code, faults = run_backtest(backtest_command(options, datadir, timerange), tmp_path / "log")
    assert (code, faults) == (0, ())
    held = [trade["trade_duration"] / candle for trade in trades_of(userdir)]
    most = config["breakwater"].get("decision", {}).get("max_hold_candles", 24)
    assert held
    assert max(held) <= most + 1


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_style_when_the_doctor_judges_it_then_nothing_is_refused(
    style: Style, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["doctor", "--config", str(USER_DATA / STYLES[style].config)]) == 0
    assert "safety can rely on all of them" in capsys.readouterr().out


def test_style_when_a_wrong_timeframe_is_typed_then_freqtrade_ends_on_it_before_any_data(
    tmp_path: Path,
) -> None:
    userdir = tmp_path / "user_data"
    userdir.mkdir()
    options = DemoOptions(
        config=USER_DATA / "config_style_swing.json", model="LinearForecaster", userdir=userdir
    )
    log = tmp_path / "log"
    command = [*backtest_command(options, tmp_path, "20240101-20240201"), "--timeframe", "1h"]
    code, _ = run_backtest(command, log)
    said = log.read_text(encoding="utf-8")
    assert code != 0
    assert "the style swing is made for candles of 4h, got '1h'" in said
    assert "config_style_intraday_1h.json" in said
    assert "Loading data" not in said


def test_demo_when_the_style_and_the_typed_candles_differ_then_nothing_is_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config_mine.json"
    style = {"add_config_files": [str(USER_DATA / "config_style_scalp.json")], "timeframe": "1h"}
    config.write_text(json.dumps(style), encoding="utf-8")
    assert main(["demo", "--config", str(config), "--userdir", str(tmp_path / "user")]) == 2
    assert "the style scalp is made for candles of 5m, got '1h'" in capsys.readouterr().err
    assert not (tmp_path / "user").exists()
