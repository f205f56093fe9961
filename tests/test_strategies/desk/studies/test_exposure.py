"""`breakwater exposure`: forecasts that know nothing of their span, ways of the same mean."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import columns
from models.base.errors import ConfigError
from models.base.types import Candles
from models.learn.jobs.executor import ProcessExecutor
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.exposure import (
    ExposureOptions,
    funding_at_opens,
    walk_forward_sigma,
    ways_to_hold,
)
from tests.places import ROOT
from tests.test_models import markets

HOUR = 3_600_000


@pytest.fixture
def options(tmp_path: Path) -> ExposureOptions:
    return ExposureOptions(
        data=tmp_path, train_days=155, refit_days=10, start="2022-06-20", stop="2022-07-15",
        userdir=tmp_path / "user",
    )  # fmt: skip


def test_sigma_when_a_row_abstains_then_it_is_not_known(
    options: ExposureOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {columns.SIGMA: np.array([1.0, 2.0, 3.0]), columns.ABSTAIN: np.array([0, 1, np.nan])}
    asked: list[ExposureOptions] = []

    def forecast(market: Candles, candle_ms: int, options: ExposureOptions, _: Any) -> Any:
        asked.append(options)
        return answer

    monkeypatch.setattr("strategies.desk.studies.exposure.walk_forward_forecast", forecast)
    got = walk_forward_sigma(markets.random_walk(3), HOUR, options, ProcessExecutor())
    np.testing.assert_array_equal(got, [1.0, np.nan, np.nan])
    assert asked == [options]
    assert (options.model, options.horizon_candles) == ("volatility", 24)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_funding_when_payments_meet_opens_then_each_is_charged_there(hours: int) -> None:
    times = HOUR * np.arange(0, 48, hours)
    paid, rates = 8 * HOUR * np.arange(6) + 3, 1e-4 * np.arange(1.0, 7.0)
    found = dict(zip(times.tolist(), funding_at_opens(times, paid, rates), strict=True))
    met = {t: rate for t, rate in found.items() if rate}
    assert met == dict(zip((paid - 3).tolist(), rates, strict=True))


def test_funding_when_candles_last_a_day_then_no_payment_is_lost() -> None:
    times = 24 * HOUR * np.arange(4)
    paid, rates = 8 * HOUR * np.arange(-3, 12), 1e-4 * np.arange(15.0)
    found = funding_at_opens(times, paid, rates)
    # Before the first open and after the last one nothing is held.
    np.testing.assert_allclose(found, [3e-4, 1.5e-3, 2.4e-3, 3.3e-3])


def test_ways_when_held_then_all_have_the_same_mean_and_one_trades_as_often_as_the_forecast(
    options: ExposureOptions,
) -> None:
    rng, rows = np.random.default_rng(0), 3_000
    log = np.zeros(rows)
    for t in range(1, rows):
        log[t] = 0.98 * log[t - 1] + 0.1 * rng.normal()
    fast, slow = 0.03 * np.exp(log), 0.03 * np.exp(0.5 * log)
    move = 0.005 * rng.normal(size=rows)
    asked = dataclasses.replace(options, mean_exposure=0.8)
    ways = {way.name: way for way in ways_to_hold(fast, slow, move, asked)}
    for way in ways.values():
        assert way.exposure.mean() == pytest.approx(0.8, rel=1e-3)
    traded = {name: way.traded.sum() for name, way in ways.items()}
    assert traded["trailing"] < 0.8 * traded["forecast"]
    assert traded["trailing_as_often"] == pytest.approx(traded["forecast"], rel=0.05)
    assert traded["constant"] < traded["trailing"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "volatilty"}, "unknown model 'volatilty'"),
        ({"refit_days": 0}, "expected refit_days >= 1, got 0"),
        ({"mean_exposure": 4.0}, "expected 0 < mean_exposure <= 3, got 4.0"),
    ],
)
def test_options_when_wrong_then_refused_by_name(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ExposureOptions(data=tmp_path, **wrong)


def test_command_when_the_data_path_is_wrong_then_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exposure", "--data", str(tmp_path / "none"), "--userdir", str(tmp_path)]) == 2
    assert "expected a data directory with futures candles" in capsys.readouterr().err


def test_command_when_typed_then_the_ways_are_measured_and_a_page_is_written(
    tmp_path: Path,
) -> None:
    """The command itself with the real training worker, on a small simulated market."""
    data = write_simulated(tmp_path / "data")
    typed = (
        f"exposure --data {data} --train-days 160 --refit-days 60 --mean-exposure 0.5 "
        f"--start 2025-06-01 --userdir {tmp_path / 'user'}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "strategies.desk.cli", *typed.split()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for title in ("forecast volatility", "trailing, trading as much", "constant exposure"):
        assert f"| {title} | " in done.stdout
    report = tmp_path / "user" / "reports" / "latest-exposure"
    assert {p.name for p in report.iterdir()} == {"index.html", "report.json", "table.md"}
    assert "SIMULATED MARKET" in (report / "index.html").read_text()
    ways = json.loads((report / "report.json").read_text())["ways"]
    for way in ways:
        assert way["mean_exposure"] == pytest.approx(0.5, rel=1e-3)
