"""The state's file, and the halts that stand beside it: none is lost, none comes back for ever."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from models.base.errors import ControlError
from models.operate.control import state_file
from models.operate.control.state import ControlMode, GuardActor, Person
from models.operate.control.state_file import HALT_FILE, WAITING_FILE
from models.operate.control.store import ControlStore

ANN = Person("ann", "telegram")
LOSS, MARGIN = GuardActor("loss_day"), GuardActor("margin")
Repair: TypeAlias = Callable[[], None]


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "new" / "control", lambda: 1_000_000)


@pytest.fixture
def full(store: ControlStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repair]:
    """Let no state be written until this is called; the file HALT can be."""

    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(state_file, "write_atomic", no_space)
        yield broken.undo


def halt_file(store: ControlStore) -> Path:
    return store.folder / HALT_FILE


def waiting(store: ControlStore) -> list[str]:
    file = store.folder / WAITING_FILE
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


# -- the folder -----------------------------------------------------------------------------------


def test_folder_when_made_by_hand_and_empty_then_the_bot_starts_active(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    assert ControlStore(tmp_path / "control").read().mode is ControlMode.ACTIVE


def test_folder_when_it_vanishes_while_the_bot_runs_then_a_halt_is_still_written_down(
    store: ControlStore, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "new")
    assert store.read().mode is ControlMode.HALTED
    store.halt(LOSS, "lost 2 %")
    assert "lost 2 %" in ControlStore(store.folder).read().reason


def test_state_when_it_cannot_be_read_then_no_signal_is_written_over_it(
    store: ControlStore,
) -> None:
    (store.folder / "state.json").write_bytes(b"broken")
    with pytest.raises(ControlError, match="cannot be read"):
        store.propose(key="k", pair="BTC", side="long", notional_quote=1.0, rate=1.0, note="",
                      expires_ms=2_000_000)  # fmt: skip
    with pytest.raises(ControlError, match="cannot be read"):
        store.use("k", 1.0)
    assert (store.folder / "state.json").read_bytes() == b"broken"


# -- the file HALT --------------------------------------------------------------------------------


def test_halt_file_when_read_then_its_words_are_the_reason_as_far_as_a_person_reads(
    store: ControlStore,
) -> None:
    halt_file(store).touch()
    assert store.read().reason == "the file HALT is there"
    halt_file(store).write_text("power works\n", encoding="utf-8")
    assert store.read().reason == "the file HALT is there: power works"
    halt_file(store).write_text("x" * 5000, encoding="utf-8")
    assert store.read().reason == f"the file HALT is there: {'x' * 1000}"
    (store.folder / "halt.txt").write_text("me too", encoding="utf-8")
    assert store.read().reason == f"the file HALT is there: {'x' * 1000}"  # by its own name first
    halt_file(store).write_bytes(b"x" * (2 << 20))  # too long to be read, and a halt all the same
    assert store.read().mode is ControlMode.HALTED


def test_halt_file_when_the_bot_writes_it_then_nobody_can_run_it(
    store: ControlStore, full: Repair
) -> None:
    store.halt(LOSS, "lost 2 %")
    assert "guard loss_day: lost 2 %" in halt_file(store).read_text(encoding="utf-8")
    assert halt_file(store).stat().st_mode & 0o111 == 0


def test_halt_file_when_a_person_has_dropped_it_then_a_guards_halt_is_kept_beside_his(
    store: ControlStore, full: Repair
) -> None:
    halt_file(store).write_text("power works\n", encoding="utf-8")
    store.halt(LOSS, "lost 2 %")
    halt_file(store).unlink()  # the works are over
    assert "lost 2 %" in ControlStore(store.folder).read().reason


def test_halt_file_when_it_is_removed_and_the_guard_repeats_itself_then_it_is_there_again(
    store: ControlStore, full: Repair
) -> None:
    store.halt(LOSS, "lost 2 %")
    halt_file(store).unlink()
    store.halt(LOSS, "lost 2.1 %")
    assert "lost 2.1 %" in halt_file(store).read_text(encoding="utf-8")


# -- halts that wait ------------------------------------------------------------------------------


def test_halts_when_two_guards_repeat_themselves_for_hours_then_each_waits_once(
    store: ControlStore, full: Repair
) -> None:
    for lost in range(50):
        store.halt(LOSS, f"lost {lost} %")
        store.halt(MARGIN, f"margin ratio 0.{lost}")
    assert len(waiting(store)) == 2
    assert len(halt_file(store).read_text(encoding="utf-8").splitlines()) == 2


def test_halts_when_two_waited_then_the_state_takes_both_and_neither_comes_back(
    store: ControlStore, full: Repair
) -> None:
    store.halt(LOSS, "lost 2 %")
    store.halt(MARGIN, "margin ratio 0.8")
    full()
    halt_file(store).unlink()
    # Beside the state they have no number yet, which a person could lift one by.
    assert [n.n for n in store.read().standing] == [0, 0]
    store.settle()
    assert waiting(store) == []
    assert [n.by for n in store.read().standing] == [str(LOSS), str(MARGIN)]
    store.resume(ANN)
    store.settle()
    assert ControlStore(store.folder).read().mode is ControlMode.ACTIVE


def test_halts_when_one_cannot_be_read_then_it_has_no_number_and_no_time(
    store: ControlStore,
) -> None:
    (store.folder / WAITING_FILE).write_text("because\n", encoding="utf-8")
    (unread,) = store.read().standing
    assert (unread.n, unread.time_ms, unread.by) == (0, 0, "file")


def test_halts_when_no_disk_is_there_then_each_guards_word_holds_once_in_this_process(
    store: ControlStore, full: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(state_file, "open_regular", read_only)
        for _ in range(3):
            store.halt(LOSS, "lost 2 %")
            store.halt(MARGIN, "margin ratio 0.8")
        assert len(store.unwritten) == 2
        assert "lost 2 %" in store.unwritten[0]
        assert "Read-only file system" in store.unwritten[1]
    assert store.read().mode is ControlMode.HALTED
    full()
    store.settle()
    assert store.unwritten == ()
    assert len(ControlStore(store.folder).read().standing) == 2


def test_halt_when_one_is_lifted_by_its_number_then_what_waits_stays(
    store: ControlStore,
) -> None:
    store.reduce(MARGIN, "margin ratio 0.5")
    (store.folder / WAITING_FILE).write_text("because\n", encoding="utf-8")
    store.resume(ANN, only=1)
    assert store.read().mode is ControlMode.HALTED
    assert len(waiting(store)) == 1
    store.resume(ANN)
    assert store.read().mode is ControlMode.ACTIVE
