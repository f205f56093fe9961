"""A backtest as a trial of the registry."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.studies.trials.registry import TrialRegistry
from strategies.desk.backtests.entered import backtest_trial, enter_tried
from tests.test_models.reports.records import make_record


def test_backtest_when_entered_then_its_days_return_what_the_audited_equity_did() -> None:
    record = make_record(days=20)
    trial = backtest_trial(record)
    account = record.audit
    assert sum(trial.returns) == pytest.approx(
        float(np.log(account.equity_close[-1] / record.start_wallet_quote)), abs=1e-6
    )
    assert trial.first_day == int(account.time_ms[0]) // 86_400_000
    assert (trial.by, trial.model) == ("demo", record.model)


def test_backtest_when_another_setting_is_tried_then_it_is_another_trial_and_the_same_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_record(days=20)
    other = dataclasses.replace(record, config={**record.config, "max_open_trades": 9})
    for one in (record, other, record):
        enter_tried(tmp_path, [backtest_trial(one)], one.stop_ms, "demo")
    assert len(TrialRegistry(tmp_path).trials()) == 2
    assert "trials: 0 entered, 2 so far" in capsys.readouterr().out.splitlines()[-1]


def test_backtest_when_the_registry_cannot_be_written_then_that_is_told_and_nothing_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trials").write_text("in its place", encoding="utf-8")
    record = make_record(days=20)
    enter_tried(tmp_path, [backtest_trial(record)], record.stop_ms, "demo")
    assert "1 not entered" in capsys.readouterr().err
