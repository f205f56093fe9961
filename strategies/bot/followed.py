"""Which of the configured pairs the bot does not follow: Freqtrade drops one with a log line.

Of some the name alone says so, before any exchange is asked: `misnamed_pairs`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from freqtrade.exchange import Exchange

_LOST: Final = "it is in exchange.pair_whitelist, and is not followed"


def lost_pairs(
    config: Mapping[str, Any], followed: Collection[str], exchange: Exchange | None
) -> dict[str, str]:
    """Return the configured pairs that are not followed, and what is known of each.

    Empty where a pair list of another kind than the static one chooses the pairs.

    Parameters
    ----------
    followed
        The whitelist as Freqtrade has it now.
    exchange
        Asked for the market of the same coins; None where there is none to ask.
    """
    by_name = misnamed_pairs(config)
    return {
        pair: (f"{_LOST}{near}" if (near := _near(pair, exchange)) else "")
        or by_name.get(pair)
        or f"{_LOST}: the exchange does not trade it, or a filter or the blacklist takes it out"
        for pair in _whitelist(config)
        if not any(_matches(pair, f) or pair == f for f in followed)
    }


def misnamed_pairs(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the configured pairs that no bot of this configuration can follow, and why.

    Asks no exchange, and so knows of names only. Empty where `lost_pairs` is.

    Examples
    --------
    >>> of = {"stake_currency": "USDT", "trading_mode": "futures"}
    >>> list(misnamed_pairs({**of, "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT:USDT"]}}))
    ['BTC/USDT']
    """
    blacklist = (config.get("exchange") or {}).get("pair_blacklist") or []
    found = {
        pair: misnamed(pair, config) or next(
            (f": {black} in exchange.pair_blacklist takes it out" for black in blacklist
             if _matches(black, pair)), "",
        ) for pair in _whitelist(config)
    }  # fmt: skip
    return {pair: f"{_LOST}{why}" for pair, why in found.items() if why}


def misnamed(pair: str, config: Mapping[str, Any]) -> str:
    """Return why a name, or a pattern of names, cannot be a market of the bot's; else nothing."""
    stake, futures = config.get("stake_currency"), config.get("trading_mode") == "futures"
    try:
        re.compile(pair)
    except re.error as error:
        return f": it is no name, and no pattern of names: {error}"
    if re.escape(pair) != pair:  # which pairs a pattern means only the exchange can tell
        return ""
    coins, _, settled = pair.partition(":")
    quote = coins.partition("/")[2]
    if not quote:
        return f": it is no pair; one is written as BTC/{stake}{f':{stake}' if futures else ''}"
    if stake is not None and quote != stake:
        return f": it is quoted in {quote}, and stake_currency is {stake!r}"
    if futures and not settled:
        return f": that is a spot market's name; {coins}:{stake} is the perpetual's"
    return ""


def _whitelist(config: Mapping[str, Any]) -> Sequence[str]:
    """Return the pairs as configured; none where another pair list than the static chooses them."""
    lists = config.get("pairlists") or [{"method": "StaticPairList"}]
    if lists[0].get("method") != "StaticPairList":
        return []
    return (config.get("exchange") or {}).get("pair_whitelist") or []


def _matches(pattern: str, pair: str) -> bool:
    try:
        return re.fullmatch(pattern, pair, re.IGNORECASE) is not None
    except re.error:  # Freqtrade then follows nothing at all
        return False


def _near(pair: str, exchange: Exchange | None) -> str:
    """Return the names under which the exchange trades the same coins in the bot's way, if any."""
    coins = pair.split(":")[0]
    near = [] if exchange is None else [
        name for name, market in exchange.markets.items()
        if name != pair and name.split(":")[0] == coins and exchange.market_is_tradable(market)
    ]  # fmt: skip
    return f": {' or '.join(sorted(near))} is how the exchange has it" if near else ""
