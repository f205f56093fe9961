"""A fill that is told again is known; what lies further back is read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.base.units import HOUR_MS, MINUTE_MS
from models.operate.journal.fills import CLOSED, FILLED, WrittenFills
from models.operate.journal.journal import Journal
from models.operate.journal.records import Incident, JournalRecord, OrderFilled, TradeOutcome

NOW = 1_700_000_000_000
FILL = OrderFilled(
    trade_id=1, pair="LTC/USDT:USDT", side="buy", order_id="7", amount_base=45.635, rate=70.1,
    opens=True,
)  # fmt: skip
END = TradeOutcome(
    trade_id=1, pair="LTC/USDT:USDT", exit_reason="flatten", profit_quote=-1.0, profit_frac=-0.1,
    held_s=60.0,
)  # fmt: skip


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Journal:
    return Journal(tmp_path, clock)


def write(journal: Journal, kind: str, record: JournalRecord, *noted_by: WrittenFills) -> None:
    journal.append(kind, record)
    for written in noted_by:
        written.note(record)


def test_fill_when_it_is_written_then_it_is_known_to_this_process_and_the_next(
    journal: Journal, clock: Clock
) -> None:
    written = WrittenFills(journal)
    assert not written.holds(FILL, NOW)
    write(journal, FILLED, FILL, written)
    clock.now += HOUR_MS
    for memory in (written, WrittenFills(journal)):
        assert memory.holds(FILL, NOW)
        assert not memory.holds_end(1, NOW)
        for other in (
            replace(FILL, amount_base=46.0), replace(FILL, side="stoploss"),
            replace(FILL, order_id="8"), replace(FILL, pair="BTC/USDT:USDT"),
            replace(FILL, trade_id=2),
        ):  # fmt: skip
            assert not memory.holds(other, NOW)


def test_end_of_a_trade_when_it_is_written_then_it_is_known_to_this_process_and_the_next(
    journal: Journal, clock: Clock
) -> None:
    written = WrittenFills(journal)
    write(journal, CLOSED, END, written)
    clock.now += HOUR_MS
    for memory in (written, WrittenFills(journal)):
        assert memory.holds_end(1, NOW)
        assert not memory.holds_end(2, NOW)


def test_fill_when_only_other_lines_are_written_then_it_is_not_known(journal: Journal) -> None:
    written = WrittenFills(journal)
    write(journal, "test.line", Incident(what="nothing"), written)
    assert not written.holds(FILL, NOW - HOUR_MS)


def test_journal_when_fills_are_asked_for_then_no_stretch_of_it_is_read_twice(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, FILLED, FILL)
    clock.now += 5 * HOUR_MS
    written, read = WrittenFills(journal), []
    whole = Journal.entries

    def counted(self: Journal, **asked: Any) -> Any:
        read.append(asked["since_ms"])
        return whole(self, **asked)

    monkeypatch.setattr(Journal, "entries", counted)
    young = clock.now + 2 * MINUTE_MS  # an order of this process
    assert not written.holds(replace(FILL, order_id="9"), young)
    assert read == []
    for _ in range(3):
        assert written.holds(FILL, NOW)
        assert written.holds(FILL, NOW + HOUR_MS)
    assert set(read) == {NOW - MINUTE_MS}
    assert len(read) == 2  # fills, and ends
