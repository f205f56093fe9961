"""The exchange as the watchdog may use it: look, cancel, stop and close. It cannot open anything.

A client of its own, so that it neither waits for the bot's nor dies with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import ccxt

from models.base.errors import ConfigError
from models.operate.control.watch import Resting, WatchedPosition
from strategies.account.exchange_answers import (
    WATCHDOG,
    margin_ratio_of,
    open_positions,
    resting_of,
    watched_position,
)
from strategies.account.exchange_client import account_client


def venue_client(config: Mapping[str, Any]) -> ccxt.Exchange:
    """Return ccxt's client for the exchange, keys and addresses of a Freqtrade config."""
    block = config["exchange"]
    if config.get("trading_mode") != "futures":
        raise ConfigError("expected trading_mode futures", cure="the watchdog minds margin only")
    client: ccxt.Exchange = account_client(block)
    return client


class Venue:
    """Positions, orders and margin of the account, and the four things that lower its risk.

    Every method raises ccxt's own errors.
    """

    def __init__(self, client: ccxt.Exchange) -> None:
        self._client = client
        self._count = itertools.count()
        self._stamp = f"{WATCHDOG}{client.milliseconds()}"

    def positions(self) -> list[WatchedPosition]:
        """Return the open positions."""
        self._client.load_markets()
        return [watched_position(row) for row in open_positions(self._client.fetch_positions())]

    def resting(self, symbol: str) -> list[Resting]:
        """Return the orders that wait in one market, stops included."""
        self._client.load_markets()
        plain = self._client.fetch_open_orders(symbol)
        stops = self._client.fetch_open_orders(symbol, params={"trigger": True})
        return [resting_of(order) for order in (*plain, *stops)]

    def margin_ratio(self) -> float | None:
        """Return maintenance margin over equity as the exchange counts it; None if it does not."""
        return margin_ratio_of(self._client.fetch_balance())

    def volume_1h_quote(self, symbol: str) -> float | None:
        """Return what was traded in the last full hour, quote units."""
        rows = self._client.fetch_ohlcv(symbol, "1h", limit=2)
        return float(rows[0][4]) * float(rows[0][5]) if len(rows) == 2 else None

    def smallest_quote(self, symbol: str) -> float:
        """Return the least notional of an order."""
        limits = self._client.market(symbol)["limits"]
        return float((limits.get("cost") or {}).get("min") or 0.0)

    def cancel(self, order: Resting) -> None:
        """Take an order back."""
        params = {} if order.trigger is None else {"trigger": True}
        self._client.cancel_order(order.id, order.symbol, params)

    def protect(self, position: WatchedPosition, amount: float, price: float) -> None:
        """Place a reduce-only stop for `amount` of a position."""
        self._reduce(
            position, amount, {"stopLossPrice": self._client.price_to_precision(
                position.symbol, price)}
        )  # fmt: skip

    def close(self, position: WatchedPosition, amount: float) -> None:
        """Close `amount` of a position at the market, reduce-only."""
        self._reduce(position, amount, {})

    def _reduce(self, position: WatchedPosition, amount: float, params: Mapping[str, Any]) -> None:
        side = "sell" if position.amount > 0 else "buy"
        size = float(self._client.amount_to_precision(position.symbol, amount))
        extra = {"reduceOnly": True, "clientOrderId": f"{self._stamp}-{next(self._count)}"}
        self._client.create_order(
            position.symbol, "market", side, size, None, {**extra, **params}
        )  # fmt: skip
