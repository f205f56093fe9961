"""Every fault switch, seen through a real HTTP client."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import numpy as np
import pytest
import requests

from models.base.types import Candles
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import candle_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import ManualClock
from tests.exchange.faults import (
    Answer,
    ClockSkew,
    Drop,
    DuplicateCandles,
    HalfBody,
    LateClose,
    Latency,
    MissingCandles,
    NoCandles,
    Page,
    ShuffledCandles,
    StaleCandles,
    StalePrices,
    Trickle,
    broken_row,
)
from tests.exchange.state import ExchangeState
from tests.test_strategies.desk.loopback.conftest import KEY, NOON_MS, SECRET

MINUTE = 60_000
ORDER = "POST /fapi/v1/order"


def get(url: str, path: str, **params: Any) -> requests.Response:
    return requests.get(f"{url}/fapi/v1/{path}", params=params, timeout=5)


def signed(method: str, url: str, path: str, now: int, **params: Any) -> requests.Response:
    text = "&".join(f"{k}={v}" for k, v in {**params, "timestamp": now}.items())
    digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return requests.request(
        method,
        f"{url}/fapi/v1/{path}?{text}&signature={digest}",
        headers={"X-MBX-APIKEY": KEY},
        timeout=5,
    )


def buy(url: str) -> requests.Response:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
    return signed("POST", url, "order", NOON_MS, **order)


def opens(url: str) -> list[int]:
    """Return how many minutes ago the candles of an answer opened, as listed."""
    rows = get(url, "klines", symbol="BTCUSDT", interval="1m", limit=5).json()
    return [(NOON_MS - row[0]) // MINUTE for row in rows]


def test_everything_when_nothing_is_switched_on_then_it_works(
    url: str, account: Customer, state: ExchangeState
) -> None:
    assert get(url, "time").json() == {"serverTime": NOON_MS}
    assert opens(url) == [4, 3, 2, 1, 0]
    assert buy(url).json()["status"] == "FILLED"
    assert state.faults.struck == []


def test_latency_when_distributed_then_requests_take_that_long(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(Latency(on="/time", before_s=lambda r: r.uniform(0.2, 0.3)))
    started = time.monotonic()
    get(url, "time")
    slow = time.monotonic() - started
    get(url, "ping")
    assert 0.2 <= slow < 2
    assert [kind for _, kind, _ in state.faults.struck] == ["Latency"]


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (503, -1001)])
def test_error_when_scripted_for_a_time_then_only_in_that_time(
    url: str, state: ExchangeState, clock: ManualClock, status: int, code: int
) -> None:
    wait = 7 if status != 503 else None
    state.faults.add(
        Answer(status=status, code=code, message="no", retry_after_s=wait,
               start_ms=NOON_MS + 10, stop_ms=NOON_MS + 20)
    )  # fmt: skip
    assert get(url, "ping").status_code == 200
    clock.advance(10)
    answer = get(url, "ping")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == ("7" if wait else None)
    clock.advance(10)
    assert get(url, "ping").status_code == 200


def test_order_when_rejected_then_nothing_is_placed(
    url: str, state: ExchangeState, account: Customer
) -> None:
    fault = Answer(on=ORDER, status=400, code=-2010, message="NEW_ORDER_REJECTED", times=1)
    state.faults.add(fault)
    assert buy(url).json() == {"code": -2010, "msg": "NEW_ORDER_REJECTED"}
    assert account.orders == {}
    assert buy(url).json()["status"] == "FILLED"


@pytest.mark.parametrize("executed", [True, False])
def test_connection_when_dropped_then_the_order_exists_only_if_it_was_executed(
    url: str, state: ExchangeState, account: Customer, executed: bool
) -> None:
    state.faults.add(Drop(on=ORDER, executed=executed, times=1))
    with pytest.raises(requests.ConnectionError):
        buy(url)
    assert len(account.orders) == executed
    assert get(url, "ping").status_code == 200


def test_timeout_answer_when_the_order_was_executed_then_its_status_is_unknown(
    url: str, state: ExchangeState, account: Customer
) -> None:
    unknown = "Timeout waiting for response from backend server. Send status unknown."
    state.faults.add(Answer(on=ORDER, status=503, code=-1007, message=unknown, executed=True))
    assert buy(url).json()["code"] == -1007
    assert len(account.orders) == 1


def test_outage_when_total_then_nobody_answers_until_it_is_over(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(Drop())
    for path in ("ping", "time", "exchangeInfo"):
        with pytest.raises(requests.ConnectionError):
            get(url, path)
    state.faults.clear()
    assert get(url, "ping").status_code == 200


def test_body_when_half_sent_then_the_client_notices(url: str, state: ExchangeState) -> None:
    state.faults.add(HalfBody(on="/exchangeInfo"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(url, "exchangeInfo")


def test_page_when_something_stands_before_the_exchange_then_the_answer_is_no_json(
    url: str, state: ExchangeState, account: Customer
) -> None:
    state.faults.add(Page(status=502, times=2))
    answer = get(url, "ping")
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert buy(url).status_code == 502
    assert account.orders == {}
    assert get(url, "ping").json() == {}


def test_prices_when_stale_then_their_stamps_are_old(url: str, state: ExchangeState) -> None:
    def stamps() -> tuple[int, int]:
        premium = get(url, "premiumIndex", symbol="BTCUSDT").json()
        book = get(url, "depth", symbol="BTCUSDT", limit=5).json()
        return NOON_MS - premium["time"], NOON_MS - book["T"]

    state.faults.add(StalePrices(ms=20_000))
    assert stamps() == (20_000, 20_000)
    state.faults.clear()
    assert stamps() == (0, 0)


def test_clock_when_skewed_then_it_is_shown_and_refuses_what_is_late(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(ClockSkew(ms=6_000))
    assert get(url, "time").json() == {"serverTime": NOON_MS + 6_000}
    assert buy(url).json()["code"] == -1021


def test_candles_when_stale_then_the_newest_are_not_there_yet(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(StaleCandles(ms=2 * MINUTE))
    assert opens(url) == [6, 5, 4, 3, 2]


def test_candle_when_it_closes_late_then_the_forming_one_is_not_listed(
    url: str, state: ExchangeState, clock: ManualClock
) -> None:
    state.faults.add(LateClose(ms=3_000))
    assert opens(url) == [4, 3, 2, 1]
    clock.advance(3_000)
    assert opens(url) == [4, 3, 2, 1, 0]


def test_candles_when_missing_duplicated_or_out_of_order_then_they_leave_like_that(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(MissingCandles(opens_ms=[NOON_MS - 2 * MINUTE], times=1))
    assert opens(url) == [4, 3, 1, 0]
    state.faults.add(DuplicateCandles(times=1))
    assert opens(url) == [4, 3, 2, 1, 1, 0]
    state.faults.add(ShuffledCandles(times=1))
    assert opens(url) == [4, 3, 1, 2, 0]
    state.faults.add(NoCandles(times=1))
    assert opens(url) == []
    assert opens(url) == [4, 3, 2, 1, 0]


def test_mark_price_when_frozen_then_it_stays_while_the_contract_moves(
    url: str, venue: LoopbackVenue, clock: ManualClock
) -> None:
    minutes = NOON_MS + MINUTE * np.arange(3, dtype=np.int64)
    rise = np.array([50_000.0, 51_000.0, 52_000.0])
    candles = Candles(
        time_ms=minutes, open=rise, high=rise + 1_000, low=rise, close=rise + 1_000,
        volume=np.ones(3),
    )  # fmt: skip
    venue.market.feeds["BTCUSDT"] = candle_feed(candles, MINUTE)
    venue.market.freeze_mark("BTCUSDT", NOON_MS + MINUTE, NOON_MS + 2 * MINUTE)

    def prices() -> tuple[float, float]:
        mark = get(url, "premiumIndex", symbol="BTCUSDT").json()["markPrice"]
        return float(mark), float(get(url, "depth", symbol="BTCUSDT", limit=5).json()["asks"][0][0])

    clock.advance(MINUTE + 50_000)
    assert prices() == (51_000, 52_000)
    clock.advance(10_000)
    assert prices() == (52_000, 52_000)


def test_faults_when_left_to_chance_then_the_same_seed_strikes_the_same_requests(
    url: str, state: ExchangeState
) -> None:
    state.faults.add(Answer(status=500, code=-1000, message="unknown", chance=0.5))
    first = [get(url, "ping").status_code for _ in range(12)]
    state.faults.random.seed(state.faults.seed)
    assert [get(url, "ping").status_code for _ in range(12)] == first
    assert set(first) == {200, 500}


def test_weight_when_counted_then_it_is_in_the_headers_and_429_follows(
    url: str, state: ExchangeState
) -> None:
    state.limits.weight_per_minute = 10
    answers = [get(url, "depth", symbol="BTCUSDT", limit=500) for _ in range(2)]
    assert [a.headers.get("X-MBX-USED-WEIGHT-1M") for a in answers] == ["10", None]
    assert (answers[1].status_code, answers[1].headers["Retry-After"]) == (429, "60")


def test_orders_when_placed_then_they_are_counted_in_the_headers(url: str) -> None:
    assert buy(url).headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert buy(url).headers["X-MBX-ORDER-COUNT-1M"] == "2"


def test_broken_row_when_switched_on_then_that_symbols_row_leaves_changed_and_no_other(
    url: str, account: Customer, state: ExchangeState
) -> None:
    whole = get(url, "ticker/24hr").json()
    at = [row["symbol"] for row in whole].index("BTCUSDT")
    state.faults.add(broken_row("ticker", "BTCUSDT", lambda row: {**row, "lastPrice": [1]}))
    assert get(url, "ticker/24hr").json() == [
        {**row, "lastPrice": [1]} if n == at else row for n, row in enumerate(whole)
    ]
    assert get(url, "ticker/24hr", symbol="BTCUSDT").json()["lastPrice"] == [1]
    assert get(url, "ticker/24hr", symbol="ETHUSDT").json()["lastPrice"] != [1]
    assert get(url, "ticker/24hr", symbol="NONE").json()["code"] == -1121  # an error as it is


def test_trickle_when_switched_on_then_the_whole_answer_comes_byte_by_byte(
    url: str, state: ExchangeState
) -> None:
    whole = f'{{"serverTime": {NOON_MS}}}'.encode()
    state.faults.add(Trickle(on="/time", every_s=0.05))
    answer = requests.get(f"{url}/fapi/v1/time", stream=True, timeout=5)
    first = answer.raw.read1()
    assert 0 < len(first) < len(whole)
    assert first + answer.raw.read() == whole
