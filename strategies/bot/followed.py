"""Which of the configured pairs the bot does not follow: Freqtrade drops one with a log line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from freqtrade.exchange import Exchange


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
    lists = config.get("pairlists") or [{"method": "StaticPairList"}]
    if lists[0].get("method") != "StaticPairList":
        return {}
    configured = (config.get("exchange") or {}).get("pair_whitelist") or []
    return {
        pair: f"it is in exchange.pair_whitelist, and is not followed{_hint(pair, exchange)}"
        for pair in configured
        if not any(re.fullmatch(pair, f, re.IGNORECASE) or pair == f for f in followed)
    }


def _hint(pair: str, exchange: Exchange | None) -> str:
    """Return the names under which the exchange trades the same coins in the bot's way."""
    coins = pair.split(":")[0]
    near = [] if exchange is None else [
        name for name, market in exchange.markets.items()
        if name != pair and name.split(":")[0] == coins and exchange.market_is_tradable(market)
    ]  # fmt: skip
    if near:
        return f": {' or '.join(sorted(near))} is how the exchange has it"
    return ": the exchange does not trade it, or a filter or the blacklist takes it out"
