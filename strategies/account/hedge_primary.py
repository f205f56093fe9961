"""The hedged position read from where it is held, through ccxt, read-only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ccxt

from models.base.errors import ConfigError, InputError
from strategies.account.exchange_answers import signed_amount
from strategies.account.exchange_client import exchange_client


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """Where the position is; keys are named by environment variable and never written down.

    A key that may only read is enough, and all this should be given.
    """

    exchange: str  # a ccxt id, for example "binance"
    symbol: str  # "LTC/USDT:USDT" a contract's position, "LTC/USDT" what is held of the coin
    key_env: str  # name of the variable with the key, which needs to read only
    secret_env: str  # and with its secret
    every_s: float = 30.0  # at most one request in this time
    stale_s: float = 300.0  # an older answer is no answer: the legs are held
    ccxt_config: Mapping[str, Any] = field(default_factory=dict)  # of the client that asks

    def __post_init__(self) -> None:
        if self.exchange not in ccxt.exchanges:
            raise ConfigError(f"expected an exchange ccxt knows, got {self.exchange!r}")
        if not 0 < self.every_s <= self.stale_s:
            raise ConfigError("expected 0 < every_s <= stale_s")


class PositionReader:
    """Amount of the hedged position, base units; asks rarely, remembers briefly.

    Parameters
    ----------
    side
        "long" or "short"; a position on the other side counts as none.
    monotonic_s
        Clock.
    """

    def __init__(
        self, config: ReadConfig, side: str, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._side, self._clock = config, side, monotonic_s
        missing = [n for n in (config.key_env, config.secret_env) if not os.environ.get(n)]
        if missing:
            raise ConfigError(
                f"expected the environment variables {', '.join(missing)}",
                where="breakwater.hedge.primary.read",
                cure="export a read-only key of the account that holds the position",
            )
        self._client = exchange_client(
            config.exchange,
            config.ccxt_config,
            apiKey=os.environ[config.key_env],
            secret=os.environ[config.secret_env],
        )
        self._known: tuple[float, float] | None = None  # (when, amount)
        self._asked_s = -float("inf")
        self._why = "not asked yet"

    def amount(self) -> float:
        """Return the newest known amount.

        Raises
        ------
        InputError
            If there has been no answer for `stale_s`.
        """
        now = self._clock()
        if now - self._asked_s >= self._config.every_s:
            self._asked_s = now
            try:
                self._known = (now, self._ask())
            except (ccxt.BaseError, KeyError, TypeError, ValueError) as error:
                self._why = f"{type(error).__name__}: {error}"[:200]
        if self._known is None or now - self._known[0] > self._config.stale_s:
            raise InputError(
                f"the hedged position is not known: {self._why}",
                where=f"{self._config.symbol} on {self._config.exchange}",
                cure="check the key and the connection; the legs are held until it is known",
            )
        return self._known[1]

    def _ask(self) -> float:
        symbol = self._config.symbol
        if ":" not in symbol:
            held = self._client.fetch_balance()["total"].get(symbol.split("/")[0])
            return float(held or 0.0) if self._side == "long" else 0.0
        for row in self._client.fetch_positions([symbol]):
            if row["symbol"] == symbol and row["side"] == self._side:
                return abs(signed_amount(row))
        return 0.0
