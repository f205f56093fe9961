"""`make demo`, as a person types it, on the simulated market: real Freqtrade, FreqAI and worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.test_integration.conftest import TIMERANGE, Desk, make_desk


def demo(desk: Desk, timerange: str = TIMERANGE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("make", "demo", f"DATA={desk.datadir}", f"TIMERANGE={timerange}"),
            *(f"CONFIG={desk.config}", f"USERDIR={desk.userdir}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, simulated_datadir: Path
) -> tuple[Desk, subprocess.CompletedProcess[str]]:
    desk = make_desk(tmp_path_factory.mktemp("demo"), simulated_datadir)
    return desk, demo(desk)


def test_demo_when_run_on_simulated_data_then_it_succeeds_without_a_raised_exception(finished):
    _, done = finished
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "raised exception" not in done.stdout + done.stderr


def test_demo_when_run_then_progress_is_visible_while_it_trains(finished):
    _, done = finished
    assert "best" in done.stdout
    assert "s left" in done.stdout


def test_demo_when_run_then_the_report_holds_every_training_and_a_verdict(finished):
    desk, _ = finished
    latest = desk.userdir / "reports" / "latest"
    numbers = json.loads((latest / "report.json").read_text(encoding="utf-8"))
    assert len(numbers["trainings"]) == 3
    assert numbers["account"]["summary"]["liquidated"] is False
    page = (latest / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED MARKET" in page
    assert "What drove it" in page
    assert (latest / "card.md").read_text(encoding="utf-8").startswith("# LSTM for BTC/USDT:USDT")


def test_explain_when_typed_after_a_run_then_it_names_what_drove_that_forecast(finished):
    desk, _ = finished
    explain = [sys.executable, "-m", "strategies.desk.cli", "explain", "--userdir", desk.userdir]
    done = subprocess.run(
        [*explain, "--time", "2024-04-20T12:00"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "p_up − p_down" in done.stdout
    assert "BTC" in done.stdout
    late = subprocess.run(
        [*explain, "--time", "2025-04-20T12:00"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert late.returncode == 2
    assert late.stderr.startswith("error: ")


def test_demo_when_run_then_the_audit_agrees_with_the_engine_but_for_stated_costs(finished):
    desk, _ = finished
    numbers = json.loads(
        (desk.userdir / "reports" / "latest" / "report.json").read_text(encoding="utf-8")
    )
    assert numbers["trades"]["count"] > 5
    money = {step["label"]: step["quote"] for step in numbers["money"]["steps"]}
    engine = numbers["money"]["engine"]
    assert money["Price, closed"] == pytest.approx(engine["gross_quote"], abs=0.01)
    assert -money["Fees"] == pytest.approx(engine["fees_quote"], abs=0.01)
    # The engine also charges funding to positions opened at the very moment it is paid.
    assert money["Funding"] == pytest.approx(engine["funding_quote"], abs=5.0)
    assert abs(numbers["money"]["residual_quote"]) < 1e-6


def test_demo_when_training_diverges_then_it_fails_loudly_and_names_the_cause(
    tmp_path, simulated_datadir
):
    desk = make_desk(tmp_path, simulated_datadir, learning_rate=1e30)
    done = demo(desk, "20240401-20240410")
    assert done.returncode != 0
    assert "training loss became" in done.stdout
    assert not (desk.userdir / "reports").exists()


def test_demo_when_a_candle_is_missing_then_it_names_file_and_timestamp(
    tmp_path, simulated_datadir
):
    import pandas as pd

    datadir = tmp_path / "data"
    (datadir / "futures").mkdir(parents=True)
    for path in (simulated_datadir / "futures").glob("*.feather"):
        frame = pd.read_feather(path)
        if path.name == "BTC_USDT_USDT-1h-futures.feather":
            frame = frame[frame["date"] != pd.Timestamp("2024-02-01 05:00", tz="UTC")]
        frame.reset_index(drop=True).to_feather(datadir / "futures" / path.name)
    done = demo(make_desk(tmp_path, datadir))
    assert done.returncode != 0
    assert "BTC_USDT_USDT-1h-futures.feather" in done.stderr
    assert "2024-02-01" in done.stderr
    assert "05:00" in done.stderr


def test_demo_when_a_setting_is_misspelled_then_it_names_the_nearest(tmp_path, simulated_datadir):
    desk = make_desk(tmp_path, simulated_datadir, maximum_steps=3)
    done = demo(desk)
    assert done.returncode != 0
    assert "max_steps" in done.stdout + done.stderr
