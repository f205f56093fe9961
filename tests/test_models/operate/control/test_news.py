"""What was told is what was accepted: each thing once at least, over restarts, never unsent."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.news import TOLD_FILE, News, Untold
from models.operate.control.state import ControlMode, GuardActor, Person
from models.operate.control.store import HALT_FILE, ControlStore

ANN = Person("ann", "telegram")
LOSS, MARGIN = GuardActor("loss_day"), GuardActor("margin")


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control", lambda: 1_700_000_000_000)


def told(store: ControlStore, news: News) -> str:
    """Return what is told when it is accepted at once."""
    untold = news.look(store.read())
    news.told(untold)
    return "\n".join(untold.lines)


def test_news_when_a_new_bot_trades_then_there_are_none(store: ControlStore) -> None:
    assert News(store.folder).look(store.read()) == Untold()


def test_news_when_not_accepted_then_they_stay_due_and_a_restart_keeps_them(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    assert told(store, news) == ""
    store.halt(LOSS, "lost 2 %")
    for again in (news, news, News(store.folder)):
        assert "guard loss_day: lost 2 %" in "\n".join(again.look(store.read()).lines)
    assert "lost 2 %" in told(store, news)
    assert news.look(store.read()) == Untold()


def test_news_when_something_comes_between_writing_and_sending_then_it_is_still_due(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    store.reduce(MARGIN, "margin ratio 0.5")
    untold = news.look(store.read())
    store.halt(LOSS, "lost 2 %")
    news.told(untold)
    assert "lost 2 %" in told(store, news)


def test_news_when_a_reason_was_lifted_before_it_was_told_then_it_is_told_as_past(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    told(store, news)
    store.halt(LOSS, "lost 2 %")
    store.resume(ANN)
    said = told(store, News(store.folder))
    assert said.startswith("ACTIVE")
    assert "HALTED by guard loss_day: lost 2 %; lifted since" in said


def test_news_when_a_halted_bot_starts_then_it_says_so_again_and_once(store: ControlStore) -> None:
    store.halt(LOSS, "lost 2 %")
    told(store, News(store.folder))
    again = News(store.folder)
    assert told(store, again).startswith("HALTED")
    assert told(store, again) == ""


def test_news_when_the_file_halt_came_and_went_untold_then_it_is_told_all_the_same(
    store: ControlStore,
) -> None:
    told(store, News(store.folder))
    (store.folder / HALT_FILE).write_text("power works", encoding="utf-8")
    News(store.folder).look(store.read())  # and nothing could be sent
    (store.folder / HALT_FILE).unlink()
    assert "it was so, and is over: HALTED by file" in told(store, News(store.folder))


def test_news_when_a_sentence_holds_then_its_beginning_and_its_end_are_told_once(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    for holds, said in (
        (["a second poller"], "a second poller"), (["a second poller"], ""),
        ([], "no longer: a second poller"), ([], ""),
    ):  # fmt: skip
        untold = news.look(store.read(), holds)
        news.told(untold)
        assert untold.lines[-1:] == ((said,) if said else ())


def test_news_when_more_changed_than_is_kept_then_it_says_how_many_are_in_the_journal_only(
    store: ControlStore,
) -> None:
    told(store, News(store.folder))
    for i in range(40):
        store.halt(GuardActor("a" * (i + 1)), "why")
        store.resume(ANN)
    said = told(store, News(store.folder))
    kept = len(store.read().notices)
    assert f"{80 - kept} changes before these: see the journal" in said


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"upto": 3}', b"\xff"])
def test_news_when_what_was_told_is_broken_then_all_that_is_kept_is_told_again(
    store: ControlStore, content: bytes
) -> None:
    store.halt(LOSS, "lost 2 %")
    store.resume(ANN)
    told(store, News(store.folder))
    (store.folder / TOLD_FILE).write_bytes(content)
    assert "lost 2 %" in told(store, News(store.folder))


def test_news_when_the_state_was_started_anew_then_its_numbers_count_anew(
    store: ControlStore,
) -> None:
    for word in "abcd":
        store.halt(GuardActor(word), word)
    news = News(store.folder)
    told(store, news)
    store.clock = lambda: 1_800_000_000_000
    (store.folder / "state.json").write_bytes(b"{")
    assert "cannot be read" in told(store, news)
    store.resume(ANN)
    assert "ann by telegram: resumed" in told(store, news)
    store.halt(LOSS, "lost 3 %")  # number 2, as one that was told of the state before
    assert "lost 3 %" in told(store, news)


def test_news_when_an_answer_on_its_way_tells_of_a_notice_then_it_waits_for_that(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    told(store, news)
    number = store.halt(ANN, "storm").standing[0].n
    assert news.look(store.read(), without={number}) == Untold()
    assert news.look(store.read()).numbers == {number}


def test_reasons_when_there_are_several_then_lifting_one_leaves_the_others(
    store: ControlStore,
) -> None:
    store.reduce(MARGIN, "margin ratio 0.5")
    store.halt(LOSS, "lost 2 %")
    store.halt(ANN, "holiday")
    first, second, third = (n.n for n in store.read().standing)
    assert store.resume(ANN, only=second).mode is ControlMode.HALTED
    left = store.resume(ANN, only=third)
    assert (left.mode, left.reason) == (ControlMode.REDUCING, "margin ratio 0.5")
    assert store.resume(ANN, only=first).may_add_risk


def test_news_when_nothing_is_opened_though_active_then_that_is_told_once_and_so_is_its_end(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    for obstacles, first, last in (
        (["the clock is 2.1 s behind"], "ACTIVE, but nothing is opened: the clock is 2.1 s", ""),
        (["the clock is 2.2 s behind"], None, None),  # as wrong as it was
        (["the clock is 2.3 s behind", "no disk"],
         "ACTIVE, but nothing is opened: the clock is 2.3 s behind; no disk", ""),
        (["no disk"], "ACTIVE, but nothing is opened: no disk",
         "no longer: the clock is 2.1 s behind"),
        ([], "ACTIVE: new positions are allowed", "no longer: no disk"),
        ([], None, None),
    ):  # fmt: skip
        untold = news.look(store.read(), obstacles=obstacles)
        news.told(untold)
        if first is None:
            assert untold == Untold()
            continue
        assert untold.lines[0].startswith(first)
        assert (untold.lines[-1] == last) if last else len(untold.lines) == 2


def test_news_when_halted_with_an_obstacle_then_neither_hides_the_other(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    store.halt(LOSS, "lost 2 %")
    untold = news.look(store.read(), obstacles=["no disk"])
    assert untold.lines[0] == "HALTED: positions are only closed"
    assert untold.lines[-1] == "no disk"
    news.told(untold)
    store.resume(ANN)
    untold = news.look(store.read(), obstacles=["no disk"])
    assert untold.lines[0] == "ACTIVE, but nothing is opened: no disk"
    assert not [line for line in untold.lines if "no longer" in line]


def test_news_when_a_bot_that_opened_nothing_starts_anew_then_it_is_not_over_before_it_has_looked(
    store: ControlStore,
) -> None:
    news = News(store.folder)
    news.told(news.look(store.read(), ["a second poller"], obstacles=["unsafe settings"]))
    again = News(store.folder)
    assert again.look(store.read(), starting=True) == Untold()
    settled = again.look(store.read(), obstacles=["unsafe settings"])
    assert settled.lines[-1] == "no longer: a second poller"
    again.told(settled)
    assert again.look(store.read()).lines[-1] == "no longer: unsafe settings"
