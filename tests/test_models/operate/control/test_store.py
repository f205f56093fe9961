"""The control state: guards only move it down, only a person moves it up, and nothing loses it."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from models.base import files
from models.base.errors import ControlError
from models.base.files import locked
from models.operate.control import state_file
from models.operate.control.review import Answer
from models.operate.control.state import (
    ControlMode,
    ControlState,
    GuardActor,
    Person,
    StateChanged,
    from_bytes,
    to_bytes,
)
from models.operate.control.state_file import WAITING_FILE
from models.operate.control.store import HALT_FILE, ControlStore

ANN = Person("ann", "telegram")
LOSS = GuardActor("loss_day")


class Clock:
    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ControlStore:
    return ControlStore(tmp_path / "control", clock)


def other(store: ControlStore) -> ControlStore:
    """Another process's view of the same folder."""
    return ControlStore(store.folder, store.clock)


# -- reasons ------------------------------------------------------------------------------------


def test_reason_when_a_persons_then_it_is_prose_and_when_a_guards_it_may_repeat_a_request(
    store: ControlStore,
) -> None:
    said = "the token: unknown"
    assert store.reduce(ANN, said).reason == said
    assert store.halt(LOSS, "GET ?signature=abc123 failed").reason == "GET ?signature=*** failed"


# -- modes --------------------------------------------------------------------------------------


def test_store_when_new_then_it_is_active_and_says_since_when(store: ControlStore) -> None:
    state = store.read()
    assert (state.mode, state.since_ms, state.may_add_risk) == (ControlMode.ACTIVE, 1_000_000, True)


@pytest.mark.parametrize("by", [ANN, LOSS])
def test_halt_when_said_then_another_process_sees_who_why_and_when_in_its_next_read(
    store: ControlStore, clock: Clock, by: Person | GuardActor
) -> None:
    reader = other(store)
    assert reader.read().mode is ControlMode.ACTIVE
    clock.now += 5
    store.halt(by, "lost 2 %")
    state = reader.read()
    assert (state.mode, state.reason, state.by) == (ControlMode.HALTED, "lost 2 %", str(by))
    assert state.since_ms == clock.now
    assert not state.may_add_risk


def test_mode_when_moved_down_twice_then_the_first_word_for_it_is_kept(
    store: ControlStore, clock: Clock
) -> None:
    store.reduce(LOSS, "first")
    clock.now += 5
    store.reduce(ANN, "second")
    assert (store.read().reason, store.read().since_ms) == ("first", 1_000_000)
    store.halt(LOSS, "third")
    store.reduce(ANN, "a halt stays a halt")
    assert (store.read().mode, store.read().reason) == (ControlMode.HALTED, "third")


@pytest.mark.parametrize("step", ["reduce", "halt", "request_flatten"])
def test_resume_when_a_guard_asks_then_it_is_refused_and_a_person_may(
    store: ControlStore, step: str
) -> None:
    getattr(store, step)(LOSS, "why")
    before = store.read()
    with pytest.raises(ControlError, match="only a person may resume, not guard loss_day"):
        store.resume(LOSS)  # type: ignore[arg-type]
    assert store.read() == before
    state = store.resume(ANN)
    assert (state.mode, state.by, state.flatten) == (ControlMode.ACTIVE, "ann by telegram", None)


def test_flatten_when_asked_for_then_it_halts_and_stays_halted_when_done(
    store: ControlStore,
) -> None:
    state = store.request_flatten(ANN, "storm")
    assert state.mode is ControlMode.HALTED
    assert state.flatten is not None
    assert state.flatten.reason == "storm"
    done = store.flattened(GuardActor("flatten"))
    assert (done.mode, done.flatten) == (ControlMode.HALTED, None)


# -- the file HALT ------------------------------------------------------------------------------


def test_halt_file_when_dropped_then_it_wins_and_no_resume_helps_until_it_is_gone(
    store: ControlStore,
) -> None:
    file = store.folder / HALT_FILE
    file.touch()
    assert store.read().mode is ControlMode.HALTED
    with pytest.raises(ControlError, match="expected no file HALT"):
        store.resume(ANN)
    file.unlink()
    assert store.read().mode is ControlMode.ACTIVE  # it was never written into the state
    store.halt(LOSS, "loss")
    file.write_text("power works", encoding="utf-8")
    file.unlink()
    assert store.read().mode is ControlMode.HALTED  # removing the file resumes nothing


