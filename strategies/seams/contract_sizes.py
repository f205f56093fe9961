"""Amounts in contracts, as some exchanges count, in base units, as the pack does.

Freqtrade's own translation, used where the pack reads what Freqtrade did not ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_method, problems

Row = dict[str, Any]  # an order, execution or position as ccxt parses it


def base_amount(exchange: Exchange, pair: str, contracts: float) -> float:
    """Return a number of contracts in base units."""
    return float(exchange._contracts_to_amount(pair, contracts))


def order_in_base(exchange: Exchange, order: Row) -> Row:
    """Return an order with its amounts in base units."""
    row: Row = exchange._order_contracts_to_amount(order)
    return row


def executions_in_base(exchange: Exchange, executions: Sequence[Row]) -> list[Row]:
    """Return executions with their amounts in base units."""
    rows: list[Row] = exchange._trades_contracts_to_amount(executions)
    return rows


def _probe() -> str:
    return problems(
        lacks_method(Exchange, "_contracts_to_amount", "pair", "num_contracts"),
        lacks_method(Exchange, "_order_contracts_to_amount", "order"),
        lacks_method(Exchange, "_trades_contracts_to_amount", "trades"),
    )


CONTRACT_SIZES = Seam(
    name="Exchange._contracts_to_amount, _order_…, _trades_contracts_to_amount",
    what="called",
    why="positions, orders and executions are compared in base units",
    since="freqtrade 2022.8",
    without="positions, stops and fills cannot be compared",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
