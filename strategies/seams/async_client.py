"""The ccxt client with which Freqtrade fetches candles, its event loop and the loop's lock.

One connection to a market: the requests of all pairs leave at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_attributes

_T = TypeVar("_T")


def ask_together(
    exchange: Exchange, requests: Callable[[Any], Iterable[Awaitable[_T]]]
) -> list[_T | BaseException]:
    """Return the answers to `requests(client)`, sent at once; an error takes its answer's place.

    Parameters
    ----------
    requests
        Is given ccxt's asynchronous client and returns what is to be awaited.
    """

    async def together() -> list[_T | BaseException]:
        return await asyncio.gather(*requests(exchange._api_async), return_exceptions=True)

    with exchange._loop_lock:
        answers: list[_T | BaseException] = exchange.loop.run_until_complete(together())
    return answers


def _probe() -> str:
    return lacks_attributes(Exchange, "_api_async", "_loop_lock", "loop")


ASYNC_CLIENT = Seam(
    name="Exchange._api_async, _loop_lock",
    what="read, and asked",
    why="the closed candle of every pair is asked for at once, three rows each",
    since="freqtrade 2022.8",
    without="candles come by Freqtrade's own refresh",
    probe=_probe,
    library=Library.EXCHANGE,
)
