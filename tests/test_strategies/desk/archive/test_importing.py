"""`breakwater feeds import` on a loopback archive: all that is sound goes in, once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.data.feeds.catalog import ARCHIVE
from models.data.feeds.collected import Collected
from models.data.feeds.store import FeedRecord, Origin, Writer, imported_newest
from strategies.desk.cli import main
from tests.feeds import archive
from tests.feeds.archive import PublicArchive, archive_file, epoch_ms, metrics, running_archive
from tests.feeds.imports import DAYS, MINUTE, command, of_day, told, tree

FILE = archive_file("metrics", DAYS[0]).name


# -- all in --------------------------------------------------------------------------------------


def test_import_when_all_is_sound_then_every_row_is_in_once_by_the_day_it_was_readable(
    served, tmp_path, capsys
):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    records = told(tmp_path)
    assert [r.event_ms for r in records] == [
        epoch_ms(DAYS[0]) + 5 * MINUTE * n for n in range(3 * 288)
    ]
    assert [r.values["base"] for r in records] == [
        1000 * (d + 1) + n for d in range(3) for n in range(288)
    ]
    for path in (tmp_path / "feeds").glob(f"*/*/{ARCHIVE}/*.jsonl"):
        for line in path.read_text().splitlines():
            assert (
                epoch_ms(path.stem) <= json.loads(line)["r"] < epoch_ms(path.stem) + 1440 * MINUTE
            )
    said = capsys.readouterr().out
    assert "LTCUSDT  metrics         3       0     1728        0         0" in said
    assert "left out:" not in said


def test_import_when_typed_again_then_only_checksums_are_asked_for_and_nothing_changes(
    served, tmp_path, capsys
):
    state, url = served
    assert main(command(url, tmp_path)) == 0
    before = tree(tmp_path)
    state.requests.clear()
    assert main(command(url, tmp_path)) == 0
    assert len(state.requests) == 3
    assert all(path.endswith(".CHECKSUM") for path in state.requests)
    assert tree(tmp_path) == before
    assert (
        "LTCUSDT  metrics         3       3        0        0         0" in capsys.readouterr().out
    )


def test_import_when_the_signs_of_what_is_in_are_lost_then_nothing_is_double(served, tmp_path):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    before = tree(tmp_path)
    for path in (tmp_path / "feeds" / ".imported").rglob("*.CHECKSUM"):
        path.unlink()
    assert main(command(url, tmp_path)) == 0
    assert tree(tmp_path) == before


def test_import_when_days_come_in_any_order_then_the_files_are_the_same(served, tmp_path):
    _, url = served
    assert main(command(url, tmp_path / "a")) == 0
    for day in (DAYS[1], DAYS[2], DAYS[0]):
        assert main(command(url, tmp_path / "b", start=day, stop=day)) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_import_when_each_row_is_written_twice_then_it_is_in_once(served, tmp_path):
    state, url = served
    assert main(command(url, tmp_path / "once")) == 0
    for number, day in enumerate(DAYS):
        lines = archive.metrics_lines(day, of_day(number))
        twice = [line for one in lines for line in (one, one)]
        state.put(archive_file("metrics", day), archive.table("metrics", twice))
    assert main(command(url, tmp_path / "twice")) == 0
    once, twice_in = (
        {name: data for name, data in tree(tmp_path / which).items() if "CHECKSUM" not in name}
        for which in ("once", "twice")
    )
    assert once == twice_in


def test_import_when_a_label_is_told_twice_with_two_values_then_the_first_stands(served, tmp_path):
    state, url = served
    lines = archive.metrics_lines(DAYS[0], of_day(0))
    lines.insert(8, lines[7].replace("1007", "5"))
    state.put(archive_file("metrics", DAYS[0]), archive.table("metrics", lines))
    for _ in range(2):
        assert main(command(url, tmp_path, stop=DAYS[0])) == 0
        same = [r for r in told(tmp_path) if r.event_ms == epoch_ms(f"{DAYS[0]} 00:35")]
        assert [(r.values["base"], r.revision) for r in same] == [(1007.0, 0), (5.0, 1)]
        assert len(told(tmp_path)) == 289
        (tmp_path / "feeds/.imported/metrics/LTCUSDT" / f"{FILE}.CHECKSUM").unlink()


def test_import_when_every_kind_is_asked_for_then_each_feed_has_its_past(tmp_path, capsys):
    state = PublicArchive()
    for symbol in ("LTCUSDT", "BTCUSDT"):
        for day in ("2023-01-30", "2023-01-31"):
            file = {kind: archive_file(kind, day, symbol) for kind in archive.ARCHIVE_KINDS}
            state.put(file["metrics"], metrics(day, symbol=symbol))
            state.put(file["bookDepth"], archive.depth(day, lambda s, b: 1e6 + s, every_s=300))
            state.put(file["premiumIndexKlines"], archive.premium(day, lambda n: 1e-4 + 1e-6 * n))
        state.put(archive_file("fundingRate", "2023-01-01", symbol), archive.funding("2023-01"))
    with running_archive(state) as url:
        given = command(url, tmp_path, start="2023-01-30", stop="2023-01-31",
                        kinds=" ".join(archive.ARCHIVE_KINDS))  # fmt: skip
        given[3:4] = ["LTCUSDT", "BTCUSDT"]
        assert main(given) == 0
    found = {p.relative_to(tmp_path / "feeds").parts[:2] for p in tmp_path.rglob("*.jsonl")}
    assert found == {
        (feed, coin) for coin in ("LTC", "BTC")
        for feed in ("open_interest", "long_short", "depth", "premium", "funding_binance")
    }  # fmt: skip
    assert len(told(tmp_path, "funding_binance", "BTC")) == 93  # the whole month
    assert "BTCUSDT  premiumIndexKlines" in capsys.readouterr().out


# -- as the models read it -----------------------------------------------------------------------


def test_reader_when_a_row_is_labelled_t_then_it_is_seen_from_ten_minutes_later_and_not_before(
    served, tmp_path
):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    reader = Collected(tmp_path / "feeds")
    label = epoch_ms(f"{DAYS[1]} 12:00")
    closes = np.array([label + 10 * MINUTE - MINUTE, label + 10 * MINUTE])
    base = reader.known("open_interest", "LTC", lambda v: v["base"], closes)
    assert base.value.tolist() == [2000 + 143, 2000 + 144]
    taker = reader.known("long_short", "LTC", lambda v: v["taker"], closes)
    assert taker.value.tolist() == [0.75, 0.75]
    assert np.isnan(reader.known("long_short", "LTC", lambda v: v["never"], closes).value).all()


def test_features_when_only_the_archive_has_told_then_they_have_values(served, tmp_path):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    closes = epoch_ms(DAYS[2]) + 60 * MINUTE * np.arange(1, 24, dtype=np.int64)
    out = Collected(tmp_path / "feeds").features("LTC", closes)
    assert np.isfinite(out["interest_1d"]).all()
    newest = epoch_ms(DAYS[2]) + 50 * MINUTE - epoch_ms(DAYS[2])  # label seen at 01:00
    row = newest // (5 * MINUTE)
    assert out["interest_1d"][0] == pytest.approx(np.log((3000 + row) / (2000 + row)))
    assert out["long_short"][0] == pytest.approx(np.log(4.0 + row / 1000))
    assert np.isnan(out["waiting"]).all()


def test_features_when_days_after_a_close_change_then_none_before_does(served, tmp_path):
    state, url = served
    closes = epoch_ms(DAYS[1]) + 60 * MINUTE * np.arange(1, 25, dtype=np.int64)
    assert main(command(url, tmp_path / "a")) == 0
    state.put(archive_file("metrics", DAYS[2]), metrics(DAYS[2], of_day(77)))
    assert main(command(url, tmp_path / "b")) == 0
    assert tree(tmp_path / "a") != tree(tmp_path / "b")
    first, second = (
        Collected(tmp_path / name / "feeds").features("LTC", closes) for name in ("a", "b")
    )
    for name, column in first.items():
        np.testing.assert_array_equal(column, second[name], err_msg=name)


def test_features_when_a_collector_has_told_as_well_then_it_comes_before_the_archive(
    served, tmp_path
):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    at = epoch_ms(f"{DAYS[1]} 12:00")
    Writer(tmp_path / "feeds", Origin("long_short", "LTC", "okx")).append(
        [FeedRecord(at, at + 6 * MINUTE, {"ratio": 9.0})]
    )
    closes = np.array([at + 7 * MINUTE, at + 60 * MINUTE])
    out = Collected(tmp_path / "feeds").features("LTC", closes)
    assert np.exp(out["long_short"]) == pytest.approx([9.0, 3.0 + (144 + 10) / 1000])


# -- revisions -----------------------------------------------------------------------------------


def test_import_when_a_file_is_changed_later_then_what_is_new_is_added_and_nothing_replaced(
    served, tmp_path, capsys
):
    state, url = served
    assert main(command(url, tmp_path)) == 0
    before = told(tmp_path)
    closes = np.array([epoch_ms(DAYS[1])])
    seen = Collected(tmp_path / "feeds").known("open_interest", "LTC", lambda v: v["base"], closes)

    def changed(n: int) -> object:
        return (5.0, 1e5, 9.0, *of_day(0)(n)[3:]) if n in (7, 280) else of_day(0)(n)

    state.put(archive_file("metrics", DAYS[0]), metrics(DAYS[0], changed))
    for row in ("3       2        4        4         0", "3       3        0        0         0"):
        capsys.readouterr()
        assert main(command(url, tmp_path)) == 0
        assert row in capsys.readouterr().out
        after = told(tmp_path)
        assert [r for r in after if r.revision == 0] == before
        later = [r for r in after if r.revision]
        assert [(r.event_ms - epoch_ms(DAYS[0])) // (5 * MINUTE) for r in later] == [7, 280]
        assert [r.values["base"] for r in later] == [5.0, 5.0]
        # Nobody here knew before.
        assert min(r.received_ms for r in later) > epoch_ms("2025-01-01")
    again = Collected(tmp_path / "feeds").known("open_interest", "LTC", lambda v: v["base"], closes)
    np.testing.assert_array_equal(seen, again)
    # Today's file has later values of old events only: the feed is as young as it was.
    newest = imported_newest(tmp_path / "feeds")
    assert newest == dict.fromkeys(newest, epoch_ms(f"{DAYS[2]} 23:55"))
    assert len(newest) == 2
    # A lost sign, on another day: the revisions are found again.
    for path in (tmp_path / "feeds" / ".imported").rglob("*.CHECKSUM"):
        path.unlink()
    assert main(command(url, tmp_path)) == 0
    assert told(tmp_path) == after


def test_import_when_a_gap_is_filled_later_then_the_missing_rows_come_in(served, tmp_path):
    state, url = served
    lines = archive.metrics_lines(DAYS[0], of_day(0))
    state.put(archive_file("metrics", DAYS[0]), archive.table("metrics", lines[:100]))
    assert main(command(url, tmp_path)) == 0
    assert len(told(tmp_path)) == 2 * 288 + 100
    state.put(archive_file("metrics", DAYS[0]), archive.table("metrics", lines))
    assert main(command(url, tmp_path)) == 0
    assert [r.event_ms for r in told(tmp_path)] == [
        epoch_ms(DAYS[0]) + 5 * MINUTE * n for n in range(3 * 288)
    ]


def test_import_when_labels_move_then_the_midnight_in_both_files_has_a_first_value_and_a_later_one(
    tmp_path,
):
    state = PublicArchive()
    days_ = ("2026-06-23", "2026-06-24", "2026-06-25")
    for number, (day, first) in enumerate(
        zip(days_, ("00:05:00", "00:05:00", "00:00:00"), strict=True)
    ):
        state.put(archive_file("metrics", day), metrics(day, of_day(number), first=first))
    with running_archive(state) as url:
        for _ in range(2):
            assert main(command(url, tmp_path, start=days_[0], stop=days_[-1])) == 0
            records = told(tmp_path)
            assert len(records) == 3 * 288
            first = [r for r in records if r.revision == 0]
            assert len({r.event_ms for r in first}) == len(first) == 3 * 288 - 1
            (later,) = [r for r in records if r.revision]
            assert later.event_ms == epoch_ms("2026-06-25")
            assert later.values["base"] == 3000.0
            assert next(r for r in first if r.event_ms == later.event_ms).values["base"] == 2287.0
