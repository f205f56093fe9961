"""What scenarios say of the next hour reaches every entry's size, and their silence every entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.base.units import DAY_MS, HOUR_MS
from models.operate.control.shocks import SHOCKS_FILE, SILENT_MS, PairShock, Unforeseen, read_shocks
from models.trade.risk.worst_hours import ASSUMED, WorstHour
from strategies.guard.foresight import FORGOTTEN_MS, Foresight

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
BOTH = (BTC, LTC)
CLOSE = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def shock(pair: str, fall: float, until_ms: int = CLOSE) -> PairShock:
    return PairShock(pair=pair, until_ms=until_ms, fall_frac=fall, rise_frac=0.1)


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
    watch.now_ms += 100 * DAY_MS
    ahead.take([], [], BOTH)
    assert (ahead.hours, ahead.silences, ahead.unread) == ({}, {}, "")
    assert list(tmp_path.iterdir()) == []


def test_hours_when_told_then_they_stand_and_the_next_life_goes_on_by_them(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([shock(BTC, 0.05), shock(LTC, 0.09)], [], BOTH)
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
    ahead.take([PairShock(pair=BTC, until_ms=CLOSE, fall_frac=0.99, rise_frac=40.0)], [], BOTH)
    assert ahead.hours == {BTC: WorstHour(fall_frac=ASSUMED.fall_frac, rise_frac=ASSUMED.rise_frac)}


def test_hours_when_an_older_answer_comes_later_then_the_newer_stands(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([shock(BTC, 0.8)], [], BOTH)
    ahead.take([shock(BTC, 0.05, CLOSE - HOUR_MS)], [], BOTH)
    assert ahead.hours[BTC].fall_frac == 0.8
    ahead.take(
        [shock(BTC, 0.06)], [], BOTH
    )  # the same hour again, from candles that were completed
    assert ahead.hours[BTC].fall_frac == 0.06


def test_hours_when_they_cannot_be_written_then_the_bot_goes_by_them_and_it_is_told(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path / "no folder", watch)
    with pytest.raises(OSError, match="no folder"):
        ahead.take([shock(BTC, 0.6)], [], BOTH)
    assert ahead.hours[BTC].fall_frac == 0.6


def test_silence_when_it_has_lasted_a_day_then_that_pair_is_not_opened_and_the_last_hour_stands(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([shock(BTC, 0.05), shock(LTC, 0.09)], [], BOTH)
    watch.now_ms = CLOSE + SILENT_MS
    assert ahead.silences == {}
    ahead.take(
        [shock(BTC, 0.06, watch.now_ms)], [Unforeseen(pair=LTC, why="no candles of it")], BOTH
    )
    assert ahead.silences == {}
    watch.now_ms += 1
    assert list(ahead.silences) == [LTC]
    assert ahead.silences[LTC].startswith(
        f"scenarios have said nothing of {LTC} since 2023-11-14T22:00:00.000Z (no candles of it)"
    )
    assert ahead.hours[LTC].fall_frac == 0.09
    assert ahead.silences == Foresight(tmp_path, watch).silences  # a new start is no new word
    ahead.take([shock(LTC, 0.07, watch.now_ms)], [], BOTH)
    assert ahead.silences == {}
    watch.now_ms += SILENT_MS + 1
    assert "no candles of it" not in ahead.silences[LTC]  # what was wrong then is over


def test_silence_when_a_pair_was_away_for_a_month_then_it_is_as_one_never_known(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([shock(BTC, 0.05), shock(LTC, 0.09)], [], BOTH)
    watch.now_ms = CLOSE + FORGOTTEN_MS
    ahead.take([shock(BTC, 0.05, watch.now_ms - 1)], [], BOTH)
    assert list(ahead.silences) == [LTC]
    ahead.take([shock(BTC, 0.05, watch.now_ms)], [], BOTH)
    assert ahead.silences == {}
    assert list(ahead.hours) == [BTC]


def test_hours_when_the_clock_was_wrong_for_a_while_then_none_is_forgotten(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([shock(BTC, 0.05), shock(LTC, 0.09)], [], BOTH)
    watch.now_ms = CLOSE + 2 * FORGOTTEN_MS
    ahead.take([shock(BTC, 0.05)], [], BOTH)
    watch.now_ms = CLOSE
    assert set(ahead.hours) == {BTC, LTC}
    assert ahead.silences == {}


def test_hours_when_the_first_word_is_of_old_candles_then_it_is_no_word_of_now(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    watch.now_ms = CLOSE + SILENT_MS
    ahead.take([shock(BTC, 0.05, CLOSE - 1), shock(LTC, 0.09, CLOSE)], [], BOTH)
    assert list(ahead.hours) == [LTC]
    assert ahead.silences == {}
    kept = read_shocks(tmp_path, now_ms=watch.now_ms)
    assert kept is not None
    assert kept.missing == (
        Unforeseen(pair=BTC, why="its candles end at 2023-11-14T21:59:59.999Z"),
    )
    assert (ahead.until(BTC), ahead.until(LTC)) == (0, CLOSE)


def test_missing_when_a_pair_is_followed_no_more_then_why_it_is_unknown_is_not_kept(
    tmp_path: Path, watch: Watch
) -> None:
    ahead = Foresight(tmp_path, watch)
    ahead.take([], [Unforeseen(pair=LTC, why="none"), Unforeseen(pair=BTC, why="none")], BOTH)
    ahead.take([], [Unforeseen(pair=BTC, why="few")], (BTC,))
    kept = read_shocks(tmp_path, now_ms=watch.now_ms)
    assert kept is not None
    assert kept.missing == (Unforeseen(pair=BTC, why="few"),)


@pytest.mark.parametrize("text", ["", "{", '{"known": []}', '{"known": [], "missing": 7}'])
def test_file_when_it_cannot_be_read_then_that_is_told_until_it_is_made_anew(
    tmp_path: Path, watch: Watch, text: str
) -> None:
    (tmp_path / SHOCKS_FILE).write_text(text, encoding="utf-8")
    ahead = Foresight(tmp_path, watch)
    assert (ahead.hours, ahead.silences) == ({}, {})
    assert ahead.unread.startswith("what was said last cannot be read: ")
    ahead.take([], [Unforeseen(pair=LTC, why="few")], BOTH)
    assert ahead.unread
    assert (tmp_path / SHOCKS_FILE).read_text(encoding="utf-8") == text
    ahead.take([shock(BTC, 0.05)], [], BOTH)
    assert ahead.unread == ""
    assert Foresight(tmp_path, watch).unread == ""
