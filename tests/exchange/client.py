"""Settings that point the real ccxt client, and so Freqtrade, to the loopback exchange."""

from __future__ import annotations

from typing import Any

import ccxt


def ccxt_config(url: str) -> dict[str, Any]:
    """Return Freqtrade's ``exchange.ccxt_config`` for an exchange served at `url`.

    Enough for a backtest, which asks for the listed markets and nothing else.
    """
    return {
        "urls": {"api": {"fapiPublic": f"{url}/fapi/v1"}},
        "options": {"fetchMarkets": {"types": ["linear"]}},
    }


def trading_ccxt_config(url: str) -> dict[str, Any]:
    """Return Freqtrade's ``exchange.ccxt_config`` to trade on an exchange served at `url`.

    ccxt asks other hosts for currencies and margin pairs unless told not to; whatever it might
    still ask elsewhere lands on this exchange, as an unknown endpoint. It reads error codes as
    those of USD-M only where the address begins with one of Binance's, so the demo host's name
    goes where an address carries a user's.
    """
    base = url.replace("https://", "https://demo-fapi@")
    hosts = {f"fapi{kind}{'' if n == 1 else f'V{n}'}": f"{base}/fapi/v{n}"
             for kind in ("Public", "Private") for n in (1, 2, 3)}  # fmt: skip
    others = (
        "sapi",
        "sapiV2",
        "sapiV3",
        "sapiV4",
        "dapiPublic",
        "dapiPrivate",
        "public",
        "private",
    )
    return {
        "verify": False,  # the certificate is made up
        "urls": {
            "api": {
                **hosts,
                "fapiData": f"{base}/futures/data",
                **{name: f"{base}/{name}" for name in others},
            }
        },
        "options": {
            "fetchMarkets": {"types": ["linear"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }


def trading_client(url: str, key: str = "", secret: str = "") -> ccxt.binanceusdm:
    """Return the real ccxt client, pointed at an exchange served at `url`."""
    config = trading_ccxt_config(url)
    return ccxt.binanceusdm({**config, "apiKey": key, "secret": secret, "enableRateLimit": False})


def second_source_config(url: str) -> dict[str, Any]:
    """Return the ``ccxt_config`` of ``breakwater.second_source`` for OKX served at `url`."""
    return {
        "verify": False,  # the certificate is made up
        "urls": {"api": {"rest": url}},
    }
