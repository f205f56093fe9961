"""Control state and journal lines as a person reads them in a terminal or a chat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.base import columns
from models.operate.control.entry_answer import SILENT_S, answer_line, answers_of
from models.operate.control.heartbeat import RELOADING, Heartbeat
from models.operate.control.review import Answer, Proposal
from models.operate.control.state import ControlMode, ControlState, Notice
from models.operate.control.unknown import Unknown, span, still_unknown
from models.operate.journal import records
from models.operate.journal.chain import JournalEntry

_MEANING: Final = {
    ControlMode.ACTIVE: "new positions are allowed",
    ControlMode.REDUCING: "no new positions, and none is made larger",
    ControlMode.HALTED: "positions are only closed",
}
_NOT_WHOLE: Final = "nothing new is opened that the unknown below concerns"  # ACTIVE as it is
_OLD_S: Final = 10.0  # two loops at Freqtrade's pace: figures may have moved since
ROOM: Final = "room for new "  # how a figure of what may be opened begins
_CHANCES: Final = {columns.P_UP: "up", columns.P_FLAT: "flat", columns.P_DOWN: "down"}


def readable(time_ms: int) -> str:
    """Return a time to the second.

    Examples
    --------
    >>> readable(1_700_000_000_123)
    '2023-11-14 22:13:20 UTC'
    """
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    """Return a text as one line: what a stranger wrote must not look like a line of ours.

    Reasons quote people, files and the exchange; a line break or a terminal's control character in
    them could pretend another state.

    Examples
    --------
    >>> one_line("timeout" + chr(10) + "ACTIVE: the bot trades" + chr(27) + "[2J")
    'timeout ACTIVE: the bot trades [2J'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def mode_lines(state: ControlState, obstacles: Sequence[str] = ()) -> list[str]:
    """Return what the bot may do, and who said so, when and why: every reason that stands.

    Parameters
    ----------
    obstacles
        Why the bot opens nothing although the mode lets it, as it says itself.

    Examples
    --------
    >>> mode_lines(ControlState(armed_ms=0))
    ['ACTIVE: new positions are allowed', 'since 1970-01-01 00:00:00 UTC']
    >>> mode_lines(ControlState(armed_ms=0), ["the journal cannot be written"])[0]
    'ACTIVE, but nothing is opened: the journal cannot be written'
    """
    who = f", {state.by}: {state.reason}" if state.by else ""
    partly = state.may_add_risk and still_unknown(state.unknown)
    meaning = _NOT_WHOLE if partly else _MEANING[state.mode]
    first = f"{state.mode}: {meaning}"
    if state.may_add_risk and obstacles:
        first = f"{state.mode}, but nothing is opened: {'; '.join(obstacles)}"
    lines = [first, f"since {readable(state.since_ms)}{who}"]
    others = [notice for notice in state.standing if notice is not state.strictest]
    if others and state.strictest is not None:
        lines[1] += _number_of(state.strictest)
    lines += [
        f"also {n.mode} since {readable(n.time_ms)}, {n.by}: {n.reason}{_number_of(n)}"
        for n in others
    ]
    if state.flatten is not None:
        requester = f"{state.flatten.by}: {state.flatten.reason}"
        since = readable(state.flatten.since_ms)
        lines.append(f"every position is to be closed: asked for {since}, {requester}")
    return [one_line(line) for line in lines] + unknown_lines(state.unknown)


def unknown_lines(unknown: Iterable[Unknown]) -> list[str]:
    """Return what is unknown since when and why, and what is known again.

    Examples
    --------
    >>> unknown_lines([Unknown(what="the exchange's orders", since_ms=0, why="timeout")])
    ["unknown since 1970-01-01 00:00:00 UTC: the exchange's orders (timeout)"]
    """
    every = tuple(unknown)
    lines = [
        f"unknown since {readable(u.since_ms)}: {u.what} ({u.why})" for u in still_unknown(every)
    ]
    lines += [
        f"known again since {readable(u.over_ms)}, after {span(u.over_ms - u.since_ms)}: {u.what}"
        for u in every
        if u.over_ms is not None
    ]
    return [one_line(line) for line in lines]


def mode_tells(state: ControlState) -> frozenset[int]:
    """Return the numbers of the notices that `mode_lines` tells of."""
    if not state.may_add_risk:
        return frozenset(notice.n for notice in state.standing)
    last = [n for n in state.notices if n.what == "resume" and n.time_ms == state.armed_ms]
    return frozenset(notice.n for notice in last[-1:])


