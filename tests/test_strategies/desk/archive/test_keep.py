"""What could not be written is not known either."""

from __future__ import annotations

import errno
import os

import pytest

from models.data.feeds.store import FeedRecord
from strategies.desk.archive import keep
from strategies.desk.archive.keep import ImportedFeeds, Written
from tests.feeds.archive import archive_file, epoch_ms
from tests.feeds.imports import DAYS, told


def test_keep_when_a_later_value_finds_no_room_then_it_is_written_when_there_is_some(
    tmp_path, monkeypatch
):
    file, at = archive_file("metrics", DAYS[0]), epoch_ms(DAYS[0])
    feeds = ImportedFeeds(tmp_path / "feeds")

    def kept(value: float) -> Written:
        record = FeedRecord(at, at + 600_000, {"base": value})
        return feeds.keep(file, b"sum", "LTC", {"open_interest": [record]}, epoch_ms(DAYS[2]))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert kept(1.0) == Written(1, 0)
    with monkeypatch.context() as patched:
        patched.setattr(keep.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            kept(2.0)
    assert [r.values["base"] for r in told(tmp_path)] == [1.0]
    assert kept(2.0) == Written(1, 1)
    assert kept(2.0) == Written(0, 0)
    assert kept(3.0) == Written(1, 1)
    assert [(r.values["base"], r.revision) for r in told(tmp_path)] == [
        (1.0, 0),
        (2.0, 1),
        (3.0, 2),
    ]
