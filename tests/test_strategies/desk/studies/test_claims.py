"""`breakwater claims`: what is trained for which claim, timed in turns, resumed, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError
from models.base.types import Artifact, TrainingJob
from models.studies.claims.claimed import CLAIMS, NEEDED
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies import claims
from strategies.desk.studies.claims import ClaimOptions, needed_models, run_claims
from tests.places import ROOT
from tests.test_strategies.desk.echoes import Echoes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hours, and candles of 4 of them, of a simulated market."""
    return write_simulated(tmp_path_factory.mktemp("market") / "data", days=330, timeframe="4h")


@pytest.fixture
def options(tmp_path: Path, data: Path) -> ClaimOptions:
    return ClaimOptions(
        data=data, only=(2,), folds=1, seeds=2, train_days=40, timings=3, userdir=tmp_path / "user"
    )


def test_models_when_claims_share_them_then_each_is_trained_once() -> None:
    needed = needed_models(tuple(CLAIMS))
    assert set(needed) == {"5m", "15m", "1h", "4h", "1d"}
    for names in needed.values():
        assert len(set(names)) == len(names)
    assert needed_models([7]) == {}


def test_claims_when_stopped_and_started_again_then_they_go_on_where_they_were(
    options: ClaimOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    executor.fails_at = 3  # of the two of TCN and the two of LSTM
    assert run_claims(options, executor) == 1
    out = capsys.readouterr().out
    assert "failed: 4h lstm: the worker died" in out
    assert "not trained: lstm" in out
    before, executor.fails_at = len(executor.jobs), 0
    assert run_claims(options, executor) == 0
    assert len(executor.jobs) - before == 2
    out = capsys.readouterr().out
    assert "[4/4] lstm seed 1" in out
    assert "about 0 s left" in out
    report = options.userdir / "reports" / "latest-claims" / "report.json"
    numbers = json.loads(report.read_text(encoding="utf-8"))
    # Models that answer alike: nobody is ahead.
    assert [test["verdict"] for test in numbers["tests"]] == ["not confirmed"] * 2
    assert numbers["run"]["simulated"] is True


def test_jobs_when_made_then_labels_and_days_are_those_of_the_claims_style(
    options: ClaimOptions,
) -> None:
    executor = Echoes()
    run_claims(options, executor)
    job = executor.jobs[0]
    assert job.candle_ms == 4 * 3_600_000
    assert job.settings["labels"]["horizon_candles"] == 6
    assert len(job.time_ms) == 40 * 6
    assert options.of("1d").settings["training"]["cross_fit"] == 3


def test_timing_when_run_then_both_networks_take_turns_on_one_job_and_the_first_does_not_count(
    options: ClaimOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Timed(Echoes):
        """GRU takes two thirds of LSTM's time, but for the turn that warms up."""

        def run(self, job: TrainingJob) -> Artifact:
            made = super().run(job)
            spent = 100.0 if len(self.jobs) <= 2 else {"gru": 2.0, "lstm": 3.0}[job.network]
            return Artifact(made.onnx, {**made.manifest, "seconds": {"fit": spent}})

    executor = Timed()
    found = claims._timed(options, executor)
    names = [job.network for job in executor.jobs]
    assert names.count("gru") == names.count("lstm") == 4
    assert names[2:4] == names[4:6][::-1]  # who begins changes
    assert found.found.value == pytest.approx(1 / 3)
    assert {job.settings["training"]["cross_fit"] for job in executor.jobs} == {1}
    np.testing.assert_array_equal(executor.jobs[0].features, executor.jobs[1].features)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"only": (8,)}, r"unknown claims \[8\]"),
        ({"folds": 0}, "expected folds >= 1, got 0"),
        ({"timings": 2}, "expected timings >= 3, got 2"),
    ],
)
def test_options_when_wrong_then_refused_by_name(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        ClaimOptions(data=tmp_path, **wrong)


def test_command_when_a_claim_is_unknown_then_the_known_ones_are_told(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    typed = ["claims", "--data", str(data), "--only", "9", "--userdir", str(tmp_path)]
    assert main(typed) == 2
    said = capsys.readouterr().err
    assert "unknown claims [9]" in said
    assert CLAIMS[4] in said


@pytest.mark.parametrize(
    ("only", "days", "said"),
    [
        ((2, 7), 40, r"BTC_USDT_USDT-1m-futures\.feather"),
        ((2, 4), 40, r"BTC_USDT_USDT-15m-futures\.feather"),
        ((2,), 4_000, "of BTC/USDT:USDT"),  # longer than there is history
    ],
)
def test_claims_when_any_candles_they_need_are_missing_then_nothing_is_trained_before_it_is_said(
    options: ClaimOptions, only: tuple[int, ...], days: int, said: str
) -> None:
    executor = Echoes()
    with pytest.raises(InputError, match=said):
        run_claims(replace(options, only=only, train_days=days), executor)
    assert executor.jobs == []


def test_command_when_candles_of_a_minute_are_missing_then_the_file_is_named(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    typed = ["claims", "--data", str(data), "--only", "7", "--userdir", str(tmp_path)]
    assert main(typed) == 2
    assert "BTC_USDT_USDT-1m-futures.feather" in capsys.readouterr().err


def test_command_when_typed_then_real_trainings_end_in_a_page_with_verdicts(
    tmp_path: Path,
) -> None:
    data = write_simulated(tmp_path / "data", days=740, timeframe="4h")
    typed = (
        f"claims --data {data} --only 2 --folds 1 --seeds 1 --train-days 440 --max-steps 3 "
        f"--userdir {tmp_path / 'user'}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "strategies.desk.cli", *typed.split()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4h: tcn, lstm; 440 days of training, 1 tests of 240 days" in done.stdout
    page = (tmp_path / "user" / "reports" / "latest-claims" / "index.html").read_text(
        encoding="utf-8"
    )
    assert "SIMULATED MARKET" in page
    for words in (CLAIMS[2], "TCN has fewer whipsaws"):
        assert words in page
    assert set(NEEDED[2]) == {"4h"}
