"""What stands in a file's place: each kind is an error at once, for every reader of the pack."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from models.base.errors import ControlError, PackError
from models.base.files import locked, open_regular, read_regular, wall_clock_ms, write_atomic
from models.base.json_files import read_json_object
from models.data.feeds.catalog import STATUS, CollectConfig, freshness
from models.data.feeds.store import records
from models.operate.control.heartbeat import FILE, Heartbeat, beat, last_beat
from models.operate.control.news import TOLD_FILE, News
from models.operate.control.reach import REACH_FILE, reach_lines
from models.operate.control.state import ControlMode, GuardActor, Person, to_bytes
from models.operate.control.state_file import STATE_FILE
from models.operate.control.store import HALT_FILE, ControlStore
from models.operate.control.unknown import Unknown
from models.operate.control.watch_sign import WATCH_FILE, watched_ago_s
from models.operate.journal.journal import Journal
from strategies.guard.guarding import installation_seed
from strategies.guard.loss_book import LossBook

PERSON = Person("somebody", "test")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "a FIFO"),
    "folder": (Path.mkdir, "a folder"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "socket": (_socket, "a socket"),
    "loop": (lambda path: path.symlink_to(path.name), "a loop of links"),
}


@pytest.fixture(params=PLACES)
def placed(request: pytest.FixtureRequest) -> tuple[Callable[[Path], object], str]:
    return PLACES[request.param]


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose path is short enough for a socket's name."""
    folder = tmp_path_factory.mktemp("s")
    monkeypatch.chdir(folder)
    return Path()


