"""Feeds read from public addresses that ccxt does not know.

Limits as the providers document them: alternative.me 60 requests a minute; Blockchair without a key
1,440 a day and 30 a minute, a query of transactions counting 7 to 13; CoinGecko without a key a few
a minute; mempool.space's interface names none and answers 429.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from models.base.errors import InputError
from models.base.files import Clock
from models.base.units import HOUR_MS
from models.data.feeds import payloads
from models.data.feeds.store import FeedRecord
from strategies.desk.collect.source import Reading, Rest, Sleep, Spacing, retry_after_s

ADDRESSES: Final = {
    "alternative.me": "https://api.alternative.me",
    "coingecko": "https://api.coingecko.com",
    "blockchair": "https://api.blockchair.com",
    "litecoinspace": "https://litecoinspace.org",
    "mempool.space": "https://mempool.space",
}
_SPACING_S: Final = {
    "alternative.me": 2.0, "coingecko": 15.0, "blockchair": 3.0,
    "litecoinspace": 1.0, "mempool.space": 1.0,
}  # fmt: skip
_LARGEST: Final = 16 * 2**20  # bytes of an answer
_BUSY: Final = (402, 418, 429, 430, 503)  # Blockchair says 402 and 430
_PAGES: Final = 8  # of 10 to 15 blocks; an hour has 24 on average, on Litecoin


class Web:
    """Answers of the providers as JSON; raises aiohttp's errors, TimeoutError and InputError."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        sleep: Sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = {**ADDRESSES, **addresses}
        # An address of one's own, such as a mempool node at home, needs no pauses.
        self._spacing = {
            name: Spacing(0.0 if name in addresses else seconds, now_s, sleep)
            for name, seconds in _SPACING_S.items()
        }
        self._rest = {name: Rest(now_s) for name in self._addresses}
        self._session: aiohttp.ClientSession | None = None

    async def get(self, provider: str, path: str, **query: str) -> Any:
        """Return the answer to one request."""
        self._rest[provider].heed(provider)
        await self._spacing[provider].turn()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=True, headers={"User-Agent": "breakwater", "Accept": "application/json"}
            )
        url = self._addresses[provider].rstrip("/") + path
        async with self._session.get(url, params=query, allow_redirects=False) as response:
            if response.status in _BUSY:
                raise self._rest[provider].refused(
                    f"{provider} answers {response.status}", retry_after_s(response.headers)
                )
            body = bytearray()
            async for part in response.content.iter_chunked(65536):
                body += part
                if len(body) > _LARGEST:
                    raise InputError(f"{provider} answers more than {_LARGEST} bytes")
            if response.status != 200:
                raise InputError(f"{provider} answers {response.status}: {bytes(body[:80])!r}")
        try:
            return json.loads(body)
        except ValueError as error:
            raise InputError(f"{provider} answers no JSON: {bytes(body[:80])!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


@dataclass
class WebSource:
    """A feed read with one or a few requests."""

    name: str
    every_s: float
    timeout_s: float
    request: Reading
    repeats_events: bool = True

    async def read(self) -> Sequence[FeedRecord]:
        """Return what the provider says now."""
        return await self.request()


@dataclass
class Providers:
    """The readings of each provider."""

    web: Web
    clock: Clock
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict)  # -> count, since when

    async def fear_greed(self) -> list[FeedRecord]:
        """Fear & Greed index, 0 to 100, of the last days; the provider revises today's."""
        answer = payloads.fear_greed(await self.web.get("alternative.me", "/fng/", limit="30"))
        return self._series(answer, "index")

    async def votes(self, coin_id: str) -> list[FeedRecord]:
        """Share of CoinGecko's voters who expect a rise."""
        answer = payloads.votes(
            await self.web.get(
                "coingecko", f"/api/v3/coins/{coin_id}",
                localization="false", tickers="false", market_data="false",
                community_data="false", developer_data="false", sparkline="false",
            ),
            coin_id,
        )  # fmt: skip
        return self._series(answer, "up_frac")

    async def mempool(self, provider: str) -> list[FeedRecord]:
        """Transactions that wait, from mempool.space's interface."""
        answer = payloads.mempool(await self.web.get(provider, "/api/mempool"))
        return self._waiting(provider, answer)

    async def blockchair_mempool(self, chain: str) -> list[FeedRecord]:
        """Transactions that wait, from Blockchair."""
        answer = await self.web.get("blockchair", f"/{chain}/stats")
        return self._waiting(f"blockchair {chain}", payloads.blockchair_mempool(answer))

    async def blockchair_whales(self, chain: str, least_base: float) -> list[FeedRecord]:
        """Large transactions of the last hour's blocks, from Blockchair."""
        since = datetime.fromtimestamp((self.clock() - HOUR_MS) // 1000, UTC)
        answer = await self.web.get(
            "blockchair", f"/{chain}/transactions",
            q=f"time({since:%Y-%m-%d %H:%M:%S}..),output_total({round(least_base * 1e8)}..)",
            s="time(desc)", limit="100",
        )  # fmt: skip
        found, complete = payloads.blockchair_transfers(answer, least_base)
        if not complete:
            raise InputError("more large transactions in an hour than one answer holds")
        return self._now(transfers=found.count, moved_base=found.value_base)

    def _series(self, series: payloads.Series, name: str) -> list[FeedRecord]:
        now = self.clock()
        pairs = zip(series.time_ms.tolist(), series.values.tolist(), strict=True)
        return [FeedRecord(time_ms, now, {name: value}) for time_ms, value in pairs]

    def _waiting(self, who: str, count: int) -> list[FeedRecord]:
        """A count has no time of its own: it is as old as its last change.

        Else a provider that stands still would be as fresh as its newest answer.
        """
        now = self.clock()
        before, since = self._counted.get(who, (count, now))
        self._counted[who] = (count, since if count == before else now)
        return [FeedRecord(self._counted[who][1], now, {"waiting": float(count)})]

    def _now(self, **values: float) -> list[FeedRecord]:
        now = self.clock()
        return [FeedRecord(now, now, {name: float(value) for name, value in values.items()})]


@dataclass
class BlockWhales:
    """Large transactions of the last hour, block by block; a block is asked for once.

    Parameters
    ----------
    extension
        Whether each block ends with the transaction of an extension block, see `payloads`.
    """

    name: str
    every_s: float
    timeout_s: float
    web: Web
    clock: Clock
    least_base: float
    extension: bool
    repeats_events: bool = True

    def __post_init__(self) -> None:
        self._seen: dict[str, payloads.Transfers] = {}

    async def read(self) -> Sequence[FeedRecord]:
        """Return how many they were and what they moved; raises rather than leave a block out."""
        now = self.clock()
        newest = await self._blocks(now - HOUR_MS)
        if not newest:
            # A chain has such an hour now and then, a provider that stands still has only these.
            raise InputError(f"{self.name} knows no block of the last hour")
        # A block that another has replaced is no longer among them.
        self._seen = {b.id: self._seen[b.id] for b in newest if b.id in self._seen}
        for block in newest:
            if block.id not in self._seen:
                answer = await self.web.get(self.name, f"/api/v1/block/{block.id}/summary")
                self._seen[block.id] = payloads.block_transfers(
                    answer, self.least_base, extension=self.extension
                )
        found = self._seen.values()
        values = {
            "transfers": float(sum(t.count for t in found)),
            "moved_base": math.fsum(t.value_base for t in found),
        }
        return [FeedRecord(now, now, values)]

    async def _blocks(self, since_ms: int) -> list[payloads.ChainBlock]:
        found: list[payloads.ChainBlock] = []
        path = "/api/v1/blocks"
        for _ in range(_PAGES):
            page = payloads.blocks(await self.web.get(self.name, path))
            found += [block for block in page if block.time_ms > since_ms]
            if page[-1].time_ms <= since_ms:
                return found
            path = f"/api/v1/blocks/{max(page[-1].height - 1, 0)}"
        raise InputError(f"{self.name} names blocks of the last hour on every page")
