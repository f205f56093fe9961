"""The margin tiers Freqtrade has loaded from the exchange.

The pack's own margin account is reckoned with them; Freqtrade keeps them to itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes, lacks_text, problems

Tier = Mapping[str, Any]  # Freqtrade's: minNotional, maxNotional, maintenanceMarginRate, maintAmt


def loaded_tiers(exchange: Exchange) -> Mapping[str, Sequence[Tier]]:
    """Return pair -> tiers, the same object until Freqtrade loads a pair's anew."""
    tiers: Mapping[str, Sequence[Tier]] = exchange._leverage_tiers
    return tiers


def _probe() -> str:
    return problems(
        lacks_attributes(Exchange, "_leverage_tiers"),
        lacks_text(Exchange, "parse_leverage_tier", '"maintAmt"', '"maintenanceMarginRate"'),
    )


MARGIN_TIERS = Seam(
    name="Exchange._leverage_tiers",
    what="read",
    why="maintenance margin of the account as the exchange counts it",
    since="freqtrade 2022.8",
    without="the margin ratio is not known, so neither is the distance to liquidation",
    probe=_probe,
    library=Library.EXCHANGE,
    safety=True,
)
