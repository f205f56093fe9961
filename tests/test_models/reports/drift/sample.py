"""A bot's book of models in trouble, for tests of its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from models.operate.control.model_book import ModelBook
from models.operate.journal.chain import JournalEntry
from models.reports.drift.page import write_drift
from tests.test_models.operate.control.books import BOOK, PAIR, generation

RUN: Final = {"title": "A bot's models", "simulated": False, "bot": "user_data: live"}
TROUBLED: Final = replace(
    PAIR.without(generation(3), "its loss is higher <by more> than its error", 5),
    alarms=("loss",), shadow=generation(4), held="a cascade is not over",
    watched={name: replace(one, cusum=9.0) for name, one in PAIR.watched.items()},
)  # fmt: skip


def troubled() -> ModelBook:
    return replace(BOOK, pairs=(TROUBLED,))


def lines() -> list[JournalEntry]:
    record = {"what": "BTC: model 3 is refused", "detail": "", "done": "its loss is <higher>"}
    return [JournalEntry(n=7, time_ms=9, kind="model.quarantined", record=record, prev="", hash="")]


def write(folder: Path, created_ms: int) -> Path:
    return write_drift(troubled(), lines(), RUN, folder, created_ms)
