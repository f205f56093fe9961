"""A zip is opened where it is what its checksum says, and only as far as it is small."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import pytest

from models.base.errors import InputError
from strategies.desk.archive import unpack
from strategies.desk.archive.unpack import told_digest, unpacked
from tests.feeds.archive import checksum_of, zipped

NAME = "LTCUSDT-metrics-2022-01-05.zip"
CSV = NAME.replace(".zip", ".csv")


def opened(data: bytes) -> bytes:
    return unpacked(data, told_digest(checksum_of(data, NAME), NAME), NAME)


def test_zip_when_it_is_as_told_then_its_csv_comes_out():
    assert opened(zipped(CSV, b"a,b\n" * 1000)) == b"a,b\n" * 1000


@pytest.mark.parametrize(
    "checksum",
    [
        b"",
        b"not found",
        b"0" * 63 + b"  " + NAME.encode(),
        b"0" * 64 + b"  other.zip",
        b"\xff" * 80,
    ],
)
def test_checksum_when_it_is_none_or_anothers_then_it_is_refused(checksum: bytes):
    with pytest.raises(InputError, match="expected a SHA-256 and LTCUSDT"):
        told_digest(checksum, NAME)


def test_zip_when_its_checksum_is_wrong_then_it_is_not_opened():
    with pytest.raises(InputError, match="expected SHA-256 000000000000"):
        unpacked(zipped(CSV, b"a"), "0" * 64, NAME)


def test_zip_when_it_is_torn_or_none_then_it_is_refused_though_the_checksum_fits():
    whole = zipped(CSV, b"a,b\n" * 1000)
    for data in (
        whole[:-5],
        whole[: len(whole) // 2],
        b"",
        b"<html>",
        whole[:40] + b"x" + whole[41:],
    ):
        with pytest.raises(InputError, match="expected a zip, got one that cannot be read"):
            opened(data)


@pytest.mark.parametrize(
    ("field", "value"), [(0, 1), (2, 99)], ids=["asks for a password", "packed in an unknown way"]
)
def test_zip_when_it_cannot_be_unpacked_here_then_it_is_refused(field: int, value: int):
    data = bytearray(zipped(CSV, b"a,b\n" * 1000))
    for at in (6, data.index(b"PK\x01\x02") + 8):  # in front of the file, and in the directory
        data[at + field] = value
    with pytest.raises(InputError, match="expected a zip, got one that cannot be read"):
        opened(bytes(data))


def test_zip_when_it_holds_something_else_then_it_is_refused():
    for name in ("../../etc/passwd", "LTCUSDT-metrics-2022-01-06.csv"):
        with pytest.raises(InputError, match=f"expected {CSV} in it"):
            opened(zipped(name, b"a"))


def test_zip_when_it_unpacks_to_more_than_any_day_has_then_reading_stops(monkeypatch):
    bomb = zipped(CSV, b"0" * (unpack.LARGEST_CSV + 1))
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match="expected at most 64 MB of CSV"):
        opened(bomb)
    monkeypatch.setattr(unpack, "LARGEST_CSV", 1000)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="expected at most"):
            opened(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20  # nobody holds it all
    finally:
        tracemalloc.stop()
    liar = lying_about_its_size(zipped(CSV, b"0" * 5000))
    with pytest.raises(InputError, match=r"expected at most|cannot be read"):
        opened(liar)


def lying_about_its_size(data: bytes) -> bytes:
    """Return a zip whose directory claims ten bytes of a larger file."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        size = packed.infolist()[0].file_size
    return data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))
