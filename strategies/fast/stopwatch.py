"""Takes the time of every stage between a candle's close and the answer to its order.

The hooks of the strategy and the model mark their stages; request and answer of an order are seen
by a response hook of the HTTP session that ccxt gives to its user, so nothing is replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import requests
from freqtrade.data.dataprovider import DataProvider

from models.base.units import Seconds
from models.serve.latency import CandleLatency, LatencySummary
from strategies.seams.data_provider import exchange_if_any
from strategies.seams.http_session import watch_answers
from strategies.seams.rest_client import rest_client

logger = logging.getLogger(__name__)

_ORDER = "/order"  # path of a new order at Binance USD-M; stops go elsewhere


class Stopwatch:
    """Times of the candle being worked on, per pair; whole ones go to `summary` and `sink`.

    Parameters
    ----------
    candle_s
        Length of a candle.
    sink
        Gets the latency of each pair once the candle is done, off the critical path.
    failed
        Is given what broke while an order's answer was looked at.
    """

    def __init__(
        self,
        candle_s: float,
        sink: Callable[[CandleLatency], Any] = lambda _: None,
        failed: Callable[[str, Exception], None] = lambda part, error: None,
        *,
        wall: Seconds = time.time,
        monotonic: Seconds = time.monotonic,
    ) -> None:
        self.summary = LatencySummary()
        self._candle_s, self._sink, self._failed = candle_s, sink, failed
        self._wall, self._monotonic = wall, monotonic
        self._zero: float | None = None  # the close, by the monotonic clock
        self._closed = 0.0
        self._common: dict[str, tuple[float, float]] = {}
        self._pairs: dict[str, dict[str, tuple[float, float]]] = {}
        self._markets: dict[str, str] = {}  # exchange's name of a market -> pair

    # -- the candle ---------------------------------------------------------------------------

    def start(self, closed_s: float) -> None:
        """Begin with the candle that closed at `closed_s`, UTC seconds; its request leaves now."""
        now = self._monotonic()
        self._closed, self._zero = closed_s, now - (self._wall() - closed_s)
        self._common, self._pairs = {"request": (self._zero, now)}, {}

    def fetched(self) -> None:
        """Mark that the candles are there."""
        if self._zero is not None:
            self._common["data"] = (self._common["request"][1], self._monotonic())

    def finish(self) -> None:
        """Hand over what was seen of the last candle; without one, nothing."""
        if self._zero is None:
            return
        zero, self._zero = self._zero, None
        for pair, stages in self._pairs.items():
            spans = self._common | stages
            seen = CandleLatency(
                pair=pair,
                candle_ms=round((self._closed - self._candle_s) * 1000),
                took_ms={name: _ms(end - begin) for name, (begin, end) in spans.items()},
                at_ms={name: _ms(end - zero) for name, (_, end) in spans.items()},
            )
            self.summary.add(seen)
            self._sink(seen)

    def stop(self) -> None:
        """Forget the candle being worked on; nothing is timed until the next one starts."""
        self._zero = None

    # -- stages of one pair -------------------------------------------------------------------

    @contextmanager
    def stage(self, pair: str, name: str) -> Iterator[None]:
        """Time the block as stage `name` of `pair`; a repeated stage counts from its first begin.

        Examples
        --------
        >>> watch = Stopwatch(60.0)
        >>> with watch.stage("BTC/USDT:USDT", "features"):
        ...     pass
        """
        begin_s = self.now_s()
        try:
            yield
        finally:
            self.took(pair, name, begin_s)

    def now_s(self) -> float:
        """Return monotonic seconds, of which a stage's begin is one."""
        return self._monotonic()

    def took(self, pair: str, name: str, begin_s: float) -> None:
        """Note that a stage that began at `begin_s` is over."""
        if self._zero is not None:
            stages = self._pairs.setdefault(pair, {})
            stages[name] = (stages.get(name, (begin_s, 0.0))[0], self._monotonic())

    # -- orders -------------------------------------------------------------------------------

    def watch_orders(self, dp: DataProvider) -> None:
        """See every answer the exchange client of Freqtrade's data provider gets from now on."""
        exchange = exchange_if_any(dp)
        if exchange is None:
            return
        client = rest_client(exchange)
        self._markets = {client.markets[pair]["id"]: pair for pair in dp.current_whitelist()}
        watch_answers(client, self._answered)

    def _answered(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Mark the first order of each pair; never in the way of the answer itself."""
        if self._zero is None:
            return
        try:
            request = response.request
            if request.method != "POST" or not _is_order(request.url or ""):
                return
            body = request.body or ""
            body = body.decode() if isinstance(body, bytes) else str(body)
            pair = self._markets.get(parse_qs(body).get("symbol", [""])[0])
            stages = self._pairs.get(pair or "", {})
            if "guards" in stages and "sent" not in stages:
                answered = self._monotonic()
                sent = answered - response.elapsed.total_seconds()
                stages["sent"] = (stages["guards"][1], sent)
                stages["acknowledged"] = (sent, answered)
        except Exception as error:
            logger.exception("The time of an order was not taken")
            self._failed("times", error)


def _is_order(url: str) -> bool:
    return url.partition("?")[0].endswith(_ORDER)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
