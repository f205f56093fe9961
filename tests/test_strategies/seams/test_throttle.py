"""Pauses between requests and loops do not depend on the time of day."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import ccxt
import ccxt.async_support
import pytest
from freqtrade import worker
from freqtrade.exceptions import TemporaryError
from freqtrade.worker import Worker

from models.operate.control.watch import WatchdogConfig
from strategies.seams import throttle as seam


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the sleeps asked for; none of them takes time by the monotonic clock."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.mark.parametrize("back_s", [900, 30 * 86_400, -900])
def test_client_when_the_clock_is_set_back_then_it_waits_no_longer_than_it_has_to(
    monkeypatch: pytest.MonkeyPatch, slept: list[float], back_s: float
) -> None:
    own = ccxt.Exchange.throttle
    seam.pause_by_monotonic_time()
    assert ccxt.Exchange.throttle is not own or own.__module__ == seam.__name__
    wall, passed = [1_700_000_000_000_000_000], [100.0]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    client = ccxt.binanceusdm({"rateLimit": 50})
    other = ccxt.binanceusdm({"rateLimit": 50})
    client.throttle(1)
    assert slept == []
    client.set_last_rest_request_timestamp()
    wall[0] -= int(back_s * 1e9)
    client.throttle(2)
    other.throttle(2)  # each client has its own pauses
    assert slept == [pytest.approx(0.1)]
    passed[0] += 0.09
    client.throttle()
    assert slept == [pytest.approx(0.1)]


def test_client_when_it_is_asynchronous_and_the_clock_is_set_back_then_it_does_not_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seam.pause_by_monotonic_time()
    wall = [1_700_000_000.0]
    monkeypatch.setattr(time, "time", lambda: wall[0])

    async def asked() -> None:
        client = ccxt.async_support.binanceusdm({"rateLimit": 1})
        try:
            for _ in range(20):
                wall[0] -= 900.0
                await asyncio.wait_for(client.throttle(2), timeout=60)
        finally:
            await client.close()

    asyncio.run(asked())


def test_loop_when_freqtrade_would_sleep_until_an_old_time_then_it_sleeps_a_loop(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "_sleep", Worker._sleep)  # put back afterwards
    monkeypatch.setattr(worker, "RETRY_TIMEOUT", worker.RETRY_TIMEOUT)
    seam.bound_loop_pause(5.0)
    Worker._sleep(900.0)
    Worker._sleep(4.0)
    assert slept == [6.5, 4.0]


def test_loop_when_the_exchange_fails_it_then_it_is_back_before_that_reads_as_death(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "_sleep", Worker._sleep)
    monkeypatch.setattr(worker, "RETRY_TIMEOUT", worker.RETRY_TIMEOUT)
    seam.bound_loop_pause(5.0)

    def refused() -> None:
        raise TemporaryError("no balance")

    bot = object.__new__(Worker)
    bot.freqtrade = SimpleNamespace(process=refused)
    bot._process_running()
    assert slept == [5]
    assert slept[0] < WatchdogConfig().silence_s / 2
