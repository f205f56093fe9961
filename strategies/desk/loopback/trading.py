"""Signed endpoints that place, change and list orders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from aiohttp import web

from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.endpoint import Params, private
from strategies.desk.loopback.errors import ApiError, mandatory
from strategies.desk.loopback.orders import (
    CONDITIONAL,
    WORKING_TYPES,
    AlgoOrder,
    Order,
    check_notional,
    check_price,
    check_quantity,
    read_decimal,
    read_flag,
    read_side,
    read_time_in_force,
)
from strategies.desk.loopback.venue import LoopbackVenue

_CLIENT_ID: Final = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
_WEEK_MS: Final = 7 * 86_400_000


def place_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Place a MARKET or LIMIT order; page "New Order", ``binance.create_order`` of ccxt.

    Asked for an ACK, it answers with the order as it came in, whatever becomes of it at once.
    """
    symbol = venue.symbol(params.get("symbol"))
    kind = params.get("type")
    if kind in CONDITIONAL or kind == "TRAILING_STOP_MARKET":
        raise ApiError(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API "
            "endpoints instead.",
        )
    if kind not in ("MARKET", "LIMIT"):
        raise ApiError(-1116, "Invalid orderType.")
    market = kind == "MARKET"
    side = read_side(params)
    _check_one_way(params)
    quantity, reduce_only = read_decimal(params, "quantity"), read_flag(params, "reduceOnly")
    price = read_decimal(params, "price", "0" if market else None)
    if market and price:
        raise ApiError(-1106, "Parameter 'price' sent when not required.")
    check_quantity(symbol, quantity, market=market)
    if not market:
        check_price(symbol, price)
    worth = quantity * (price or venue.best(symbol, side))
    check_notional(symbol, worth, reduce_only=reduce_only)
    number = next(venue.number)
    order = Order(
        id=number,
        client_id=_client_id(params, "newClientOrderId", f"web_{number}", account.orders.values()),
        symbol=symbol.name,
        side=side,
        type=kind,
        time_in_force=read_time_in_force(params, needed=not market),
        quantity=quantity,
        price=price,
        reduce_only=reduce_only,
        time_ms=venue.at_ms,
        update_ms=venue.at_ms,
    )
    taken = order.entry()
    venue.place(account, order)
    return taken if params.get("newOrderRespType") == "ACK" else order.entry()


def place_algo_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Place a stop or take-profit; page "New Algo Order"."""
    symbol = venue.symbol(params.get("symbol"))
    if params.get("algoType") != "CONDITIONAL":
        raise mandatory("algoType")
    kind = params.get("type")
    if kind not in CONDITIONAL:
        raise ApiError(-1116, "Invalid orderType.")
    _check_one_way(params)
    close_position = read_flag(params, "closePosition")
    quantity = read_decimal(params, "quantity", "0" if close_position else None)
    price = read_decimal(params, "price", "0" if kind.endswith("_MARKET") else None)
    trigger = read_decimal(params, "triggerPrice")
    check_price(symbol, trigger)
    if not close_position:
        check_quantity(symbol, quantity, market=kind.endswith("_MARKET"))
    if not kind.endswith("_MARKET"):
        check_price(symbol, price)
    reduce_only = read_flag(params, "reduceOnly")
    check_notional(symbol, quantity * trigger, reduce_only=reduce_only or close_position)
    number = next(venue.number)
    algo = AlgoOrder(
        id=number,
        client_id=_client_id(params, "clientAlgoId", f"algo_{number}", account.algos.values()),
        symbol=symbol.name,
        side=read_side(params),
        type=kind,
        time_in_force=read_time_in_force(params, needed=False),
        quantity=quantity,
        price=price,
        trigger=trigger,
        working_type=_working_type(params),
        reduce_only=reduce_only,
        close_position=close_position,
        time_ms=venue.at_ms,
        update_ms=venue.at_ms,
    )
    venue.place_algo(account, algo)
    return algo.entry()


def get_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer one order; page "Query Order"."""
    return _order(account, params, ApiError(-2013, "Order does not exist.")).entry()


def get_open_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer one order if it is open; page "Query Current Open Order"."""
    gone = ApiError(-2013, "Order does not exist.")
    order = _order(account, params, gone)
    if not order.is_open:
        raise gone
    return order.entry()


def cancel_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Cancel an order; page "Cancel Order"."""
    order = _order(account, params, ApiError(-2011, "Unknown order sent."))
    venue.cancel(order)
    return order.entry()


