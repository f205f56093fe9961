"""A trade whose position the exchange still holds is not deleted; all others are Freqtrade's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.persistence import Trade
from freqtrade.rpc import RPC, RPCException

from strategies.seams import trade_deletion
from strategies.seams.trade_deletion import ask_before_deleting

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
TRADES = {1: (BTC, True), 2: (BTC, False), 3: (ETH, True)}


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What Freqtrade deletes; the exchange holds bitcoin."""
    done: list[int] = []

    def found(trade_filter: Any) -> Any:
        pair, is_open = TRADES.get(trade_filter[0].right.value, (None, False))
        one = None if pair is None else SimpleNamespace(pair=pair, is_open=is_open)
        return SimpleNamespace(first=lambda: one)

    monkeypatch.setattr(Trade, "get_trades", found)
    monkeypatch.setattr(RPC, "_rpc_delete", RPC._rpc_delete)
    monkeypatch.setattr(trade_deletion, "_DELETE", lambda rpc, n: done.append(n) or {})
    monkeypatch.setattr(trade_deletion, "_objections", [])
    ask_before_deleting(lambda pair: "it is held" if pair == BTC else "")
    return done


def test_trade_when_the_exchange_holds_its_position_then_it_is_not_deleted(
    deleted: list[int],
) -> None:
    with pytest.raises(RPCException) as refused:
        RPC._rpc_delete(SimpleNamespace(), 1)
    assert refused.value.message == "Trade 1 is not deleted: it is held"
    assert deleted == []


@pytest.mark.parametrize("trade", [2, 3, 4])
def test_trade_when_closed_or_not_held_or_unknown_then_freqtrade_decides(
    deleted: list[int], trade: int
) -> None:
    assert RPC._rpc_delete(SimpleNamespace(), trade) == {}
    assert deleted == [trade]
