"""What stands: positions the loop has not looked at, and shares of what is held."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import Trade

from models.base import columns
from models.base.units import DAY_MS
from models.operate.control.news import News
from models.operate.control.state import Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.known import epoch_ms
from strategies.guard.loss_book import LossBook
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Wallets,
    analysed,
    config,
    position,
    running,
)

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def s(tmp_path: Path, open_trades: list[Any]) -> Any:
    made = BitcoinCrossMargin(config(user_data_dir=tmp_path))
    made.dp, made.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    return running(made)


def closes(s: Any, trade: Any, smallest: float = 5.0) -> float:
    found: float = s.guarding.reduction_quote(trade, RATE, smallest, LATER)
    return found


def test_position_when_it_was_opened_since_the_last_loop_then_nothing_of_it_is_closed(
    s: Any,
) -> None:
    assert closes(s, position(amount=10.0)) == 0.0


def test_position_when_the_bot_has_just_started_then_nothing_of_it_is_closed_before_a_look(
    tmp_path: Path, open_trades: list[Any]
) -> None:
    fresh = BitcoinCrossMargin(config(user_data_dir=tmp_path))
    fresh.dp, fresh.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    assert closes(fresh, position(amount=10.0)) == 0.0


def test_position_when_a_person_wants_it_closed_then_all_of_it_goes(
    s: Any, open_trades: list[Any]
) -> None:
    open_trades.append(position(amount=10.0))
    s.control.store.request_flatten(Person("ann", "command line"), "enough")
    s.guarding.loop(LATER)
    assert closes(s, open_trades[0]) == pytest.approx(1_000.0)


@pytest.mark.parametrize(("is_short", "closed"), [(True, 500.0), (False, 0.0)])
def test_position_when_a_squeeze_is_near_then_half_of_a_short_goes_and_a_long_stays(
    s: Any, open_trades: list[Any], is_short: bool, closed: float
) -> None:
    s.dp.frame = analysed(**{columns.FALSE_ALARMS_UP: 0.1})
    open_trades.append(position(amount=10.0, is_short=is_short, entry_side="sell"))
    s.guarding.loop(LATER)
    assert closes(s, open_trades[0]) == pytest.approx(closed)


@pytest.mark.parametrize(("also", "closed"), [(0.25, 500.0), (0.75, 750.0)])
def test_position_when_the_strategy_wants_a_share_closed_then_the_greater_of_both_goes(
    s: Any, open_trades: list[Any], also: float, closed: float
) -> None:
    asked: list[tuple[float, float]] = []

    def share(trade: Any, rate: float, smallest: float) -> float:
        asked.append((rate, smallest))
        return also

    open_trades.append(position(amount=10.0))
    s.guarding.close_also(share)
    s.guarding.loop(LATER)
    assert closes(s, open_trades[0]) == pytest.approx(1_000.0 * also)
    assert asked == [(RATE, 5.0)]
    # What was held when nothing threatened is no measure of what a danger leaves.
    s.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: 0.1})
    when = LATER + timedelta(seconds=60)
    s.guarding.loop(when)
    assert s.guarding.reduction_quote(open_trades[0], RATE, 5.0, when) == pytest.approx(closed)


def test_loop_when_it_breaks_then_what_is_unknown_is_counted_on_and_that_is_unknown_too(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ConnectionError("database is locked")

    s.guarding.unknowns.note("the exchange's account", "silent")
    with monkeypatch.context() as m:
        m.setattr(Trade, "get_open_trades", broken)
        with pytest.raises(ConnectionError):
            s.guarding.loop(LATER)
    shown = {u.what for u in s.control.store.read().unknown}
    assert shown == {"the exchange's account", "what stands: positions, losses and margin"}
    s.guarding.loop(LATER)
    assert {u.what for u in s.control.store.read().unknown} == {"the exchange's account"}


def test_books_when_a_person_resumes_while_they_are_looked_at_then_nothing_older_halts(
    tmp_path: Path, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=RunMode.LIVE))
    s.dp, s.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    monkeypatch.setattr(s.control.store, "clock", lambda: epoch_ms(LATER))
    recovery = s.guarding.standing._recovery
    differs = ("BTC/USDT:USDT: the exchange filled 0.1 of order 30, the books nothing",)

    def meanwhile(*_: Any) -> tuple[str, ...]:
        s.control.store.resume(Person("Ann", "test"))  # has put it right
        return differs

    monkeypatch.setattr(recovery, "reconcile", meanwhile)
    s.control.store.halt(Person("Ann", "test"), "looking at it")
    s.guarding.loop(LATER)
    assert str(s.control.store.read().mode) == "ACTIVE"
    monkeypatch.setattr(recovery, "reconcile", lambda *_: differs)
    s.guarding.loop(LATER)  # what still differs halts in the next turn
    assert str(s.control.store.read().mode) == "HALTED"


def test_losses_when_they_lack_something_for_long_then_that_is_told_and_reduces_until_they_have_it(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, passed_s = f"the result of a fill in {PAIR}", [0.0]
    monkeypatch.setattr(s.guarding.unknowns, "_monotonic_s", lambda: passed_s[0])

    def unknown() -> set[str]:
        return {u.what for u in s.control.store.read().unknown if u.lasts}

    s.guarding.closed(PAIR, LATER)
    s.guarding.loop(LATER + timedelta(seconds=1))
    assert unknown() == set()  # the next look has it
    with monkeypatch.context() as m:
        m.setattr(LossBook, "observe", lambda book, *_: book.state)
        s.guarding.closed(PAIR, LATER)
        for at_s, mode in ((0.0, "ACTIVE"), (179.9, "ACTIVE"), (180.0, "REDUCING")):
            passed_s[0] = at_s
            s.guarding.loop(LATER)
            assert unknown() == {what}
            assert s.guarding.entries._unknown(PAIR) == (what,)
            assert str(s.control.store.read().mode) == mode
        (lasts,) = s.control.journal.entries(kind="unknown.lasts")
        assert lasts.record["what"].startswith(f"{what}: unknown for 2 min")
    s.guarding.loop(LATER + timedelta(seconds=1))
    assert unknown() == set()
    assert str(s.control.store.read().mode) == "ACTIVE"


def test_losses_when_they_lack_something_in_one_loop_then_it_is_known_in_the_next_that_has_it(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as m:
        m.setattr(LossBook, "observe", lambda book, *_: book.state)
        s.guarding.closed(PAIR, LATER)
        s.guarding.loop(LATER)
    assert s.guarding.unknowns.of("") == {f"the result of a fill in {PAIR}"}
    s.guarding.loop(LATER + timedelta(seconds=1))
    assert s.guarding.unknowns.of("") == set()


def test_losses_when_the_account_is_unknown_then_that_is_noted_and_not_what_they_lack_for_it(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s.guarding.unknowns.note("another matter", "silent")
    monkeypatch.setattr(LossBook, "observe", lambda book, *_: book.state)
    s.guarding.closed(PAIR, LATER)
    for _ in range(2):
        s.guarding.loop(LATER)
        assert {u.what for u in s.control.store.read().unknown} == {"another matter"}
    s.guarding.unknowns.known("another matter")
    s.guarding.loop(LATER)
    assert len(s.control.store.read().unknown) == 1
    s.guarding.unknowns.note("another matter", "silent")
    s.guarding.loop(LATER)  # what was noted stays noted
    assert len(s.control.store.read().unknown) == 2


def test_losses_when_they_are_dated_ahead_then_people_are_told_in_true_words_and_once(
    tmp_path: Path, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = BitcoinCrossMargin(config(user_data_dir=tmp_path))
    bot.dp, bot.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    home = running(bot).control.store.folder
    by_a_wrong_clock = LossBook(home)
    by_a_wrong_clock.observe(epoch_ms(NOW), 10_050.0, 0)
    by_a_wrong_clock.observe(epoch_ms(NOW) + 30 * DAY_MS, 10_000.0, 0)
    s: Any = BitcoinCrossMargin(config(user_data_dir=tmp_path))
    s.dp, s.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    news = News(home)

    def told() -> list[str]:
        untold = news.look(s.control.store.read())
        news.told(untold)
        return [line for line in untold.lines if "dated" in line]

    with monkeypatch.context() as m:
        m.setattr(s.control.store, "note", full_disk)
        running(s)
        assert told() == []
    for _ in range(2):
        s.guarding.loop(LATER)
    (line,) = told()
    assert f"the losses were dated {30 * 86_400} s ahead: a clock was wrong" in line
    assert "the loss from the peak stays" in line
    kept = LossBook(home).state
    assert kept is not None
    assert kept.peak_quote == 10_050.0  # true
    assert "those of day and week count on from what was written by that clock" in line
    assert kept.day_start_quote == 10_050.0  # of the day it believed in
    assert "guard losses" in line
    s.guarding.loop(LATER + timedelta(seconds=1))
    assert told() == []
    (noted,) = s.control.journal.entries(kind="losses.redated")
    assert noted.record["what"] in line
    assert s.control.store.read().may_add_risk


def test_losses_when_their_date_is_right_then_nobody_is_told_anything_of_it(s: Any) -> None:
    s.guarding.loop(LATER)
    assert [n for n in s.control.store.read().notices if "losses" in str(n)] == []


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
