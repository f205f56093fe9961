"""The losses on disk: transfers move references once, jumps wait a moment, a person starts anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import InputError
from models.base.units import DAY_MS, HOUR_MS
from models.trade.risk.losses import Transfer
from strategies.guard.loss_book import LossBook

NOW = 20_000 * DAY_MS + 12 * HOUR_MS


def book_of(folder: Path, equity: float = 10_000.0, **kwargs: Any) -> LossBook:
    """A book that has seen `equity` and no transfer, at NOW."""
    book = LossBook(folder)
    book.observe(NOW, equity, 0, **{"transfers": [], "wallet_quote": equity, **kwargs})
    return book


def moved(amount: float, number: str = "1", time_ms: int = NOW) -> Transfer:
    return Transfer(id=number, time_ms=time_ms, amount_quote=amount)


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "losses.json").read_text(encoding="utf-8"))
    return found


def peak(book: LossBook) -> float:
    assert book.state is not None
    return book.state.peak_quote


def test_book_when_new_then_it_knows_nothing_and_asks(tmp_path: Path) -> None:
    book = LossBook(tmp_path)
    assert book.state is None
    assert book.asks(0.0)
    assert book.since_ms(NOW) == NOW - HOUR_MS
    book.observe(NOW, 10_000.0, 0, [], 9_000.0)
    assert (book.asks(9_000.0), book.asks(9_000.01)) == (False, True)
    assert book.since_ms(NOW + DAY_MS) == NOW - HOUR_MS  # an hour before it last asked


def test_transfer_when_it_is_listed_again_then_it_has_moved_the_references_once(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    for seconds in (1, 2):
        book.observe(NOW + 1000 * seconds, 15_000.0, 0, [moved(5_000.0)], 15_000.0)
        assert peak(book) == pytest.approx(15_000.0)
    book.observe(NOW + 3000, 14_000.0, 0, [moved(5_000.0), moved(-1_000.0, "2")], 14_000.0)
    assert peak(book) == pytest.approx(14_000.0)


def test_transfer_when_listed_at_the_very_first_look_then_it_is_in_the_equity_already(
    tmp_path: Path,
) -> None:
    book = LossBook(tmp_path)
    book.observe(NOW, 10_000.0, 0)  # nobody answered
    book.observe(NOW + 1000, 9_990.0, 0, [moved(5_000.0)], 9_990.0)
    assert peak(book) == 10_000.0
    book.observe(NOW + 2000, 9_990.0, 0, [moved(5_000.0)], 9_990.0)  # nor is it counted later
    assert peak(book) == 10_000.0


def test_transfer_when_two_hours_old_then_it_is_still_remembered_and_older_it_is_not(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.observe(NOW, 10_001.0, 0, [moved(1.0)], 10_001.0)
    later = NOW + 2 * HOUR_MS
    book.observe(later, 10_002.0, 0, [moved(1.0, "2", later)], 10_002.0)
    assert written(tmp_path)["transfers"] == {"counted": {"1": NOW, "2": later}, "until_ms": later}
    book.observe(later + 1, 10_003.0, 0, [moved(1.0, "3", later)], 10_003.0)
    assert set(written(tmp_path)["transfers"]["counted"]) == {"2", "3"}


@pytest.mark.parametrize(("equity", "waits"), [(9_950.01, False), (9_950.0, True)])
def test_jump_when_half_a_percent_is_unexplained_then_it_is_waited_with_for_fifteen_seconds(
    tmp_path: Path, equity: float, waits: bool
) -> None:
    book = book_of(tmp_path)

    def seen(after_ms: int) -> float:
        state = book.observe(NOW + after_ms, equity, 0, [], equity)
        assert state is not None
        return state.equity_quote

    assert seen(1_000) == (10_000.0 if waits else equity)
    assert seen(15_999) == (10_000.0 if waits else equity)
    assert seen(16_000) == equity


def test_jump_when_it_goes_away_then_the_next_is_waited_with_from_its_own_beginning(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    equities = []
    for after_ms, equity in (
        (1_000, 9_000.0), (10_000, 10_000.0), (20_000, 9_000.0), (34_999, 9_000.0),
        (35_000, 9_000.0), (36_000, 8_000.0), (50_999, 8_000.0), (51_000, 8_000.0),
    ):  # fmt: skip
        state = book.observe(NOW + after_ms, equity, 0, [], equity)
        assert state is not None
        equities.append(state.equity_quote)
    assert equities == [10_000, 10_000, 10_000, 10_000, 9_000, 9_000, 9_000, 8_000]


@pytest.mark.parametrize(
    ("armed_ms", "equity"), [(NOW + 1_500, 9_000.0), (0, 10_000.0)], ids=["resumed", "gone"]
)
def test_jump_when_a_person_resumes_or_it_is_gone_then_nothing_waits_for_its_reason_any_longer(
    tmp_path: Path, armed_ms: int, equity: float
) -> None:
    book = book_of(tmp_path)

    def look(after_ms: int, equity: float, armed_ms: int) -> None:
        """Look as the bot does: transfers are asked for where the book wants them."""
        transfers: list[Transfer] | None = [] if book.asks(equity) else None
        book.observe(NOW + after_ms, equity, armed_ms, transfers, equity)

    look(0, 10_000.0, 0)
    look(1_000, 9_000.0, 0)
    assert book.uncounted == ("the reason of a jump in equity",)
    look(2_000, equity, armed_ms)
    look(3_000, equity, armed_ms)
    assert book.uncounted == ()
    assert book.asks(equity) is False


def test_jump_when_the_account_is_small_then_half_a_percent_of_it_counts(tmp_path: Path) -> None:
    book = book_of(tmp_path, 0.5)
    assert book.observe(NOW + 1000, 0.45, 0, [], 0.45) == book.state
    assert book.state is not None
    assert book.state.equity_quote == 0.5


def test_fill_when_the_equity_is_of_the_same_moment_then_it_may_not_contain_it_yet(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.closed("BTC", NOW + 1_000)
    for after_ms, waits in ((999, True), (1_000, True), (1_001, False)):
        book.observe(NOW + after_ms, 10_000.0, 0)
        assert bool(book.uncounted) is waits


def test_resumption_when_it_is_newer_then_losses_count_from_there_and_are_written(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.observe(NOW + 1000, 9_900.0, 0)
    book.observe(NOW + 2000, 9_900.0, 700)
    assert peak(book) == 9_900.0
    assert written(tmp_path)["armed_ms"] == 700
    book.observe(NOW + 3000, 9_800.0, 700)  # the same one: nothing is forgiven
    book.observe(NOW + 4000, 9_700.0, 0)  # nor while control knows of none
    assert peak(book) == 9_900.0
    assert written(tmp_path)["armed_ms"] == 700
    book.observe(NOW + 5000, 9_600.0, NOW + 5000)
    book.observe(NOW + 5000, 9_500.0, 700)  # an older word takes nothing back from a newer one
    assert peak(book) == 9_600.0


def test_restart_when_it_loads_then_losses_transfers_and_resumption_are_as_they_were(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.observe(NOW + 1000, 10_000.0, 700, [moved(5.0)], 10_000.0)
    again = LossBook(tmp_path)
    assert again.state == book.state
    assert again.since_ms(NOW + DAY_MS) == NOW + 1000 - HOUR_MS
    again.observe(NOW + 2000, 9_990.0, 700, [moved(5.0)], 9_990.0)
    assert peak(again) == 10_000.0


def test_restart_when_the_file_knows_of_no_transfers_then_none_is_counted(tmp_path: Path) -> None:
    book = LossBook(tmp_path)
    book.observe(NOW, 10_000.0, 0)
    assert set(written(tmp_path)) == {"losses", "armed_ms"}
    assert LossBook(tmp_path).since_ms(NOW + DAY_MS) == NOW + DAY_MS - HOUR_MS


def test_file_when_only_time_passes_then_it_is_left_alone(tmp_path: Path) -> None:
    book, path = book_of(tmp_path), tmp_path / "losses.json"
    path.unlink()
    book.observe(NOW + 1000, 10_000.0, 0, [], 10_000.0)
    assert not path.exists()
    book.observe(NOW + 2000, 10_000.0, 0, [moved(0.0)], 10_000.0)  # news, of nothing
    assert path.exists()
    path.unlink()
    book.observe(NOW + 3000, 10_000.0, 900)  # resumed
    assert path.exists()


def test_file_when_a_restart_or_the_same_moment_brings_nothing_new_then_it_is_left_alone(
    tmp_path: Path,
) -> None:
    book, path = book_of(tmp_path), tmp_path / "losses.json"
    again = LossBook(tmp_path)
    path.unlink()
    again.observe(NOW + 1000, 10_000.0, 0)
    assert book.redate(NOW) == 0
    book.observe(NOW, 10_000.0, 0)
    assert not path.exists()


def test_file_when_it_is_damaged_then_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "losses.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="the losses cannot be read") as error:
        LossBook(tmp_path)
    assert error.value.where == str(tmp_path / "losses.json")


# -- a clock that was wrong -----------------------------------------------------------------------


def test_book_when_it_was_written_by_a_clock_ahead_then_the_date_goes_and_the_loss_stays(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.observe(NOW + 1_000, 9_500.0, 0)
    later = LossBook(tmp_path)
    ahead = 30 * DAY_MS
    later.observe(NOW + ahead, 9_400.0, 0)  # one look, a month ahead
    again = LossBook(tmp_path)
    assert again.redate(NOW + 5_000) == ahead - 5_000
    assert again.redate(NOW + 5_000) == 0
    seen = again.observe(NOW + 5_000, 9_000.0, 0)
    assert seen is not None
    assert seen.peak_quote == 10_000.0
    assert seen.peak_frac == pytest.approx(0.1)
    assert again.since_ms(NOW + 6_000) == NOW - HOUR_MS  # none since the last look is left out
    assert LossBook(tmp_path).redate(NOW + 6_000) == 0


def test_book_when_transfers_were_counted_by_a_clock_ahead_then_they_are_asked_for_from_now_on(
    tmp_path: Path,
) -> None:
    book_of(tmp_path).observe(NOW + DAY_MS, 10_000.0, 0, [moved(0.0)], 10_000.0)
    again = LossBook(tmp_path)
    again.redate(NOW + 5_000)
    assert again.since_ms(NOW + 6_000) == NOW + 5_000 - HOUR_MS  # not from tomorrow on


def test_fill_when_it_was_dated_by_a_clock_ahead_then_it_is_not_waited_for_until_that_time(
    tmp_path: Path,
) -> None:
    book = book_of(tmp_path)
    book.closed("BTC", NOW + DAY_MS)
    book.closed("LTC", NOW)
    book.redate(NOW + 1_000)
    book.observe(NOW + 500, 10_000.0, 0)
    assert book.uncounted == ("the result of a fill in BTC",)
    book.observe(NOW + 1_001, 10_000.0, 0)
    assert book.uncounted == ()


def test_book_when_a_date_is_set_aside_then_the_file_has_it_no_more_be_the_equity_the_same(
    tmp_path: Path,
) -> None:
    book_of(tmp_path).observe(NOW + DAY_MS, 9_400.0, 0)
    again = LossBook(tmp_path)
    assert again.redate(NOW + 5_000) == DAY_MS - 5_000
    again.observe(NOW + 5_000, 9_400.0, 0)
    assert LossBook(tmp_path).redate(NOW + 6_000) == 0  # a restart would tell of it again


def test_book_when_somebody_resumed_while_a_clock_was_ahead_then_the_next_resume_counts(
    tmp_path: Path,
) -> None:
    ahead = NOW + 30 * DAY_MS
    book = book_of(tmp_path)
    book.observe(NOW + 1_000, 9_000.0, ahead)
    assert peak(book) == 9_000.0  # a person's word, whatever its date
    book.observe(NOW + 2_000, 8_900.0, ahead)
    book.observe(NOW + 3_000, 8_900.0, 0)  # not armed just now
    assert peak(book) == 9_000.0
    book = LossBook(tmp_path)
    book.observe(NOW + 4_000, 8_800.0, NOW + 3_500)
    assert peak(book) == 8_800.0
    book.observe(NOW + 5_000, 8_700.0, NOW + 3_500)
    assert peak(book) == 8_800.0
