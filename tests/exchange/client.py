"""Settings that point the real ccxt client, and so Freqtrade, to the loopback exchange."""

from __future__ import annotations

from typing import Any


def ccxt_config(url: str) -> dict[str, Any]:
    """Return Freqtrade's ``exchange.ccxt_config`` for an exchange served at `url`.

    Enough for a backtest, which asks for the listed markets and nothing else.
    """
    return {
        "urls": {"api": {"fapiPublic": f"{url}/fapi/v1"}},
        "options": {"fetchMarkets": {"types": ["linear"]}},
    }