@pytest.mark.parametrize("name", ["halt", "Halt.txt", "HALT.md"])
def test_halt_file_when_named_in_a_hurry_then_it_counts_and_is_named_as_it_is(
    store: ControlStore, name: str
) -> None:
    file = store.folder / name
    file.touch()
    os.utime(file, (1_000_000, 1_000_000))
    (halt,) = store.read().standing
    assert (halt.mode, halt.reason) == (ControlMode.HALTED, f"the file {name} is there")
    assert halt.time_ms == 1_000_000_000  # since it is there, not since somebody looks
    with pytest.raises(ControlError) as refused:
        store.resume(ANN)
    assert refused.value.where == str(file)
    file.unlink()
    for other in ("halts.jsonl.old", "asphalt", "no-halt"):
        (store.folder / other).touch()
    assert store.read().mode is ControlMode.ACTIVE


def test_state_when_it_cannot_be_read_then_it_is_halted_since_its_file_was_changed(
    store: ControlStore,
) -> None:
    path = store.folder / "state.json"
    path.write_bytes(b"{")
    os.utime(path, (1_000_000, 1_000_000))
    assert store.read().since_ms == 1_000_000_000
    path.unlink()
    assert store.read().since_ms > 1_000_000_000


def test_halt_file_when_dropped_before_the_first_start_then_the_bot_starts_halted(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / HALT_FILE).symlink_to("nowhere")  # a dangling link is a file dropped
    assert ControlStore(tmp_path / "control", clock).read().mode is ControlMode.HALTED


# -- what cannot be read or written -------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format": 1, "mode": "ACTIVE"}',
                b"\xff\xfe", b'{"format": 1}'],
)  # fmt: skip
def test_state_when_its_file_is_corrupt_then_it_reads_halted_and_only_resume_replaces_it(
    store: ControlStore, content: bytes
) -> None:
    path = store.folder / "state.json"
    path.write_bytes(content)
    state = store.read()
    assert state.mode is ControlMode.HALTED
    assert "cannot be read" in state.reason
    with pytest.raises(ControlError, match="cannot be read"):
        store.set_hedge(ANN, 0.5)
    assert path.read_bytes() == content
    assert store.resume(ANN).mode is ControlMode.ACTIVE
    assert [p.read_bytes() for p in store.folder.glob("state.corrupt-*")] == [content]


def test_state_when_any_one_byte_is_lost_then_it_never_reads_as_more_than_was_written(
    store: ControlStore,
) -> None:
    store.request_flatten(ANN, "storm")
    path = store.folder / "state.json"
    whole = path.read_bytes()
    for cut in range(len(whole) - 1):  # the last byte is a newline
        path.write_bytes(whole[:cut])
        assert store.read().mode is ControlMode.HALTED, cut


def test_state_when_its_file_is_deleted_then_it_is_halted_and_not_new(store: ControlStore) -> None:
    store.halt(ANN, "stop")
    (store.folder / "state.json").unlink()
    assert store.read().mode is ControlMode.HALTED
    assert other(store).read().mode is ControlMode.HALTED


