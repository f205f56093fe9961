"""The command line says what is wrong and what to do, and never shows a traceback for it."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import Person
from strategies.desk import surrounding_lines
from strategies.desk.cli import main
from tests.places import ROOT, USER_DATA


@pytest.mark.parametrize("exists", [False, True])
def test_demo_when_the_data_path_is_wrong_then_it_is_named_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], exists: bool
) -> None:
    wrong = tmp_path / "elsewhere"
    if exists:
        wrong.mkdir()
    assert main(["demo", "--data", str(wrong), "--userdir", str(tmp_path / "user")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(
        f"error: expected a data directory with futures candles, got {wrong}"
    )
    assert "cure:" in said.err
    assert "Traceback" not in said.err + said.out
    assert not (tmp_path / "user").exists()  # nothing was simulated in its place


def test_demo_when_given_the_futures_folder_itself_then_its_parent_is_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "futures").mkdir()
    (tmp_path / "futures" / "BTC_USDT_USDT-1h-futures.feather").touch()
    assert main(["demo", "--data", str(tmp_path / "futures")]) == 2
    assert f"give its parent, {tmp_path}" in capsys.readouterr().err


def test_command_when_an_error_is_not_the_packs_own_then_it_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("strategies.desk.backtests.simulated_data.write_simulated", broken)
    with pytest.raises(ZeroDivisionError):
        main(["simulate", str(tmp_path)])


def test_command_when_none_is_given_then_the_help_is_shown_and_that_is_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "usage: breakwater" in said
    assert "exit codes: 0 done, 1 no answer" in said


def test_version_when_asked_for_then_the_pack_and_freqtrade_say_theirs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [version] = re.findall(r'^version = "([^"]+)"', project, re.MULTILINE)
    assert capsys.readouterr().out.startswith(f"breakwater {version}, freqtrade 20")


def test_exit_codes_when_the_help_names_them_then_the_page_has_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([])
    said = " ".join(capsys.readouterr().out.split())
    told = re.findall(r"\b(\d+) ", said[said.index("exit codes:") : said.index("Pages:")])
    page = (USER_DATA / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page[page.index("## Exit codes") :], re.MULTILINE) == told


def test_demo_when_the_config_is_of_spot_markets_then_it_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "spot.json"
    shipped = str(USER_DATA / "config_bitcoin.json")
    config.write_text(json.dumps(
        {"add_config_files": [shipped], "trading_mode": "spot", "margin_mode": ""}
    ))  # fmt: skip
    for command in ("demo", "hedge-report"):
        words = [command, "--config", str(config), "--userdir", str(tmp_path / "user")]
        assert main(words) == 2
        said = capsys.readouterr()
        assert "error: expected trading_mode futures, got spot" in said.err
        assert "Traceback" not in said.err + said.out
    assert not (tmp_path / "user").exists()


def test_doctor_when_run_from_another_directory_then_the_shipped_config_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--config", str(USER_DATA / "config_bitcoin.json")]) == 0
    assert "safety can rely on all of them" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["--config", "/nowhere/missing.json"], ["--timerange", "nonsense"], ["--timerange", "2024-"]],
)
def test_demo_when_an_argument_is_wrong_then_freqtrades_own_error_has_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["demo", *arguments, "--userdir", str(tmp_path / "user")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert not (tmp_path / "user").exists()  # found before any data was written


def test_command_when_an_extra_is_not_installed_then_its_name_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Callable[[argparse.Namespace], int]:
        def run(_: argparse.Namespace) -> int:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return run

    monkeypatch.setattr(surrounding_lines, "_simulate", missing("plotly.graph_objects"))
    assert main(["simulate", "anywhere"]) == 2
    assert "breakwater[train,report]" in capsys.readouterr().err
    monkeypatch.setattr(surrounding_lines, "_simulate", missing("arch.univariate"))
    assert main(["simulate", "anywhere"]) == 2
    assert "scenarios needs pip install 'breakwater[tails,report]'" in capsys.readouterr().err
    monkeypatch.setattr(surrounding_lines, "_simulate", missing("models.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        main(["simulate", "anywhere"])


def test_command_when_the_disk_refuses_then_it_is_said_in_words_and_is_not_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["simulate", str(tmp_path / "file" / "below")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "File exists" in said
    assert "disk and permissions" in said


def test_watchdog_when_its_supervisor_waits_and_the_disk_refuses_then_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("strategies.desk.watch.process.run_watchdog", full)
    watch = ["watchdog", "--config", "bot.json"]
    assert main(watch) == 2
    with pytest.raises(OSError, match="No space left"):  # status 1: not wrong settings
        main([*watch, "--pulse", "9"])


@pytest.mark.parametrize("word", ["risk", "halt", "journal show"])
def test_command_when_nobody_reads_on_then_there_is_no_traceback_and_what_was_done_is_done(
    tmp_path: Path, word: str
) -> None:
    Commands(tmp_path).halt(Person("ann", "telegram"), "first")
    line = [sys.executable, "-m", "strategies.desk.cli", *word.split(), "--userdir", str(tmp_path)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            line, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
        )
    finally:
        os.close(writer)
    assert "Traceback" not in ran.stderr
    assert "disk and permissions" not in ran.stderr
    assert ran.returncode == (0 if word == "halt" else 141)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doctr"], "argument command: doctr is none; did you mean doctor?"),
        (["hedge-reprot"], "hedge-reprot is none; did you mean hedge-report?"),
        (["qqqqqq"], "argument command: qqqqqq is none."),
        (["probe", "alterd-future"], "alterd-future is none; did you mean altered-future?"),
        (["completion", "bahs"], "argument shell: bahs is none; did you mean bash?"),
    ],
)
def test_word_when_it_is_none_then_the_nearest_is_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
