"""Why nothing is opened in a pair now: the bot's own answer, and what overrules it.

The bot leaves its answers with every sign of life. A state that forbids new risk, or a bot that
does not run, comes first: then no forecast would change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

from models.base.entry import EntryRule, EntryStop
from models.operate.control.heartbeat import RELOADING, Heartbeat
from models.operate.control.state import ControlState
from models.operate.control.unknown import span, still_unknown

SILENT_S: Final = 30.0  # without a sign of life for longer, a bot is not taken for alive


@dataclass(frozen=True, kw_only=True)
class EntryAnswer:
    """Which one rule keeps one pair from being entered, and what that stands on."""

    pair: str
    rule: str  # a name of `models.base.entry.EntryRule`
    why: str
    change: str  # what would let an entry through
    forecast: str = ""  # the last one, in words
    candle_ms: int | None = None  # open of the candle it stands on
    closed_ms: int | None = None  # when that candle closed
    trained_ms: int | None = None  # end of the candles the model in service was trained on


def answers_of(beat: Heartbeat | None) -> list[EntryAnswer]:
    """Return the bot's answers, as of its last sign of life; names of a later version are left."""
    known = {field.name for field in fields(EntryAnswer)}
    return [
        EntryAnswer(**{name: value for name, value in values.items() if name in known})
        for values in (() if beat is None else beat.answers)
    ]


def plain_answer(answer: EntryAnswer) -> dict[str, Any]:
    """Return an answer as the sign of life and a program have it."""
    return asdict(answer)


def bot_stop(
    state: ControlState, beat: Heartbeat | None, now_ms: int, obstacles: Sequence[str]
) -> EntryStop | None:
    """Return why the bot opens nothing in any pair, or None: it may."""
    if stop := _absent(beat, now_ms):
        return stop
    if not state.may_add_risk:
        why = f"control is {state.mode}"
        if state.by:
            why += f", by {state.by}: {state.reason}"
        return EntryStop(
            rule=EntryRule.CONTROL, why=why, change="a person says resume, once he has looked"
        )
    if obstacles:
        return EntryStop(
            rule=EntryRule.OBSTACLE, why="; ".join(obstacles),
            change="what is named there; the bot then goes on by itself",
        )  # fmt: skip
    return None


def _absent(beat: Heartbeat | None, now_ms: int) -> EntryStop | None:
    if beat is None:
        why, change = "no bot has given a sign of life here", "start it: freqtrade trade"
    elif beat.stopped == RELOADING:
        why, change = "the bot loads a new configuration", "it goes on when it has"
    elif beat.stopped:
        why, change = f"a person stopped the bot ({beat.stopped})", "start it again: /start"
        if beat.stopped == "end of process":
            why, change = "the bot has ended", "start it again: freqtrade trade"
    elif (silent_ms := now_ms - beat.time_ms) > 1000 * SILENT_S:
        why = f"the bot has given no sign of life for {span(silent_ms)}"
        change = "look whether it runs; the end of its log says why it does not"
    else:
        return None
    return EntryStop(rule=EntryRule.STOPPED, why=why, change=change)


def entry_answers(
    state: ControlState, beat: Heartbeat | None, now_ms: int, obstacles: Sequence[str]
) -> list[EntryAnswer]:
    """Return of each pair why nothing is opened now, the bot's own reason first.

    Without a sign of life, or one without pairs, there is one answer, of no pair.
    """
    found, stop = answers_of(beat), bot_stop(state, beat, now_ms, obstacles)
    if stop is None:
        return found
    said = EntryAnswer(pair="", rule=str(stop.rule), why=stop.why, change=stop.change)
    return [
        replace(answer, rule=said.rule, why=said.why, change=said.change) for answer in found
    ] or [said]


def answer_line(answer: EntryAnswer) -> str:
    """Return the reason in one line.

    Examples
    --------
    >>> answer_line(EntryAnswer(pair="BTC/USDT:USDT", rule="edge", why="claims 3 bp", change=""))
    'nothing is opened in BTC/USDT:USDT: claims 3 bp [edge]'
    >>> answer_line(EntryAnswer(pair="ETH/USDT:USDT", rule="nothing", why="it may", change=""))
    'ETH/USDT:USDT: it may'
    """
    where = f" in {answer.pair}" if answer.pair else ""
    if answer.rule == EntryRule.NOTHING:
        return f"{answer.pair}: {answer.why}"
    return f"nothing is opened{where}: {answer.why} [{answer.rule}]"


def answer_lines(answer: EntryAnswer, now_ms: int) -> list[str]:
    """Return the reason, what would change it, the forecast with its age, and the model's."""
    lines = [answer_line(answer)]
    if answer.change:
        lines.append(f"what would change that: {answer.change}")
    if answer.closed_ms is not None and answer.candle_ms is not None:
        opened, closed = _moment(answer.candle_ms), _moment(answer.closed_ms)
        ago = span(now_ms - answer.closed_ms)
        said = answer.forecast or "no forecast"
        lines.append(f"last forecast: {said}; of the candle {opened} to {closed}, {ago} ago")
    if answer.trained_ms is not None:
        ago = span(now_ms - answer.trained_ms)
        lines.append(f"its model knows candles until {_moment(answer.trained_ms)}, {ago} ago")
    return lines


def why_values(
    state: ControlState, beat: Heartbeat | None, now_ms: int, obstacles: Sequence[str]
) -> dict[str, Any]:
    """Return the same for a program: the keys of `user_data/docs/control.md`."""
    return {
        "time_ms": now_ms,
        "mode": str(state.mode),
        "unknown": [u.what for u in still_unknown(state.unknown)],
        "pairs": [plain_answer(a) for a in entry_answers(state, beat, now_ms, obstacles)],
    }


def _moment(time_ms: int) -> str:
    """Return a time to the minute, with the zone.

    Examples
    --------
    >>> _moment(1_700_000_000_123)
    '2023-11-14 22:13 UTC'
    """
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
