"""`breakwater feeds import` and faults: the day is left out whole, named, and mended."""

from __future__ import annotations

import errno
import fcntl
import json
import os

import pytest

from strategies.desk.archive import keep
from strategies.desk.cli import main
from tests.feeds import archive
from tests.feeds.archive import PublicArchive, archive_file, epoch_ms, metrics
from tests.feeds.imports import DAYS, command, told, tree
from tests.places import USER_DATA


def broken_checksum(state: PublicArchive, path: str) -> None:
    state.files[f"{path}.CHECKSUM"] = archive.checksum_of(b"something else", path.rsplit("/", 1)[1])


def torn(state: PublicArchive, path: str) -> None:
    state.files[path] = state.files[path][:500]


def bomb(state: PublicArchive, path: str) -> None:
    state.put_zip(FILE, archive.zipped(FILE.name.replace(".zip", ".csv"), b"0" * (65 << 20)))


def huge(state: PublicArchive, path: str) -> None:
    state.files[path] = b"0" * (17 << 20)


def other_header(state: PublicArchive, path: str) -> None:
    state.put(FILE, metrics(DAYS[1]).replace(b"create_time", b"time"))


def renamed(state: PublicArchive, path: str) -> None:
    state.put(FILE, metrics(DAYS[1], symbol="LTCUSDC"))


FILE = archive_file("metrics", DAYS[1])
FAULTS = {
    "expected SHA-256": broken_checksum,
    "SHA-256": torn,
    "expected at most 64 MB of CSV": bomb,
    "expected at most 16777216 bytes": huge,
    "expected the header create_time": other_header,
    "got rows of 'LTCUSDC'": renamed,
    "not in the archive": lambda state, path: state.files.pop(f"{path}.CHECKSUM"),
    "its checksum is in the archive, the file is not": lambda state, path: state.files.pop(path),
}


@pytest.mark.parametrize("said", FAULTS)
def test_import_when_a_day_is_bad_then_it_is_left_out_named_and_mended_by_the_next_run(
    served, tmp_path, capsys, said: str
):
    state, url = served
    sound = dict(state.files)
    FAULTS[said](state, FILE.path)
    assert main(command(url, tmp_path)) == 1
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if f"metrics {DAYS[1]}:" in line]
    assert said in line
    kept = told(tmp_path)
    assert len(kept) == 2 * 288  # the days beside are in, and of this one nothing
    assert not [r for r in kept if epoch_ms(DAYS[1]) <= r.event_ms < epoch_ms(DAYS[2])]
    state.files = sound
    assert main(command(url, tmp_path)) == 0
    assert main(command(url, tmp_path / "whole")) == 0
    assert tree(tmp_path / "whole") == {
        k: v for k, v in tree(tmp_path).items() if not k.startswith("whole")
    }


def test_import_when_a_symbol_is_unknown_then_its_span_is_named_in_one_line(
    served, tmp_path, capsys
):
    _, url = served
    given = command(url, tmp_path)
    given[3:4] = ["LTCUSDT", "LITEUSDT"]
    assert main(given) == 1
    assert (
        f"  LITEUSDT metrics {DAYS[0]} to {DAYS[2]} (3 files): not in the archive"
        in capsys.readouterr().out.splitlines()
    )
    assert len(told(tmp_path)) == 3 * 288


def test_import_when_days_apart_are_missing_then_none_between_is_called_so(
    served, tmp_path, capsys
):
    state, url = served
    for day in (DAYS[0], DAYS[2]):
        del state.files[f"{archive_file('metrics', day).path}.CHECKSUM"]
    assert main(command(url, tmp_path)) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"  LTCUSDT metrics {DAYS[0]}: not in the archive",
        f"  LTCUSDT metrics {DAYS[2]}: not in the archive",
    ]


def test_import_when_the_disk_is_full_then_nothing_is_half_written_and_the_next_run_has_it(
    served, tmp_path, capsys, monkeypatch
):
    _, url = served
    synced = 0

    def full(handle: int) -> None:
        nonlocal synced
        synced += 1
        if synced > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(keep.os, "fsync", full)
        assert main(command(url, tmp_path)) == 1
    out = capsys.readouterr().out
    assert f"metrics {DAYS[1]}: not written: [Errno 28] No space left on device" in out
    assert f"metrics {DAYS[2]}: not asked for: the disk takes nothing" in out
    assert len(told(tmp_path)) == len(told(tmp_path, "long_short")) == 288
    assert not list(tmp_path.rglob("*.new"))
    assert main(command(url, tmp_path)) == 0
    assert len(told(tmp_path)) == 3 * 288


