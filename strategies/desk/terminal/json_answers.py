"""What a command shows, for programs: JSON with the keys that `user_data/docs/control.md` lists."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from models.operate.control.commands import Commands
from models.operate.control.model_text import model_values
from models.operate.control.outlook_text import outlook_values
from models.operate.journal.chain import JournalEntry


def add_json(command: argparse.ArgumentParser) -> None:
    """Let a program ask."""
    command.add_argument("--json", action="store_true", help="for programs: one line of JSON")


def print_json(values: Any) -> None:
    """Print values as one line; a number that JSON has none for is null."""
    print(json.dumps(_finite(values), ensure_ascii=True, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def line_values(entry: JournalEntry) -> dict[str, Any]:
    """Return a line of the journal as it is written."""
    return {"n": entry.n, "time_ms": entry.time_ms, "kind": entry.kind, "record": entry.record}


def shown_values(word: str, console: Commands, trade: int | None) -> dict[str, Any]:
    """Return what `risk` or `why` shows of one bot; `home` says of which."""
    home = str(console.store.folder.parent)
    if word == "risk":
        return {"home": home, **_risk_values(console)}
    if trade is None:
        return {"home": home, **console.why_values()}
    return {"home": home, "trade": trade, "lines": [
        line_values(entry) for entry in (console.journal.why(trade) if console.knows(trade) else ())
    ]}  # fmt: skip


def _risk_values(console: Commands) -> dict[str, Any]:
    state, told = console.store.read(), console.why_values()
    beat = console.last_beat()
    return {
        **told,
        "by": state.by, "reason": state.reason, "since_ms": state.since_ms,
        "reasons": [
            {"number": n.n, "mode": str(n.mode), "by": n.by, "reason": n.reason,
             "time_ms": n.time_ms} for n in state.standing
        ],
        "flatten": state.flatten is not None,
        "hedge": None if state.hedge is None else asdict(state.hedge),
        "waiting": console.waiting(),
        "obstacles": list(console.obstacles()),
        "bot": None if beat is None else {
            "pid": beat.pid, "time_ms": beat.time_ms, "stopped": beat.stopped,
            "feed_ms": beat.feed_ms, "numbers": dict(beat.numbers),
        },
        "models": model_values(console.store.folder),
        "outlook": outlook_values(console.store.folder, beat, console.clock()),
    }  # fmt: skip
