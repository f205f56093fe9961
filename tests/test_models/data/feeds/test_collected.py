"""Features of collected feeds: as they were known, never from later, never zero for unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.data.feeds.catalog import KINDS, MARKET, sources_of
from models.data.feeds.collected import Collected
from models.data.feeds.point_in_time import join, window_sum
from models.data.feeds.store import FeedRecord, Origin, Writer, days

HOUR, MINUTE = 3_600_000, 60_000
START = 1_700_000_000_000 // (24 * HOUR) * 24 * HOUR
CLOSES = START + HOUR * np.arange(1, 49, dtype=np.int64)
VALUES = {
    "order_book": {"mid": 100.0, "spread_frac": 0.001, "bid_quote": 200.0, "ask_quote": 100.0},
    "open_interest": {"base": 1000.0},
    "long_short": {"ratio": 1.5},
    "mempool": {"waiting": 50.0},
    "whales": {"transfers": 2.0, "moved_base": 30.0},
    "votes": {"up_frac": 0.6},
    "fear_greed": {"index": 40.0},
    **{name: {"rate": 1e-4} for name in KINDS if name.startswith("funding_")},
}


def write(root: Path, feed: str, source: str, *told: FeedRecord, coin: str = "LTC") -> None:
    writer = Writer(root, Origin(feed, coin, source))
    writer.append(told)
    writer.close()


def at(hours: float, late_s: float = 0.0, **values: float) -> FeedRecord:
    event = START + int(hours * HOUR)
    return FeedRecord(event, event + int(1000 * late_s), values)


def test_features_when_nothing_was_collected_then_all_are_missing_with_no_age(tmp_path):
    out = Collected(tmp_path / "none").features("LTC", CLOSES)
    assert len(out) == 2 * len({n.removesuffix("_age") for n in out})
    assert all(np.isnan(column).all() for column in out.values())
    assert Collected(tmp_path).features("DOGE", CLOSES).keys() == out.keys()


def test_features_when_collected_then_each_is_known_after_its_lag_and_until_it_is_stale(tmp_path):
    for feed, values in VALUES.items():
        coin = "LTC" if KINDS[feed].per_coin else MARKET
        write(tmp_path, feed, sources_of(feed, coin)[0], at(1.5, **values), coin=coin)
    out = Collected(tmp_path).features("LTC", CLOSES)
    minutes = (CLOSES - START) / MINUTE
    names = {"order_book": "spread", "long_short": "long_short", "mempool": "waiting",
             "whales": "whales", "votes": "votes", "fear_greed": "fear_greed",
             "funding_okx": "funding_okx"}  # fmt: skip
    for feed, name in names.items():
        since = 90 + max(KINDS[feed].lag_s, 1) / 60
        stale = 90 + (KINDS[feed].lag_s + KINDS[feed].stale_s) / 60
        known = (minutes >= since) & (minutes <= stale)
        assert (np.isfinite(out[name]) == known).all(), name
        age_h = (minutes - 90 - KINDS[feed].lag_s / 60) / 60
        told = minutes >= since
        assert np.isnan(out[f"{name}_age"][~told]).all()
        assert out[f"{name}_age"][told] == pytest.approx(
            np.log1p(age_h[told])
        )  # masked, not forgotten
    assert out["whales"][1] == pytest.approx(np.log1p(30))


def test_features_when_a_value_comes_late_or_is_revised_then_only_what_was_known_counts(tmp_path):
    write(
        tmp_path, "votes", "coingecko",
        at(1, up_frac=0.1),
        FeedRecord(START + HOUR, START + 2 * HOUR, {"up_frac": 0.9}, 1),  # a revision
        at(2.5, late_s=7200, up_frac=0.3),  # told two hours late
        at(3, late_s=60, up_frac=0.4),  # told before it, and newer
    )  # fmt: skip
    votes = Collected(tmp_path).features("LTC", CLOSES)["votes"]
    assert np.isnan(votes[0])  # received at the close, on the disk after it
    assert votes[1:6].tolist() == [0.1, 0.1, 0.4, 0.4, 0.4]


def test_features_when_the_first_source_is_stale_then_the_second_tells_and_the_first_again(
    tmp_path,
):
    write(tmp_path, "mempool", "litecoinspace",
          *(at(h - 0.1, waiting=10.0) for h in (1, 2, 5, 6)))  # fmt: skip
    write(tmp_path, "mempool", "blockchair", *(at(h - 0.1, waiting=20.0) for h in range(2, 5)))
    out = Collected(tmp_path).features("LTC", CLOSES)
    assert np.expm1(out["waiting"][:8]).round().tolist()[:6] == [10, 10, 20, 20, 10, 10]
    assert np.isnan(out["waiting"][7])
    assert out["waiting_age"][7] == pytest.approx(np.log1p(2.1))


def test_interest_when_a_source_takes_over_then_its_level_is_not_taken_for_a_change(tmp_path):
    write(tmp_path, "open_interest", "binance",
          *(at(h - 0.2, base=1000.0 * 1.01**h) for h in range(1, 30)))  # fmt: skip
    write(tmp_path, "open_interest", "okx", *(at(h - 0.2, base=50.0) for h in range(30, 49)))
    change = Collected(tmp_path).features("LTC", CLOSES)["interest_1d"]
    assert np.isnan(change[:24]).all()
    assert change[24:29] == pytest.approx(24 * np.log(1.01))
    assert np.isnan(change[29:]).all()


def test_liquidations_when_the_stream_was_down_then_the_hour_is_unknown_not_quiet(tmp_path):
    life = [FeedRecord(START + i * MINUTE, START + i * MINUTE,
                   {"long_quote": 0.0, "short_quote": 0.0, "covered_s": 60.0})
            for i in range(1, 6 * 60) if not 190 <= i < 220]  # fmt: skip
    forced = [at(h, long_quote=q, short_quote=0.0, covered_s=0.0)
              for h, q in ((1.25, 100.0), (1.25, 50.0), (3.3, 900.0), (5.1, 7.0))]  # fmt: skip
    write(tmp_path, "liquidations", "binance", *sorted([*life, *forced],
                                                       key=lambda r: r.received_ms))  # fmt: skip
    out = Collected(tmp_path).features("LTC", CLOSES)
    longs = np.expm1(out["longs_liquidated"])
    assert longs[:3] == pytest.approx([0, 150, 0])
    assert np.isnan(longs[3])  # half an hour is missing
    assert longs[4] == pytest.approx(0.0)
    assert longs[5] == pytest.approx(7.0)
    assert np.isnan(longs[6:]).all()
    assert out["shorts_liquidated"][4] == 0.0


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 47), seed=st.integers(0, 2**16))
def test_features_when_the_future_of_the_files_changes_then_the_past_does_not(
    tmp_path_factory, cut, seed
):
    """Records received after a close, whatever they are about, leave all features up to it."""
    root, dice = tmp_path_factory.mktemp("feeds"), np.random.default_rng(seed)
    now = int(CLOSES[cut - 1])

    def some(low: int, high: int, feed: str) -> list[FeedRecord]:
        received = np.sort(dice.integers(low, high, 40))
        names = VALUES.get(feed, {"long_quote": 1, "short_quote": 1, "covered_s": 60})
        return [
            FeedRecord(int(r - dice.integers(0, 3 * HOUR)), int(r),
                   {name: float(dice.uniform(0.1, 100)) for name in names})
            for r in received
        ]  # fmt: skip

    origins = [(f, s, c) for f, k in KINDS.items() for c in (("LTC",) if k.per_coin else (MARKET,))
               for s in sources_of(f, c)]  # fmt: skip
    for feed, source, coin in origins:
        write(root, feed, source, *some(START - HOUR, now, feed), coin=coin)
    reader = Collected(root)
    before = reader.features("LTC", CLOSES[:cut])
    for feed, source, coin in origins:
        write(root, feed, source, *some(now, int(CLOSES[-1]), feed), coin=coin)
    for after in (reader, Collected(root)):  # one that remembers, and one that starts anew
        later = after.features("LTC", CLOSES)
        for name, column in before.items():
            np.testing.assert_array_equal(column, later[name][:cut], err_msg=name)
    assert any(np.isfinite(column).any() for column in before.values())


def test_features_when_a_file_is_broken_then_it_says_which(tmp_path):
    write(tmp_path, "votes", "coingecko", at(1, up_frac=0.1))
    ((path,),) = days(tmp_path).values()
    path.write_bytes(b"{}\n")
    with pytest.raises(InputError, match="line 1"):
        Collected(tmp_path).features("LTC", CLOSES)


def test_features_when_the_newest_line_is_half_written_then_it_is_not_there_yet(tmp_path):
    write(tmp_path, "votes", "coingecko", at(1, up_frac=0.1), at(2, up_frac=0.2))
    ((path,),) = days(tmp_path).values()
    path.write_bytes(path.read_bytes()[:-5])
    assert Collected(tmp_path).features("LTC", CLOSES)["votes"][3] == 0.1


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=15),
    lag=st.integers(0, 30), longest=st.integers(0, 60),
)  # fmt: skip
def test_join_when_receipt_is_known_then_rows_agree_with_a_loop(events, lag, longest):
    closes = np.arange(10, 260, 10)
    about = np.array([e for e, _ in events], dtype=np.int64)
    received = np.array([e + late for e, late in events], dtype=np.int64)
    values = np.arange(len(events), dtype=float)
    out = join(closes, about, values, lag_ms=lag, longest_ms=longest, received_ms=received)
    for i, close in enumerate(closes):
        seen = [k for k in range(len(events)) if max(about[k] + lag, received[k]) <= close]
        if not seen:
            assert np.isnan(out.age_ms[i])
            continue
        newest = max(about[k] for k in seen)
        assert out.age_ms[i] == close - newest - lag
        fresh = out.age_ms[i] <= longest
        assert np.isfinite(out.value[i]) == fresh
        assert not fresh or about[int(out.value[i])] == newest


@settings(max_examples=60, deadline=None)
@given(seen=st.lists(st.integers(0, 200), max_size=20), window=st.integers(1, 90))
def test_window_sum_when_compared_with_a_loop_then_rows_agree(seen, window):
    closes, values = np.arange(10, 260, 10), np.arange(1.0, len(seen) + 1)
    out = window_sum(closes, np.array(seen, dtype=np.int64), values, window)
    for close, total in zip(closes, out, strict=True):
        assert total == sum(
            v for s, v in zip(seen, values, strict=True) if close - window < s <= close
        )
