"""What keeps words from arriving is found, told, journalled and shown; what passes is no news."""

from __future__ import annotations

from pathlib import Path

import pytest
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from models.operate.control.commands import Commands
from models.operate.control.reach import REACH_FILE
from strategies.human.hearing import Hearing

OTHER = Conflict("terminated by other getUpdates request")


class Seconds:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path, lambda: 1_700_000_000_000)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def hearing(commands: Commands, seconds: Seconds) -> Hearing:
    return Hearing(commands, seconds)


def journalled(commands: Commands) -> list[tuple[str, str]]:
    return [(e.kind, e.record["what"]) for e in commands.journal.entries(kind="telegram")]


def test_commands_when_a_second_program_reads_them_then_it_is_told_shown_and_journalled(
    hearing: Hearing, commands: Commands, seconds: Seconds
) -> None:
    hearing.polled(OTHER)  # one conflict: the bot's own last request, before a start
    assert hearing.troubles() == []
    hearing.polled(None)
    seconds.now += 5
    hearing.polled(OTHER)
    hearing.polled(None)  # each of the two is answered in turn
    (said,) = hearing.troubles()
    assert "another program reads this bot's Telegram commands too (409)" in said
    assert said in commands.risk().text
    seconds.now += 59
    assert hearing.troubles() == [said]
    seconds.now += 2
    assert hearing.troubles() == []
    assert "409" not in commands.risk().text
    assert journalled(commands) == [("telegram.deaf", said), ("telegram.deaf", f"over: {said}")]


def test_commands_when_conflicts_are_far_apart_then_they_are_no_news(
    hearing: Hearing, seconds: Seconds
) -> None:
    for _ in range(5):
        hearing.polled(OTHER)
        assert hearing.troubles() == []
        seconds.now += 61


@pytest.mark.parametrize(
    ("error", "at_once"), [(NetworkError("no route"), False), (InvalidToken("revoked"), True)]
)
def test_commands_when_none_can_be_asked_for_then_it_is_told_if_it_lasts_or_cannot_pass(
    hearing: Hearing, commands: Commands, seconds: Seconds, error: TelegramError, at_once: bool
) -> None:
    hearing.polled(error)
    assert bool(hearing.troubles()) is at_once
    seconds.now += 60
    hearing.polled(error)
    assert hearing.troubles() == [f"Telegram gives the bot no commands: {error.message}"]
    assert error.message in commands.risk().text
    hearing.polled(None)
    assert hearing.troubles() == []


@pytest.mark.parametrize(
    ("error", "at_once"),
    [
        (NetworkError("no route"), False), (RetryAfter(5), False),
        (BadRequest("chat not found"), True), (Forbidden("bot was kicked"), True),
        (InvalidToken("revoked"), True),
    ],
)  # fmt: skip
def test_messages_when_none_gets_through_then_risk_and_journal_say_why_and_since_when(
    hearing: Hearing, commands: Commands, seconds: Seconds, error: TelegramError, at_once: bool
) -> None:
    hearing.sent(error)
    assert bool(hearing.troubles()) is at_once
    seconds.now += 60
    hearing.sent(error)
    hearing.troubles()
    shown = commands.risk().text
    assert f"Telegram takes no message since 2023-11-14 22:13:20 UTC: {error.message}" in shown
    hearing.sent(None)
    assert hearing.troubles() == []
    assert "Telegram" not in commands.risk().text
    assert [kind for kind, _ in journalled(commands)] == ["telegram.mute"] * 2


def test_risk_when_the_note_of_it_is_broken_then_it_says_so(commands: Commands) -> None:
    (commands.store.folder / REACH_FILE).write_text("{", encoding="utf-8")
    assert "how Telegram fares cannot be read" in commands.risk().text
