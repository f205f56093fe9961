"""Freqtrade's preparation of an order: margin mode and leverage of the pair.

The method is replaced on the object by one that goes on to Freqtrade's own unless the exchange has
just told that everything is as wanted.
"""

from __future__ import annotations

from typing import Protocol

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems


class OrderSetup(Protocol):
    """Sets margin mode and leverage of a pair before an order."""

    def __call__(
        self, pair: str, leverage: float, side: str, accept_fail: bool = False
    ) -> None: ...


def replace_order_setup(exchange: Exchange, setup: OrderSetup) -> OrderSetup:
    """Put `setup` in the place of Freqtrade's own, which is returned."""
    own: OrderSetup = exchange._lev_prep
    exchange._lev_prep = setup
    return own


def floors_leverage(exchange: Exchange) -> bool:
    """Return whether the exchange takes whole leverages only, which Freqtrade rounds down to."""
    return bool(exchange._ft_has.get("floor_leverage"))


def _probe() -> str:
    return problems(
        lacks_method(Exchange, "_lev_prep", "pair", "leverage", "side", "accept_fail"),
        lacks_text(Exchange, "create_order", "self._lev_prep("),
        lacks_text(Exchange, "get_option", "self._ft_has"),
    )


ORDER_SETUP = Seam(
    name="Exchange._lev_prep, _ft_has",
    what="replaced on the object; read",
    why="margin mode and leverage are not set again where the exchange has just told them",
    since="freqtrade 2023.4",
    without="two more requests on the way to each entry",
    probe=_probe,
    library=Library.EXCHANGE,
)
