"""A conversation with a real bot on the loopback Bot API, as a picture, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.pictures.svg import Sheet, wrapped
from tests.telegram.message import Message
from tests.test_integration.told_bot import running_told_bot

_WIDTH, _EDGE, _SIZE, _LINE = 640, 20, 13, 18
_MINE, _THEIRS, _INK, _SOFT = "#2b5278", "#182533", "#e5edf5", "#8ea4b8"


def held_conversation() -> list[Message]:
    """Start the real bot, halt it, ask, and let it go on; return all that was said."""
    with TemporaryDirectory() as name, running_told_bot(Path(name)) as told:
        told.bot.wait_for(told.protected, "an entry, and its stop")
        # Its process answers after a while, and what it lacks is candles.
        told.bot.wait_for(
            lambda: "no outlook of this account: expected" in told.desk.risk().text, "its outlook"
        )
        told.loops()  # what is shown is what the last of them found
        halt = told.chat.say("/halt news at 14:00")
        told.chat.wait_for("HALTED")
        resume = told.chat.say("/resume")
        asked = told.chat.wait_for("Trade again?")
        told.chat.press("Yes")
        told.chat.wait_for("ACTIVE")
        received = [m for m in told.chat.received() if m.sequence > halt.sequence]
    # The question is changed into its answer once the button is pressed; both were on the screen.
    every = {m.sequence: m for m in (halt, resume, asked, *received)}
    return [every[n] for n in sorted(every)]


def draw_conversation(messages: Sequence[Message]) -> str:
    """Return the picture of these messages, a person's on the right."""
    sheet = Sheet(_WIDTH, "#0e1621", y=24)
    for message in messages:
        _draw_message(sheet, message)
    return sheet.svg("A person and the bot on Telegram")


def _draw_message(sheet: Sheet, message: Message) -> None:
    mine = not message.sender.is_bot
    lines = wrapped(message.text, 440, _SIZE)
    width = 480 if len(lines) > 1 or len(lines[0]) > 40 else 200
    x = _WIDTH - _EDGE - width if mine else _EDGE
    height = 30 + _LINE * len(lines)
    sheet.box(x, sheet.y, width, height, _MINE if mine else _THEIRS, radius=12)
    for n, line in enumerate(lines):
        sheet.line(line, x + 14, sheet.y + 22 + n * _LINE, _SIZE, _INK)
    at = datetime.fromtimestamp(message.date_s, tz=UTC).strftime("%H:%M")
    sheet.line(at, x + width - 12, sheet.y + height - 8, 10, _SOFT, anchor="end")
    sheet.y += height + 4
    for row in message.keyboards.buttons:
        each = width / len(row)
        for n, button in enumerate(row):
            sheet.box(x + n * each + 1, sheet.y, each - 2, 28, "#24405c")
            middle = x + (n + 0.5) * each
            sheet.line(button.label, middle, sheet.y + 19, 12, _INK, anchor="middle")
        sheet.y += 32
    sheet.y += 8