def unheard_lines(beat: Heartbeat | None, now_ms: int, folder: Path) -> list[str]:
    """Return that no bot seems to be there to do what it is told, or nothing."""
    if beat is None:
        return [
            f"no bot has given a sign of life in {folder}: it holds from the next start of the bot "
            "that keeps its state there; live and dry run have each their own"
        ]
    if beat.stopped and beat.stopped != RELOADING:
        return [
            f"bot {beat.pid} was stopped by a person ({beat.stopped}): it does nothing of this "
            "until it is started again, and till then only the watchdog closes anything"
        ]
    silent_s = (now_ms - beat.time_ms) / 1000
    if abs(silent_s) <= SILENT_S:
        return []
    return [
        f"bot {beat.pid} last gave a sign of life {silent_s:.0f} s ago: if it runs no more, it "
        "holds from the next start, and till then only the watchdog closes anything"
    ]


def notice_line(notice: Notice) -> str:
    """Return one thing control heard, as of its time: it may hold no longer.

    Examples
    --------
    >>> notice_line(Notice(n=1, what="halt", mode=ControlMode.HALTED, by="guard loss_day",
    ...                    reason="2.1% lost today", time_ms=0, stands=False))
    '1970-01-01 00:00:00 UTC: HALTED by guard loss_day: 2.1% lost today; lifted since'
    """
    lifted = notice.mode is not ControlMode.ACTIVE and not notice.stands
    said = f"{readable(notice.time_ms)}: {notice_words(notice)}"
    return one_line(said) + ("; lifted since" if lifted else "")


def notice_words(notice: Notice) -> str:
    """Return one thing control heard, without its time."""
    if notice.mode is ControlMode.ACTIVE:
        return one_line(f"{notice.reason}, {notice.by}")
    return one_line(f"{notice.mode} by {notice.by}: {notice.reason}")


def _number_of(notice: Notice) -> str:
    return f" (reason {notice.n})" if notice.n else ""


def state_lines(
    state: ControlState, beat: Heartbeat | None, now_ms: int, obstacles: Sequence[str] = ()
) -> list[str]:
    """Return the state line by line, the mode first; `obstacles` as in `mode_lines`."""
    is_left = beat is None or beat.stopped not in ("", RELOADING)
    silent_ms = 0 if beat is None or is_left else now_ms - beat.time_ms
    silent = silent_ms > 1000 * SILENT_S
    if beat is not None and silent:
        gone = Unknown(
            what="what the bot does", since_ms=beat.time_ms,
            why=f"no sign of life for {span(silent_ms)}",
        )  # fmt: skip
        state = replace(state, unknown=(*state.unknown, gone))
    lines = mode_lines(state, obstacles)
    if state.hedge is not None:
        ratio = "as it is" if state.hedge.ratio is None else f"at {state.hedge.ratio:.0%}"
        lines.append(f"hedge held {ratio} by {state.hedge.by}")
    lines += [proposal_line(p) for p in state.proposals if p.answer is Answer.WAITING]
    if beat is None:
        return [*lines, "no sign of life from a bot"]
    lines.append(_life(beat, now_ms))
    if beat.feed_ms is not None:
        lines.append(f"newest candle closed {(now_ms - beat.feed_ms) / 1000:.0f} s ago")
    opens = state.may_add_risk and not obstacles
    if opens:
        lines += map(one_line, _barred_lines(beat))
    if silent_ms > 1000 * _OLD_S and beat.numbers:
        lines.append(f"as it was at {readable(beat.time_ms)}:")
    shown = {k: v for k, v in beat.numbers.items() if opens or not k.startswith(ROOM)}
    return lines + [f"{name}: {_number(value)}" for name, value in shown.items()]


def _barred_lines(beat: Heartbeat) -> list[str]:
    """Return of each pair why nothing is opened in it; once, where it is said in two ways."""
    answers = answers_of(beat)
    said = tuple(f"nothing is opened in {answer.pair}:" for answer in answers)
    barred = [line for line in beat.barred if not line.startswith(said)]
    return [*barred, *map(answer_line, answers)]


