"""What the control state keeps of what it has heard, and for how long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.operate.control.news import News
from models.operate.control.state import ControlMode, GuardActor, Person, checked_ratio
from models.operate.control.store import ControlStore
from models.operate.control.unknown import Unknown

ANN, LOSS = Person("ann", "telegram"), GuardActor("loss_day")


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control", lambda: 1_000_000)


def test_state_when_written_then_it_is_of_the_format_that_running_bots_have_on_disk(
    store: ControlStore,
) -> None:
    # Another number, and every bot would be halted by its own state after an upgrade.
    assert json.loads((store.folder / "state.json").read_bytes())["format"] == 2


def test_notices_when_people_are_told_of_things_then_none_of_them_stands_and_only_fifty_are_kept(
    store: ControlStore,
) -> None:
    for number in range(60):
        store.note(LOSS, f"told {number}")
        assert store.read().standing == ()
    assert [n.reason for n in store.read().notices] == [f"told {n}" for n in range(9, 60)]


def test_reasons_when_a_guard_finds_a_fifth_then_its_first_three_stay_and_the_newest(
    store: ControlStore,
) -> None:
    for word in "abcdef":
        store.halt(LOSS, word)
    assert [n.reason for n in store.read().standing] == ["a", "b", "c", "f"]


def test_reasons_when_a_person_gives_them_then_each_stands_by_itself_with_its_numbers(
    store: ControlStore,
) -> None:
    said = ["h1", "h2", *"abcdef"]
    for word in [*said, "h1", "a"]:
        store.halt(Person("ann", "telegram"), word)
    assert [n.reason for n in store.read().standing] == said
    for i in range(40):
        store.halt(Person("ann", "telegram"), str(i))
    standing = [n.reason for n in store.read().standing]
    assert len(standing) == 16
    assert standing[-1] == "39"


def before_reasons(store: ControlStore, mode: str) -> None:
    """Leave the state of the version that knew one reason only."""
    old = {
        "format": 1, "mode": mode, "reason": "lost 2 %", "by": "guard loss_day", "since_ms": 5,
        "flatten": {"by": "ann", "reason": "out", "since_ms": 7}, "hedge": None, "proposals": [],
        "next_proposal": 1, "changes": 9, "acknowledged": {},
    }  # fmt: skip
    (store.folder / "state.json").write_text(json.dumps(old), encoding="utf-8")


@pytest.mark.parametrize(("mode", "numbers"), [("ACTIVE", [1]), ("HALTED", [1, 2])])
def test_reasons_when_the_state_is_of_a_version_before_them_then_they_are_numbered_from_one(
    store: ControlStore, mode: str, numbers: list[int]
) -> None:
    before_reasons(store, mode)
    store.halt(GuardActor("margin"), "margin ratio 0.8")
    assert [n.n for n in store.read().standing] == numbers


def test_flatten_when_another_reason_is_lifted_then_it_stands_and_ends_with_its_own(
    store: ControlStore,
) -> None:
    store.request_flatten(ANN, "storm")
    store.halt(LOSS, "lost 2 %")
    store.halt(GuardActor("margin"), "margin ratio 0.8")
    assert store.resume(ANN, only=2).flatten is not None
    ended = store.resume(ANN, only=1)
    assert (ended.flatten, ended.mode) == (None, ControlMode.HALTED)


def test_flatten_when_it_is_of_a_version_before_reasons_then_no_single_lifted_one_ends_it(
    store: ControlStore,
) -> None:
    before_reasons(store, "HALTED")
    store.halt(GuardActor("margin"), "margin ratio 0.8")
    assert store.resume(ANN, only=1).flatten is not None
    assert store.resume(ANN).flatten is None


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_hedge_when_none_half_or_all_of_it_is_asked_for_then_it_may_be(ratio: float) -> None:
    assert checked_ratio(ratio) == ratio


def test_mode_when_nobody_has_moved_it_then_no_reason_is_made_up(store: ControlStore) -> None:
    assert (store.read().mode, store.read().reason) == (ControlMode.ACTIVE, "")


def test_reason_when_lifted_by_its_number_then_people_are_told_which_one_it_was(
    store: ControlStore,
) -> None:
    store.halt(LOSS, "lost 2 %")
    store.reduce(GuardActor("margin"), "margin ratio 0.8")
    told = store.resume(ANN, only=2).notices[-1]
    assert told.reason == "lifted REDUCING of guard margin: margin ratio 0.8"


def test_mode_when_two_things_have_long_been_unknown_then_it_only_reduces_since_the_first(
    store: ControlStore,
) -> None:
    store.note_unknown([
        Unknown(what="the market", since_ms=10, why="silent", reduces_ms=500),
        Unknown(what="the books", since_ms=20, why="silent", reduces_ms=300),
        Unknown(what="the losses", since_ms=30, why="silent"),
    ])  # fmt: skip
    state = store.read()
    assert (state.mode, state.since_ms) == (ControlMode.REDUCING, 300)
    assert state.reason == "unknown: the market, the books"
    store.note_unknown([])
    assert store.read().may_add_risk


def test_news_when_the_state_cannot_be_read_for_a_while_then_old_ones_are_not_told_again(
    store: ControlStore,
) -> None:
    store.note(LOSS, "a deposit was found")
    news = News(store.folder)
    untold = news.look(store.read())
    assert any("a deposit was found" in line for line in untold.lines)
    news.told(untold)
    whole = (store.folder / "state.json").read_bytes()
    (store.folder / "state.json").write_bytes(b"broken")
    news.told(news.look(store.read()))
    (store.folder / "state.json").write_bytes(whole)
    assert not any("a deposit was found" in line for line in news.look(store.read()).lines)


def test_proposals_when_many_are_made_then_the_newest_fifty_are_kept(store: ControlStore) -> None:
    for number in range(55):
        store.propose(key=f"k{number}", pair="BTC", side="long", notional_quote=1.0, rate=1.0,
                      note="", expires_ms=2_000_000)  # fmt: skip
    assert [p.key for p in store.read().proposals] == [f"k{number}" for number in range(5, 55)]
