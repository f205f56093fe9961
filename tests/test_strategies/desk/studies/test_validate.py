"""`breakwater validate`: counted, resumed, refused; one that fails does not end the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.errors import ConfigError, ControlError, InputError
from models.base.types import FloatArray
from models.studies.trials.registry import TrialRegistry
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies import validate
from strategies.desk.studies.compare import CompareOptions, run_compare
from strategies.desk.studies.memory import MOST_BYTES, needed_bytes, require_study_memory
from strategies.desk.studies.refits import date_of
from strategies.desk.studies.validate import ValidateOptions, run_validate
from tests.test_strategies.desk.echoes import Echoes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("market") / "data", days=230)


@pytest.fixture
def options(tmp_path: Path, data: Path) -> ValidateOptions:
    compared = CompareOptions(
        data=data, models=("tcn",), seeds=2, folds=2, train_days=60, test_days=40,
        userdir=tmp_path / "user",
    )  # fmt: skip
    return ValidateOptions(compared=compared, cross=())


def registry_of(options: ValidateOptions) -> TrialRegistry:
    return TrialRegistry(options.compared.userdir)


def report_of(options: ValidateOptions) -> dict[str, Any]:
    folder = options.compared.userdir / "reports" / "latest-validate"
    assert {p.name for p in folder.iterdir()} == {"index.html", "report.json", "validation.md"}
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def test_validate_when_a_model_fails_in_one_fold_then_the_others_go_on_and_a_rerun_goes_on_there(
    options: ValidateOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    executor.fails_at = 2  # the second fold of the first model's first seed
    assert run_validate(options, executor) == 1
    assert "failed: tcn: the worker died" in capsys.readouterr().out
    first = report_of(options)
    assert {row["name"] for row in first["rows"]} == {"volatility"}
    assert first["run"]["failures"][0].startswith("tcn: the worker died")
    done = len(executor.jobs)
    executor.fails_at = 0
    assert run_validate(options, executor) == 0
    assert len(executor.jobs) - done == 3  # of eight: five were kept
    both = report_of(options)
    assert {row["name"] for row in both["rows"]} == {"tcn", "volatility"}
    assert both["together"]["tried"] == 8  # two models, two styles, two seeds; none twice
    assert both["headline"] == "Nothing passes: 0 of 4."


def test_trials_when_the_same_was_compared_and_validated_then_it_is_one_trial(
    options: ValidateOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    assert run_compare(options.compared, executor) == 0
    assert "trials: 4 entered, 4 so far" in capsys.readouterr().out
    assert run_validate(options, executor) == 0
    assert "trials: 4 entered, 8 so far" in capsys.readouterr().out  # the other style
    assert run_compare(replace(options.compared, seeds=3), executor) == 0
    assert "trials: 2 entered, 10 so far" in capsys.readouterr().out


def test_validate_when_the_registry_was_edited_then_nothing_is_trained_and_the_line_is_named(
    options: ValidateOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    assert run_compare(options.compared, executor) == 0
    path = registry_of(options).folder / "journal-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"model":"volatility"', b'"model":"lstm"', 1))
    done = len(executor.jobs)
    with pytest.raises(ControlError, match=r"journal-000001\.jsonl, line 3: was changed"):
        run_validate(options, executor)
    assert len(executor.jobs) == done
    capsys.readouterr()
    assert run_compare(options.compared, executor) == 0  # which says so and loses nothing
    assert "line 3: was changed" in capsys.readouterr().err


def test_holdout_when_kept_then_nothing_looks_until_the_one_look_and_a_second_is_refused(
    options: ValidateOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    short = replace(options.compared, train_days=40, test_days=30)
    last_day = _last_day(short)
    kept = replace(options, compared=short, holdout=last_day)
    assert run_validate(kept, executor) == 0
    run = report_of(kept)["run"]
    assert "nobody has looked" in run["holdout"]
    assert run["span"].split(" to ")[1][:10] < last_day
    look = replace(kept, holdout="", opens_holdout=True)
    assert run_validate(look, executor) == 0
    assert report_of(look)["run"]["span"].split(" to ")[1][:10] >= last_day
    with pytest.raises(ControlError, match="seen twice"):
        run_validate(look, executor)
    capsys.readouterr()
    assert run_compare(short, executor) == 0
    assert "looked at by compare: it is none any more" in capsys.readouterr().err


def _last_day(options: CompareOptions) -> str:
    market = load_checked(options.data, options.pair, options.timeframe)
    return date_of(int(market.time_ms[-1]) - 20 * 86_400_000)


def test_other_pasts_when_asked_for_then_every_split_is_trained_once_and_five_paths_are_told(
    options: ValidateOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Echoes()
    compared = replace(options.compared, models=("volatility",), seeds=1)
    asked = replace(options, compared=compared, cross=("volatility", "linear"))
    executor.fails_at = 4  # two folds, then the second of fifteen splits
    assert run_validate(asked, executor) == 1
    assert "failed: volatility, cross-validated: the worker died" in capsys.readouterr().out
    assert "paths" not in report_of(asked)
    done, executor.fails_at = len(executor.jobs), 0
    assert run_validate(asked, executor) == 0
    assert len(executor.jobs) - done == 14
    found = report_of(asked)
    assert [row["paths"] for row in found["paths"]] == [5, 5]
    assert found["run"]["paths"]["groups"] == 6
    held = executor.jobs[-1]
    assert held.title == "volatility without groups 5 and 6"
    gone = np.diff(held.time_ms).max() // 3_600_000
    assert len(held.time_ms) < 230 * 24 * 4 / 6
    assert gone == 1  # the last two of six: nothing behind them is left
    assert np.diff(executor.jobs[-3].time_ms).max() // 3_600_000 > 230 * 24 / 6  # groups 4 and 5


def test_other_pasts_when_history_is_too_short_for_them_then_nothing_is_trained(
    options: ValidateOptions,
) -> None:
    executor = Echoes()
    short = replace(options.compared, train_days=20, test_days=20, stop="")
    stop = date_of(_first_ms(short) + 120 * 86_400_000)
    asked = replace(options, compared=replace(short, stop=stop), cross=("volatility",))
    with pytest.raises(InputError, match="groups of more than 576 rows") as caught:
        run_validate(asked, executor)
    assert "--cross-validate" in str(caught.value)
    assert executor.jobs == []


def _first_ms(options: CompareOptions) -> int:
    return int(load_checked(options.data, options.pair, options.timeframe).time_ms[0])


def test_leak_when_a_forecast_knows_the_last_candle_then_the_page_says_where(
    options: ValidateOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = validate.fold_forecast

    def leaky(artifact: Any, market: Any, features: Any, fold: Any) -> Mapping[str, FloatArray]:
        made = dict(honest(artifact, market, features, fold))
        return {**made, "p_up": made["p_up"] + 1e-6 * market.close[fold.stop - 1]}

    monkeypatch.setattr(validate, "fold_forecast", leaky)
    assert run_validate(options, Echoes()) == 0
    found = report_of(options)
    assert found["headline"].startswith("Look for the leak")
    assert "it knew candles to come: p_up at 20" in found["rows"][0]["gates"][0]["words"]


def test_memory_when_too_much_would_be_needed_then_it_is_refused_before_it_starts(
    options: ValidateOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {"a": [0.0] * 1000}
    require_study_memory(features, 500, 10, 1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at most 6 GB of memory to be needed, got about") as no:
        require_study_memory(features, 40_000_000, 100, 1)  # type: ignore[arg-type]
    assert "--models" in str(no.value)
    assert needed_bytes(50, 600_000, 500_000, 45, 2) > MOST_BYTES  # five minutes, all models
    executor = Echoes()
    monkeypatch.setattr("strategies.desk.studies.memory.MOST_BYTES", 1)
    with pytest.raises(ConfigError, match="of memory"):
        run_validate(options, executor)
    assert executor.jobs == []


def test_validate_when_the_history_is_too_short_for_its_folds_then_both_are_named(
    options: ValidateOptions, data: Path
) -> None:
    long = replace(options, compared=replace(options.compared, folds=9))
    with pytest.raises(InputError, match=r"expected 390 days of BTC.*got 230 days"):
        run_validate(long, Echoes())
    with pytest.raises(ConfigError, match="5m, 15m or 1h"):
        replace(options, compared=replace(options.compared, timeframe="4h"))


def test_line_when_typed_wrong_then_it_is_said(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["validate", "--data", str(data), "--userdir", str(tmp_path / "u")]
    assert main([*words, "--open-holdout", "--models", "volatility", "--folds", "1",
                 "--test-days", "40", "--train-days", "60"]) == 2  # fmt: skip
    assert "no hold-out to look at" in capsys.readouterr().err
