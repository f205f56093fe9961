"""What a restarted bot recalls from its journal of the orders it had sent before it was killed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.base.files import iso_ms
from models.operate.journal.chain import JournalEntry
from models.operate.journal.fills import FILLED
from models.trade.risk.snapshot import SentOrder

ACCEPTED: Final = "entry.accepted"
LEAVING: Final = ("exit", "reduce")


def decision_key(pair: str, side: str, candle_ms: int) -> str:
    """Return the name of the decision on a candle (open time, UTC milliseconds).

    Examples
    --------
    >>> decision_key("BTC/USDT:USDT", "long", 1_700_000_040_000)
    'BTC/USDT:USDT long 2023-11-14T22:14'
    """
    return f"{pair} {side} {iso_ms(candle_ms)[:16]}"


def sent_orders(entries: Iterable[JournalEntry]) -> list[SentOrder]:
    """Return the orders for new risk that were let through; `entries` oldest first."""
    return [
        SentOrder(
            time_ms=entry.time_ms,
            pair=entry.record["pair"],
            side=_sign(entry),
            key=decision_key(entry.record["pair"], entry.record["side"], entry.record["candle_ms"]),
        )
        for entry in entries
        if entry.kind == ACCEPTED and entry.record["candle_ms"] is not None
    ]


def unanswered(entries: Iterable[JournalEntry]) -> dict[str, float]:
    """Return pair to the signed amount (base units) of a last entry without a fill after it.

    The order may have been executed all the same: the process was killed before it knew.
    """
    waiting: dict[str, float] = {}
    for entry in entries:
        record = entry.record
        if entry.kind == ACCEPTED and record["notional_quote"] and record["rate"]:
            waiting[record["pair"]] = _sign(entry) * record["notional_quote"] / record["rate"]
        elif entry.kind == FILLED and record["opens"]:
            waiting.pop(record["pair"], None)
    return waiting


def reducing_orders(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """Return pair to when its last exit, whole or in part, was let through, UTC milliseconds."""
    return {entry.record["pair"]: entry.time_ms for entry in entries if entry.kind in LEAVING}


def _sign(entry: JournalEntry) -> int:
    return -1 if entry.record["side"] == "short" else 1
