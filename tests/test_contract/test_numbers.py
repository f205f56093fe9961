"""`make numbers` finds every measured table of the pages, and runs what made it, once."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from models.learn import catalog
from strategies.desk import cli
from tests import numbers
from tests.numbers import Measurement, arguments, measurements
from tests.places import ROOT
from tests.test_contract.pages import DOCS, README, text

FOUND = list(measurements())
DATA = Path("/data/binance")


def test_pages_when_read_then_no_measured_line_is_overlooked() -> None:
    lines = [line for page in (README, *DOCS) for line in text(page).splitlines()
             if line.startswith("Measured:")]  # fmt: skip
    assert len(lines) > 10
    assert {m.page for m in FOUND} == {p.name for p in (README, *DOCS) if "\nMeasured:" in text(p)}
    read = sum(len(numbers._LINE.findall(line)) for line in lines)
    assert read == len(lines)


@pytest.mark.parametrize("command", sorted({m.command for m in FOUND if m.command}))
def test_command_when_a_page_names_it_then_its_own_parser_takes_it(command: str) -> None:
    found = next(m for m in FOUND if m.command == command)
    words = arguments(found, DATA, Path("/events"), Path("/out"))
    if words[0] == "make":
        recipe = text(ROOT / "Makefile")
        assert f"\n{words[1]}: " in recipe
    elif words[:2] == [sys.executable, "-m"]:
        assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file()
    else:
        cli._parser().parse_args(words[1:])


def test_command_when_it_is_for_every_model_then_each_has_a_line() -> None:
    made = [m.command for m in FOUND if m.command.startswith("make demo")]
    names = {catalog.load(name).forecaster for name in catalog.names()} - {None}
    assert {shlex.split(c)[-1].partition("=")[2] for c in made} == names


def test_crashes_when_no_folder_of_them_is_given_then_nothing_else_stands_in() -> None:
    stress = next(m for m in FOUND if m.command.startswith("breakwater stress"))
    assert arguments(stress, DATA, None, Path("/out")) == []
    assert "/events" in arguments(stress, DATA, Path("/events"), Path("/out"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that were run: each says its word in a table, "bad" fails."""
    made: list[str] = []

    def words(found: Measurement, *_: object) -> list[str]:
        made.append(found.command)
        said = f"print('| {found.command} |'); raise SystemExit({int(found.command == 'bad')})"
        return [sys.executable, "-c", said] if found.command else []

    monkeypatch.setattr(numbers, "arguments", words)
    return made


def test_run_when_interrupted_and_repeated_then_only_what_is_missing_is_run(
    tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    every = [Measurement("p.md", "s", name) for name in ("one", "two", "one")]
    assert numbers.run(every[:1], DATA, None, tmp_path) == 0
    assert numbers.run(every, DATA, None, tmp_path) == 0
    assert "already: one" in capsys.readouterr().out
    made = (tmp_path / "numbers.md").read_text(encoding="utf-8")
    assert made.count("| one |") == 2  # in both its sections
    assert made.count("| two |") == 1


def test_run_when_a_command_fails_then_it_is_said_and_run_again_the_next_time(
    tmp_path: Path, calls: list[str]
) -> None:
    every = [Measurement("p.md", "s", "bad"), Measurement("p.md", "t", "", "by hand")]
    for _ in range(2):
        assert numbers.run(every, DATA, None, tmp_path) == 1
    assert len(calls) % 2 == 0
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]  # nothing was left out
    assert "exit code 1" in (tmp_path / "numbers.md").read_text(encoding="utf-8")
    assert "by hand" in (tmp_path / "numbers.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "done.json").read_text(encoding="utf-8"))["bad"]["code"] == 1
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_run_when_the_commit_is_another_then_all_is_run_again(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [Measurement("p.md", "s", "one")]
    numbers.run(every, DATA, None, tmp_path)
    monkeypatch.setattr(numbers, "commit", lambda: "another")
    numbers.run(every, DATA, None, tmp_path)
    assert json.loads((tmp_path / "done.json").read_text(encoding="utf-8"))["one"]["commit"] == (
        "another"
    )


def test_typed_when_no_page_has_the_word_or_no_data_is_there_then_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed, said in (
        (["--only", "nowhere"], "nowhere"),
        (["--data", str(tmp_path)], "futures/"),
    ):
        with pytest.raises(SystemExit):
            numbers.main(typed)
        assert said in capsys.readouterr().err
    assert numbers.main(["--list", "--only", "speed.md"]) == 0
    assert "make bench-live" in capsys.readouterr().out
