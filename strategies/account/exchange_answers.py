"""What an exchange answers about an account, as ccxt parses it, in the pack's records.

Read by the bot through Freqtrade's exchange object and by the watchdog through a client of its own;
both mean the same by a position, an order and a margin ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from models.base.errors import InputError
from models.operate.control.watch import Resting, WatchedPosition
from models.trade.risk.reconciliation import ReportedFill
from models.trade.risk.snapshot import ExchangeAccount
from strategies.seams.rest_client import BOT_ORDER_PREFIX

WATCHDOG: Final = "bwdog"  # how the client ids of the watchdog's own orders begin

AnswerRow = Mapping[str, Any]  # one object as ccxt parses it
InBase = Callable[[str, float], float]  # (symbol, contracts) -> base units


def open_positions(rows: Iterable[AnswerRow]) -> list[AnswerRow]:
    """Return the rows of positions that are open: exchanges list empty ones too.

    Raises
    ------
    InputError
        If one has no size: that it is empty is not what it says.
    """
    return [row for row in rows if _contracts(row)]


def _contracts(row: AnswerRow) -> float:
    size = row.get("contracts")
    if size is None:
        raise InputError(f"expected the size of a position in {row.get('symbol')}, got none")
    return float(size)


def signed_amount(row: AnswerRow, in_base: InBase | None = None) -> float:
    """Return a position's size in base units, negative if short.

    Parameters
    ----------
    in_base
        Translates contracts; by default the size the exchange names with the position.
    """
    contracts = float(row["contracts"])
    if in_base is None:
        amount = contracts * float(row.get("contractSize") or 1.0)
    else:
        amount = in_base(row["symbol"], contracts)
    return -amount if row["side"] == "short" else amount


def watched_position(row: AnswerRow, in_base: InBase | None = None) -> WatchedPosition:
    """Return a position with its mark."""
    return WatchedPosition(
        symbol=row["symbol"], amount=signed_amount(row, in_base), mark=float(row["markPrice"])
    )


def liquidation_distances(positions: Iterable[AnswerRow]) -> Iterator[float]:
    """Yield how far each mark is from its liquidation price, where the exchange names one."""
    for row in positions:
        mark, end = row.get("markPrice"), row.get("liquidationPrice")
        if mark and end:
            yield abs(float(end) / float(mark) - 1)


def account_of(
    balance: AnswerRow,
    stake: str,
    positions: Iterable[AnswerRow],
    now_ms: int,
    computed_ratio: float | None,
) -> ExchangeAccount:
    """Return the exchange's own count of the collateral in `stake`.

    Parameters
    ----------
    computed_ratio
        The pack's own margin ratio, held against the exchange's.
    """
    (row,) = (asset for asset in balance["info"]["assets"] if asset["asset"] == stake)
    return ExchangeAccount(
        time_ms=now_ms,
        wallet_quote=float(row["walletBalance"]),
        equity_quote=float(row["marginBalance"]),
        maintenance_quote=float(row["maintMargin"]),
        computed_ratio=computed_ratio,
        distance_frac=min(liquidation_distances(positions), default=None),
    )


def margin_ratio_of(balance: AnswerRow) -> float | None:
    """Return maintenance margin over equity of the account, None if the exchange names none."""
    info = balance["info"]
    if not isinstance(info, Mapping) or "totalMaintMargin" not in info:
        return None
    equity = float(info["totalMarginBalance"])
    return float(info["totalMaintMargin"]) / equity if equity > 0 else 1.0


def resting_of(order: AnswerRow) -> Resting:
    """Return an order that waits; its amount must be in base units."""
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
        bot=str(order.get("clientOrderId") or "").startswith(BOT_ORDER_PREFIX),
    )


def fills_of(executions: Iterable[AnswerRow]) -> list[ReportedFill]:
    """Return executions summed by order, at their average price; the same one twice counts once."""
    by_order: dict[str, dict[str, AnswerRow]] = {}
    for row in executions:
        by_order.setdefault(str(row["order"]), {})[str(row["id"])] = row
    fills = []
    for order, rows in by_order.items():
        amount = math.fsum(row["amount"] for row in rows.values())
        cost = math.fsum(row["amount"] * row["price"] for row in rows.values())
        pair = next(iter(rows.values()))["symbol"]
        fills.append(ReportedFill(order=order, pair=pair, amount=amount, price=cost / amount))
    return fills
