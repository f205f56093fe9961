"""Pieces of a study in files: found again, torn, killed at any point, written by two at once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.studies.scenarios.pieces import PieceKey, StudyPiece
from strategies.desk.studies.kept_pieces import KeptPieces
from tests.places import ROOT

KEY = PieceKey("an engine, a fold", "12ab")
PIECE = StudyPiece(arrays={"x": np.array([0.1, np.nan])}, told={"rows": [{"far": -0.0}]})


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def pieces(tmp_path: Path, said: list[str]) -> KeptPieces:
    return KeptPieces(tmp_path / "kept", ["numpy"], said.append, code="one")


def never() -> StudyPiece:
    raise AssertionError("it is kept")


def test_piece_when_kept_then_the_next_run_has_it_bit_for_bit(
    pieces: KeptPieces, said: list[str]
) -> None:
    assert pieces.count([KEY]) == 0
    made, kept = pieces.remembered(KEY, lambda: PIECE)
    assert (made, kept) == (PIECE, False)
    again, kept = pieces.remembered(KEY, never)
    assert kept
    assert again.arrays["x"].tobytes() == PIECE.arrays["x"].tobytes()
    assert again.told == PIECE.told
    assert pieces.count([KEY, PieceKey("another", "34cd")]) == 1
    assert said == []


def test_piece_when_code_or_a_library_is_another_then_it_is_made_anew(
    pieces: KeptPieces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces.remembered(KEY, lambda: PIECE)
    folder = tmp_path / "kept"
    assert KeptPieces(folder, ["numpy"], print, code="one").count([KEY]) == 1
    assert KeptPieces(folder, ["numpy"], print, code="two").count([KEY]) == 0
    assert KeptPieces(folder, ["numpy", "no-such-library"], print, code="one").count([KEY]) == 0
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0")
    assert KeptPieces(folder, ["numpy"], print, code="one").count([KEY]) == 0


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        flipped,
        lambda data: data + b"\0",
        lambda data: StudyPiece(told={"n": 1}).to_bytes(PieceKey("another", "34cd")),
    ],
    ids=["empty", "half", "a bit", "more", "another's"],
)
def test_piece_when_it_is_torn_then_it_is_made_anew_and_said(
    pieces: KeptPieces, said: list[str], spoil: Callable[[bytes], bytes]
) -> None:
    pieces.remembered(KEY, lambda: PIECE)
    path = pieces.path_of(KEY)
    path.write_bytes(spoil(path.read_bytes()))
    made, kept = pieces.remembered(KEY, lambda: PIECE)
    assert (made, kept) == (PIECE, False)
    (line,) = said
    assert line.startswith("an engine, a fold: a kept piece is of no use and made anew: ")
    assert str(path) in line
    assert pieces.remembered(KEY, never)[1]


def test_piece_when_it_cannot_be_kept_then_that_is_said_and_the_study_has_it(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "kept").write_text("no folder")
    pieces = KeptPieces(tmp_path / "kept", [], said.append, code="one")
    assert pieces.remembered(KEY, lambda: PIECE) == (PIECE, False)
    (line,) = said
    assert line.startswith("an engine, a fold: not kept, an interrupted run would make it again: ")


def test_piece_when_it_cannot_be_written_whole_then_nothing_stands_under_its_name(
    pieces: KeptPieces, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    pieces.remembered(KEY, lambda: PIECE)
    assert pieces.count([KEY]) == 0
    assert "No space left on device" in said[0]


def test_piece_when_making_it_fails_then_nothing_is_kept(pieces: KeptPieces) -> None:
    with pytest.raises(AssertionError):
        pieces.remembered(KEY, never)
    assert pieces.count([KEY]) == 0


def test_piece_when_two_runs_make_it_at_once_then_both_have_it_and_one_file_is_left(
    pieces: KeptPieces, tmp_path: Path, said: list[str]
) -> None:
    both = threading.Barrier(2)

    def made() -> StudyPiece:
        both.wait(30)  # neither has kept it yet
        return PIECE

    threads = [
        threading.Thread(target=pieces.remembered, args=(KEY, made), daemon=True) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        ".lock", pieces.path_of(KEY).name,
    ]  # fmt: skip
    assert pieces.remembered(KEY, never)[1]
    assert said == []


def test_study_when_killed_at_every_touch_of_the_disk_then_the_next_goes_on_and_finds_the_same(
    tmp_path: Path,
) -> None:
    out = subprocess.run(
        [sys.executable, "-m", "tests.test_strategies.desk.studies.killed_study", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    *killed, last = (json.loads(line) for line in out.splitlines())
    assert {row[0] for row in killed} == {-signal.SIGKILL}
    assert all(same for *_, same in (*killed, last))
    assert all(left == taken for _, left, taken, _ in (*killed, last))
    # Two folds and the far tail: each number of pieces is gone on from.
    assert {left for _, left, *_ in (*killed, last)} == {0, 1, 2, 3}
    assert last[0] == 0
