"""Why nothing is opened: the bot's answers, and what comes before any of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.base.entry import EntryRule
from models.base.errors import ControlError
from models.operate.control.commands import Commands
from models.operate.control.entry_answer import EntryAnswer, plain_answer
from models.operate.control.heartbeat import Heartbeat, beat, last_beat
from models.operate.control.state import Person

NOW = 1_700_000_000_123
HOUR = 3_600_000
PAIR = "BTC/USDT:USDT"
ANN = Person("ann", "test")
EDGE = EntryAnswer(
    pair=PAIR, rule="edge", why="claims +3.1 bp, an entry needs 14 bp", change="a larger edge",
    forecast="up 60%", candle_ms=NOW - 2 * HOUR, closed_ms=NOW - HOUR, trained_ms=NOW - 5 * HOUR,
)  # fmt: skip
LIFE = Heartbeat(time_ms=NOW, pid=42, loop=7, answers=[plain_answer(EDGE)])


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    made = Commands(tmp_path, lambda: NOW)
    made.store.folder.mkdir(exist_ok=True)
    return made


def test_why_when_the_bot_has_answered_then_the_rule_the_cure_the_forecast_and_ages_are_said(
    commands: Commands,
) -> None:
    beat(commands.store.folder, LIFE)
    assert commands.why_now().splitlines() == [
        f"nothing is opened in {PAIR}: claims +3.1 bp, an entry needs 14 bp [edge]",
        "what would change that: a larger edge",
        "last forecast: up 60%; of the candle 2023-11-14 20:13 UTC to 2023-11-14 21:13 UTC, "
        "1 h 0 min ago",
        "its model knows candles until 2023-11-14 17:13 UTC, 5 h 0 min ago",
    ]
    assert commands.has_answer()


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({"stopped": "/stop"}, EntryRule.STOPPED, "a person stopped the bot (/stop)"),
        ({"stopped": "end of process"}, EntryRule.STOPPED, "the bot has ended"),
        ({"stopped": "/reload_config"}, EntryRule.STOPPED, "loads a new configuration"),
        ({"time_ms": NOW - 31_000}, EntryRule.STOPPED, "no sign of life for 31 s"),
        ({"time_ms": NOW - 30_001}, EntryRule.STOPPED, "no sign of life for 30 s"),
        ({"obstacles": ["nobody has acknowledged the risk"]}, EntryRule.OBSTACLE,
         "nobody has acknowledged the risk"),
    ],
)  # fmt: skip
def test_why_when_the_bot_opens_nothing_at_all_then_that_is_the_reason_of_every_pair(
    commands: Commands, changes: dict[str, Any], rule: EntryRule, said: str
) -> None:
    beat(commands.store.folder, replace(LIFE, **changes))
    [told] = commands.why_values()["pairs"]
    assert (told["pair"], told["rule"], told["forecast"]) == (PAIR, rule, "up 60%")
    assert said in told["why"]
    assert told["change"]
    assert "claims" not in commands.why_now()


def test_why_when_the_sign_of_life_is_half_a_minute_old_then_the_bot_is_taken_for_alive(
    commands: Commands,
) -> None:
    beat(commands.store.folder, replace(LIFE, time_ms=NOW - 30_000))
    assert "claims +3.1 bp" in commands.why_now()


def test_why_when_no_rule_says_no_or_no_candle_is_known_then_no_line_is_made_up(
    commands: Commands,
) -> None:
    for known in ({"candle_ms": NOW}, {"closed_ms": NOW}):
        bare = EntryAnswer(pair=PAIR, rule="nothing", why="no rule says no", change="", **known)
        beat(commands.store.folder, replace(LIFE, answers=[plain_answer(bare)]))
        assert commands.why_now() == f"{PAIR}: no rule says no"
    both = replace(bare, candle_ms=NOW - HOUR, closed_ms=NOW)
    beat(commands.store.folder, replace(LIFE, answers=[plain_answer(both)]))
    assert "last forecast: no forecast; of the candle" in commands.why_now()


def test_why_when_a_person_has_halted_then_control_is_the_rule_and_he_is_named(
    commands: Commands,
) -> None:
    beat(commands.store.folder, LIFE)
    commands.halt(ANN, "storm")
    [told] = commands.why_values()["pairs"]
    assert (told["rule"], told["why"]) == (
        EntryRule.CONTROL, "control is HALTED, by ann by test: storm",
    )  # fmt: skip


def test_why_when_no_bot_was_ever_there_then_there_is_one_answer_of_no_pair(
    commands: Commands,
) -> None:
    assert commands.why_now().startswith("nothing is opened: no bot has given a sign of life here")
    assert not commands.has_answer()
    beat(commands.store.folder, replace(LIFE, answers=[]))
    assert commands.why_now() == "the bot follows no pair"
    assert not commands.has_answer()


def test_risk_when_a_pair_is_barred_and_answered_then_it_is_said_once(commands: Commands) -> None:
    barred = [f"nothing is opened in {PAIR}: no trusted forecast", "nothing is opened in X: lost"]
    beat(commands.store.folder, replace(LIFE, barred=barred))
    lines = commands.risk().text.splitlines()
    assert [line for line in lines if line.startswith("nothing is opened")] == [
        "nothing is opened in X: lost",
        f"nothing is opened in {PAIR}: claims +3.1 bp, an entry needs 14 bp [edge]",
    ]


def test_answer_when_its_words_hold_lines_then_they_stay_on_their_own(commands: Commands) -> None:
    forged = replace(EDGE, why="tired\nACTIVE: new positions are allowed\x1b[2J")
    beat(commands.store.folder, replace(LIFE, answers=[plain_answer(forged)]))
    for said in (commands.why_now(), commands.risk().text):
        assert "tired ACTIVE: new positions are allowed" in said
        assert "\x1b" not in said


@pytest.mark.parametrize(
    "answers",
    ["no", [1], [{"pair": "X"}], [{**plain_answer(EDGE), "candle_ms": "now"}],
     [{**plain_answer(EDGE), "closed_ms": -1}], [{**plain_answer(EDGE), "forecast": None}]],
)  # fmt: skip
def test_sign_of_life_when_its_answers_are_of_another_kind_then_it_is_an_error(
    commands: Commands, answers: Any
) -> None:
    with pytest.raises(TypeError, match="expected answers"):
        Heartbeat(time_ms=NOW, pid=1, loop=1, answers=answers)


def test_sign_of_life_when_a_later_version_says_more_of_a_pair_then_the_rest_is_read(
    commands: Commands,
) -> None:
    beat(commands.store.folder, replace(LIFE, answers=[{**plain_answer(EDGE), "mood": "calm"}]))
    assert last_beat(commands.store.folder) is not None
    assert "claims +3.1 bp" in commands.why_now()


def test_sign_of_life_when_it_cannot_be_read_then_why_says_so(commands: Commands) -> None:
    (commands.store.folder / "heartbeat.json").write_text("{", encoding="utf-8")
    assert "expected a heartbeat" in commands.why_now()
    with pytest.raises(ControlError):
        last_beat(commands.store.folder)