def test_import_when_a_stored_day_is_broken_then_it_is_named_with_its_file_and_nothing_is_lost(
    served, tmp_path, capsys
):
    _, url = served
    assert main(command(url, tmp_path, stop=DAYS[0])) == 0
    path = tmp_path / "feeds" / "open_interest" / "LTC" / "binance_archive" / f"{DAYS[1]}.jsonl"
    sound = path.read_bytes()
    path.write_bytes(b"{}\n" + sound)
    assert main(command(url, tmp_path)) == 1
    out = capsys.readouterr().out
    assert f"metrics {DAYS[1]}: expected a record, got b'{{}}" in out
    assert str(path) in out
    assert path.read_bytes() == b"{}\n" + sound
    path.write_bytes(sound)
    assert main(command(url, tmp_path)) == 0
    assert len(told(tmp_path)) == 3 * 288


def test_import_when_the_archive_stumbles_then_it_is_asked_again(served, tmp_path, monkeypatch):
    state, url = served
    monkeypatch.setattr("strategies.desk.archive.fetch._FIRST_PAUSE_S", 0.01)
    state.refusing = {FILE.path: [503, 429, 500], f"{FILE.path}.CHECKSUM": [502]}
    assert main(command(url, tmp_path)) == 0
    assert len(told(tmp_path)) == 3 * 288


def test_import_when_the_archive_is_not_there_then_it_ends_soon_and_names_every_day(
    served, tmp_path, capsys, monkeypatch
):
    state, url = served
    monkeypatch.setattr("strategies.desk.archive.fetch._FIRST_PAUSE_S", 0.01)
    state.dead = True
    assert main(command(url, tmp_path, start="2021-12-30", stop="2022-03-01")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["LTCUSDT", "metrics", "0", "0", "0", "0", "62"]
    assert [line.split(":")[0].strip() for line in lines[4:]] == [
        "LTCUSDT metrics 2021-12-30 to 2022-01-01 (3 files)",
        "LTCUSDT metrics 2022-01-02 to 2022-03-01 (59 files)",
    ]
    assert lines[5].endswith("not asked for: the archive gives no answer")
    assert len(set(state.requests)) < 20


def test_import_when_a_file_never_comes_then_it_is_left_out_and_the_others_are_in(
    served, tmp_path, capsys, monkeypatch
):
    state, url = served
    monkeypatch.setattr("strategies.desk.archive.fetch._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("strategies.desk.archive.fetch._TRIES", 2)
    state.stalled = {FILE.path}
    config = tmp_path / "hurried.json"
    config.write_text(json.dumps({"breakwater": {"collect": {"timeout_s": 2.0}}}))
    base = ["--config", str(USER_DATA / "config_litecoin_hedge.json"), "--config", str(config)]
    assert main([*command(url, tmp_path), *base]) == 1
    assert f"metrics {DAYS[1]}: no answer from the archive: " in capsys.readouterr().out
    assert len(told(tmp_path)) == 2 * 288


def test_import_when_it_is_forbidden_for_three_days_then_the_others_are_not_asked_for(
    served, tmp_path, capsys
):
    state, url = served
    state.refusing = {f"{archive_file('metrics', day).path}.CHECKSUM": [403] for day in DAYS}
    assert main(command(url, tmp_path, stop="2022-03-01")) == 1
    out = capsys.readouterr().out
    assert f"metrics {DAYS[0]} to {DAYS[2]} (3 files): the archive answers 403" in out
    assert "2022-01-08 to 2022-03-01 (53 files): not asked for" in out


def test_import_when_another_is_at_work_then_it_is_refused(served, tmp_path, capsys):
    _, url = served
    (tmp_path / "feeds").mkdir(parents=True)
    handle = os.open(tmp_path / "feeds" / "import.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert main(command(url, tmp_path)) == 2
    finally:
        os.close(handle)
    assert "the imported feeds in" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.jsonl"))
