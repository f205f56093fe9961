"""ccxt's clients of the pack's own, beside the bot's: made in one place, one way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from types import ModuleType
from typing import Any, Final

import ccxt

from models.base.errors import ConfigError
from strategies.seams.tls_context import share_tls

logger = logging.getLogger(__name__)

_TIMEOUT_MS: Final = 5000
# urllib3 says it of every request. Of any other host it goes on doing so: there it is a danger.
_UNVERIFIED: Final = (
    r"Unverified HTTPS request is being made to host '(127\.[0-9.]+|localhost|::1)'"
)


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
    say_unverified_once(own)
    client = vars(library)[name]({**defaults, **own, "options": merged})
    share_tls(client)
    return client


def say_unverified_once(settings: Mapping[str, Any]) -> None:
    """Say once if a client verifies no certificate, and not with every request to this machine.

    Weakens nothing: where certificates are verified they still are, and of a request to any other
    host that is not, every single one is told.

    Parameters
    ----------
    settings
        Of the client, as in a Freqtrade config.
    """
    # Not "once": Python forgets what it has said whenever somebody touches the filters.
    warnings.filterwarnings("ignore", message=_UNVERIFIED)
    if settings.get("verify") is False:
        _say_unverified()


@cache
def _say_unverified() -> None:
    logger.warning("an exchange is asked without its certificate verified (said once)")


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
