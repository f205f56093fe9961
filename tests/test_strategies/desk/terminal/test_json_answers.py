"""What a program gets: one line of JSON, the documented keys, and an exit code that says enough."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.entry_answer import EntryAnswer, plain_answer
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.state import Person
from models.operate.journal.records import OrderFilled
from strategies.desk.cli import main
from tests.places import ROOT, USER_DATA

# Their own keys are names of other things.
NAMED = ("record", "numbers", "packages", "shadowed")
ANN = Person("ann", "test")
ANSWER = EntryAnswer(pair="BTC/USDT:USDT", rule="edge", why="claims 3 bp", change="more")


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The bot's side of the user directory: it has traded once, and answers for one pair."""
    made = Commands(tmp_path)
    fill = OrderFilled(
        trade_id=3, pair="BTC/USDT:USDT", side="buy", order_id="7", amount_base=0.1, rate=6e4,
        opens=True,
    )  # fmt: skip
    made.journal.append("order.filled", fill)
    made.store.folder.mkdir(exist_ok=True)
    beat(made.store.folder, Heartbeat(
        time_ms=made.clock(), pid=42, loop=1, answers=[plain_answer(ANSWER)],
        numbers={"equity": 1e4, "margin": math.nan},
    ))  # fmt: skip
    return made


def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> tuple[int, Any]:
    code = main([*words, "--userdir", str(tmp_path)])
    [line] = capsys.readouterr().out.splitlines()
    return code, json.loads(line, parse_constant=pytest.fail)


def test_why_when_a_program_asks_then_it_gets_rule_and_cure_of_each_pair(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(capsys, tmp_path, "why", "--json")
    assert code == 0
    assert (told["home"], told["mode"], told["pairs"]) == (
        str(tmp_path), "ACTIVE", [plain_answer(ANSWER)],
    )  # fmt: skip
    code, told = said(capsys, tmp_path, "why", "3", "--json")
    assert (code, told["trade"], [line["kind"] for line in told["lines"]]) == (
        0, 3, ["order.filled"],
    )  # fmt: skip


def test_risk_when_a_program_asks_then_mode_reasons_and_figures_are_there(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.halt(ANN, "storm")
    code, told = said(capsys, tmp_path, "risk", "--json")
    assert (code, told["mode"], told["reasons"][0]["reason"]) == (0, "HALTED", "storm")
    assert told["bot"]["numbers"] == {"equity": 1e4, "margin": None}
    assert told["pairs"][0]["rule"] == "control"
    commands.hedge(ANN, "0.5")
    _, told = said(capsys, tmp_path, "risk", "--json")
    assert told["hedge"]["ratio"] == 0.5


def test_journal_when_a_program_asks_then_its_lines_come_as_they_are_written(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(capsys, tmp_path, "journal", "show", "--json")
    assert (code, told[0]["n"], told[0]["record"]["trade_id"]) == (0, 1, 3)
    code, told = said(capsys, tmp_path, "journal", "show", "--kind", "entry", "--json")
    assert (code, told) == (1, [])


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (["why"], 0, "nothing is opened in BTC/USDT:USDT: claims 3 bp [edge]"),
        (["why", "3"], 0, "opens trade 3"),
        (["why", "4"], 1, "the journal has nothing about trade 4"),
        (["journal", "show", "--kind", "entry"], 1, "no such lines"),
    ],
)
def test_question_when_nobody_can_answer_it_then_it_says_so_and_the_exit_code_does(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str],
    words: list[str], code: int, out: str,
) -> None:  # fmt: skip
    assert main([*words, "--userdir", str(tmp_path)]) == code
    assert out in capsys.readouterr().out


def test_why_when_two_bots_share_the_folder_then_each_answers_on_a_line_of_its_own(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = Commands(tmp_path / "dry_run")
    dry.store.folder.mkdir(parents=True, exist_ok=True)
    for home in (commands, dry):
        home.halt(ANN, "storm")
    assert main(["why", "--json", "--userdir", str(tmp_path)]) == 1  # no bot is in one
    homes = [json.loads(line)["home"] for line in capsys.readouterr().out.splitlines()]
    assert homes == [str(tmp_path), str(tmp_path / "dry_run")]
    assert main(["why", "--userdir", str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("control is HALTED, by ann by test: storm") == 1
    assert main(["why", "3", "--userdir", str(tmp_path)]) == 2
    assert "say which: why --stage live" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_why_when_no_bot_has_answered_then_it_says_so_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    (tmp_path / "control").mkdir()
    assert main(["why", *more, "--userdir", str(tmp_path)]) == 1
    assert "no bot has given a sign of life here" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_why_when_it_is_asked_of_no_number_then_the_error_says_what_was_expected(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["why", "three", *more, "--userdir", str(tmp_path)]) == 2
    assert "expected the number of a trade, got 'three'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["risk"], ["why"], ["why", "3"], ["journal", "show"]])
def test_keys_when_a_program_reads_them_then_the_page_lists_each(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    commands.halt(ANN, "storm")
    page = (USER_DATA / "docs" / "control.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", page[page.index("## For programs") :]))
    _, told = said(capsys, tmp_path, *words, "--json")
    assert keys(told) - listed == set()


@pytest.mark.parametrize("words", [["doctor"], ["settings", "sizing"]])
def test_keys_when_a_program_asks_about_the_pack_then_the_page_lists_each(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    page = (USER_DATA / "docs" / "control.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", page[page.index("## For programs") :]))
    assert main([*words, "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert keys(json.loads(line)) - listed == set()


def test_doctor_when_a_program_asks_about_a_config_then_what_is_refused_is_in_its_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({
        "add_config_files": [str(USER_DATA / "config_bitcoin.json")],
        "strategy_path": str(ROOT / "strategies"), "freqaimodel_path": str(ROOT / "freqaimodels"),
        "use_exit_signal": False,
    }))  # fmt: skip
    code = main(["doctor", "--json", "--config", str(config), "--freqaimodel", "LSTMForecaster"])
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["ok"]
    assert code == min(told["settings"]["refused"], 1)
    assert "use_exit_signal" in " ".join(told["settings"]["found"])


def test_settings_when_a_program_asks_then_each_has_block_default_and_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settings", "breakwater.sizing", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    [row] = [row for row in rows if row["setting"] == "stop_sigmas"]
    assert (row["block"], row["default"]) == ("breakwater.sizing", "3.0")
    assert row["meaning"] == "stop distance in volatilities over the horizon"
    assert main(["settings", "nowhere", "--json"]) == 2


def keys(value: Any) -> set[str]:
    """Return the keys of what a program reads, but for those of records and figures."""
    if isinstance(value, list):
        return {key for part in value for key in keys(part)}
    if not isinstance(value, dict):
        return set()
    below = {key for name, part in value.items() if name not in NAMED
             for key in keys(part)}  # fmt: skip
    return set(value) | below
