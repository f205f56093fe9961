"""What Freqtrade adds to every order it sends.

A mapping of its class: it is replaced on the object, never written into.
"""

from __future__ import annotations

from freqtrade.exchange import Exchange

from strategies.seams.record import Library, Seam, lacks_text, problems


def add_to_orders(exchange: Exchange, name: str, value: str) -> None:
    """Have the next orders carry a parameter."""
    exchange._params = {**exchange._params, name: value}


def leave_out_of_orders(exchange: Exchange, name: str) -> None:
    """Have the next orders go without a parameter."""
    exchange._params = {k: v for k, v in exchange._params.items() if k != name}


def _probe() -> str:
    absent = "" if isinstance(getattr(Exchange, "_params", None), dict) else "Exchange._params"
    return problems(absent, lacks_text(Exchange, "_get_params", "self._params"))


ORDER_PARAMETERS = Seam(
    name="Exchange._params",
    what="replaced on the object",
    why="entries and exits are answered when they are taken, everything else when executed",
    since="freqtrade 2021.4",
    without="every order is answered when it is executed",
    probe=_probe,
    library=Library.EXCHANGE,
)
