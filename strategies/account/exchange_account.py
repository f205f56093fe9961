"""The account as the exchange keeps it: balance, positions, orders, executions and transfers.

Signed requests of Binance USD-M through the client Freqtrade has made; every function raises what
that client raises. Weights are those of the exchange's pages; it allows 2400 a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from freqtrade.exchange import Exchange

from models.base.units import DAY_MS
from models.operate.control.watch import Resting, WatchedPosition
from models.trade.risk.losses import Transfer
from models.trade.risk.reconciliation import Books
from models.trade.risk.snapshot import ExchangeAccount
from strategies.account.exchange_answers import (
    account_of,
    open_positions,
    resting_of,
    signed_amount,
    watched_position,
)
from strategies.seams.contract_sizes import base_amount, executions_in_base, order_in_base
from strategies.seams.rest_client import every_market, rest_client

ALL_AT_ONCE: Final = 40  # weight of one request for every pair; one pair's is 1
_ROWS: Final = 1000  # most the exchange answers at once
_WEEK_MS: Final = 7 * DAY_MS  # longest span it answers at once


def read_account(
    exchange: Exchange, stake: str, positions: Sequence[Mapping[str, Any]], now_ms: int,
    computed_ratio: float | None = None,
) -> ExchangeAccount:  # fmt: skip
    """Return the exchange's own count of the collateral in `stake`; weight 5."""
    balance = rest_client(exchange).fetch_balance()
    return account_of(balance, stake, positions, now_ms, computed_ratio)


def read_positions(exchange: Exchange, pair: str | None = None) -> list[Mapping[str, Any]]:
    """Return the open positions as the client parses them; weight 5."""
    return open_positions(exchange.fetch_positions(pair))


def positions_of(exchange: Exchange, rows: Iterable[Mapping[str, Any]]) -> list[WatchedPosition]:
    """Return positions with their marks."""
    return [watched_position(row, partial(base_amount, exchange)) for row in rows]


def books_of_exchange(exchange: Exchange, rows: Iterable[Mapping[str, Any]]) -> Books:
    """Return what the exchange holds."""
    in_base = partial(base_amount, exchange)
    return Books(positions={row["symbol"]: signed_amount(row, in_base) for row in rows})


def resting_orders(exchange: Exchange, pairs: Sequence[str]) -> list[Resting]:
    """Return what waits on the exchange in `pairs`, stops included; weight 2 a pair, at most 80."""
    client = rest_client(exchange)
    found: list[Resting] = []
    asked: Sequence[str | None] = pairs
    more: dict[str, str] = {}
    if len(pairs) >= ALL_AT_ONCE:
        asked, more = (None,), every_market(client)
    for params in ({}, {"trigger": True}):
        for pair in asked:
            rows = client.fetch_open_orders(pair, params={**params, **more})
            found += [resting_of(order_in_base(exchange, row)) for row in rows]
    return [order for order in found if order.symbol in pairs]


def read_executions(exchange: Exchange, pair: str, since_ms: int) -> list[dict[str, Any]]:
    """Return the account's executions in `pair`, oldest first; weight 5 for every 1000."""
    rows: list[dict[str, Any]] = []
    while True:
        page = rest_client(exchange).fetch_my_trades(pair, since_ms, _ROWS)
        rows += executions_in_base(exchange, page)
        if len(page) < _ROWS or page[-1]["timestamp"] <= since_ms:
            return rows
        since_ms = page[-1]["timestamp"]


def order_behind(exchange: Exchange, stop: str, pair: str) -> str:
    """Return the order that a triggered stop placed, the stop itself if none; weight 1."""
    info = exchange.fetch_order(stop, pair, {"stop": True})["info"]
    return str(info.get("actualOrderId") or stop)


def read_transfers(exchange: Exchange, stake: str, since_ms: int, now_ms: int) -> list[Transfer]:
    """Return what was moved into or out of the account, oldest first; weight 30 a week."""
    found: dict[str, Transfer] = {}
    while since_ms <= now_ms:
        params = {"incomeType": "TRANSFER", "until": since_ms + _WEEK_MS}
        for row in rest_client(exchange).fetch_ledger(stake, since_ms, _ROWS, params):
            if row["currency"] == stake:
                sign = 1 if row["direction"] == "in" else -1
                found[str(row["id"])] = Transfer(
                    id=str(row["id"]), time_ms=row["timestamp"], amount_quote=sign * row["amount"]
                )  # fmt: skip
        since_ms += _WEEK_MS
    return list(found.values())