def test_state_when_the_folder_cannot_be_made_then_it_is_halted(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").touch()
    store = ControlStore(tmp_path / "file" / "control", clock)
    assert store.read().mode is ControlMode.HALTED
    assert store.halt(LOSS, "loss").mode is ControlMode.HALTED  # and a guard's word does not raise


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def cannot_append(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    if flags & os.O_APPEND:
        full_disk()
    return files.open_regular(path, flags, mode)


def test_halt_when_the_state_cannot_be_written_then_the_halt_file_says_it(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "write_atomic", full_disk)
    assert store.reduce(LOSS, "lost 2 %").mode is ControlMode.HALTED
    assert other(store).read().mode is ControlMode.HALTED
    assert "lost 2 %" in other(store).read().reason
    with pytest.raises(OSError, match="No space"):
        store.request_flatten(ANN, "out")  # the caller must know that nothing will be closed
    assert "lost 2 %" in (store.folder / HALT_FILE).read_text(encoding="utf-8")


def test_halt_when_its_file_is_removed_and_the_bot_killed_then_the_word_waits_for_the_state(
    store: ControlStore,
) -> None:
    """What somebody removed unread, before the state could take it, is told all the same."""
    kept = (store.folder / "state.json").read_bytes()
    (store.folder / "state.json").write_bytes(b"broken")
    store.halt(LOSS, "lost 2 %")
    (store.folder / HALT_FILE).unlink()
    (store.folder / "state.json").write_bytes(kept)
    after = other(store)  # memory is gone
    assert after.read().mode is ControlMode.HALTED
    assert "lost 2 %" in after.read().reason
    after.settle()
    assert not (store.folder / WAITING_FILE).exists()
    assert [n.n for n in other(store).read().standing] == [1]
    assert other(store).resume(ANN).mode is ControlMode.ACTIVE


def test_halt_when_a_person_has_lifted_it_before_the_state_took_it_then_it_does_not_come_back(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(state_file, "write_atomic", full_disk)
        store.halt(LOSS, "lost 2 %")
    (store.folder / HALT_FILE).unlink()
    shown = other(store).read()
    lifted = other(store).resume(ANN, shown=shown)
    assert lifted.mode is ControlMode.ACTIVE
    taken = [n for n in lifted.notices if n.what == "halt"]
    assert [(n.n, n.stands) for n in taken] == [(1, False)]  # numbered: it will be told
    assert "lost 2 %" in taken[0].reason
    store.settle()
    assert store.read().mode is ControlMode.ACTIVE


def test_halt_when_another_comes_while_one_is_taken_then_it_waits_on(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(state_file, "write_atomic", full_disk)
        store.halt(LOSS, "lost 2 %")
    real = os.replace

    def meanwhile(source: Path, target: Path) -> None:
        if source.name == WAITING_FILE:
            with monkeypatch.context() as broken:
                broken.setattr(state_file, "write_atomic", full_disk)
                other(store).halt(GuardActor("margin"), "margin ratio 0.8")
        real(source, target)

    monkeypatch.setattr("models.operate.control.state_file.os.replace", meanwhile)
    store.settle()
    monkeypatch.undo()
    (store.folder / HALT_FILE).unlink()
    reasons = [n.reason for n in other(store).read().standing]
    assert len(reasons) == 2
    assert "margin ratio 0.8" in reasons[1]


def test_halt_when_a_kill_falls_between_taking_and_putting_back_then_what_came_in_still_stands(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(state_file, "write_atomic", full_disk)
        store.halt(LOSS, "lost 2 %")
    real = os.replace

    def then_killed(source: Path, target: Path) -> None:
        if source.name != WAITING_FILE:
            return real(source, target)
        with monkeypatch.context() as broken:
            broken.setattr(state_file, "write_atomic", full_disk)
            other(store).halt(GuardActor("margin"), "margin ratio 0.8")
        real(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("models.operate.control.state_file.os.replace", then_killed)
        with pytest.raises(KeyboardInterrupt):
            store.settle()
    assert not (store.folder / WAITING_FILE).exists()
    (store.folder / HALT_FILE).unlink()
    for looks in range(3):  # before and after the next process has settled it
        reasons = [n.reason for n in other(store).read().standing]
        assert sorted("margin" in r for r in reasons) == [False] * (len(reasons) - 1) + [True]
        other(store).settle()
        assert looks == 0 or len(reasons) == 2
    assert sorted(n.name for n in store.folder.iterdir()) == ["lock", "state.json"]


@pytest.mark.parametrize("what", ["words", "values", "folder", "pipe"])
def test_halt_when_what_waits_cannot_be_read_then_it_is_a_halt_itself_and_is_taken_once(
    store: ControlStore, what: str
) -> None:
    place = store.folder / WAITING_FILE
    if what == "folder":
        place.mkdir()
    elif what == "pipe":
        os.mkfifo(place)
    else:
        place.write_text("because\n" if what == "words" else '{"mode": "HALTED", "n": "1"}\n')
    assert other(store).read().mode is ControlMode.HALTED
    assert WAITING_FILE in store.read().reason
    for _ in range(3):
        store.settle()
    assert [n for n in store.read().standing if not n.n] == []
    assert store.resume(ANN).mode is ControlMode.ACTIVE
    store.settle()
    assert store.read().mode is ControlMode.ACTIVE


def test_halt_when_nothing_at_all_can_be_written_then_this_process_is_halted_until_it_is_lifted(
    store: ControlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(state_file, "write_atomic", full_disk)
        broken.setattr(state_file, "open_regular", cannot_append)
        assert store.halt(LOSS, "loss").mode is ControlMode.HALTED
    clock.now += 5
    other(store).set_hedge(ANN, 0.5)  # no word about the mode
    assert store.read().mode is ControlMode.HALTED
    assert "No space" in store.read().reason
    other(store).resume(ANN)  # by somebody to whom no other process could show this halt
    assert store.read().mode is ControlMode.HALTED
    store.settle()  # the disk is back
    assert "loss (HALTED asked for); and" in other(store).read().reason
    other(store).resume(ANN)
    assert store.read().mode is ControlMode.ACTIVE


def test_halt_when_a_stopped_process_holds_the_lock_then_it_takes_effect_all_the_same(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.base.files.time.sleep", lambda _: None)
    with locked(store.folder / "lock"):
        assert store.halt(ANN, "now").mode is ControlMode.HALTED
        with pytest.raises(ControlError, match="another process holds the lock"):
            store.set_hedge(ANN, 0.5)
    assert other(store).read().mode is ControlMode.HALTED


def test_state_when_written_and_read_then_nothing_changes(store: ControlStore) -> None:
    store.set_hedge(ANN, 0.25)
    store.propose(key="k", pair="BTC", side="long", notional_quote=1.0, rate=1.0, note="",
                  expires_ms=2_000_000)  # fmt: skip
    store.acknowledge(ANN, "digest")
    state = store.request_flatten(ANN, "out")
    assert from_bytes(to_bytes(state)) == state
    assert state != ControlState()


def test_state_when_many_threads_change_it_then_no_change_is_lost(store: ControlStore) -> None:
    def work(name: str) -> None:
        mine = other(store)
        for i in range(20):
            mine.propose(key=f"{name}{i}", pair="BTC", side="long", notional_quote=1.0, rate=1.0,
                         note="", expires_ms=2_000_000)  # fmt: skip

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = store.read()
    assert (state.next_proposal, state.changes) == (41, 40)
    assert len({p.key for p in state.proposals}) == 40


def test_store_when_it_writes_then_no_other_user_may_and_nothing_is_left_lying_about(
    store: ControlStore,
) -> None:
    store.halt(ANN, "x")
    assert sorted(os.listdir(store.folder)) == ["lock", "state.json"]


# -- reasons and what was shown -----------------------------------------------------------------


def test_guard_when_it_repeats_itself_with_other_numbers_then_its_first_word_stands_alone(
    store: ControlStore,
) -> None:
    for lost in (2.01, 2.02, 2.03):
        store.halt(LOSS, f"lost {lost} %")
    store.halt(LOSS, "lost too much this week")
    assert [n.reason for n in store.read().standing] == ["lost 2.01 %", "lost too much this week"]


def test_reasons_when_one_guard_finds_ever_new_words_then_only_a_few_of_them_stand(
    store: ControlStore,
) -> None:
    for i in range(20):
        store.halt(LOSS, "x" * (i + 1))
    standing = store.read().standing
    assert len(standing) == 4
    assert standing[-1].reason == "x" * 20  # and a person who was shown the one before has to look


def test_resume_when_a_halt_came_since_it_was_shown_then_nothing_is_lifted(
    store: ControlStore,
) -> None:
    shown = store.reduce(LOSS, "silent")
    other(store).halt(GuardActor("margin"), "0.6")
    with pytest.raises(StateChanged, match="no longer what was shown"):
        store.resume(ANN, shown=shown)
    assert store.read().mode is ControlMode.HALTED
    assert store.resume(ANN, shown=store.read()).may_add_risk


@pytest.mark.parametrize("since", ["file", "resumed", "lifted and said again", "gone"])
def test_resume_when_what_stands_changed_in_any_way_then_it_is_another_question(
    store: ControlStore, since: str
) -> None:
    shown = store.halt(LOSS, "lost 2 %")
    if since == "file":
        (store.folder / HALT_FILE).touch()
    elif since == "gone":
        (store.folder / "state.json").unlink()
    else:
        other(store).resume(Person("bob", "telegram"))
        if since != "resumed":
            other(store).halt(LOSS, "lost 2 %")
    before = store.read()
    with pytest.raises(ControlError):
        store.resume(ANN, shown=shown)
    assert store.read() == before


def test_question_when_something_else_changed_then_the_answer_still_counts(
    store: ControlStore,
) -> None:
    shown = store.halt(LOSS, "lost 2 %")
    store.acknowledge(ANN, "digest")
    propose(store)
    store.set_hedge(ANN, 0.5)
    assert store.resume(ANN, shown=shown).may_add_risk


def test_flatten_when_it_became_stricter_since_then_it_is_not_held_up(store: ControlStore) -> None:
    shown = store.read()
    store.halt(LOSS, "lost 2 %")
    assert store.request_flatten(ANN, "out", shown=shown).flatten is not None
    with pytest.raises(StateChanged):  # it is being closed already: another question
        store.request_flatten(ANN, "out", shown=shown)


def test_hedge_when_it_or_the_mode_changed_since_it_was_shown_then_it_stays(
    store: ControlStore,
) -> None:
    for change in (lambda: store.set_hedge(ANN, 0.1), lambda: store.reduce(LOSS, "x")):
        shown = store.read()
        change()
        before = store.read()
        for act in (
            lambda shown=shown: store.set_hedge(ANN, 0.9, shown=shown),
            lambda shown=shown: store.freeze_hedge(ANN, shown=shown),
            lambda shown=shown: store.release_hedge(ANN, shown=shown),
        ):
            with pytest.raises(StateChanged):
                act()
        assert store.read() == before


def test_proposal_when_its_number_stands_for_another_entry_then_an_old_button_is_refused(
    store: ControlStore, clock: Clock
) -> None:
    propose(store)
    (old,) = store.read().proposals
    (store.folder / "state.json").unlink()
    store.resume(ANN)
    clock.now += 5
    assert propose(store, key="LTC short 9") == old.id
    for answer in (store.approve, store.deny):
        with pytest.raises(StateChanged, match="another entry than the one shown"):
            answer(ANN, old.id, shown=old.mark)
    assert answers(store) == ["waiting"]
    (new,) = store.read().proposals
    assert store.approve(ANN, new.id, shown=new.mark).answer is Answer.APPROVED


@pytest.mark.parametrize("mode", list(ControlMode))
def test_state_when_written_by_the_version_before_then_its_mode_and_reason_are_kept(
    store: ControlStore, mode: ControlMode
) -> None:
    old = {
        "format": 1, "mode": mode, "reason": "lost 2 %", "by": "guard loss_day", "since_ms": 5,
        "flatten": {"by": "ann", "reason": "out", "since_ms": 7}, "hedge": None, "proposals": [],
        "next_proposal": 3, "changes": 9, "acknowledged": {"d": "ann"},
    }  # fmt: skip
    (store.folder / "state.json").write_text(json.dumps(old), encoding="utf-8")
    state = store.read()
    assert (state.mode, state.by, state.since_ms) == (mode, "guard loss_day", 5)
    assert (state.next_proposal, state.acknowledged) == (3, {"d": "ann"})
    store.halt(ANN, "now")
    assert store.read().mode is ControlMode.HALTED
    assert store.resume(ANN).may_add_risk


def test_state_when_somebody_edits_its_mode_then_it_is_halted(store: ControlStore) -> None:
    store.halt(LOSS, "lost 2 %")
    path = store.folder / "state.json"
    path.write_text(path.read_text().replace('"mode": "HALTED",\n "notices"',
                                             '"mode": "ACTIVE",\n "notices"'))  # fmt: skip
    assert store.read().mode is ControlMode.HALTED
    assert "it was edited" in store.read().reason


# -- hedge --------------------------------------------------------------------------------------


def test_hedge_when_set_frozen_and_released_then_each_is_seen(store: ControlStore) -> None:
    hedge = store.set_hedge(ANN, 0.4).hedge
    assert hedge is not None
    assert (hedge.ratio, hedge.by) == (0.4, "ann by telegram")
    frozen = store.freeze_hedge(ANN).hedge
    assert frozen is not None
    assert frozen.ratio is None
    assert store.release_hedge(ANN).hedge is None


@pytest.mark.parametrize("ratio", [-0.01, 1.01, float("nan"), float("inf")])
def test_hedge_when_the_ratio_is_no_share_then_it_is_refused(
    store: ControlStore, ratio: float
) -> None:
    with pytest.raises(ControlError, match="from 0 to 1"):
        store.set_hedge(ANN, ratio)


def test_persons_things_when_a_guard_does_them_then_they_are_refused(store: ControlStore) -> None:
    for act in (
        lambda: store.set_hedge(LOSS, 0.5),  # type: ignore[arg-type]
        lambda: store.freeze_hedge(LOSS),  # type: ignore[arg-type]
        lambda: store.release_hedge(LOSS),  # type: ignore[arg-type]
        lambda: store.approve(LOSS, "r1"),  # type: ignore[arg-type]
        lambda: store.deny(LOSS, "r1"),  # type: ignore[arg-type]
        lambda: store.acknowledge(LOSS, "d"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ControlError, match="only a person may"):
            act()
    assert store.read().changes == 0


# -- review -------------------------------------------------------------------------------------


def propose(store: ControlStore, key: str = "BTC long 1", notional: float = 1000.0) -> str:
    return store.propose(
        key=key, pair="BTC/USDT:USDT", side="long", notional_quote=notional, rate=100.0,
        note="up 60 %", expires_ms=store.clock() + 60_000,
    ).id  # fmt: skip


def answers(store: ControlStore) -> list[str]:
    return [p.answer for p in store.read().proposals]


def test_proposal_when_made_twice_for_a_signal_then_it_is_the_same_one(
    store: ControlStore,
) -> None:
    assert propose(store) == propose(store) == "r1"
    assert propose(store, key="BTC long 2") == "r2"


def test_proposal_when_approved_then_one_order_of_its_size_may_use_it_once(
    store: ControlStore,
) -> None:
    propose(store)
    assert store.use("BTC long 1", 1000.0) is False  # nobody has answered
    approved = store.approve(ANN, "r1")
    assert (approved.answer, approved.by) == (Answer.APPROVED, "ann by telegram")
    assert store.use("BTC long 1", 1020.0) is False  # larger than what was shown
    assert store.use("BTC long 2", 1000.0) is False
    assert store.use("BTC long 1", 1005.0) is True
    assert store.use("BTC long 1", 1000.0) is False
    assert answers(store) == ["used"]


def test_proposal_when_denied_then_it_stays_denied(store: ControlStore) -> None:
    propose(store)
    store.deny(ANN, "r1")
    with pytest.raises(ControlError, match="r1 is denied by ann by telegram, and stays so"):
        store.approve(ANN, "r1")
    assert store.use("BTC long 1", 1000.0) is False


@pytest.mark.parametrize("approved", [False, True])
def test_proposal_when_its_time_is_over_then_it_is_worth_nothing(
    store: ControlStore, clock: Clock, approved: bool
) -> None:
    propose(store)
    if approved:
        store.approve(ANN, "r1")
    clock.now += 60_000
    assert answers(store) == ["expired"]
    assert store.use("BTC long 1", 1000.0) is False
    with pytest.raises(ControlError, match="is expired"):
        store.approve(ANN, "r1")
    assert propose(store) == "r1"  # the same signal is not asked about again


@pytest.mark.parametrize("approved", [False, True])
def test_proposal_when_the_clock_is_set_back_then_one_dated_ahead_is_worth_nothing(
    store: ControlStore, clock: Clock, approved: bool
) -> None:
    right, fast = clock.now, clock.now + 900_000
    clock.now = fast
    propose(store)
    if approved:
        store.approve(ANN, "r1")
    clock.now = fast - 5_000  # two processes may read the time one after the other
    assert answers(store) == ["approved" if approved else "waiting"]
    clock.now = right  # nobody knows how old it is
    assert answers(store) == ["expired"]
    assert store.use("BTC long 1", 1000.0) is False
    with pytest.raises(ControlError, match="r1 is expired"):
        store.approve(ANN, "r1")
    clock.now = right + 60_000
    assert propose(store, key="BTC long 2") == "r2"
    store.approve(ANN, "r2")
    assert store.use("BTC long 2", 1000.0) is True


def test_proposal_when_unknown_then_the_open_ones_are_named(store: ControlStore) -> None:
    propose(store)
    with pytest.raises(ControlError, match="open ones: r1"):
        store.approve(ANN, "r9")
