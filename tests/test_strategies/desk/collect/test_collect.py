"""The collector on the providers' loopback doubles, with ccxt's and aiohttp's real clients."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ConfigError, ControlError, InputError
from models.base.files import locked, wall_clock_ms
from models.data.feeds import store
from models.data.feeds.catalog import KINDS, MARKET, STATUS, collect_config
from models.data.feeds.store import FeedRecord, Origin, Writer, day_of, days, read
from strategies.desk.collect import feed as feed_module
from strategies.desk.collect.collector import Collector
from strategies.desk.collect.exchange import stream_client
from strategies.desk.collect.feed import Feed
from strategies.desk.collect.source import Patience, Spacing, TooManyRequestsError, retry_after_s
from strategies.desk.collect.status import report
from strategies.desk.collect.wiring import Wiring
from tests.feeds import answers
from tests.feeds.server import FeedsState, collect_block, running_feeds

POLLED = [name for name in KINDS if name != "liquidations"]


def told(root: Path, feed: str, source: str, coin: str = "LTC") -> list[FeedRecord]:
    return list(read(root, Origin(feed, coin, source), 0, wall_clock_ms() + 60_000))


@dataclass
class Time:
    """A clock that moves only when somebody sleeps."""

    now_s: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> int:
        return int(1000 * self.now_s)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


@dataclass
class Scripted:
    """A source that does what it is told to."""

    name: str
    time: Time
    fails: BaseException | None = None
    age_s: float = 0.0
    asked: int = 0
    every_s: float = 10.0
    timeout_s: float = 5.0
    repeats_events: bool = True

    async def read(self) -> list[FeedRecord]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        now = self.time.clock()
        return [FeedRecord(now - int(1000 * self.age_s), now, {"v": 1.0})]


@pytest.fixture
def served() -> Iterator[tuple[FeedsState, str]]:
    state = FeedsState()
    with running_feeds(state) as url:
        yield state, url


async def until(done: Callable[[], Any], within_s: float = 30.0) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not done():
        assert loop.time() < end, "it never happened"
        await asyncio.sleep(0.02)


def feed_of(time: Time, root: Path, *sources: Any, pause_s: tuple[float, float] = (1, 60)) -> Feed:
    return Feed("open_interest", "LTC", sources, root, oldest_s=100.0, pause_s=pause_s,
                clock=time.clock, now_s=lambda: time.now_s, sleep=time.sleep,
                random=random.Random(0))  # fmt: skip


async def wiring(url: str, root: Path, work: Callable[[Wiring], Awaitable[None]], **more: Any):
    config = collect_config(collect_block(url, coins=["LTC"], **more))
    time = asyncio.get_running_loop().time
    made = Wiring(config, root, wall_clock_ms, time, asyncio.sleep, random.Random(0))
    try:
        await work(made)
    finally:
        await made.close()


# -- one feed ------------------------------------------------------------------------------------


def test_feed_when_the_first_source_fails_then_the_second_answers_in_the_same_round(tmp_path):
    time = Time()
    first, second = Scripted("a", time, InputError("broken")), Scripted("b", time)
    feed = feed_of(time, tmp_path, first, second)
    assert asyncio.run(feed.round()) == 10.0
    assert (first.asked, second.asked, feed.status()["source"]) == (1, 1, "b")
    assert "a: InputError: broken" in feed.status()["error"]
    asyncio.run(feed.round())
    assert first.asked == 1  # left alone
    first.fails = None
    time.now_s += 2.0
    asyncio.run(feed.round())
    assert (first.asked, feed.status()["source"]) == (2, "a")  # and back
    assert second.asked == 2
    assert [len(told(tmp_path, "open_interest", name)) for name in "ab"] == [1, 1]


def test_feed_when_all_sources_fail_then_pauses_grow_with_jitter_up_to_the_longest(tmp_path):
    time = Time()
    feed = feed_of(time, tmp_path, Scripted("a", time, InputError("no")))

    async def outage() -> list[float]:
        pauses = []
        for _ in range(12):
            pauses.append(await feed.round())
            await time.sleep(pauses[-1])
        return pauses

    pauses = asyncio.run(outage())
    assert all(0.5 * min(2.0**i, 60) <= p <= min(2.0**i, 60) for i, p in enumerate(pauses))
    assert len({round(p, 6) for p in pauses}) == len(pauses)  # no two alike


def test_feed_when_a_source_asks_for_patience_then_it_gets_it(tmp_path):
    time = Time()
    busy = Scripted("a", time, TooManyRequestsError("busy", 500.0))
    feed = feed_of(time, tmp_path, busy)
    assert asyncio.run(feed.round()) == 500.0


def test_feed_when_a_source_stands_still_or_is_empty_then_the_next_is_asked(tmp_path):
    time = Time()
    still, second = Scripted("a", time, age_s=101.0), Scripted("b", time)
    feed = feed_of(time, tmp_path, still, second)
    asyncio.run(feed.round())
    assert feed.status()["source"] == "b"
    assert "its newest value is 101 s old" in feed.status()["error"]
    assert len(told(tmp_path, "open_interest", "a")) == 1  # kept all the same


def test_feed_when_a_source_hangs_then_it_has_failed(tmp_path):
    time = Time()

    class Hanging(Scripted):
        async def read(self) -> list[FeedRecord]:
            await asyncio.Event().wait()
            return []

    feed = feed_of(time, tmp_path, Hanging("a", time, timeout_s=0.01), Scripted("b", time))
    asyncio.run(feed.round())
    assert feed.status()["source"] == "b"


def test_feed_when_the_disk_takes_nothing_then_a_stream_is_kept_until_it_does(tmp_path):
    time = Time()
    feed = feed_of(time, tmp_path / "feeds", Scripted("a", time, repeats_events=False))
    (tmp_path / "feeds").write_text("a file where a folder should be")
    for _ in range(3):
        asyncio.run(feed.round())
        time.now_s += 1
    assert "not written" in feed.status()["error"]
    (tmp_path / "feeds").unlink()
    asyncio.run(feed.round())
    assert len(told(tmp_path / "feeds", "open_interest", "a")) == 4


def test_patience_when_it_succeeded_then_it_starts_over():
    patience = Patience(1.0, 60.0, random.Random(1))
    for _ in range(2000):
        assert patience.failed(InputError("")) <= 60.0
    patience.succeeded()
    assert patience.failed(InputError("")) <= 1.0


def test_spacing_when_several_ask_then_requests_are_spread():
    time = Time()

    async def ask() -> None:
        spacing = Spacing(2.0, lambda: time.now_s, time.sleep)
        await asyncio.gather(*(spacing.turn() for _ in range(4)))

    asyncio.run(ask())
    assert time.slept == [2.0, 2.0, 2.0]


def test_retry_after_when_it_is_no_number_of_seconds_then_it_is_none():
    assert retry_after_s({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None
    assert retry_after_s({"RETRY-AFTER": " 7 "}) == 7.0
    assert retry_after_s(None) is None


# -- the whole of it -----------------------------------------------------------------------------


def test_collector_when_every_provider_answers_then_every_feed_is_kept(tmp_path, served):
    state, url = served
    config = collect_config(collect_block(url))
    asyncio.run(Collector(config, tmp_path, POLLED, seed=0).run(once=True))
    lines, sound = report(config, tmp_path, wall_clock_ms(), POLLED)
    assert sound, "\n".join(lines)
    assert state.unknown == []
    (book,) = told(tmp_path, "order_book", "binance")
    assert book.values["mid"] == 100.0
    assert book.values["bid_quote"] == pytest.approx(
        2 * sum(100 - k / 10 for k in range(1, 10)), rel=0.06
    )
    for record in told(tmp_path, "open_interest", "binance", "BTC"):
        assert record.values["base"] == answers.open_interest_at(record.event_ms)
    whales = told(tmp_path, "whales", "litecoinspace")[0].values
    assert whales["transfers"] == 24  # one a block, neither the miner's nor the extension's
    assert told(tmp_path, "whales", "mempool.space", "BTC")[0].values["transfers"] == 48
    rates = [
        told(tmp_path, f"funding_{n}", n)[-1].values["rate"] for n in ("binance", "okx", "bybit")
    ]
    assert rates == [0.0001, 0.00017, 0.0002]
    assert told(tmp_path, "fear_greed", "alternative.me", MARKET)[-1].event_ms % 86_400_000 == 0


@pytest.mark.parametrize("feed", ["order_book", "open_interest", "long_short"])
@pytest.mark.parametrize("dead", [{"binance"}, {"binance", "okx"}])
def test_collector_when_exchanges_are_dead_then_the_next_tells_the_same(
    tmp_path, served, feed, dead
):
    state, url = served
    state.dead |= dead
    config = collect_config(collect_block(url, coins=["BTC"]))
    asyncio.run(Collector(config, tmp_path, [feed], seed=0).run(once=True))
    source = "bybit" if "okx" in dead else "okx"
    records = told(tmp_path, feed, source, "BTC")
    expected = {
        "order_book": lambda r: r.values["mid"] == 60_000,
        "open_interest": lambda r: r.values["base"] == answers.open_interest_at(r.event_ms),
        "long_short": lambda r: abs(r.values["ratio"] - answers.ratio_at(r.event_ms)) < 1e-3,
    }[feed]
    assert records
    assert all(map(expected, records))


@pytest.mark.parametrize(
    ("feed", "path", "instead"),
    [
        ("open_interest", "/binance/futures/data/openInterestHist", []),
        ("open_interest", "/binance/futures/data/openInterestHist", [{"symbol": "LTCUSDT"}]),
        ("open_interest", "/binance/futures/data/openInterestHist", b"<html>maintenance</html>"),
        ("open_interest", "/binance/futures/data/openInterestHist", b'[{"symbol": "LTCU'),
        ("open_interest", "/binance/futures/data/openInterestHist", {"code": -1121, "msg": "no"}),
        ("open_interest", "/binance/futures/data/openInterestHist",
         [{"symbol": "BTCUSDT", "sumOpenInterest": "1", "timestamp": "1583127900000"}]),
        ("long_short", "/binance/futures/data/globalLongShortAccountRatio", [3]),
        ("order_book", "/binance/fapi/v1/depth", {"bids": [["1", "1"]], "asks": []}),
        ("order_book", "/binance/fapi/v1/depth", {"bids": None, "asks": "x"}),
        ("mempool", "/litecoinspace/api/mempool", {"count": "many"}),
        ("mempool", "/litecoinspace/api/mempool", b"Too many connections"),
    ],
)  # fmt: skip
def test_collector_when_an_answer_is_malformed_then_nothing_of_it_is_kept_and_the_next_is_asked(
    tmp_path, served, feed, path, instead
):
    state, url = served
    state.instead[path] = instead
    config = collect_config(collect_block(url, coins=["LTC"]))
    asyncio.run(Collector(config, tmp_path, [feed], seed=0).run(once=True))
    lines, sound = report(config, tmp_path, wall_clock_ms(), [feed])
    first = "litecoinspace" if feed == "mempool" else "binance"
    second = "blockchair" if feed == "mempool" else "okx"
    assert sound, lines
    assert told(tmp_path, feed, first) == []
    assert told(tmp_path, feed, second)
    assert second in lines[1]
    assert f"{first}: " in lines[1]  # with what was wrong


@pytest.mark.parametrize("feed", ["votes", "fear_greed", "whales"])
def test_collector_when_an_only_source_is_malformed_then_the_feed_is_missing_not_zero(
    tmp_path, served, feed
):
    state, url = served
    state.instead |= {
        "/coingecko/api/v3/coins/litecoin": {"id": "litecoin", "last_updated": "now"},
        "/alternative.me/fng/": {"data": [{"value": "101", "timestamp": "1551070800"}]},
        "/litecoinspace/api/v1/blocks": [{"id": "x"}],
    }
    config = collect_config(collect_block(url, coins=["LTC"]))
    asyncio.run(Collector(config, tmp_path, [feed], seed=0).run(once=True))
    lines, sound = report(config, tmp_path, wall_clock_ms(), [feed])
    assert not sound
    assert "missing" in lines[1]
    assert "InputError" in lines[1]
    assert days(tmp_path) == {}


@pytest.mark.parametrize(
    ("provider", "feed"), [("binance", "open_interest"), ("litecoinspace", "mempool")]
)
def test_source_when_refused_with_retry_after_then_it_is_left_alone_so_long(
    tmp_path, served, provider, feed
):
    state, url = served

    async def work(made: Wiring) -> None:
        (one,) = made.feeds([feed])
        source = one._kept[0].source
        await source.read()
        state.refusing[provider] = (429, {"Retry-After": "77"})
        with pytest.raises(TooManyRequestsError) as refused:
            await source.read()
        assert refused.value.retry_after_s == 77.0

    asyncio.run(wiring(url, tmp_path, work))


def test_provider_when_it_refused_one_feed_then_the_others_leave_it_alone_too(tmp_path, served):
    state, url = served

    async def work(made: Wiring) -> None:
        book, ratio, mempool, whales = made.feeds(["order_book", "long_short", "mempool", "whales"])
        state.refusing |= {
            name: (429, {"Retry-After": "60"}) for name in ("binance", "litecoinspace")
        }
        await book.round()
        await mempool.round()
        asked = len(state.requests)
        state.refusing.clear()
        await ratio.round()
        assert await whales.round() > 50  # its only source
        assert not [p for p in state.requests[asked:] if "binance" in p or "litecoinspace" in p]
        assert ratio.status()["source"] == "okx"

    asyncio.run(wiring(url, tmp_path, work))


def test_feed_when_started_again_then_it_is_as_old_as_what_it_left(tmp_path):
    time = Time()
    asyncio.run(feed_of(time, tmp_path, Scripted("a", time), Scripted("b", time)).round())
    then = time.clock()
    time.now_s += 1000
    again = feed_of(time, tmp_path, Scripted("a", time, OSError("dead")), Scripted("b", time))
    assert again.status()["event_ms"] == then


def test_feed_when_a_source_breaks_in_a_way_nobody_thought_of_then_the_next_is_asked(tmp_path):
    time = Time()
    feed = feed_of(time, tmp_path, Scripted("a", time, RuntimeError("?")), Scripted("b", time))
    asyncio.run(feed.round())
    assert feed.status()["source"] == "b"


def test_feed_when_its_file_is_broken_then_it_says_so_and_appends_nothing_to_it(tmp_path):
    time = Time()
    asyncio.run(feed_of(time, tmp_path, Scripted("a", time)).round())
    ((path,),) = days(tmp_path).values()
    path.write_bytes(b"{}\n")
    feed = feed_of(time, tmp_path, Scripted("a", time))
    asyncio.run(feed.round())
    assert "expected a record" in feed.status()["error"]
    assert path.read_bytes() == b"{}\n"


def test_blockchair_when_whales_are_asked_for_then_the_miners_share_is_left_out(tmp_path, served):
    state, url = served
    state.dead.add("mempool.space")
    config = collect_config(collect_block(url, coins=["BTC"]))
    asyncio.run(Collector(config, tmp_path, ["whales"], seed=0).run(once=True))
    (record,) = told(tmp_path, "whales", "blockchair", "BTC")
    assert record.values == {"transfers": 2.0, "moved_base": 303.0}


def test_whales_when_asked_again_then_a_block_is_asked_for_once(tmp_path, served):
    state, url = served

    async def work(made: Wiring) -> None:
        (feed,) = made.feeds(["whales"])
        await feed.round()
        first = len([p for p in state.requests if p.endswith("/summary")])
        await feed.round()
        again = len([p for p in state.requests if p.endswith("/summary")]) - first
        assert first >= 23
        assert again <= 1

    asyncio.run(wiring(url, tmp_path, work))


def test_whales_when_the_chain_stands_still_then_it_is_no_quiet_hour(tmp_path, served):
    state, url = served
    state.frozen["litecoinspace"] = wall_clock_ms() - 7_200_000

    async def work(made: Wiring) -> None:
        (feed,) = made.feeds(["whales"])
        await feed.round()
        assert "no block of the last hour" in feed.status()["error"]

    asyncio.run(wiring(url, tmp_path, work))
    assert told(tmp_path, "whales", "litecoinspace") == []


def test_mempool_when_its_count_stands_still_then_it_grows_old_and_the_second_is_asked(
    tmp_path, served
):
    state, url = served
    state.instead["/litecoinspace/api/mempool"] = {"count": 8134}
    time = Time()
    oldest_s = KINDS["mempool"].stale_s

    async def work() -> None:
        config = collect_config(collect_block(url, coins=["LTC"]))
        made = Wiring(config, tmp_path, time.clock, lambda: time.now_s, time.sleep,
                      random.Random(0))  # fmt: skip
        (feed,) = made.feeds(["mempool"])
        first = time.clock()
        for _ in range(2):
            await feed.round()
            assert (feed.status()["source"], feed.status()["event_ms"]) == ("litecoinspace", first)
            time.now_s += oldest_s / 2 + 1
        await feed.round()
        assert feed.status()["source"] == "blockchair"
        state.instead["/litecoinspace/api/mempool"] = {"count": 8135}
        time.now_s += 600
        await feed.round()
        assert feed.status()["source"] == "litecoinspace"
        assert feed.status()["event_ms"] == time.clock()
        await made.close()
        feed.close()

    asyncio.run(work())
    assert [r.values["waiting"] for r in read(
        tmp_path, Origin("mempool", "LTC", "litecoinspace"), 0, time.clock()
    )] == [8134, 8135]  # fmt: skip


def test_collector_when_told_to_stop_then_every_task_and_connection_ends(tmp_path, served):
    state, url = served
    old = Writer(tmp_path, Origin("votes", "LTC", "coingecko"))
    old.append([FeedRecord(1_700_000_000_000, 1_700_000_000_000, {"up_frac": 0.5})])
    config = collect_config(collect_block(url, coins=["LTC"], quota_gb=1e-9))

    async def work() -> None:
        running = asyncio.ensure_future(Collector(config, tmp_path, seed=0).run())
        await until(lambda: len(list(tmp_path.glob("*/*/*/*.jsonl"))) >= 9)
        await until(lambda: state.streams.get("binance"))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 20)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(left, timeout=5) if left else None
        assert not [task for task in left if not task.done()]

    asyncio.run(work())
    assert list(days(tmp_path)) == [day_of(wall_clock_ms())]  # the quota took the old one
    assert json.loads((tmp_path / STATUS).read_text())["feeds"]
    with locked(tmp_path / ".lock", attempts=1):  # free for the next
        pass


def test_feed_when_it_runs_for_a_month_then_it_needs_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_REMEMBERED", 200)
    monkeypatch.setattr(feed_module.logger, "disabled", True)  # pytest keeps what is logged
    time = Time()
    feed = feed_of(time, tmp_path, Scripted("a", time), Scripted("b", time))

    async def month() -> list[int]:
        sizes = []
        for i in range(1500):
            feed._kept[0].source.fails = InputError("no") if i % 3 == 0 else None
            await feed.round()
            time.now_s += 1800
            time.slept.clear()
            if i in (1000, 1499):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        return sizes

    tracemalloc.start()
    try:
        after_a_while, at_the_end = asyncio.run(month())
    finally:
        tracemalloc.stop()
    assert len(days(tmp_path)) >= 30
    assert at_the_end - after_a_while < 20_000


def test_collector_when_another_one_writes_the_folder_then_it_is_refused(tmp_path, served):
    _, url = served
    collector = Collector(collect_config(collect_block(url)), tmp_path, ["fear_greed"])
    with locked(tmp_path / ".lock"), pytest.raises(ControlError, match="another process"):
        asyncio.run(collector.run(once=True))


@pytest.mark.parametrize(
    ("block", "said"),
    [({"coins": ["LTC", "DOGE"]}, "no chain known of DOGE"), ({"coins": "LTC"}, "list of coins"),
     ({"quota_gb": 0}, "quota_gb > 0"), ({"quota": 1}, "did you mean 'quota_gb'"),
     ({"exchanges": {"binance": {"apiKey": "x"}}}, "expected no apiKey")],
)  # fmt: skip
def test_config_when_it_is_wrong_then_it_says_what(tmp_path, block, said):
    with pytest.raises(ConfigError, match=said):
        Collector(collect_config(block), tmp_path)


def test_collector_when_asked_for_an_unknown_feed_then_it_names_the_known(tmp_path):
    with pytest.raises(ConfigError, match="known feeds: order_book"):
        Collector(collect_config({}), tmp_path, ["weather"])


def test_client_when_made_then_it_has_no_keys():
    assert not stream_client("binance", {}, 5.0).apiKey
