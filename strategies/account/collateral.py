"""Whether the account's money is in the currency the bot counts in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import ccxt
from freqtrade.exchange import Exchange

from models.base.errors import ConfigError
from strategies.seams.rest_client import rest_client

logger = logging.getLogger(__name__)

_CURE: Final = (
    "trade an account whose futures wallet holds the stake currency itself; limits on loss and "
    "margin cannot be kept on another asset's count"
)


def require_stake_collateral(config: Mapping[str, Any]) -> None:
    """Refuse a config whose collateral is in another asset than the stake currency.

    Raises
    ------
    ConfigError
        If the config says so; what the account holds is not asked.
    """
    stake, proxy = config["stake_currency"], config.get("proxy_coin")
    if proxy:
        raise ConfigError(
            f"expected collateral in {stake}, got proxy_coin {proxy!r}",
            where="proxy_coin", cure=_CURE,
        )  # fmt: skip


def require_own_collateral(config: Mapping[str, Any], exchange: Exchange) -> None:
    """Refuse an account that counts its collateral in another asset than the stake currency.

    Binance's credits trading mode keeps it in BNFCR (Freqtrade's `proxy_coin`): equity, losses and
    margin in the stake currency all read 0 there.

    Raises
    ------
    ConfigError
        If the config or the account says so; an exchange that does not answer says nothing.
    """
    require_stake_collateral(config)
    try:
        balance = rest_client(exchange).fetch_balance()
    except ccxt.BaseError as error:
        logger.warning("the collateral cannot be looked at: %s", error)
        return
    require_stake_in(balance, config["stake_currency"])


def require_stake_in(balance: Mapping[str, Any], stake: str) -> None:
    """Refuse an answer by which an account's collateral is in another asset than `stake`.

    Raises
    ------
    ConfigError
        If it is; an answer that names no assets, or cannot be read, says nothing.
    """
    info = balance["info"]
    if not isinstance(info, Mapping) or "assets" not in info:
        return
    try:
        held = {row["asset"]: float(row["walletBalance"]) for row in info["assets"]}
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("the collateral cannot be read: %r", error)
        return
    others = sorted(asset for asset, amount in held.items() if amount and asset != stake)
    if (not held.get(stake) and others) or "BNFCR" in others:
        raise ConfigError(
            f"expected an account with {stake}, got one with {', '.join(others)} only"
            if not held.get(stake) else f"expected an account without BNFCR, got {others}",
            where="the futures wallet", cure=_CURE,
        )  # fmt: skip
