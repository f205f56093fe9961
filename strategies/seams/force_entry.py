"""Why Freqtrade's force-enter came to nothing, for who asked: its API and its Telegram.

A hook that refuses an entry has no way to say why: Freqtrade answers "Failed to enter position".
The method is replaced on its class by one that adds the reason.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.rpc import RPC, RPCException

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_FORCE = RPC._rpc_force_entry
_reasons: Final[list[dict[str, str]]] = []  # at most one: of the strategy of this process


def explain_force_entry(reasons: dict[str, str]) -> None:
    """Add to Freqtrade's answer what `reasons` has of the pair when the attempt is over."""
    _reasons[:] = [reasons]
    RPC._rpc_force_entry = _rpc_force_entry


@functools.wraps(_FORCE)
def _rpc_force_entry(rpc: RPC, pair: str, *order: Any, **more: Any) -> Any:
    for reasons in _reasons:
        reasons.pop(pair, None)
    try:
        return _FORCE(rpc, pair, *order, **more)
    except RPCException as error:
        why = "; ".join(reasons[pair] for reasons in _reasons if pair in reasons)
        if not why or why in error.message:
            raise
        raise RPCException(f"{error.message} {why}") from error


def _probe() -> str:
    return problems(
        lacks_method(RPC, "_rpc_force_entry", "pair"),
        lacks_text(RPC, "_rpc_force_entry", "self._freqtrade.execute_entry("),
        lacks_method(FreqtradeBot, "execute_entry", "pair"),
    )


FORCE_ENTRY = Seam(
    name="RPC._rpc_force_entry",
    what="replaced on its class",
    why="who asks for an entry hears why there is none",
    since="freqtrade 2022.4",
    without="force-enter says that it failed and not why",
    probe=_probe,
    library=Library.EXCHANGE,
)
