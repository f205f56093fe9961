"""Binance's maintenance-margin tiers as Freqtrade packages them, for work without the exchange."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from models.base.errors import InputError
from models.trade.account.tiers import MarginTiers, from_exchange_tiers


def load_binance_tiers(pairs: Iterable[str]) -> dict[str, MarginTiers]:
    """Return pair -> margin tiers.

    Parameters
    ----------
    pairs
        In futures notation, BTC/USDT:USDT.

    Returns
    -------
    dict
        In the order asked for. The table is that of the Freqtrade release, not of the past.

    Raises
    ------
    InputError
        If a pair is not in Freqtrade's table, naming all that are not.

    Examples
    --------
    >>> load_binance_tiers(["BTC/USDT:USDT"])["BTC/USDT:USDT"].maintenance_margin(50_000.0)
    200.0
    """
    table, pairs = _table(), list(pairs)
    missing = [pair for pair in pairs if pair not in table]
    if missing:
        raise InputError(
            f"no margin tiers for {missing} in Freqtrade's table of {len(table)} markets",
            cure="use the futures notation, for example BTC/USDT:USDT",
        )
    return {pair: from_exchange_tiers(pair, table[pair]) for pair in pairs}


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    file = resources.files("freqtrade.exchange") / "binance_leverage_tiers.json"
    loaded: dict[str, list[dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return loaded
