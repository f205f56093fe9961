"""The feeds there are: who tells them, how often, how late, and when they are too old to go by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.base.config import EXPECTED, from_mapping
from models.base.errors import ConfigError, InputError
from models.base.files import read_regular

_WHERE: Final = "breakwater.collect"


@dataclass(frozen=True, kw_only=True)
class FeedKind:
    """How often a feed is asked for, how late it is told, and when it is too old to go by."""

    every_s: float  # between two readings; of a stream, between two signs of life
    lag_s: float  # from what a value is about to when it is published, at worst
    stale_s: float
    sources: tuple[str, ...]  # the preferred one first
    per_coin: bool = True
    archived: bool = False  # whether the archive below tells it, too


_MINUTE, _HOUR = 60.0, 3600.0
ARCHIVE: Final = "binance_archive"  # what has been imported (`breakwater feeds import`)
_EXCHANGES: Final = ("binance", "okx", "bybit")
_BLOCKS: Final = "blocks"  # stands for the provider of the coin's blocks
BLOCK_PROVIDERS: Final = {"LTC": "litecoinspace", "BTC": "mempool.space"}
KINDS: Final[Mapping[str, FeedKind]] = {
    "order_book": FeedKind(every_s=10, lag_s=0, stale_s=_MINUTE, sources=_EXCHANGES),
    "liquidations": FeedKind(
        every_s=_MINUTE, lag_s=0, stale_s=5 * _MINUTE, sources=("binance", "bybit")
    ),
    "open_interest": FeedKind(
        every_s=2 * _MINUTE,
        lag_s=5 * _MINUTE,
        stale_s=30 * _MINUTE,
        sources=_EXCHANGES,
        archived=True,
    ),
    # One feed for each exchange: their rates differ, so none stands in for another.
    "funding_binance": FeedKind(
        every_s=10 * _MINUTE,
        lag_s=_MINUTE,
        stale_s=9 * _HOUR,
        sources=("binance",),
        archived=True,
    ),
    "funding_okx": FeedKind(
        every_s=10 * _MINUTE, lag_s=_MINUTE, stale_s=9 * _HOUR, sources=("okx",)
    ),
    "funding_bybit": FeedKind(
        every_s=10 * _MINUTE, lag_s=_MINUTE, stale_s=9 * _HOUR, sources=("bybit",)
    ),
    "long_short": FeedKind(
        every_s=2 * _MINUTE,
        lag_s=5 * _MINUTE,
        stale_s=30 * _MINUTE,
        sources=_EXCHANGES,
        archived=True,
    ),
    "mempool": FeedKind(
        every_s=10 * _MINUTE, lag_s=0, stale_s=_HOUR, sources=(_BLOCKS, "blockchair")
    ),
    "whales": FeedKind(
        every_s=10 * _MINUTE, lag_s=0, stale_s=2 * _HOUR, sources=(_BLOCKS, "blockchair")
    ),
    "votes": FeedKind(every_s=30 * _MINUTE, lag_s=0, stale_s=24 * _HOUR, sources=("coingecko",)),
    "fear_greed": FeedKind(
        every_s=_HOUR, lag_s=_HOUR, stale_s=48 * _HOUR, per_coin=False, sources=("alternative.me",)
    ),
}
# Feeds with a past and no present: nothing collects them, so no model is fed them.
IMPORTED: Final[Mapping[str, FeedKind]] = {
    "depth": FeedKind(
        every_s=5 * _MINUTE, lag_s=10 * _MINUTE, stale_s=30 * _MINUTE, sources=(), archived=True
    ),
    "premium": FeedKind(
        every_s=5 * _MINUTE, lag_s=5 * _MINUTE, stale_s=30 * _MINUTE, sources=(), archived=True
    ),
}
STATUS: Final = "status.json"  # the collector's own report, beside the records
MARKET: Final = "ALL"  # the coin of a feed that is about none in particular


def sources_of(feed: str, coin: str) -> tuple[str, ...]:
    """Return who tells a feed of a coin, the preferred one first.

    Examples
    --------
    >>> sources_of("mempool", "LTC"), sources_of("whales", "LTC")
    (('litecoinspace', 'blockchair'), ('litecoinspace',))
    """
    named = KINDS[feed].sources
    if feed == "whales" and coin == "LTC":
        # Blockchair does not tell an extension block's transaction from a person's.
        named = (_BLOCKS,)
    return tuple(BLOCK_PROVIDERS.get(coin, "") if name == _BLOCKS else name for name in named)


def feed_kind(feed: str) -> FeedKind:
    """Return what kind of feed one is, collected or imported."""
    return IMPORTED[feed] if feed in IMPORTED else KINDS[feed]


def readable_sources(feed: str, coin: str) -> tuple[str, ...]:
    """Return whose records of a feed are read: those that tell it, and last what was imported.

    Last, so that what was collected stays what was known at the time.

    Examples
    --------
    >>> readable_sources("funding_binance", "LTC"), readable_sources("premium", "LTC")
    (('binance', 'binance_archive'), ('binance_archive',))
    """
    collected = sources_of(feed, coin) if feed in KINDS else ()
    return (*collected, ARCHIVE) if feed_kind(feed).archived else collected


@dataclass(frozen=True, kw_only=True)
class CollectConfig:
    """The `breakwater.collect` block."""

    folder: str = ""  # default: feeds in the user directory
    # whose feeds are kept, where a feed is of one coin
    coins: tuple[str, ...] = field(default=("LTC", "BTC"), metadata={EXPECTED: "a list of coins"})
    quota_gb: float = 5.0  # oldest whole days go first, never today's, never what was imported
    features: bool = False  # whether models are fed the feeds; then they are trained with them
    timeout_s: float = 20.0  # for one answer
    first_pause_s: float = 1.0  # of a source that failed; doubles, with jitter
    longest_pause_s: float = 600.0  # the pause after a failure doubles up to it
    exchanges: Mapping[str, Any] = field(default_factory=dict)  # name -> settings of ccxt's client
    addresses: Mapping[str, str] = field(default_factory=dict)  # name of a provider -> its URL

    def __post_init__(self) -> None:
        if not self.coins:
            raise ConfigError("expected one or more coins")
        for name in ("quota_gb", "timeout_s", "first_pause_s", "longest_pause_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"expected {name} > 0, got {getattr(self, name)}")

    def root(self, userdir: Path) -> Path:
        """Return the folder the records are in."""
        return Path(self.folder) if self.folder else userdir / "feeds"


def collect_config(block: Mapping[str, Any]) -> CollectConfig:
    """Return the settings of a `breakwater.collect` block; raises ConfigError."""
    return from_mapping(CollectConfig, block, where=_WHERE)


@dataclass(frozen=True)
class Freshness:
    """One feed as the collector left it."""

    name: str
    coin: str
    age_ms: float | None  # since it could have been known; None if nothing was ever told
    state: str  # fresh, stale or missing
    source: str
    error: str


@dataclass(frozen=True)
class FeedReport:
    """All feeds, and how long ago the collector gave a sign of life; None if it never ran."""

    feeds: tuple[Freshness, ...]
    silent_ms: float | None


def freshness(config: CollectConfig, root: Path, now_ms: int) -> FeedReport:
    """Return how old each feed is by the collector's own report.

    Raises
    ------
    InputError
        If the report is there and cannot be read.
    """
    path = root / STATUS
    try:
        report = json.loads(read_regular(path))
        blocks = {(f["feed"], f["coin"]): f for f in report["feeds"]}
        silent: float | None = float(now_ms - report["time_ms"])
    except FileNotFoundError:
        blocks, silent = {}, None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f"expected the collector's report, got {error!r:.100}", where=str(path)
        ) from error
    return FeedReport(
        tuple(
            _freshness(name, coin, kind, blocks.get((name, coin), {}), now_ms)
            for name, kind in KINDS.items()
            for coin in (config.coins if kind.per_coin else (MARKET,))
        ),
        silent,
    )


def _freshness(
    name: str, coin: str, kind: FeedKind, report: Mapping[str, Any], now_ms: int
) -> Freshness:
    event_ms = report.get("event_ms")
    age, state = None, "missing"
    if event_ms is not None:
        age = max(now_ms - event_ms - 1000 * kind.lag_s, 0.0)
        state = "fresh" if age <= 1000 * kind.stale_s else "stale"
    return Freshness(name, coin, age, state, report.get("source", ""), report.get("error", ""))