def left_words(held: Sequence[str] | None) -> str:
    """Return what a flatten has left, of what the exchange holds; None while that is not known."""
    known = "the bot has closed every position it knows of"
    if held is None:
        return f"{known}; the exchange does not answer, so whether it holds more is not known"
    return f"{known}; the exchange still holds {', '.join(held)}: close it there"


def _life(beat: Heartbeat, now_ms: int) -> str:
    ago_s = (now_ms - beat.time_ms) / 1000
    if beat.stopped == RELOADING:
        return f"bot {beat.pid} loads a new configuration since {ago_s:.0f} s"
    if beat.stopped:
        return f"bot {beat.pid} was stopped by a person ({beat.stopped}): it looks after nothing"
    if ago_s <= -1:
        return f"bot {beat.pid} gave a sign of life dated {-ago_s:.0f} s ahead: a clock is wrong"
    return f"bot {beat.pid} alive {max(ago_s, 0.0):.0f} s ago"


def proposal_line(proposal: Proposal) -> str:
    """Return a proposal in one line."""
    answer = proposal.answer
    until = f"waits until {readable(proposal.expires_ms)}" if answer is Answer.WAITING else answer
    by = f" by {proposal.by}" if proposal.by else ""
    return one_line(
        f"{proposal.id} {until}{by}: {proposal.side} {proposal.pair}, "
        f"{_number(proposal.notional_quote)} at {_number(proposal.rate)}"
        + (f"; {proposal.note}" if proposal.note else "")
    )


def entry_text(entry: JournalEntry) -> str:
    """Return a journal line in sentences; the line itself has every number."""
    tell = _TELL.get(frozenset(entry.record), _other)
    head = f"{readable(entry.time_ms)}, line {entry.n}: {entry.kind}"
    return "\n".join([head, *map(one_line, tell(entry.record))])


def _decision(v: Mapping[str, Any]) -> list[str]:
    what = f"{v['action']} {v['side']} {v['pair']}"
    for before, name in ((", ", "notional_quote"), (" at ", "rate"), (", leverage ", "leverage")):
        if v[name] is not None:
            what += before + _number(v[name])
    lines = [what, *([f"because: {v['reason']}"] if v["reason"] else [])]
    lines += [f"rule: {rule}" for rule in v["rules"]]
    shares = {word: v["forecast"].get(name) for name, word in _CHANCES.items()}
    chances = [f"{word} {_number(p, '.0%')}" for word, p in shares.items() if p is not None]
    if chances:
        lines.append(f"forecast: {', '.join(chances)}")
    edge = v["forecast"].get(columns.EDGE_LOW)
    if isinstance(edge, float):
        lines.append(f"edge, lower bound: {1e4 * edge:+.1f} bps over the horizon")
    if v["interval"]:
        low, high = v["interval"]
        lines.append(f"90 % interval: {_number(low)} to {_number(high)}")
    return lines + [f"{name}: {_number(value)}" for name, value in v["inputs"].items()]


def _order(v: Mapping[str, Any]) -> list[str]:
    effect = "opens" if v["opens"] else "closes"
    size = f"{_number(v['amount_base'])} {v['pair']} at {_number(v['rate'])}"
    return [f"{v['side']} {size}, {effect} trade {v['trade_id']}"]


def _outcome(v: Mapping[str, Any]) -> list[str]:
    profit = f"{_number(v['profit_quote'], '+,.2f')}, {_number(v['profit_frac'], '+.2%')} of stake"
    hours, minutes = divmod(round(v["held_s"] / 60), 60)
    took = f"{hours} h {minutes} min"
    return [f"trade {v['trade_id']} closed by {v['exit_reason']}: {profit}, after {took}"]


def _other(v: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {value}" for name, value in v.items() if value not in (None, "", [], {})]


def _number(value: Any, form: str = "") -> str:
    """Return a number for people; one that JSON cannot hold is a text already."""
    if isinstance(value, str):
        return value
    return format(value, form or (",.2f" if abs(value) >= 1000 else ".6g"))


def _names(record: type[records.JournalRecord]) -> frozenset[str]:
    return frozenset(field.name for field in fields(record))


_TELL: Final[Mapping[frozenset[str], Callable[[Mapping[str, Any]], list[str]]]] = {
    _names(records.DecisionRecord): _decision,
    _names(records.OrderFilled): _order,
    _names(records.TradeOutcome): _outcome,
}
