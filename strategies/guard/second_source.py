"""A second source of candles, asked in the background and held against the exchange's.

It is data and never a venue: no key is given to it and no order sent. A thread asks after each
close, off the way between candle and order; what is decided stands on the last comparison there
is, whose age the guard counts (`models.trade.risk.second_source`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ccxt
import numpy as np

from models.base.errors import ConfigError, InputError
from models.base.types import Candles
from models.data.feeds.agreement import COMPARED, SourceAgreement, source_agreement
from strategies.account.exchange_client import exchange_client

logger = logging.getLogger(__name__)

_TIMEOUT_MS: Final = 5_000
_SPARE: Final = 2  # candles asked for beyond those compared: the forming one, and one late


@dataclass(frozen=True, kw_only=True)
class SecondSourceConfig:
    """Block `breakwater.second_source`; tolerances are in `breakwater.guards`."""

    exchange: str = ""  # ccxt's name, "okx"; empty is off
    # While the exchange's own prices are silent, value open positions at the second source's closes
    # so that loss and margin guards go on; nothing is opened on them.
    fail_over: bool = False
    ask_s: float = 3.0  # between two requests for a candle that is not there yet
    ccxt_config: Mapping[str, Any] = field(default_factory=dict)  # of the second exchange's client

    def __post_init__(self) -> None:
        if self.exchange and self.exchange not in ccxt.exchanges:
            raise ConfigError(
                f"ccxt knows no exchange {self.exchange!r}", where="breakwater.second_source",
                cure='use "okx"',
            )  # fmt: skip
        if self.fail_over and not self.exchange:
            raise ConfigError("expected an exchange to fail over to, got none",
                              where="breakwater.second_source")  # fmt: skip
        if not 0 < self.ask_s <= 60:
            raise ConfigError(f"expected 0 < ask_s <= 60, got {self.ask_s}",
                              where="breakwater.second_source")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What the source last told of a pair."""

    candles: Candles | None = None
    asked_s: float = -math.inf  # monotonic
    trouble: str = ""


class SecondSource:
    """The newest closed candles of each pair, from another venue.

    Parameters
    ----------
    timeframe, candle_ms
        Of the candles compared.
    say
        Is told, once each, that a source fell silent, disagrees, or agrees again.
    client
        Makes ccxt's client; called in the thread, so that a dead source holds nothing up.
    """

    def __init__(
        self,
        config: SecondSourceConfig,
        timeframe: str,
        candle_ms: int,
        *,
        say: Callable[[str], None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        client: Callable[[SecondSourceConfig], Any] | None = None,
    ) -> None:
        self.config = config
        self._timeframe, self._candle_ms, self._say = timeframe, candle_ms, say
        self._wall, self._monotonic = wall, monotonic
        self._client: Any = None
        self._make = client or second_source_client
        self._told: dict[str, _Told] = {}
        self._said: dict[str, str] = {}
        self._wanted: tuple[str, ...] = ()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    # -- asking -------------------------------------------------------------------------------

    def look(self, pairs: Iterable[str]) -> None:
        """Have the newest closed candle of `pairs` asked for, where it is due; never waits."""
        self._wanted = tuple(p for p in dict.fromkeys(pairs) if self._is_due(p))
        if not self._wanted:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="second-source", daemon=True)
            self._thread.start()
        self._wake.set()

    def _is_due(self, pair: str) -> bool:
        told = self._told.get(pair, _Told())
        due_ms = int(self._wall() * 1000) // self._candle_ms * self._candle_ms - self._candle_ms
        has = told.candles is not None and len(told.candles) and told.candles.time_ms[-1] >= due_ms
        return not has and self._monotonic() - told.asked_s >= self.config.ask_s

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            for pair in self._wanted:
                self.ask(pair)

    def ask(self, pair: str) -> None:
        """Ask for a pair's candles now; trouble is kept, never raised."""
        before = self._told.get(pair, _Told())
        try:
            if self._client is None:
                self._client = self._make(self.config)
            rows = self._client.fetch_ohlcv(pair, self._timeframe, limit=COMPARED + _SPARE)
            told = _Told(candles=self._closed(rows))
        except Exception as error:  # noqa: BLE001 - whatever it is, the source is silent
            told = _Told(candles=before.candles, trouble=f"{type(error).__name__}: {error}"[:200])
        self._told[pair] = _Told(
            candles=told.candles, trouble=told.trouble, asked_s=self._monotonic()
        )

    def _closed(self, rows: list[list[float]]) -> Candles:
        now_ms = self._wall() * 1000
        # The last row is forming, or was when a source that lags wrote it down: never compared.
        closed = [row for row in rows[:-1] if row[0] + self._candle_ms <= now_ms]
        table = np.array(closed, dtype=np.float64).reshape(-1, 6)
        columns = dict(zip(("open", "high", "low", "close", "volume"), table.T[1:], strict=True))
        return Candles(time_ms=table[:, 0].astype(np.int64), **columns)

    # -- telling ------------------------------------------------------------------------------

    def told(self, pairs: Iterable[str]) -> list[str]:
        """Return those of `pairs` it has been asked about, whatever came of it."""
        return [pair for pair in dict.fromkeys(pairs) if pair in self._told]

    def compare(self, pair: str, first: Candles) -> SourceAgreement:
        """Return how the source agrees with the exchange's closed candles of `pair`.

        Raises
        ------
        InputError
            If it has told nothing yet.
        """
        told = self._told.get(pair, _Told())
        if told.candles is None:
            raise InputError(
                f"{self.config.exchange} has told no candles of {pair}"
                + (f": {told.trouble}" if told.trouble else "")
            )
        begin = first.time_ms[-(COMPARED + _SPARE) :]
        newest = Candles(
            time_ms=begin,
            **{n: getattr(first, n)[-len(begin) :]
               for n in ("open", "high", "low", "close", "volume")},
        )  # fmt: skip
        return source_agreement(newest, told.candles, self._candle_ms)

    def last_close(self, pair: str) -> float:
        """Return the newest close it has told; raises InputError if that is older than two candles.

        For valuing what is held while the exchange is silent, where the config allows it.
        """
        told = self._told.get(pair, _Told())
        if not self.config.fail_over or told.candles is None or not len(told.candles):
            raise InputError(f"no second price of {pair}")
        age_ms = self._wall() * 1000 - int(told.candles.time_ms[-1]) - self._candle_ms
        if not 0 <= age_ms <= 2 * self._candle_ms:
            raise InputError(f"the second price of {pair} is {age_ms / 1000:.0f} s old")
        return float(told.candles.close[-1])

    def note(self, pair: str, reason: str) -> None:
        """Say what has changed for a pair; `reason` is why the sources do not agree, or empty."""
        kind = "".join(c for c in reason if not c.isdigit())  # the same trouble with another number
        if self._said.get(pair, "") == kind:
            return
        self._said[pair] = kind
        what = f"{pair}: {reason or f'{self.config.exchange} and the exchange agree again'}"
        logger.warning("second source: %s", what)
        self._say(what)


def second_source_client(config: SecondSourceConfig) -> Any:
    """Return ccxt's client for public candles; no key ever reaches it."""
    options = {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}}
    return exchange_client(
        config.exchange, config.ccxt_config, options=options, timeout=_TIMEOUT_MS
    )
