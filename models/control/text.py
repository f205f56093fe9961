"""Control state and journal lines as a person reads them in a terminal or a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.control.heartbeat import Heartbeat
from models.control.review import Answer, Proposal
from models.control.state import ControlState
from models.files import iso
from models.journal.chain import Entry

_SHOWN_FORECAST = 8  # columns of a forecast; the journal's line has them all


def state_lines(state: ControlState, beat: Heartbeat | None, now_ms: int) -> list[str]:
    """Return the state line by line, the mode first.

    Examples
    --------
    >>> state_lines(ControlState(since_ms=0), None, 0)
    ['ACTIVE since 1970-01-01T00:00:00.000Z', 'no sign of life from a bot']
    """
    told = f" by {state.by}: {state.reason}" if state.by else ""
    lines = [f"{state.mode} since {iso(state.since_ms)}{told}"]
    if state.flatten is not None:
        lines.append(f"closing everything, asked by {state.flatten.by}: {state.flatten.reason}")
    if state.hedge is not None:
        ratio = "as it is" if state.hedge.ratio is None else f"at {state.hedge.ratio:g}"
        lines.append(f"hedge held {ratio} by {state.hedge.by}")
    lines += [proposal_line(p) for p in state.proposals if p.answer is Answer.WAITING]
    if beat is None:
        return [*lines, "no sign of life from a bot"]
    lines.append(f"bot {beat.pid} alive {(now_ms - beat.time_ms) / 1000:.0f} s ago")
    if beat.feed_ms is not None:
        lines.append(f"newest candle closed {(now_ms - beat.feed_ms) / 1000:.0f} s ago")
    return lines + [f"{name}: {value:.6g}" for name, value in beat.numbers.items()]


def proposal_line(proposal: Proposal) -> str:
    """Return a proposal in one line."""
    return (
        f"{proposal.id} {proposal.answer}: {proposal.side} {proposal.pair} "
        f"{proposal.notional_quote:.2f} at {proposal.rate:g}, until {iso(proposal.expires_ms)}"
        + (f"; {proposal.note}" if proposal.note else "")
    )


def entry_line(entry: Entry) -> str:
    """Return a journal line without what is empty."""
    said = [f"{name} {_text(value)}" for name, value in entry.record.items() if _there(value)]
    return f"{entry.n} {iso(entry.time_ms)} {entry.kind}: " + ", ".join(said)


def _there(value: Any) -> bool:
    return value not in (None, "", [], {})


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        shown = list(value.items())[:_SHOWN_FORECAST]
        more = f" and {len(value) - len(shown)} more" if len(value) > len(shown) else ""
        return "(" + ", ".join(f"{k} {_text(v)}" for k, v in shown) + more + ")"
    if isinstance(value, list):
        return "[" + "; ".join(_text(v) for v in value) + "]"
    return str(value)