def cancel_all_orders(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Cancel every open order of a symbol; page "Cancel All Open Orders"."""
    for order in account.open_orders(venue.symbol(params.get("symbol")).name):
        venue.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def get_algo_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Answer one algo order; page "Query Algo Order"."""
    return _algo(account, params, ApiError(-2013, "Order does not exist.")).entry()


def cancel_algo_order(venue: LoopbackVenue, account: Customer, params: Params) -> dict[str, Any]:
    """Cancel an algo order; page "Cancel Algo Order"."""
    algo = _algo(account, params, ApiError(-2011, "Unknown order sent."))
    venue.cancel(algo)
    return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def open_orders(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer the orders on the book; page "Current All Open Orders"."""
    return [order.entry() for order in account.open_orders(_symbol_name(venue, params))]


def open_algo_orders(
    venue: LoopbackVenue, account: Customer, params: Params
) -> list[dict[str, Any]]:
    """Answer the waiting algo orders; page "Current All Algo Open Orders"."""
    return [algo.entry() for algo in account.open_algos(_symbol_name(venue, params))]


def all_orders(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer orders of at most 7 days, oldest first; page "All Orders"."""
    return _span(venue, params, (order.entry() for order in account.orders.values()), "time")


def all_algo_orders(
    venue: LoopbackVenue, account: Customer, params: Params
) -> list[dict[str, Any]]:
    """Answer algo orders of at most 7 days, oldest first; page "Query All Algo Orders"."""
    return _span(venue, params, (algo.entry() for algo in account.algos.values()), "createTime")


def user_trades(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer executions of at most 7 days, oldest first; page "Account Trade List"."""
    trades = account.trades
    if "orderId" in params:
        trades = [t for t in trades if str(t["orderId"]) == params["orderId"]]
    return _span(venue, params, trades, "time")


def income(venue: LoopbackVenue, account: Customer, params: Params) -> list[dict[str, Any]]:
    """Answer changes of the wallet, oldest first; page "Get Income History"."""
    wanted = params.get("incomeType")
    rows = (row for row in account.income if wanted in (None, row["incomeType"]))
    return _span(venue, params, rows, "time", default=100, symbol_needed=False)


def _span(
    venue: LoopbackVenue, params: Params, rows: Iterable[dict[str, Any]], time_key: str, *,
    default: int = 500, symbol_needed: bool = True,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the rows of the requested symbol and time span: by default the last 7 days."""
    symbol = params.get("symbol")
    if symbol is not None or symbol_needed:
        symbol = venue.symbol(symbol).name
    start = int(params.get("startTime", int(params.get("endTime", venue.at_ms)) - _WEEK_MS))
    stop = int(params.get("endTime", start + _WEEK_MS))
    if stop - start > _WEEK_MS:
        raise ApiError(-4166, "Search window is restricted to recent 7 days only.")
    limit = int(params.get("limit", default))
    found = [
        row for row in rows if symbol in (None, row["symbol"]) and start <= row[time_key] <= stop
    ]
    return found[:limit] if "startTime" in params else found[-limit:]


def _order(account: Customer, params: Params, missing: ApiError) -> Order:
    return _find(account.orders, params, "orderId", "origClientOrderId", missing)


def _algo(account: Customer, params: Params, missing: ApiError) -> AlgoOrder:
    return _find(account.algos, params, "algoId", "clientAlgoId", missing)


_Kept = TypeVar("_Kept", Order, AlgoOrder)


def _find(
    kept: dict[int, _Kept], params: Params, by_id: str, by_client_id: str, missing: ApiError
) -> _Kept:
    """Return the order named by id or client id; of several with one client id the newest."""
    if by_id not in params and by_client_id not in params:
        raise ApiError(
            -1102, f"Param '{by_id}' or '{by_client_id}' must be sent, but both were empty/null!"
        )
    number, client_id = params.get(by_id), params.get(by_client_id)
    for order in reversed(kept.values()):
        if params.get("symbol", order.symbol) != order.symbol:
            continue
        if str(order.id) == number if number is not None else order.client_id == client_id:
            return order
    raise missing


def _client_id(params: Params, name: str, default: str, orders: Iterable[Order | AlgoOrder]) -> str:
    given = params.get(name, default)
    if not _CLIENT_ID.fullmatch(given):
        raise ApiError(-4015, "Client order id is not valid.")
    if any(order.client_id == given and order.is_open for order in orders):
        raise ApiError(-4116, "ClientOrderId is duplicated.")
    return given


def _check_one_way(params: Params) -> None:
    if params.get("positionSide", "BOTH") != "BOTH":
        raise ApiError(-4061, "Order's position side does not match user's setting.")


def _working_type(params: Params) -> str:
    given = params.get("workingType", "CONTRACT_PRICE")
    if given not in WORKING_TYPES:
        raise mandatory("workingType")
    return given


def _symbol_name(venue: LoopbackVenue, params: Params) -> str | None:
    return venue.symbol(params["symbol"]).name if "symbol" in params else None


TRADING_ROUTES = (
    web.post("/fapi/v1/order", private(place_order)),
    web.get("/fapi/v1/order", private(get_order)),
    web.delete("/fapi/v1/order", private(cancel_order)),
    web.get("/fapi/v1/openOrder", private(get_open_order)),
    web.get("/fapi/v1/openOrders", private(open_orders)),
    web.get("/fapi/v1/allOrders", private(all_orders)),
    web.delete("/fapi/v1/allOpenOrders", private(cancel_all_orders)),
    web.post("/fapi/v1/algoOrder", private(place_algo_order)),
    web.get("/fapi/v1/algoOrder", private(get_algo_order)),
    web.delete("/fapi/v1/algoOrder", private(cancel_algo_order)),
    web.get("/fapi/v1/openAlgoOrders", private(open_algo_orders)),
    web.get("/fapi/v1/allAlgoOrders", private(all_algo_orders)),
    web.get("/fapi/v1/userTrades", private(user_trades)),
    web.get("/fapi/v1/income", private(income)),
)
