"""A lease keeps every second holder out, says who holds it, and dies with its holder."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.base.errors import ControlError
from models.operate.control import lease
from models.operate.control.lease import holder_of, take_lease

RACES = 100
NOW = 1_700_000_000_123


def child(work: Callable[[], int]) -> int:
    """Fork; the child's exit code is what `work` returns, 99 if it raises. Return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = work()
    finally:
        os._exit(code)


def code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def tried(path: Path) -> int:
    """Return 0 if this process gets the lease, 1 if it is refused by name."""
    try:
        take_lease(path, "a bot")
    except ControlError as error:
        return 1 if "is in use by" in error.problem else 98
    return 0


def tried_elsewhere(path: Path) -> int:
    """Return what `tried` does in another process."""
    return code_of(child(lambda: tried(path)))


def holding(path: Path, who: str = "GuardedSignals, live") -> int:
    """Return the pid of a process that holds the lease until it is killed."""
    ready, told = os.pipe()

    def hold() -> int:
        take_lease(path, who, lambda: NOW)
        os.write(told, b"x")
        signal.pause()
        return 0

    pid = child(hold)
    os.read(ready, 1)
    os.close(ready)
    os.close(told)
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_lease_when_another_process_holds_it_then_it_is_refused_by_name_until_that_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "folder" / "bot.lock"
    pid = holding(path)
    try:
        with pytest.raises(ControlError) as refused:
            take_lease(path, "another", what="the folder", cure="use yours")
        assert refused.value.problem.startswith(
            f"the folder is in use by GuardedSignals, live, process {pid} on "
        )
        assert refused.value.problem.endswith("since 2023-11-14T22:13:20.123Z")
        assert refused.value.cure == "use yours"
        holder = holder_of(path)
        assert holder is not None
        assert (holder.pid, holder.since_ms) == (pid, NOW)
    finally:
        end(pid)  # kill -9
    assert holder_of(path) is None
    took = take_lease(path, "the next")
    assert took.lost() == ""
    assert took.before is not None
    assert (took.before.pid, took.moved_from) == (pid, "")  # on the same machine
    assert str(holder_of(path)).startswith("the next, process")


def test_lease_when_it_is_taken_again_in_the_same_process_then_it_is_the_same_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bot.lock"
    take_lease(path, "a")
    assert take_lease(path, "a").lost() == ""
    assert tried_elsewhere(path) == 1  # closing the second one has freed nothing


def test_lease_when_its_process_has_forked_then_the_child_neither_has_nor_keeps_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bot.lock"

    ready, told = os.pipe()

    def worker() -> int:
        os.write(told, b"%d %d" % (tried(path), os.getpid()))
        signal.pause()
        return 0

    def bot() -> int:
        take_lease(path, "a bot")
        child(worker)
        signal.pause()
        return 0

    pid = child(bot)
    refused, pid_of_worker = map(int, os.read(ready, 20).split())
    end(pid)
    try:
        assert refused == 1
        assert tried_elsewhere(path) == 0  # though the worker still runs
    finally:
        os.kill(pid_of_worker, signal.SIGKILL)


def test_lease_when_two_start_at_once_a_hundred_times_then_each_time_exactly_one_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_PAUSE_S", 0.002)
    for race in range(RACES):
        path = tmp_path / f"{race}.lock"
        gate, open_gate = os.pipe()
        done, finish = os.pipe()
        result, tell = os.pipe()

        def start(path: Path = path, gate: int = gate, tell: int = tell, done: int = done) -> int:
            os.read(gate, 1)
            code = tried(path)
            os.write(tell, b"%d" % code)
            os.read(done, 1)  # the winner holds on until both have tried
            return code

        pids = [child(start), child(start)]
        os.write(open_gate, b"xx")
        codes = b""
        while len(codes) < 2:
            codes += os.read(result, 2)
        os.write(finish, b"xx")
        assert sorted(code_of(pid) for pid in pids) == [0, 1], race
        for handle in (gate, open_gate, done, finish, result, tell):
            os.close(handle)


def test_lease_when_its_file_is_removed_under_it_then_it_says_that_it_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bot.lock"
    took = take_lease(path, "a bot")
    path.unlink()
    assert "cannot be looked at" in took.lost()
    take_lease(path, "a bot")
    assert "was removed or replaced" in took.lost()


@pytest.mark.parametrize("step", [1, 2], ids=["locked", "looked whether it keeps others out"])
def test_lease_when_its_file_is_removed_just_as_it_is_locked_then_the_one_in_its_place_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    path, real, calls = tmp_path / "bot.lock", fcntl.flock, []

    def removed(handle: int, how: int) -> None:
        calls.append(how)
        try:
            real(handle, how)
        finally:
            if len(calls) == step:
                path.unlink()

    monkeypatch.setattr(fcntl, "flock", removed)
    took = take_lease(path, "a bot")
    assert took.lost() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tried_elsewhere(path) == 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_lease_when_the_filesystem_has_no_locks_then_that_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(ControlError, match="keeps no locks") as refused:
        take_lease(tmp_path / "bot.lock", "a bot")
    assert errno.errorcode[number] in refused.value.problem
    assert "local disk" in refused.value.cure


def test_lease_when_the_lock_fails_without_a_number_then_what_was_said_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(handle: int, how: int) -> None:
        raise OSError("the server is gone")

    monkeypatch.setattr(fcntl, "flock", odd)
    with pytest.raises(ControlError, match=r"keeps no locks \(the server is gone\)"):
        take_lease(tmp_path / "bot.lock", "a bot")


def test_lease_when_another_user_of_the_machine_holds_it_then_that_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bot.lock"
    pid = holding(path)
    real = os.kill

    def not_ours(number: int, what: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    try:
        monkeypatch.setattr(os, "kill", not_ours)
        with pytest.raises(ControlError, match=f"in use by GuardedSignals, live, process {pid}"):
            take_lease(path, "another")
    finally:
        monkeypatch.setattr(os, "kill", real)
        end(pid)


def test_lease_when_the_filesystem_only_pretends_to_lock_then_that_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda handle, how: None)
    with pytest.raises(ControlError, match=r"keeps no locks \(two holders at once\)"):
        take_lease(tmp_path / "bot.lock", "a bot")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "fifo"])
def test_lease_when_something_else_lies_in_its_place_then_that_is_an_error_and_no_wait(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "bot.lock")
    with pytest.raises(ControlError, match=r"plain file|cannot be locked"):
        take_lease(tmp_path / "bot.lock", "a bot")


def test_lease_when_its_folder_cannot_be_made_then_that_is_an_error_with_a_cure(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot be locked for one bot"):
        take_lease(tmp_path / "file" / "bot.lock", "a bot")


def test_lease_when_the_file_can_only_be_read_then_it_locks_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bot.lock"
    path.touch()
    real = os.open

    def read_only(file: Path, flags: int, *more: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(file, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    assert take_lease(path, "a bot").lost() == ""
    monkeypatch.undo()
    assert tried_elsewhere(path) == 1


def test_lease_when_the_holder_has_not_said_its_name_then_no_dead_ones_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bot.lock"
    dead = holding(path, "a dead bot")
    end(dead)
    assert b"a dead bot" in path.read_bytes()
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    monkeypatch.setattr(lease, "_PAUSE_S", 0.0)
    try:
        with pytest.raises(ControlError, match="another process, which has not said its name"):
            take_lease(path, "a bot")
    finally:
        os.close(handle)


def test_lease_when_somebody_looks_who_holds_it_then_a_bot_that_starts_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bot.lock"
    path.touch()
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: os.close(handle))
    assert take_lease(path, "a bot").lost() == ""
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0
