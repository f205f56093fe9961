"""Where a command's trainings run: what is said on its line reaches what trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.learn.jobs.executor import Executor, ProcessExecutor
from models.learn.jobs.ray_executor import RayExecutor
from strategies.desk.cli import main
from strategies.desk.studies import cascades, claims, compare, exposure, maker, probe

COMMANDS = {
    "cascades": (cascades, ["cascades"]),
    "claims": (claims, ["claims"]),
    "exposure": (exposure, ["exposure"]),
    "maker": (maker, ["maker"]),
    "probe": (probe, ["probe", "planted"]),
}


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    """A folder that passes for candles: what is asked for ends before they are read."""
    (tmp_path / "futures").mkdir()
    for coin in ("BTC", "ETH", "LTC", "BCH", "XRP"):
        (tmp_path / "futures" / f"{coin}_USDT_USDT-1h-futures.feather").touch()
    return tmp_path


def executor_given(
    monkeypatch: pytest.MonkeyPatch, name: str, datadir: Path, *words: str
) -> Executor | None:
    module, line = COMMANDS[name]
    found: list[Executor | None] = []

    def run(options: Any, executor: Executor | None = None) -> int:
        assert not hasattr(options, "ray_address")
        found.append(executor)
        return 0

    monkeypatch.setattr(module, f"run_{name}", run)
    assert main([*line, "--data", str(datadir), "--userdir", str(datadir), *words]) == 0
    return found[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_command_when_a_cluster_is_named_then_its_trainings_run_there(
    monkeypatch: pytest.MonkeyPatch, datadir: Path, name: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert executor_given(monkeypatch, name, datadir) is None  # as the command has it
    for words in (["--executor", "ray"], []):
        given = executor_given(monkeypatch, name, datadir, *words, "--ray-address", "head:6379")
        assert isinstance(given, RayExecutor)
        assert given.address == "head:6379"
    assert type(executor_given(monkeypatch, name, datadir, "--executor", "process")) is (
        ProcessExecutor
    )


def test_compare_when_a_cluster_is_named_then_it_is_one_of_the_settings_and_none_of_the_job_s(
    monkeypatch: pytest.MonkeyPatch, datadir: Path
) -> None:
    asked: list[compare.CompareOptions] = []
    monkeypatch.setattr(compare, "run_compare", lambda options: asked.append(options) or 0)
    line = ["compare", "--data", str(datadir), "--userdir", str(datadir)]
    assert main([*line, "--max-steps", "7", "--ray-address", "head:6379"]) == 0
    assert main(line) == 0
    named, plain = asked
    training = {"max_steps": 7, "executor": "ray", "ray_address": "head:6379"}
    assert named.settings == {"training": training}
    assert plain.settings == {}


@pytest.mark.parametrize("name", ["claims", "exposure", "maker"])
def test_command_when_jobs_are_given_then_as_many_are_trained_side_by_side(
    monkeypatch: pytest.MonkeyPatch, datadir: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--jobs", "3", "--executor", "process"]
    given = executor_given(monkeypatch, name, datadir, *line)
    assert isinstance(given, ProcessExecutor)
    assert given.workers == 3
    with pytest.raises(SystemExit):
        executor_given(monkeypatch, name, datadir, "--jobs", "0")
    assert "expected a whole number from 1, got '0'" in capsys.readouterr().err


def test_command_when_no_cluster_is_named_then_the_cure_says_how(
    monkeypatch: pytest.MonkeyPatch, datadir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main(["exposure", "--data", str(datadir), "--executor", "ray"]) != 0
    said = capsys.readouterr().err
    assert "nobody says where the cluster is" in said
    assert "--ray-address" in said
