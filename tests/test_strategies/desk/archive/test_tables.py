"""What the archive's files are known to have wrong, each on bytes of that form."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from models.base.errors import InputError
from strategies.desk.archive.tables import ArchiveRecords, archive_records
from tests.feeds import archive
from tests.feeds.archive import archive_file, epoch_ms, interest, metrics, metrics_lines, table

HOUR = 3_600_000
DAY = "2022-01-05"


def read(kind: str, day: str, text: bytes, symbol: str = "LTCUSDT") -> ArchiveRecords:
    return archive_records(text, archive_file(kind, day, symbol))


def values(found: ArchiveRecords, feed: str, name: str) -> list[float | None]:
    return [record.values.get(name) for record in found.by_feed.get(feed, [])]


def test_metrics_when_ratios_are_quoted_and_empty_then_they_are_no_value_and_the_rest_is_read():
    # In the form of the file of 2022-01-01, the numbers are made up.
    line = (
        '2022-01-01 00:05:00,BTCUSDT,69466.0870000000000000,3213527450.2210500000000000,"","","",""'
    )
    filled = "2022-01-01 00:10:00,BTCUSDT,69466.5,3213527451,1.98,1.21,1.45,0.83"
    found = read("metrics", "2022-01-01", table("metrics", [line, filled]), "BTCUSDT")
    first, second = found.by_feed["open_interest"]
    assert first.values == {"base": 69466.087, "quote": 3213527450.22105}
    assert (first.event_ms, second.event_ms - first.event_ms) == (
        epoch_ms("2022-01-01 00:05"),
        300_000,
    )
    (ratios,) = found.by_feed["long_short"]  # the blank ones are no record, not a zero
    assert ratios.event_ms == second.event_ms
    # Accounts of top traders, their positions, all accounts, taker volume: in the file's order.
    assert ratios.values == {
        "top_accounts": 1.98, "top_positions": 1.21, "ratio": 1.45, "taker": 0.83,
    }  # fmt: skip


def test_metrics_when_rows_are_in_any_order_then_they_are_what_pandas_reads_and_sorts():
    lines = metrics_lines(DAY, lambda n: (1 + n % 7, 10.5 + n, 1, 2, 3 + n / 8, 4))
    order = np.random.default_rng(0).permutation(288)
    text = table("metrics", [lines[n] for n in order])
    found = read("metrics", DAY, text)
    frame = pd.read_csv(io.BytesIO(text), parse_dates=["create_time"]).sort_values("create_time")
    for feed, name, column in (
        ("open_interest", "base", "sum_open_interest"),
        ("open_interest", "quote", "sum_open_interest_value"),
        ("long_short", "ratio", "count_long_short_ratio"),
    ):
        assert values(found, feed, name) == frame[column].tolist()
        times = frame["create_time"].to_numpy("datetime64[ms]").astype(np.int64).tolist()
        assert [r.event_ms for r in found.by_feed[feed]] == times


def test_depth_when_held_against_pandas_then_each_bar_is_the_same():
    draw = np.random.default_rng(1)
    seconds = np.sort(draw.choice(86_400, 2000, replace=False))  # now and then none for a while
    lines = [
        f"{np.datetime64(DAY) + np.timedelta64(int(s), 's')},{band:.2f},1,{draw.lognormal(14):.6f}"
        .replace("T", " ")
        for s in seconds for band in (-5, -1, 0.2, 1)
    ]  # fmt: skip
    text = table("bookDepth", lines)
    frame = pd.read_csv(io.BytesIO(text), parse_dates=["timestamp"])
    wide = frame.pivot(index="timestamp", columns="percentage", values="notional")
    last = wide.groupby(wide.index.floor("5min")).last()
    found = read("bookDepth", DAY, text)
    for name, band in (("bid_5_quote", -5), ("bid_1_quote", -1), ("ask_0.2_quote", 0.2)):
        assert values(found, "depth", name) == last[band].tolist()


def test_metrics_when_only_one_ratio_is_told_then_it_alone_is_a_value():
    line = f'{DAY} 00:05:00,LTCUSDT,10,20,"","",1.75,""'
    assert read("metrics", DAY, table("metrics", [line])).by_feed["long_short"][0].values == {
        "ratio": 1.75
    }


def test_metrics_when_open_interest_is_zero_then_it_is_no_value_and_the_ratios_stay():
    def cells(number: int) -> tuple[object, ...]:
        return (0, 0, *interest(number)[2:]) if number >= 186 else tuple(interest(number))

    found = read("metrics", "2022-03-07", metrics("2022-03-07", cells))
    assert len(found.by_feed["open_interest"]) == 186
    assert min(values(found, "open_interest", "base")) == 1000
    assert len(found.by_feed["long_short"]) == 288
    assert found.odd == ["open interest of 0 in 102 rows"]


def test_metrics_when_the_afternoon_is_missing_then_what_is_there_is_read_and_it_is_said():
    lines = metrics_lines("2024-02-16")[:163]  # the last at 13:30
    found = read("metrics", "2024-02-16", table("metrics", lines))
    assert found.by_feed["open_interest"][-1].event_ms == epoch_ms("2024-02-16 13:30")
    assert found.odd == ["163 of 288 five-minute rows"]
    assert read("metrics", DAY, table("metrics", metrics_lines(DAY)[:283])).odd == []


@pytest.mark.parametrize(("day", "first"), [("2026-06-24", "00:05:00"), ("2026-06-25", "00:00:00")])
def test_metrics_when_labels_end_or_begin_their_period_then_both_count_from_ten_minutes_later(
    day: str, first: str
):
    found = read("metrics", day, metrics(day, first=first))
    for record in (r for feed in found.by_feed.values() for r in feed):
        # The reader adds a second from receipt to the disk.
        assert record.received_ms + 1000 == record.event_ms + 600_000
    assert found.by_feed["open_interest"][0].event_ms == epoch_ms(f"{day} {first}")
    assert found.odd == []


def test_metrics_when_a_future_row_changes_then_no_earlier_record_does():
    lines = metrics_lines(DAY)
    whole = read("metrics", DAY, table("metrics", lines)).by_feed
    changed = [*lines[:200], *metrics_lines(DAY, lambda n: (7, 7, 7, 7, 7, 7))[200:]]
    other = read("metrics", DAY, table("metrics", changed)).by_feed
    assert [r[:200] for r in whole.values()] == [r[:200] for r in other.values()]
    assert [r[200:] for r in whole.values()] != [r[200:] for r in other.values()]


@pytest.mark.parametrize("kind", ["metrics", "premiumIndexKlines"])
def test_table_when_it_has_no_header_then_it_is_read_as_with_one(kind: str):
    texts = {
        "metrics": [metrics(DAY, header=h) for h in (True, False)],
        "premiumIndexKlines": [archive.premium(DAY, float, header=h) for h in (True, False)],
    }[kind]
    assert texts[0] != texts[1]
    with_header, without = (read(kind, DAY, text) for text in texts)
    assert with_header == without
    assert sum(map(len, with_header.by_feed.values())) >= 288


def test_premium_when_times_are_microseconds_then_they_are_the_same_moments():
    plain = read("premiumIndexKlines", DAY, archive.premium(DAY, lambda n: 1e-4 * n))
    micro = read("premiumIndexKlines", DAY, archive.premium(DAY, lambda n: 1e-4 * n, unit=1000))
    assert plain == micro
    first = plain.by_feed["premium"][0]
    # About its end, five minutes after its label; read from ten minutes after the label.
    assert first.event_ms == epoch_ms(f"{DAY} 00:05")
    assert first.received_ms + 1000 == epoch_ms(f"{DAY} 00:10")


def test_rows_when_all_are_written_twice_then_the_depth_of_a_snapshot_is_its_own():
    text = archive.depth(DAY, lambda s, band: 1e6 + s + band, every_s=300)
    head, *lines = text.decode().splitlines()
    twice = "\n".join([head, *(line for one in lines for line in (one, one))]).encode()
    assert read("bookDepth", DAY, twice) == read("bookDepth", DAY, text)


def test_depth_when_read_then_each_five_minutes_have_their_last_snapshot():
    bands = (-5, -4, -3, -2, -1, -0.2, 0.2, 1, 2, 3, 4, 5)
    text = archive.depth("2026-02-01", lambda s, band: 1e6 + s + band, bands=bands)
    found = read("bookDepth", "2026-02-01", text)
    told = found.by_feed["depth"]
    assert len(told) == 288
    assert told[0].event_ms == epoch_ms("2026-02-01 00:04:30")
    assert told[0].values["bid_0.2_quote"] == 1e6 + 270 - 0.2
    assert told[0].values["ask_5_quote"] == 1e6 + 270 + 5
    assert len(told[0].values) == 12
    assert found.odd == []


def test_depth_when_inner_asks_freeze_at_noon_then_they_go_from_there_and_the_others_stay():
    inner = (0.2, 1, 2)

    def stuck(second: int, band: float) -> float:
        return 1e6 + band + (43_200 if band in inner and second > 43_200 else second)

    text = archive.depth("2026-09-03", stuck, bands=(-2, -1, -0.2, 0.2, 1, 2, 5))
    found = read("bookDepth", "2026-09-03", text)
    asks = values(found, "depth", "ask_1_quote")
    assert None not in asks[:144]
    assert set(asks[144:]) == {None}
    assert None not in values(found, "depth", "bid_1_quote") + values(found, "depth", "ask_5_quote")
    assert found.odd == [
        "frozen for an hour or more, left out meanwhile: ask_0.2_quote, ask_1_quote, ask_2_quote"
    ]
    whole = read("bookDepth", "2026-09-04", archive.depth("2026-09-04", lambda s, b: 1e6))
    assert whole.by_feed == {}  # a day of nothing else has no value at all


def test_depth_when_a_band_stands_for_less_than_an_hour_then_it_is_kept():
    text = archive.depth(DAY, lambda s, band: 1e6 + s // 3300, every_s=300)
    assert None not in values(read("bookDepth", DAY, text), "depth", "ask_1_quote")


def test_funding_when_read_then_rates_are_by_payment_and_change_their_interval():
    lines = [
        f"{epoch_ms('2024-05-01') + 5},8,0.00010000",
        f"{epoch_ms('2024-05-01 04:00')},4,-0.0002",
    ]
    found = read("fundingRate", "2024-05-01", table("fundingRate", lines))
    assert [r.values for r in found.by_feed["funding_binance"]] == [
        {"rate": 1e-4, "hours": 8.0}, {"rate": -2e-4, "hours": 4.0},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"create_time,symbol,open_interest\n", "expected the header create_time,symbol,sum_open"),
        (b"", "expected rows, got none"),
        (b"\xff\xfe\x00", "expected CSV"),
        (b'"', "expected CSV"),
        (b"2022-01-05 00:05:00,LTCUSDT,1\n", "row 1: expected 8 cells, got 3"),
        (b"2022-01-05 00:05:00,LTCUSDT,1,x,1,1,1,1\n", "a number in sum_open_interest_value"),
        (b"2022-01-05 00:05:00,LTCUSDT,nan,1,1,1,1,1\n", "expected a number in sum_open_interest"),
        (b"2022-01-05 00:05:00,LTCUSDT,1,1,-1,1,1,1\n", "expected a number in count_toptrader"),
        (b"2022-01-05 00:05:00,LTCBUSD,1,1,1,1,1,1\n", "expected LTCUSDT, got rows of 'LTCBUSD'"),
        (b"2022-01-07 00:05:00,LTCUSDT,1,1,1,1,1,1\n", "expected a time of 2022-01-05"),
        (b"2022-01-05T00:05:00,LTCUSDT,1,1,1,1,1,1\n", "row 1: expected a time, got"),
        (b"99999999999999999999,LTCUSDT,1,1,1,1,1,1\n", "expected a time of 2022-01-05"),
    ],
)  # fmt: skip
def test_table_when_it_is_none_ever_seen_then_it_is_refused_by_name(text: bytes, said: str):
    with pytest.raises(InputError) as error:
        read("metrics", DAY, text)
    assert said in str(error.value)


def test_depth_and_premium_when_a_value_cannot_be_then_the_day_is_refused():
    at = epoch_ms(DAY)
    for kind, line, said in (
        ("bookDepth", f"{DAY} 00:00:00,7,1,1", "expected a band"),
        ("bookDepth", f"{DAY} 00:00:00,1,,1", "expected a number in depth at 2022-01-05 00:00:00"),
        ("premiumIndexKlines", f"{at},1,0.5,0,1,0,{at},0,0,0,0,0", "expected low <= open"),
        ("fundingRate", f"{epoch_ms('2022-01-01')},0,0.1", "1 to 24 hours"),
    ):
        with pytest.raises(InputError, match=said):
            read(kind, "2022-01-01" if kind == "fundingRate" else DAY, table(kind, [line]))


@pytest.mark.parametrize("seed", range(20))
def test_table_when_bytes_are_broken_then_it_is_read_or_refused_and_nothing_else(seed: int):
    draw = np.random.default_rng(seed)
    text = bytearray(metrics(DAY)[:2000])
    for place in draw.integers(0, len(text), 5):
        text[place] = draw.integers(0, 256)
    try:
        found = read("metrics", DAY, bytes(text))
    except InputError:
        return
    assert all(np.isfinite(list(r.values.values())).all() for r in found.by_feed["open_interest"])