def at_once(do: Callable[[], Any]) -> Any:
    """What `do` returns or raises; a reader that hangs is an assertion."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(do())
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller looks at it
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert outcome, "it hangs"
    return outcome[0]


def test_reading_when_no_file_stands_there_then_an_error_names_what_does(
    short: Path, placed: tuple[Callable[[Path], object], str]
) -> None:
    make, what = placed
    path = short / "f"
    make(path)
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREAT):
        error = at_once(lambda flags=flags: open_regular(path, flags))
        assert isinstance(error, OSError), flags
        assert f"expected a regular file, got {what}" in str(error)
        assert str(path) in str(error)
        assert "put the file back" in str(error)
    assert isinstance(at_once(lambda: read_regular(path)), OSError)
    with pytest.raises(PackError, match=f"got {what}"):
        read_json_object(path)


def test_reading_when_a_plain_file_or_a_link_to_one_stands_there_then_it_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to(tmp_path / "f")
    assert read_regular(tmp_path / "link") == b"x" * 10
    assert read_regular(tmp_path / "f", limit=10) == b"x" * 10
    with pytest.raises(OSError, match="at most 9 bytes"):
        read_regular(tmp_path / "f", limit=9)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")


def test_writing_when_a_fifo_waits_at_the_fresh_files_name_then_an_error_and_no_hang(
    tmp_path: Path,
) -> None:
    write_atomic(tmp_path / "f", b"old")
    os.mkfifo(tmp_path / ".f.new")
    assert isinstance(at_once(lambda: write_atomic(tmp_path / "f", b"new")), OSError)
    assert (tmp_path / "f").read_bytes() == b"old"
    outside = tmp_path / "outside"
    (tmp_path / ".f.new").unlink(missing_ok=True)
    (tmp_path / ".f.new").symlink_to(outside)
    assert isinstance(at_once(lambda: write_atomic(tmp_path / "f", b"new")), OSError)
    assert not outside.exists()


def test_readers_when_something_else_stands_in_their_files_place_then_each_says_so(
    short: Path, placed: tuple[Callable[[Path], object], str]
) -> None:
    make, what = placed

    def control(folder: Path) -> str:
        state = ControlStore(folder).read()
        assert state.mode is ControlMode.HALTED
        return state.reason

    def appended(folder: Path) -> object:
        return Journal(folder).append("note", {"text": "x"}, durable=True)

    readers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "state": ("state.json", control),
        "lock": ("lock", lambda folder: ControlStore(folder).halt(PERSON, "x")),
        "halt": (HALT_FILE, control),
        "heartbeat": (FILE, last_beat),
        "reach": (REACH_FILE, reach_lines),
        "losses": ("losses.json", LossBook),
        "seed": ("seed", installation_seed),
        "feeds": (STATUS, lambda folder: freshness(CollectConfig(), folder, wall_clock_ms())),
        "records": ("2024-01-01.jsonl", lambda folder: list(records(folder / "2024-01-01.jsonl"))),
    }
    for name, (file, read) in readers.items():
        folder = short / name
        folder.mkdir()
        if name in ("state", "halt"):
            ControlStore(folder)  # as it was before somebody came by
            (folder / file).unlink(missing_ok=True)
        make(folder / file)
        got = at_once(lambda read=read, folder=folder: read(folder))
        if name == "lock":
            assert got.mode is ControlMode.HALTED  # a halt takes effect whatever lies there
            continue
        if name == "halt" and what == "a loop of links":
            assert "HALT is there" in got
            continue
        assert f"got {what}" in str(got), (name, got)


def test_what_was_told_when_something_else_stands_in_its_place_then_all_is_told_again(
    short: Path, placed: tuple[Callable[[Path], object], str], caplog: pytest.LogCaptureFixture
) -> None:
    make, what = placed
    store = ControlStore(short)
    store.halt(PERSON, "because")
    make(short / TOLD_FILE)
    news = at_once(lambda: News(short))
    assert any("because" in line for line in news.look(store.read()).lines)
    assert f"got {what}" in caplog.text


def test_watchdog_sign_when_something_else_stands_in_its_place_then_none_has_looked(
    short: Path, placed: tuple[Callable[[Path], object], str]
) -> None:
    placed[0](short / WATCH_FILE)
    assert at_once(lambda: watched_ago_s(short)) is None


def test_losses_and_seed_when_something_else_stands_there_then_nothing_is_counted_anew(
    tmp_path: Path,
) -> None:
    for file, read in (("losses.json", LossBook), ("seed", installation_seed)):
        os.mkfifo(tmp_path / file)
        with pytest.raises(PackError, match="got a FIFO"):
            read(tmp_path)
        assert (tmp_path / file).is_fifo()


def test_lock_when_a_fifo_stands_there_then_an_error_names_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match="got a FIFO"), locked(tmp_path / "lock"):
        pass


JUNK = [b"null", b"true", b"-1", b"1e999", b"NaN", b'"x"', b"[]", b"{}", b'{"a":{"b":[1]}}',
        b"9" * 60, b"[" * 3000, b'"\\ud800"', b"\xff", b""]  # fmt: skip


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """`data` with a value, some bytes, or its end replaced."""
    how = rng.random()
    if how < 0.5:
        colons = [i for i, byte in enumerate(data) if byte == ord(":")]
        at = rng.choice(colons) + 1 if colons else 0
        ends = [i for i in (data.find(b, at) for b in (b",", b"}", b"\n")) if i > 0]
        return data[:at] + b" " + rng.choice(JUNK) + data[min(ends, default=len(data)) :]
    if how < 0.8:
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at + rng.randint(0, 4) :]
    return data[: rng.randrange(len(data))]


_OLD_STATE: Final = json.dumps({
    "format": 1, "mode": "HALTED", "reason": "lost 2 %", "by": "guard loss_day", "since_ms": 5,
    "flatten": {"by": "ann", "reason": "out", "since_ms": 7}, "hedge": None, "proposals": [],
    "next_proposal": 3, "changes": 9, "acknowledged": {"d": "ann"},
}, indent=1).encode()  # fmt: skip


def _full_state(folder: Path) -> bytes:
    """A state with something of every kind in it."""
    store = ControlStore(folder)
    store.reduce(GuardActor("loss_day"), "lost 2.1 %")
    store.request_flatten(PERSON, "because")
    store.set_hedge(PERSON, 0.4)
    store.propose(key="k", pair="BTC", side="long", notional_quote=1.0, rate=1.0, note="",
                  expires_ms=2_000_000)  # fmt: skip
    store.note_unknown([Unknown(what="equity", since_ms=5, why="x", reduces_ms=7)], ["unknown"])
    return (folder / STATE_FILE).read_bytes()


@pytest.mark.parametrize("rounds", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_state_files_when_mutated_then_each_is_used_whole_or_refused_in_words(
    tmp_path: Path, rounds: int
) -> None:
    rng, now = random.Random(rounds), wall_clock_ms()
    states = [_full_state(tmp_path), _OLD_STATE]
    beat(tmp_path, Heartbeat(time_ms=now, pid=1, loop=2, feed_ms=now, numbers={"equity": 1.0}))
    heartbeat = (tmp_path / FILE).read_bytes()
    refused = 0
    for _ in range(rounds):
        (tmp_path / "state.json").write_bytes(_mutated(rng, rng.choice(states)))
        found = ControlStore(tmp_path).read()
        assert to_bytes(found)  # typed through and through: it can be written again
        if "cannot be read" in found.reason:
            assert found.mode is ControlMode.HALTED
            refused += 1
        (tmp_path / FILE).write_bytes(_mutated(rng, heartbeat))
        try:
            alive = last_beat(tmp_path)
        except ControlError as error:
            refused += 1
            if error.cure and FILE in error.where:
                continue
            raise
        assert alive is None or now - alive.time_ms > -(2**54)
    assert refused > rounds / 4
