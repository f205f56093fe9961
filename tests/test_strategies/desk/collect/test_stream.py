"""Liquidations as they happen, by ccxt.pro's real clients on loopback streams."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.base.files import wall_clock_ms
from models.data.feeds.catalog import collect_config
from models.data.feeds.store import FeedRecord, Origin, read
from strategies.desk.collect import exchange
from strategies.desk.collect.feed import Feed
from strategies.desk.collect.wiring import Wiring
from tests.feeds.server import FeedsState, collect_block, running_feeds

LIFE_S = 0.4


@pytest.fixture
def served(monkeypatch) -> Iterator[tuple[FeedsState, str]]:
    monkeypatch.setattr(exchange, "SIGN_OF_LIFE_S", LIFE_S)
    state = FeedsState()
    with running_feeds(state) as url:
        yield state, url


def force_order(now: int, side: str = "SELL", quantity: str = "2", symbol: str = "LTCUSDT") -> Any:
    """Return an event of Binance's `forceOrder` stream, as documented."""
    order = {"s": symbol, "S": side, "o": "LIMIT", "f": "IOC", "q": quantity, "p": "99",
             "ap": "100", "X": "FILLED", "l": quantity, "z": quantity, "T": now}  # fmt: skip
    return {"e": "forceOrder", "E": now, "o": order}


def all_liquidation(now: int, side: str = "Buy") -> Any:
    """Return a message of Bybit's `allLiquidation` topic, as documented."""
    return {"topic": "allLiquidation.LTCUSDT", "type": "snapshot", "ts": now,
            "data": [{"T": now, "s": "LTCUSDT", "S": side, "v": "3", "p": "100"}]}  # fmt: skip


def kept(root: Path, source: str) -> list[FeedRecord]:
    return list(read(root, Origin("liquidations", "LTC", source), 0, wall_clock_ms() + 60_000))


def events(root: Path, source: str) -> list[FeedRecord]:
    return [r for r in kept(root, source) if r.values["covered_s"] == 0]


async def until(done: Callable[[], Any], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.02)


def collecting(url: str, root: Path, watch: Callable[[Feed], Awaitable[None]]) -> None:
    """Run the feed while `watch` looks on."""

    async def work() -> None:
        config = collect_config(collect_block(url, coins=["LTC"]))
        made = Wiring(config, root, wall_clock_ms, time.monotonic, asyncio.sleep, random.Random(0))
        (feed,) = made.feeds(["liquidations"])
        running = asyncio.ensure_future(feed.run())
        try:
            await watch(feed)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await made.close()
            feed.close()

    asyncio.run(work())


def test_stream_when_liquidations_come_in_a_burst_then_each_is_kept_with_its_side(tmp_path, served):
    state, url = served
    now = wall_clock_ms()

    async def watch(feed: Feed) -> None:
        await until(lambda: state.streams.get("binance"))
        for i in range(50):
            state.tell("binance", force_order(now + i // 2, "SELL" if i % 2 else "BUY"))
        await until(lambda: len(events(tmp_path, "binance")) >= 50)

    collecting(url, tmp_path, watch)
    found = events(tmp_path, "binance")
    assert len(found) == 50  # two of one millisecond are two
    assert sum(r.values["long_quote"] for r in found) == 25 * 200
    assert sum(r.values["short_quote"] for r in found) == 25 * 200


def test_stream_when_nothing_happens_then_it_still_gives_signs_of_life(tmp_path, served):
    _, url = served

    async def watch(feed: Feed) -> None:
        await until(lambda: len(kept(tmp_path, "binance")) >= 3)

    collecting(url, tmp_path, watch)
    covered = kept(tmp_path, "binance")
    assert all(r.values["long_quote"] == r.values["short_quote"] == 0 for r in covered)
    for before, after in itertools.pairwise(covered):  # no gap, no overlap
        gap_s = (after.event_ms - before.event_ms) / 1000
        assert after.values["covered_s"] == pytest.approx(gap_s)
        assert gap_s >= LIFE_S


def test_stream_when_the_exchange_dies_then_the_second_takes_over_and_the_first_comes_back(
    tmp_path, served
):
    state, url = served

    async def watch(feed: Feed) -> None:
        await until(lambda: kept(tmp_path, "binance"))
        await asyncio.to_thread(state.kill, "binance")
        await until(lambda: state.streams.get("bybit"))
        state.tell("bybit", all_liquidation(wall_clock_ms()))
        await until(lambda: events(tmp_path, "bybit"))
        assert feed.status()["source"] == "bybit"
        assert "binance" in feed.status()["error"]
        state.dead.clear()
        await until(lambda: state.streams.get("binance"))
        state.tell("binance", force_order(wall_clock_ms(), "BUY"))
        await until(lambda: events(tmp_path, "binance"))
        assert feed.status()["source"] == "binance"

    collecting(url, tmp_path, watch)
    (long,) = events(tmp_path, "bybit")
    assert long.values["long_quote"] == 300  # "Buy" there is the position
    assert events(tmp_path, "binance")[0].values["short_quote"] == 200


def test_stream_when_it_was_not_read_for_long_then_it_begins_anew_and_claims_no_more(
    tmp_path, served
):
    state, url = served

    async def watch(feed: Feed) -> None:
        state.dead.add("binance")
        await until(lambda: kept(tmp_path, "bybit"))
        state.dead.clear()
        await until(lambda: kept(tmp_path, "binance"))
        state.tell("bybit", all_liquidation(wall_clock_ms()))  # nobody reads it now
        await asyncio.sleep(4 * LIFE_S)
        before = len(kept(tmp_path, "bybit"))
        await asyncio.to_thread(state.kill, "binance")
        await until(lambda: len(kept(tmp_path, "bybit")) > before)

    collecting(url, tmp_path, watch)
    assert events(tmp_path, "bybit") == []
    assert all(r.values["covered_s"] < 3 * LIFE_S for r in kept(tmp_path, "bybit"))


def test_stream_when_a_message_is_malformed_then_nothing_of_it_is_kept(tmp_path, served):
    state, url = served

    async def watch(feed: Feed) -> None:
        await until(lambda: state.streams.get("binance"))
        state.tell("binance", force_order(wall_clock_ms(), quantity="a lot"))
        await until(lambda: "contracts" in feed.status()["error"])

    collecting(url, tmp_path, watch)
    assert events(tmp_path, "binance") == []
