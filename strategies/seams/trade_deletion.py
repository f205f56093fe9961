"""Freqtrade's deletion of a trade, which takes its stops back and forgets its position.

`/delete` and the API's `DELETE /trades/1` are meant for books, not for positions: what the exchange
still holds would be left without a stop, to nobody. The method is replaced on its class by one that
asks first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from freqtrade.persistence import Trade
from freqtrade.rpc import RPC, RPCException

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_DELETE = RPC._rpc_delete
_objections: Final[list[Callable[[str], str]]] = []  # at most one: of this process's strategy


def ask_before_deleting(objection: Callable[[str], str]) -> None:
    """Delete no open trade of a pair against which `objection` has something to say."""
    _objections[:] = [objection]
    RPC._rpc_delete = _rpc_delete


def _rpc_delete(rpc: RPC, trade_id: int) -> dict[str, Any]:
    trade = Trade.get_trades(trade_filter=[Trade.id == trade_id]).first()
    if trade is not None and trade.is_open:
        for objection in _objections:
            if why := objection(trade.pair):
                raise RPCException(f"Trade {trade_id} is not deleted: {why}")
    answer: dict[str, Any] = _DELETE(rpc, trade_id)
    return answer


def _probe() -> str:
    return problems(
        lacks_method(RPC, "_rpc_delete", "trade_id"),
        lacks_text(RPC, "_rpc_delete", "Trade.get_trades(trade_filter=[Trade.id == trade_id])"),
    )


TRADE_DELETION = Seam(
    name="RPC._rpc_delete",
    what="replaced on its class",
    why="a position must not lose its stop and its trade by a word about the books",
    since="freqtrade 2021.4",
    without="a trade deleted while its position is open leaves that without a stop for some loops",
    probe=_probe,
    library=Library.EXCHANGE,
)
