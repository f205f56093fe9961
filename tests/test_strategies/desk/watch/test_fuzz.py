"""A small part of the fuzz in every run, and the proof that it would find what it looks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ccxt
import pytest

from models.operate.control import heartbeat
from strategies.desk.watch import venue, watchdog
from strategies.seams.raw_answers import AnsweredRow
from tests.test_strategies.desk.watch.fuzz import fuzz


def test_watchdog_when_answers_and_files_are_broken_at_random_then_it_lives_and_protects() -> None:
    assert fuzz(300) == []


def whole(client: ccxt.Exchange, ask: Callable[[], Sequence[Any]]) -> list[AnsweredRow]:
    """Parse an answer as ccxt does: one row takes all others with it."""
    return [AnsweredRow(raw=row["info"], parsed=(row,)) for row in ask()]


def test_fuzz_when_rows_are_parsed_together_then_it_finds_the_missed_protection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(venue, "rows_apart", whole)
    assert any("the healthy symbol was not stopped" in fault for fault in fuzz(300))


def test_fuzz_when_a_file_of_another_kind_passes_then_it_finds_the_end_or_the_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat.Heartbeat, "__post_init__", lambda self: None)
    monkeypatch.setattr(watchdog, "Exception", LookupError, raising=False)
    assert fuzz(300)
