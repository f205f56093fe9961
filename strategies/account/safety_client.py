"""Settings of the exchange's client and of the REST server that safety leans on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from strategies.account.safety_rules import Need

# Everything else is refused: an option nobody has looked at may send orders to another account
# (portfolioMargin), in another mode (hedged), or leave out what makes an order reduce-only.
_OPTIONS: Final = frozenset({
    "adjustForTimeDifference", "broker", "defaultType", "fetchCurrencies", "fetchMargins",
    "fetchMarkets", "recvWindow",
})  # fmt: skip
_KEYS: Final = frozenset({
    "aiohttp_proxy", "aiohttp_trust_env", "apiKey", "enableRateLimit", "headers", "httpProxy",
    "httpsProxy", "options", "proxies", "rateLimit", "requests_trust_env", "secret", "socksProxy",
    "timeout", "urls", "userAgent", "verbose", "verify", "wsProxy", "wssProxy",
})  # fmt: skip
_ORDERS: Final = frozenset({"fapiPublic", "fapiPrivate", "fapiPrivateV2", "fapiPrivateV3"})
_TYPES: Final = (None, "future", "linear", "swap")
_MARKETS: Final = frozenset({"spot", "linear", "inverse", "option"})
_TIMEOUT_MS: Final = (1_000, 60_000)
_RECEIVE_MS: Final = (1_000, 60_000)
_KNOWN_SECRETS: Final = frozenset({
    "", "super-secret", "somethingrandom", "somethingRandom", "somethingRandomSomethingRandom123",
})  # fmt: skip  # of Freqtrade's schema, examples and documentation


def known_abilities(params: Any, _: Mapping[str, Any]) -> bool:
    """Whether nothing is changed of what Freqtrade takes the exchange to be able to do."""
    return set(params) <= {"ohlcv_candle_limit"}


def closed_api(block: Any, _: Mapping[str, Any]) -> bool:
    """Whether a REST server, if there is one, asks everybody for something not publicly known."""
    if not block.get("enabled", False):
        return True
    named = all(str(block.get(name) or "").strip() for name in ("username", "password"))
    ipaddress.ip_address(str(block.get("listen_ip_address", "127.0.0.1")))  # else it cannot listen
    return named and str(block.get("jwt_secret_key") or "") not in _KNOWN_SECRETS


def reachable_chat(block: Any, _: Mapping[str, Any]) -> bool:
    """Whether Telegram, if it is on, is given what its client cannot be made without."""
    told = all(str(block.get(name) or "").strip() for name in ("token", "chat_id"))
    return told or not block.get("enabled", False)


def sound_client(block: Any, _: Mapping[str, Any]) -> bool:
    """Whether a block of settings for ccxt's client leaves orders where and what they are."""
    options = block.get("options", {})
    low, high = _TIMEOUT_MS
    early, late = _RECEIVE_MS
    return (
        set(block) <= _KEYS
        and set(options) <= _OPTIONS
        and options.get("defaultType") in _TYPES
        and _lists_perpetuals(options.get("fetchMarkets"))
        and early <= options.get("recvWindow", early) <= late
        and low <= block.get("timeout", low) <= high
        and (block.get("verify", True) is True or _stays_here(block.get("urls")))
    )


def _lists_perpetuals(markets: Any) -> bool:
    """Whether ccxt is asked for kinds of markets it knows, those the bot trades among them."""
    kinds = markets.get("types") if isinstance(markets, Mapping) else markets
    return kinds is None or (isinstance(kinds, list) and "linear" in kinds and {*kinds} <= _MARKETS)


CLIENT_RULE: Final = Need(
    f"no options but {', '.join(sorted(_OPTIONS))}; linear markets fetched; a timeout of 1 to 60 s "
    "and certificates verified (but for an exchange on this machine)",
    sound_client,
)


def _stays_here(urls: Any) -> bool:
    """Whether every address is this machine's own, those of orders among them."""
    hosts = [urlsplit(address).hostname for address in _texts(urls)]
    return set(urls["api"]) >= _ORDERS and all(host is not None and _local(host) for host in hosts)


def is_on_this_machine(block: Mapping[str, Any]) -> bool:
    """Whether the exchange of a config's `exchange` block is served on this machine."""
    hosts = [urlsplit(address).hostname for address in addresses_of(block)]
    return bool(hosts) and all(host is not None and _local(host) for host in hosts)


def addresses_of(block: Mapping[str, Any]) -> list[str]:
    """Return the addresses a config's `exchange` block names; none: the exchange's usual ones."""
    for name in ("ccxt_config", "ccxt_sync_config"):
        client = block.get(name)
        found = list(_texts(client.get("urls"))) if isinstance(client, Mapping) else []
        if found:
            return found
    return []


def _local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
