"""Which sources each feed has, the preferred one first."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from models.base.errors import ConfigError
from models.base.files import Clock
from models.data.feeds.catalog import KINDS, MARKET, CollectConfig, sources_of
from strategies.desk.collect.exchange import (
    EXCHANGES,
    ExchangeSource,
    LiquidationStream,
    VenueMarket,
    stream_client,
)
from strategies.desk.collect.feed import Feed
from strategies.desk.collect.source import FeedSource, Reading, Rest, Sleep
from strategies.desk.collect.web import BlockWhales, Providers, Web, WebSource


@dataclass(frozen=True)
class Chain:
    """What the providers call a coin's chain, and from what size a transaction is a whale's."""

    name: str  # with Blockchair and CoinGecko
    whale_base: float
    extension: bool = False  # blocks end with the transaction of an extension block


# A whale moves about a million dollars and more, at the prices of 2025.
CHAINS: Final = {
    "LTC": Chain("litecoin", 10_000.0, extension=True),
    "BTC": Chain("bitcoin", 100.0),
}
# The query for large transactions is dear: every half hour keeps within Blockchair's daily limit.
_BLOCKCHAIR_WHALES_S: Final = 1800.0


@dataclass
class Wiring:
    """Feeds with their sources, and the clients these share."""

    config: CollectConfig
    root: Path
    clock: Clock
    now_s: Callable[[], float]
    sleep: Sleep
    random: random.Random
    _clients: dict[str, Any] = field(default_factory=dict)
    _streams: list[LiquidationStream] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.web = Web(self.config.addresses, self.sleep, self.now_s)
        self._rests = {name: Rest(self.now_s) for name in EXCHANGES}
        self._providers = Providers(self.web, self.clock)

    def feeds(self, names: Sequence[str] = ()) -> list[Feed]:
        """Return the feeds called `names`, by default all, of every coin.

        Raises
        ------
        ConfigError
            If there is no such feed, or a coin whose chain is not known.
        """
        if unknown := [name for name in names if name not in KINDS]:
            raise ConfigError(
                f"no feed called {', '.join(unknown)}", cure=f"known feeds: {', '.join(KINDS)}"
            )
        if strange := [coin for coin in self.config.coins if coin not in CHAINS]:
            raise ConfigError(
                f"no chain known of {', '.join(strange)}", where="breakwater.collect.coins",
                cure=f"known coins: {', '.join(CHAINS)}",
            )  # fmt: skip
        return [
            Feed(
                name, coin,
                [self._source(name, coin, source) for source in sources_of(name, coin)],
                self.root,
                oldest_s=KINDS[name].lag_s + KINDS[name].stale_s,
                pause_s=(self.config.first_pause_s, self.config.longest_pause_s),
                clock=self.clock, now_s=self.now_s, sleep=self.sleep, random=self.random,
            )
            for name in names or KINDS
            for coin in (self.config.coins if KINDS[name].per_coin else (MARKET,))
        ]  # fmt: skip

    async def close(self) -> None:
        """Close every connection."""
        await self.web.close()
        for opened in (*self._clients.values(), *self._streams):
            await opened.close()

    def _source(self, feed: str, coin: str, name: str) -> FeedSource:
        """Return one source of a feed of a coin."""
        every_s, timeout_s = KINDS[feed].every_s, self.config.timeout_s
        if feed == "liquidations":
            stream = LiquidationStream(
                name, partial(self._new_client, name), f"{coin}/USDT:USDT", timeout_s,
                self.clock, self.sleep,
            )  # fmt: skip
            self._streams.append(stream)
            return stream
        if name in EXCHANGES:
            market = VenueMarket(name, self._client(name), f"{coin}/USDT:USDT", self.clock)
            # The first reading asks for the list of markets as well.
            return ExchangeSource(
                name,
                every_s,
                3 * timeout_s,
                market.client,
                self._rests[name],
                market.reading(feed),
            )
        return self._web_source(feed, coin, name, every_s, timeout_s)

    def _web_source(
        self, feed: str, coin: str, name: str, every_s: float, timeout_s: float
    ) -> FeedSource:
        ask, chain = self._providers, CHAINS.get(coin)
        readings: dict[tuple[str, bool], Reading] = {("fear_greed", False): ask.fear_greed}
        if chain is not None:
            second = name == "blockchair"
            if feed == "whales" and not second:
                return BlockWhales(
                    name, every_s, 15 * timeout_s, self.web, self.clock,
                    chain.whale_base, chain.extension,
                )  # fmt: skip
            if feed == "whales":
                every_s = _BLOCKCHAIR_WHALES_S
            readings |= {
                ("votes", False): partial(ask.votes, chain.name),
                ("mempool", False): partial(ask.mempool, name),
                ("mempool", True): partial(ask.blockchair_mempool, chain.name),
                ("whales", True): partial(ask.blockchair_whales, chain.name, chain.whale_base),
            }
        # Patient: a turn at a provider that wants pauses may be long in coming.
        return WebSource(name, every_s, 3 * timeout_s, readings[feed, name == "blockchair"])

    def _client(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._new_client(name)
        return self._clients[name]

    def _new_client(self, name: str) -> Any:
        return stream_client(name, self.config.exchanges.get(name, {}), self.config.timeout_s)
