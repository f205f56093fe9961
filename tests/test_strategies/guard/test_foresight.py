"""What scenarios say of the hour to come reaches every size, and their silence every entry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from models.base.units import DAY_MS, HOUR_MS
from models.operate.control.shocks import SHOCKS_FILE, PairShock, Shocks, Unforeseen
from models.trade.risk.worst_hours import ASSUMED, WorstHour
from strategies.guard.foresight import Foresight

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
CLOSE = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def said(until_ms: int = CLOSE, *missing: Unforeseen, **falls: float) -> dict[str, Any]:
    """Return an answer of the process: falls of coins, and a rise of a tenth."""
    known = tuple(
        PairShock(pair=f"{coin}/USDT:USDT", until_ms=until_ms, fall_frac=fall, rise_frac=0.1)
        for coin, fall in falls.items()
    )
    return asdict(Shocks(engine="har", candle_ms=HOUR_MS, known=known, missing=missing))


class Watch:
    """A clock that a test sets."""

    now_ms = CLOSE

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_hours_when_nothing_was_ever_said_then_there_are_none_and_nothing_is_forbidden(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    assert ahead.hours == {}
    watch.now_ms += 100 * DAY_MS
    assert ahead.silences == {}


def test_hours_when_told_then_they_stand_and_the_next_life_goes_on_by_them(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take(said(BTC=0.05, LTC=0.09))
    wanted = {
        BTC: WorstHour(fall_frac=0.05, rise_frac=0.1),
        LTC: WorstHour(fall_frac=0.09, rise_frac=0.1),
    }
    assert ahead.hours == wanted
    assert Foresight(tmp_path, watch).hours == wanted


def test_hours_when_they_are_beyond_what_is_assumed_of_an_unknown_coin_then_they_end_there(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    wild = PairShock(pair=BTC, until_ms=CLOSE, fall_frac=0.99, rise_frac=40.0)
    ahead.take(asdict(Shocks(engine="har", candle_ms=HOUR_MS, known=(wild,))))
    assert ahead.hours == {BTC: WorstHour(fall_frac=ASSUMED.fall_frac, rise_frac=ASSUMED.rise_frac)}


def test_hours_when_an_answer_is_none_then_those_before_stay(tmp_path: Path, watch: Watch) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take(said(BTC=0.05))
    for wrong in ({}, {"known": 1}, said(BTC=0.05) | {"engine": None}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            ahead.take(wrong)
    assert ahead.hours[BTC].fall_frac == 0.05
    assert Foresight(tmp_path, watch).hours[BTC].fall_frac == 0.05


def test_hours_when_they_cannot_be_written_then_the_bot_goes_by_them_and_it_is_told(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path / "no folder", watch)
    with pytest.raises(OSError, match="no folder"):
        ahead.take(said(BTC=0.6))
    assert ahead.hours[BTC].fall_frac == 0.6


def test_silence_when_it_has_lasted_a_day_then_that_pair_is_not_opened_and_the_last_hour_stands(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take(said(BTC=0.05, LTC=0.09))
    watch.now_ms = CLOSE + HOUR_MS + DAY_MS
    assert ahead.silences == {}
    ahead.take(said(watch.now_ms, Unforeseen(pair=LTC, why="no candles of it"), BTC=0.06))
    watch.now_ms += 1
    assert list(ahead.silences) == [LTC]
    assert ahead.silences[LTC].startswith(
        f"scenarios have said nothing of {LTC} since 2023-11-14T22:00:00.000Z (no candles of it)"
    )
    assert ahead.hours[LTC].fall_frac == 0.09
    assert list(Foresight(tmp_path, watch).silences) == [LTC]  # a new start is no new word
    ahead.take(said(watch.now_ms, LTC=0.07))
    assert ahead.silences == {}


@pytest.mark.parametrize("text", ["", "{", '{"engine": "har", "candle_ms": 1, "known": []}'])
def test_silence_when_the_file_cannot_be_read_then_no_pair_is_opened_until_it_is_made_anew(
    tmp_path: Path, watch: Watch, text: str
) -> None:
    (tmp_path / SHOCKS_FILE).write_text(text, encoding="utf-8")
    ahead = Foresight(tmp_path, watch)
    assert ahead.hours == {}
    (why,) = ahead.silences.values()
    assert list(ahead.silences) == [""]
    assert why.startswith("what scenarios said last cannot be read: ")
    assert "remove the file" in why
    ahead.take(said(BTC=0.05))
    assert ahead.silences == {}
    assert Foresight(tmp_path, watch).silences == {}
