"""Leverage brackets, as Freqtrade packages them for dry-runs: one table for both modes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from models.trade.account.tiers import MarginTiers, from_exchange_tiers
from strategies.desk.loopback.symbols import Symbol


@cache
def _packaged() -> Mapping[str, Any]:
    path = files("freqtrade.exchange").joinpath("binance_leverage_tiers.json")
    table: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def _rows(symbol: Symbol) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _packaged()[f"{symbol.base}/USDT:USDT"]
    return rows


def has_brackets(base: str) -> bool:
    """Return whether a coin's perpetual in USDT is in the table."""
    return f"{base}/USDT:USDT" in _packaged()


def margin_tiers(symbols: Iterable[Symbol]) -> dict[str, MarginTiers]:
    """Return the tiers by the exchange's symbol."""
    return {s.name: from_exchange_tiers(s.name, _rows(s)) for s in symbols}


def bracket_entry(symbol: Symbol) -> dict[str, Any]:
    """Return the symbol's part of ``GET /fapi/v1/leverageBracket``."""
    return {"symbol": symbol.name, "brackets": [row["info"] for row in _rows(symbol)]}
