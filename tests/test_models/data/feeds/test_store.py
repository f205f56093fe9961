"""What was acknowledged stays; what was first seen is never replaced; a kill costs half a line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.data.feeds import store
from models.data.feeds.store import FeedRecord, Origin, Writer, days, enforce_quota, read

DAY = 86_400_000
START = 1_700_000_000_000 // DAY * DAY
ORIGIN = Origin("open_interest", "LTC", "binance")
FOREVER = (START - DAY, START + 400 * DAY)


def all_of(root: Path, origin: Origin = ORIGIN) -> list[FeedRecord]:
    return list(read(root, origin, *FOREVER))


def record(event: int, value: float = 1.0, received: int | None = None) -> FeedRecord:
    return FeedRecord(
        START + event, START + (event if received is None else received), {"v": value}
    )


def file_of(root: Path) -> Path:
    (path,) = [p for paths in days(root).values() for p in paths]
    return path


def test_store_when_events_are_told_again_then_only_news_and_revisions_are_written(tmp_path):
    writer = Writer(tmp_path, ORIGIN)
    assert writer.note([record(1, 5.0), record(2, 6.0)]) == [record(1, 5.0), record(2, 6.0)]
    assert writer.note([record(1, 5.0, 10), record(2, 7.0, 10), record(3, 8.0, 10)]) == [
        FeedRecord(START + 2, START + 10, {"v": 7.0}, 1), record(3, 8.0, 10),
    ]  # fmt: skip
    writer.close()
    again = Writer(tmp_path, ORIGIN)  # a restart remembers
    assert again.note([record(2, 7.0, 20), record(3, 8.0, 20)]) == []
    assert [r.revision for r in again.note([record(2, 6.0, 30)])] == [2]
    kept = all_of(tmp_path)
    assert [(r.event_ms - START, r.values["v"], r.revision) for r in kept] == [
        (1, 5.0, 0), (2, 6.0, 0), (2, 7.0, 1), (3, 8.0, 0), (2, 6.0, 2),
    ]  # fmt: skip


def test_store_when_records_span_days_then_each_lies_in_the_day_it_was_received(tmp_path):
    writer = Writer(tmp_path, ORIGIN)
    for day in range(3):
        writer.append([record(7, day, received=day * DAY), record(7, day, received=day * DAY + 1)])
    before = {p: p.read_bytes() for paths in days(tmp_path).values() for p in paths}
    assert [p.name for p in sorted(before)] == [f"2023-11-{14 + d}.jsonl" for d in range(3)]
    writer.append([record(7, 9.0, received=3 * DAY)])
    assert all(
        path.read_bytes() == data for path, data in before.items()
    )  # the past is not touched
    assert len(list(read(tmp_path, ORIGIN, START + DAY, START + 2 * DAY))) == 3


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), count=st.integers(1, 5))
def test_store_when_killed_in_the_middle_of_a_line_then_whole_lines_stay(
    tmp_path_factory, cut, count
):
    root = tmp_path_factory.mktemp("feeds")
    writer = Writer(root, ORIGIN)
    records = [record(i, i / 3) for i in range(count)]
    writer.append(records)
    writer.close()
    path = file_of(root)
    data = path.read_bytes()
    path.write_bytes(data[: cut % (len(data) + 1)])
    whole = path.read_bytes().count(b"\n")
    assert all_of(root) == records[:whole]  # a reader beside the writer
    after = Writer(root, ORIGIN)
    after.append([record(99)])
    assert all_of(root) == [*records[:whole], record(99)]


def test_store_when_a_torn_line_is_dropped_then_it_says_so(tmp_path, caplog):
    writer = Writer(tmp_path, ORIGIN)
    writer.append([record(1)])
    writer.close()
    with file_of(tmp_path).open("ab") as file:
        file.write(b'{"t":17000')
    Writer(tmp_path, ORIGIN)
    assert "a torn last line of 10 bytes dropped" in caplog.text


def test_store_when_a_whole_line_is_no_record_then_file_and_line_are_named(tmp_path):
    Writer(tmp_path, ORIGIN).append([record(1)])
    path = file_of(tmp_path)
    for bad in (b"nonsense\n", b"[]\n", b'{"t":1,"r":2}\n', b'{"t":1,"r":2,"v":{"a":"x"}}\n'):
        path.write_bytes(record(1).line() + bad)
        with pytest.raises(InputError, match="line 2"):
            all_of(tmp_path)


def test_store_when_a_value_is_not_finite_then_nothing_is_written(tmp_path):
    writer = Writer(tmp_path, ORIGIN)
    with pytest.raises(InputError, match="expected finite values"):
        writer.append([record(1), record(2, float("nan"))])
    assert all_of(tmp_path) == []


def test_store_when_the_disk_is_full_then_no_half_line_stays_and_the_same_can_be_told_again(
    tmp_path, monkeypatch
):
    writer = Writer(tmp_path, ORIGIN)
    writer.note([record(1)])

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            writer.note([record(2)])
    assert all_of(tmp_path) == [record(1)]
    assert writer.note([record(1), record(2)]) == [record(2)]
    assert all_of(tmp_path) == [record(1), record(2)]


def test_store_when_it_runs_for_long_then_memory_is_bounded_and_old_events_are_no_news(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(store, "_REMEMBERED", 50)
    writer = Writer(tmp_path, ORIGIN)
    for day in range(10):
        writer.note([record(i, received=day * DAY + i) for i in range(100 * day, 100 * day + 100)])
    assert len(writer._known) == 50
    assert len(Writer(tmp_path, ORIGIN)._known) == 50
    assert writer.note([record(3, 77.0)]) == []
    assert len(all_of(tmp_path)) == 1000


def test_quota_when_exceeded_then_oldest_whole_days_go_and_never_todays(tmp_path):
    other = Origin("mempool", "BTC", "blockchair")
    for day in range(4):
        for origin in (ORIGIN, other):
            Writer(tmp_path, origin).append([record(0, received=day * DAY)])
    sizes = [sum(p.stat().st_size for p in paths) for paths in days(tmp_path).values()]
    assert enforce_quota(tmp_path, sum(sizes), "2023-11-17") == []
    assert enforce_quota(tmp_path, sum(sizes) - 1, "2023-11-17") == ["2023-11-14"]
    assert enforce_quota(tmp_path, 0, "2023-11-16") == ["2023-11-15"]
    assert list(days(tmp_path)) == ["2023-11-16", "2023-11-17"]
    assert enforce_quota(tmp_path, 0, "2023-11-16") == []
    assert len(all_of(tmp_path, other)) == 2
