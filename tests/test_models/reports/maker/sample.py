"""Ways to trade as the page on maker and taker shows them."""

from __future__ import annotations

from typing import Any

from models.reports.maker.page import MAKER_TABLES

RUN: dict[str, Any] = {
    "title": "Maker", "span": "s", "data": "d", "simulated": True, "model": "LSTM", "detail": "5m",
    "entry_minutes": 15, "exit_minutes": 10,
}  # fmt: skip


def row(name: str, net: float, half: float = 1.0, **more: Any) -> dict[str, Any]:
    """Return the numbers of one way: the same estimate everywhere but for the net result."""
    keys = {column.key for _, table in MAKER_TABLES for column in table}
    some = {"value": 0.5, "low": 0.4, "high": 0.6}
    own = {"value": net, "low": net - half, "high": net + half}
    return {
        **dict.fromkeys(keys, some), "name": name, "title": f"{name}; taker", "net": own,
        "net_twice": {**own, "value": net - 1}, "net_year": own, "low_of_all": net - 2 * half,
        "attempts": 7, "trades_year": 9.0, "is_control": False, **more,
    }  # fmt: skip
