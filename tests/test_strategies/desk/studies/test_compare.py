"""`breakwater compare`: folds that see nothing of their test window, resumed where it stopped."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError, PackError
from models.base.types import Artifact, Candles, TrainingJob
from models.base.units import DAY_MS
from models.data.features.candles import LOOKBACK
from models.data.features.frame import market_features
from models.studies.choose.tables import measured_models
from strategies.desk.backtests.configured import compared
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies import compare, walk
from strategies.desk.studies.compare import CompareOptions, folds, run_compare
from strategies.desk.studies.refits import date_of
from strategies.desk.studies.walk import kept_artifacts, walk_forward_job
from tests.places import ROOT, USER_DATA
from tests.test_models import markets
from tests.test_strategies.desk.echoes import Echoes

HOUR = 3_600_000
DAY = 24


@pytest.fixture
def options(tmp_path: Path) -> CompareOptions:
    return CompareOptions(
        data=tmp_path, models=("tcn",), seeds=2, folds=3, train_days=20, test_days=5,
        userdir=tmp_path / "user",
    )  # fmt: skip


@pytest.fixture
def market() -> Candles:
    return markets.random_walk(LOOKBACK + 40 * DAY)


def test_folds_when_cut_then_they_are_consecutive_and_end_with_the_data(
    market: Candles, options: CompareOptions
) -> None:
    made = folds(market, HOUR, options)
    assert made[-1].stop == len(market)
    assert [f.stop - f.split for f in made] == [5 * DAY] * 3
    assert [f.split - f.start for f in made] == [20 * DAY] * 3
    assert [made[i].stop for i in range(2)] == [made[i + 1].split for i in range(2)]


def test_folds_when_history_is_short_then_need_and_got_are_named(
    market: Candles, options: CompareOptions
) -> None:
    with pytest.raises(InputError, match=r"expected 45\.5 days of BTC") as caught:
        folds(market, HOUR, dataclasses.replace(options, train_days=61))
    assert "got 47 days" in caught.value.problem


def test_folds_when_history_has_half_of_the_training_then_the_first_ones_train_on_what_there_is(
    market: Candles, options: CompareOptions
) -> None:
    made = folds(market, HOUR, dataclasses.replace(options, train_days=33))
    assert [f.start for f in made] == [LOOKBACK, LOOKBACK, LOOKBACK + 2 * DAY]
    assert [f.split - f.start for f in made] == [25 * DAY, 30 * DAY, 33 * DAY]


def test_job_when_the_test_window_changes_then_it_does_not(
    market: Candles, options: CompareOptions
) -> None:
    fold = folds(market, HOUR, options)[1]
    changed = {k: getattr(market, k).copy() for k in Candles.__annotations__}
    for name in ("open", "high", "low", "close", "volume"):
        changed[name][fold.split :] *= 3
    other = Candles(**changed)
    jobs = [
        walk_forward_job(m, market_features(m, HOUR), fold, "tcn", 0, HOUR, options.settings)
        for m in (market, other)
    ]
    np.testing.assert_array_equal(jobs[0].features, jobs[1].features)
    for name, values in jobs[0].labels.items():
        np.testing.assert_array_equal(values, jobs[1].labels[name])
        assert np.isnan(values[-1])  # it would need the first test candle
    assert jobs[0].time_ms[-1] + HOUR == market.time_ms[fold.split]


def test_compare_when_stopped_and_started_again_then_it_goes_on_where_it_was(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(compare, "load_checked", lambda *_: market)
    executor = Echoes()
    executor.fails_at = 5
    # One model failed and is named; the other one's table is written all the same.
    assert run_compare(options, executor) == 1
    assert "tcn: the worker died" in capsys.readouterr().out
    before = len(executor.jobs)
    executor.fails_at = 0
    assert run_compare(options, executor) == 0
    assert len(executor.jobs) - before == 2  # of twelve: the one that failed and the one after
    out = capsys.readouterr().out
    assert "[12/12] volatility seed 1" in out
    report = options.userdir / "reports" / "latest-compare"
    assert {p.name for p in report.iterdir()} == {"index.html", "report.json", "table.md"}
    # A choice can be made of what was written.
    numbers = json.loads((report / "report.json").read_text(encoding="utf-8"))
    found = {model.name: model for model in measured_models(numbers, report.name)}
    assert found["volatility"].is_reference
    assert (found["tcn"].timeframe, found["tcn"].seeds) == (options.timeframe, options.seeds)
    assert found["tcn"].days == options.folds * options.test_days


def test_compare_when_told_where_to_stop_then_no_later_candle_changes_the_table(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_ms = int(market.time_ms[-1]) // DAY_MS * DAY_MS - DAY_MS
    later = {k: getattr(market, k).copy() for k in Candles.__annotations__}
    for name in ("open", "high", "low", "close", "volume"):
        later[name][market.time_ms >= stop_ms] *= 3
    tables = []
    for number, seen in enumerate(
        (market, Candles(**later), market.cut(market.time_ms < stop_ms), market)
    ):
        monkeypatch.setattr(compare, "load_checked", lambda *_, seen=seen: seen)
        asked = dataclasses.replace(
            options, userdir=tmp_path / str(number), stop=date_of(stop_ms) if number < 3 else ""
        )
        assert run_compare(asked, Echoes()) == 0
        folder = asked.userdir / "reports" / "latest-compare"
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        tables.append((report["run"]["span"], (folder / "table.md").read_text(encoding="utf-8")))
    assert tables[0] == tables[1] == tables[2]
    assert f"to {date_of(stop_ms - HOUR)}" in tables[0][0]
    assert tables[3] != tables[0]  # without it, they count


@pytest.mark.parametrize("stop", ["2024-13-01", "yesterday"])
def test_compare_when_the_day_to_stop_is_none_then_it_is_named(
    options: CompareOptions, stop: str
) -> None:
    with pytest.raises(ConfigError, match=f"expected stop as YYYY-MM-DD, got '{stop}'"):
        dataclasses.replace(options, stop=stop)


def test_compare_when_it_stops_before_the_first_candle_then_that_is_said(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "load_checked", lambda *_: market)
    early = dataclasses.replace(options, stop="1999-01-01")
    with pytest.raises(InputError, match="before 1999-01-01, got none") as caught:
        run_compare(early, Echoes())
    assert "--stop" in str(caught.value)


class Pairs(Echoes):
    """Trains two side by side: whoever comes first waits for the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.met = Barrier(2)

    def run(self, job: TrainingJob) -> Artifact:
        self.met.wait(timeout=60)
        return super().run(job)


