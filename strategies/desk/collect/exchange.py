"""Feeds of the exchanges, read through ccxt: answers with ccxt, liquidations with ccxt.pro."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ccxt
import ccxt.pro

from models.base.errors import ConfigError, InputError
from models.base.files import Clock
from models.data.feeds import payloads
from models.data.feeds.store import FeedRecord
from strategies.account.exchange_client import exchange_client
from strategies.desk.collect.source import Reading, Rest, Sleep, retry_after_s

# Names of the sources -> ccxt's classes, and how each names the liquidation of a long.
EXCHANGES: Final = {"binance": "binanceusdm", "okx": "okx", "bybit": "bybit"}
_SELLS_LONG: Final = {"binance": "sell", "bybit": "buy"}
# Only what is needed of each: the list of linear swaps.
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "binance": {"fetchMarkets": {"types": ["linear"]}},
    "okx": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    "bybit": {"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"},
}
DEPTH_FRAC: Final = 0.01  # of the price: how far from the middle an order counts as depth
_LEVELS: Final = {"binance": 1000, "okx": 400, "bybit": 500}
_HISTORY: Final = 30  # rows asked for: what an outage of two hours has missed
SIGN_OF_LIFE_S: Final = 60.0
_UNREAD_LIFES: Final = 2  # a stream not read for longer is begun anew


def stream_client(name: str, settings: Mapping[str, Any], timeout_s: float) -> Any:
    """Return ccxt's client of an exchange, without keys: everything here is public.

    Raises
    ------
    ConfigError
        If the settings carry keys, which a collector has no use for.
    """
    if secrets := {"apiKey", "secret", "password"} & set(settings):
        raise ConfigError(
            f"expected no {', '.join(sorted(secrets))}: the collector reads public data only",
            where=f"breakwater.collect.exchanges.{name}",
        )
    options = {**settings.get("options", {}), "fetchCurrencies": False}
    return exchange_client(
        EXCHANGES[name],
        {**settings, "options": options},
        options=_OPTIONS[name],
        library=ccxt.pro,
        enableRateLimit=True,
        timeout=int(1000 * timeout_s),
        aiohttp_trust_env=True,
    )


@dataclass
class ExchangeSource:
    """One kind of data of one market, asked for again and again."""

    name: str
    every_s: float
    timeout_s: float
    client: Any
    rest: Rest  # shared by all that reads this exchange
    ask: Reading
    repeats_events: bool = True

    async def read(self) -> Sequence[FeedRecord]:
        """Return what the exchange answers; a refusal for asking too much says for how long."""
        self.rest.heed(self.name)
        try:
            return await self.ask()
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
            headers = self.client.last_response_headers
            raise self.rest.refused(str(error)[:200], retry_after_s(headers)) from error


@dataclass
class VenueMarket:
    """The readings of one market of one exchange."""

    name: str
    client: Any
    symbol: str
    clock: Clock

    def reading(self, feed: str) -> Reading:
        """Return what reads a feed, by the name it has in the catalogue."""
        readings: dict[str, Reading] = {
            "order_book": self.order_book,
            "open_interest": self.open_interest,
            "long_short": self.long_short,
        }
        return self.funding if feed.startswith("funding_") else readings[feed]

    async def order_book(self) -> list[FeedRecord]:
        """Depth within 1 % of the middle, in quote units, and the spread.

        A lower bound where the levels the exchange tells end nearer, as bitcoin's do.
        """
        answer = await self.client.fetch_order_book(self.symbol, _LEVELS[self.name])
        size = float(self.client.market(self.symbol)["contractSize"])
        book = payloads.order_book(answer, self.symbol, size, DEPTH_FRAC)
        now = self.clock()
        values = {
            "mid": book.mid,
            "spread_frac": book.spread_frac,
            "bid_quote": book.bid_quote,
            "ask_quote": book.ask_quote,
        }
        return [FeedRecord(book.time_ms or now, now, values)]

    async def open_interest(self) -> list[FeedRecord]:
        """Open interest in base units, every five minutes."""
        answer = await self.client.fetch_open_interest_history(self.symbol, "5m", None, _HISTORY)
        size = float(self.client.market(self.symbol)["contractSize"])
        return self._series(payloads.open_interest(answer, self.symbol, size), "base")

    async def long_short(self) -> list[FeedRecord]:
        """Accounts long over accounts short, every five minutes."""
        answer = await self.client.fetch_long_short_ratio_history(self.symbol, "5m", None, _HISTORY)
        return self._series(payloads.long_short_ratio(answer, self.symbol), "ratio")

    async def funding(self) -> list[FeedRecord]:
        """Funding paid, as a fraction."""
        answer = await self.client.fetch_funding_rate_history(self.symbol, None, _HISTORY)
        return self._series(payloads.funding(answer, self.symbol), "rate")

    def _series(self, series: payloads.Series, name: str) -> list[FeedRecord]:
        now = self.clock()
        pairs = zip(series.time_ms.tolist(), series.values.tolist(), strict=True)
        return [FeedRecord(time_ms, now, {name: value}) for time_ms, value in pairs]


class LiquidationStream:
    """Liquidations of one market as they happen.

    Each is a record at once. Every minute in which the stream was up is a record too, without
    notional but with the seconds it covers, so that a quiet market and a dead stream differ.
    """

    repeats_events = False
    every_s = 0.0

    def __init__(
        self, name: str, make: Callable[[], Any], symbol: str, timeout_s: float,
        clock: Clock, sleep: Sleep,
    ) -> None:  # fmt: skip
        self.name, self._make, self._symbol = name, make, symbol
        self._client: Any = None  # of its own: ccxt keeps what a stream tells per client
        self._connect_s, self._clock, self._sleep = timeout_s, clock, sleep
        self.timeout_s = 2 * timeout_s + SIGN_OF_LIFE_S
        self._watching: asyncio.Task[Any] | None = None
        self._covered_from: int | None = None  # None while there is no connection
        self._left_ms: int | None = None  # end of the last reading

    async def read(self) -> Sequence[FeedRecord]:
        """Wait for liquidations or the end of a minute, and return them."""
        try:
            if self._left_ms is not None and self._clock() - self._left_ms > _UNREAD_LIFES * (
                1000 * SIGN_OF_LIFE_S
            ):
                # Another source told the feed meanwhile: what waits here is old, and not all of it.
                await self.close()
            return await self._read()
        except BaseException:
            await self.close()
            raise
        finally:
            self._left_ms = self._clock()

    async def _read(self) -> list[FeedRecord]:
        if self._client is None:
            self._client = self._make()
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._client.watch_liquidations(self._symbol))
        if self._covered_from is None:
            await self._connected()
            self._covered_from = self._clock()
        left_s = SIGN_OF_LIFE_S - (self._clock() - self._covered_from) / 1000
        await self._wait(max(left_s, 0.0))
        records = []
        if self._watching.done():
            watching, self._watching = self._watching, None
            watching.result()  # raises what ended the stream
            records = self._taken()
        now = self._clock()
        covered_s = (now - self._covered_from) / 1000
        if covered_s >= SIGN_OF_LIFE_S:
            self._covered_from = now
            quiet = {"long_quote": 0.0, "short_quote": 0.0, "covered_s": covered_s}
            records.append(FeedRecord(now, now, quiet))
        return records

    def _taken(self) -> list[FeedRecord]:
        """Return and forget what ccxt has kept, which may be more than it has told."""
        now = self._clock()
        kept = list(self._client.liquidations)
        self._client.liquidations.clear()
        size = float(self._client.market(self._symbol)["contractSize"])
        records = []
        for event in kept:
            forced = payloads.liquidation(
                event, self._symbol, size, sells_long=_SELLS_LONG[self.name]
            )
            side = "long_quote" if forced.side < 0 else "short_quote"
            values = {"long_quote": 0.0, "short_quote": 0.0, "covered_s": 0.0}
            records.append(FeedRecord(forced.time_ms, now, {**values, side: forced.notional_quote}))
        return records

    async def _connected(self) -> None:
        """Wait until the connection stands; raises what keeps it from standing."""
        waited_s = 0.0
        while not any(c.isConnected for c in self._client.clients.values()):
            assert self._watching is not None
            if self._watching.done():
                if self._watching.exception() is None:
                    return
                self._watching.result()
            if waited_s >= self._connect_s:
                raise InputError(f"{self.name} gives no connection within {self._connect_s:g} s")
            await self._sleep(0.05)
            waited_s += 0.05

    async def _wait(self, seconds: float) -> None:
        assert self._watching is not None
        bell = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({self._watching, bell}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            bell.cancel()

    async def close(self) -> None:
        """Let go of the connection; the next reading makes a new one.

        And a new client: one that was closed before it knew its markets never works again.
        """
        self._covered_from = None
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.close()
