"""ccxt's clients of the pack's own, beside the bot's: made in one place, one way."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from types import ModuleType
from typing import Any, Final

import ccxt

from models.base.errors import ConfigError

_TIMEOUT_MS: Final = 5000


def exchange_client(
    name: str,
    settings: Mapping[str, Any],
    *,
    options: Mapping[str, Any] | None = None,
    library: ModuleType = ccxt,
    **defaults: Any,
) -> Any:
    """Return ccxt's client of an exchange; it opens no connection before it is asked something.

    Parameters
    ----------
    name
        ccxt's name of the exchange.
    settings
        A person's settings of the client, as in a Freqtrade config; they go over the defaults.
        They are copied: ccxt writes into what it is given.
    options
        Defaults of ccxt's `options`, each of which `settings` may name otherwise.
    library
        `ccxt`, or `ccxt.pro` for a client of streams.
    **defaults
        Defaults of the client's other settings.

    Raises
    ------
    ConfigError
        If ccxt knows no such exchange.

    Examples
    --------
    >>> client = exchange_client("okx", {"timeout": 7}, options={"defaultType": "swap"}, timeout=9)
    >>> client.timeout, client.options["defaultType"]
    (7, 'swap')
    """
    if name not in ccxt.exchanges:
        raise ConfigError(f"ccxt knows no exchange {name!r}", cure='use its id, as "okx"')
    own = deepcopy(dict(settings))
    merged = {**(options or {}), **own.pop("options", {})}
    return vars(library)[name]({**defaults, **own, "options": merged})


def account_client(block: Mapping[str, Any]) -> Any:
    """Return a client of its own for the account of a Freqtrade config's `exchange` block."""
    return exchange_client(
        block["name"],
        {**block.get("ccxt_config", {}), **block.get("ccxt_sync_config", {})},
        options={"defaultType": "swap"},
        apiKey=block.get("key", ""),
        secret=block.get("secret", ""),
        password=block.get("password", ""),
        walletAddress=block.get("walletAddress", ""),
        privateKey=block.get("privateKey", ""),
        timeout=_TIMEOUT_MS,
    )