def test_compare_when_two_are_trained_side_by_side_then_the_table_is_the_same(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compare, "load_checked", lambda *_: market)
    tables = []
    for number, executor in ((1, Echoes()), (2, Pairs())):
        asked = dataclasses.replace(options, jobs=number, userdir=tmp_path / str(number))
        assert run_compare(asked, executor) == 0
        tables.append((asked.userdir / "reports" / "latest-compare" / "table.md").read_text())
    assert tables[0] == tables[1]


def test_artifacts_when_trained_side_by_side_then_they_come_in_order_and_one_that_fails_ends_it(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, cut = market_features(market, HOUR), folds(market, HOUR, options)
    jobs = [walk_forward_job(market, features, fold, "tcn", 0, HOUR, {}) for fold in cut]

    ended = {job.title: Event() for job in jobs}

    class Backwards(Echoes):
        """Ends a training only when that of the next job has ended."""

        def run(self, job: TrainingJob) -> Artifact:
            later = [j.title for j in jobs if j.time_ms[-1] > job.time_ms[-1]]
            if later:
                assert ended[later[0]].wait(timeout=60)
            artifact = super().run(job)
            ended[job.title].set()
            return artifact

    came = list(kept_artifacts(options.userdir / "a", iter(jobs), Backwards(), len(jobs)))
    assert [job.title for job, _ in came] == [job.title for job in jobs]
    # Whoever goes away in the middle waits for nobody; whoever stays to the end needs no force.
    left: list[int] = []
    monkeypatch.setattr(walk, "end_workers", lambda: left.append(1))
    rest = kept_artifacts(options.userdir / "c", iter(jobs), Echoes(), 2)
    next(rest)
    assert not left
    rest.close()
    assert len(left) == 1
    assert len(list(kept_artifacts(options.userdir / "d", iter(jobs), Echoes(), 2))) == len(jobs)
    assert len(left) == 1
    alone = Echoes()
    alone.fails_at = 2
    with pytest.raises(PackError, match="the worker died"):
        list(kept_artifacts(options.userdir / "b", iter(jobs), alone, 1))
    assert [job.title for job in alone.jobs] == [job.title for job in jobs[:2]]


def test_artifact_when_another_process_was_first_with_it_then_theirs_is_kept(
    market: Candles, options: CompareOptions
) -> None:
    job = walk_forward_job(
        market, market_features(market, HOUR), folds(market, HOUR, options)[0], "tcn", 0, HOUR, {}
    )

    class Second(Echoes):
        def run(self, job: TrainingJob) -> Artifact:
            walk.kept_artifact(options.userdir, job, Echoes())  # meanwhile
            return super().run(job)

    kept = walk.kept_artifact(options.userdir, job, Second())
    assert kept.onnx == Echoes().run(job).onnx
    (only,) = (options.userdir / "models" / "compare").iterdir()
    assert not only.name.startswith(".")


def test_compare_when_the_reference_cannot_be_trained_then_it_says_how_to_name_another(
    market: Candles, options: CompareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "load_checked", lambda *_: market)
    executor = Echoes()
    executor.fails_at = 7  # of the six of tcn and the six of the reference
    with pytest.raises(
        PackError, match=r"the reference failed: .*volatility: the worker died"
    ) as e:
        run_compare(options, executor)
    assert "--reference" in e.value.cure
    another = dataclasses.replace(options, models=("linear",), reference="linear")
    assert run_compare(another, Echoes()) == 0


def test_options_when_wrong_then_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown model 'lstn'") as caught:
        CompareOptions(data=tmp_path, models=("lstn",))
    assert "lstm" in caught.value.cure
    with pytest.raises(ConfigError, match="expected seeds >= 1, got 0"):
        CompareOptions(data=tmp_path, seeds=0)


def test_config_when_given_then_its_labels_days_and_rules_are_compared_and_options_win() -> None:
    swing = USER_DATA / "config_style_swing.json"
    given = {"folds": 2, "settings": {"training": {"max_steps": 5}}}
    asked = CompareOptions(data=Path("data"), **compared(swing, given))
    assert (asked.pair, asked.timeframe, asked.train_days) == ("BTC/USDT:USDT", "4h", 1460)
    assert asked.settings["labels"]["horizon_candles"] == 6
    assert asked.settings["training"] == {"max_steps": 5}
    assert asked.decision.max_hold_candles == 18
    fewer = compared(swing, {**given, "train_days": 900, "pair": "ETH/USDT:USDT"})
    assert (fewer["train_days"], fewer["pair"]) == (900, "ETH/USDT:USDT")


def test_config_when_other_candles_are_typed_then_its_style_refuses_them_before_any_data(
    tmp_path: Path, capsys: Any
) -> None:
    typed = ["compare", "--config", str(USER_DATA / "config_style_swing.json"), "--timeframe", "1h"]
    assert main([*typed, "--userdir", str(tmp_path / "user")]) == 2
    assert "the style swing is made for candles of 4h, got '1h'" in capsys.readouterr().err
    assert not (tmp_path / "user").exists()


def test_command_when_typed_then_two_models_are_trained_and_compared(tmp_path: Path) -> None:
    """The command itself with the real training worker, on a small simulated market."""
    data = write_simulated(tmp_path / "data")
    typed = (
        f"compare --data {data} --models tcn --seeds 1 --folds 1 --train-days 180 --test-days 5 "
        f"--max-steps 5 --userdir {tmp_path / 'user'}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "strategies.desk.cli", *typed.split()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 models x 1 seeds x 1 folds = 2 trainings" in done.stdout
    assert "| TCN | " in done.stdout
    assert "| Volatility | " in done.stdout  # the reference is there without being named
    page = (tmp_path / "user" / "reports" / "latest-compare" / "index.html").read_text()
    assert "SIMULATED MARKET" in page
