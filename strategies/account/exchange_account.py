"""The account as the exchange keeps it: balance, positions, orders, executions and transfers.

Signed requests of Binance USD-M through the client Freqtrade has made; every function raises what
that client raises. Weights are those of the exchange's pages; it allows 2400 a minute.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from models.base.units import DAY_MS
from models.operate.control.watch import Resting, WatchedPosition
from models.trade.risk.losses import Transfer
from models.trade.risk.reconciliation import Books, ReportedFill
from models.trade.risk.snapshot import ExchangeAccount

_BOT: Final = "x-"  # how ccxt begins the ids it makes up: those of Freqtrade's orders
WATCHDOG: Final = "bwdog"  # how the client ids of the watchdog's own orders begin
_ALL_AT_ONCE: Final = 40  # weight of one request for every pair; one pair's is 1
_ROWS: Final = 1000  # most the exchange answers at once
_WEEK_MS: Final = 7 * DAY_MS  # longest span it answers at once


def read_account(
    exchange: Any, stake: str, positions: Sequence[Mapping[str, Any]], now_ms: int,
    computed_ratio: float | None = None,
) -> ExchangeAccount:  # fmt: skip
    """Return the exchange's own count of the collateral in `stake`; weight 5."""
    info = exchange._api.fetch_balance()["info"]
    (row,) = (asset for asset in info["assets"] if asset["asset"] == stake)
    return ExchangeAccount(
        time_ms=now_ms,
        wallet_quote=float(row["walletBalance"]),
        equity_quote=float(row["marginBalance"]),
        maintenance_quote=float(row["maintMargin"]),
        computed_ratio=computed_ratio,
        distance_frac=min(_distances(positions), default=None),
    )


def _distances(positions: Iterable[Mapping[str, Any]]) -> Iterator[float]:
    """Yield how far each mark is from its liquidation price, where the exchange names one."""
    for row in positions:
        mark, end = row.get("markPrice"), row.get("liquidationPrice")
        if mark and end:
            yield abs(float(end) / float(mark) - 1)


def read_positions(exchange: Any, pair: str | None = None) -> list[dict[str, Any]]:
    """Return the open positions as the client tells them; weight 5."""
    return [row for row in exchange.fetch_positions(pair) if float(row.get("contracts") or 0.0)]


def positions_of(exchange: Any, rows: Iterable[Mapping[str, Any]]) -> list[WatchedPosition]:
    """Return positions with their marks."""
    return [
        WatchedPosition(symbol=r["symbol"], amount=_amount(exchange, r), mark=float(r["markPrice"]))
        for r in rows
    ]


def books_of_exchange(exchange: Any, rows: Iterable[Mapping[str, Any]]) -> Books:
    """Return what the exchange holds."""
    return Books(positions={row["symbol"]: _amount(exchange, row) for row in rows})


def _amount(exchange: Any, row: Mapping[str, Any]) -> float:
    amount = float(exchange._contracts_to_amount(row["symbol"], float(row["contracts"])))
    return -amount if row["side"] == "short" else amount


def resting_orders(exchange: Any, pairs: Sequence[str]) -> list[Resting]:
    """Return what waits on the exchange in `pairs`, stops included; weight 2 a pair, at most 80."""
    found: list[Resting] = []
    for params in ({}, {"trigger": True}):
        for pair in pairs if len(pairs) < _ALL_AT_ONCE else (None,):
            # The client warns of the weight of asking for every pair, by refusing.
            exchange._api.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
            rows = exchange._api.fetch_open_orders(pair, params=params)
            found += [resting_of(exchange._order_contracts_to_amount(row)) for row in rows]
    return [order for order in found if order.symbol in pairs]


def resting_of(order: Mapping[str, Any]) -> Resting:
    """Return an order as ccxt tells it; its amount must be in base units."""
    trigger = order.get("triggerPrice") or order.get("stopPrice")
    # Binance's "close position" stop has no size and is not marked reduce-only.
    closes_all = str(order["info"].get("closePosition")).lower() == "true"
    size = order["remaining"] if order["remaining"] is not None else order["amount"]
    return Resting(
        id=str(order["id"]),
        symbol=order["symbol"],
        side=1 if order["side"] == "buy" else -1,
        amount=math.inf if closes_all else float(size or 0.0),
        reduce_only=closes_all or bool(order["reduceOnly"]),
        trigger=None if trigger is None else float(trigger),
        own=str(order.get("clientOrderId") or "").startswith(WATCHDOG),
        bot=str(order.get("clientOrderId") or "").startswith(_BOT),
    )


def read_executions(exchange: Any, pair: str, since_ms: int) -> list[dict[str, Any]]:
    """Return the account's executions in `pair`, oldest first; weight 5 for every 1000."""
    rows: list[dict[str, Any]] = []
    while True:
        page = exchange._api.fetch_my_trades(pair, since_ms, _ROWS)
        rows += exchange._trades_contracts_to_amount(page)
        if len(page) < _ROWS or page[-1]["timestamp"] <= since_ms:
            return rows
        since_ms = page[-1]["timestamp"]


def fills_of(executions: Iterable[Mapping[str, Any]]) -> list[ReportedFill]:
    """Return executions summed by order, at their average price; the same one twice counts once."""
    by_order: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in executions:
        by_order.setdefault(str(row["order"]), {})[str(row["id"])] = row
    fills = []
    for order, rows in by_order.items():
        amount = math.fsum(row["amount"] for row in rows.values())
        cost = math.fsum(row["amount"] * row["price"] for row in rows.values())
        pair = next(iter(rows.values()))["symbol"]
        fills.append(ReportedFill(order=order, pair=pair, amount=amount, price=cost / amount))
    return fills


def order_behind(exchange: Any, stop: str, pair: str) -> str:
    """Return the order that a triggered stop placed, the stop itself if none; weight 1."""
    info = exchange.fetch_order(stop, pair, {"stop": True})["info"]
    return str(info.get("actualOrderId") or stop)


def read_transfers(exchange: Any, stake: str, since_ms: int, now_ms: int) -> list[Transfer]:
    """Return what was moved into or out of the account, oldest first; weight 30 a week."""
    found: dict[str, Transfer] = {}
    while since_ms <= now_ms:
        params = {"incomeType": "TRANSFER", "until": since_ms + _WEEK_MS}
        for row in exchange._api.fetch_ledger(stake, since_ms, _ROWS, params):
            if row["currency"] == stake:
                sign = 1 if row["direction"] == "in" else -1
                found[str(row["id"])] = Transfer(
                    id=str(row["id"]), time_ms=row["timestamp"], amount_quote=sign * row["amount"]
                )  # fmt: skip
        since_ms += _WEEK_MS
    return list(found.values())
