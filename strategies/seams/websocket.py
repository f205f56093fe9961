"""Whether Freqtrade has its candles from a websocket: then there is nothing to ask for."""

from __future__ import annotations

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes


def has_websocket(exchange: Exchange) -> bool:
    """Return whether candles come by websocket."""
    return exchange._exchange_ws is not None


def _probe() -> str:
    return lacks_attributes(Exchange, "_exchange_ws")


WEBSOCKET = Seam(
    name="Exchange._exchange_ws",
    what="read",
    why="candles that come by themselves are not asked for",
    since="freqtrade 2024.11",
    without="candles come by Freqtrade's own refresh",
    probe=_probe,
    library=Library.EXCHANGE,
)
