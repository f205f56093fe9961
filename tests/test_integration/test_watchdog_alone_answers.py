"""What the exchange answers the real watchdog while no bot is there: broken rows, foreign money."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from strategies.desk.loopback.account import Customer
from tests.exchange.faults import Altered, Answer, Drop, Fault, Trickle, broken_row
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.test_integration.live_bot import BTC, ETH
from tests.test_integration.lone_watchdog import ANN, CLOSED, Abandoned, told


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    """Return a row's change: it lacks this key."""
    return lambda row: {key: value for key, value in row.items() if key != name}


def having(**values: object) -> Callable[[dict[str, Any]], Any]:
    """Return a row's change: it says this instead."""
    return lambda row: {**row, **values}


ORDER: Final = "an order in ETHUSDT"
BROKEN: dict[str, tuple[str, Fault]] = {
    "a row of nowhere": ("the position in a row", broken_row("Risk", "ETHUSDT", without("symbol"))),
    "a row of words": ("the position in a row", broken_row("Risk", "ETHUSDT", lambda row: "ETH")),
    "a size of words": ("the position in ETHUSDT",
                        broken_row("Risk", "ETHUSDT", having(positionAmt="much"))),
    "a stop of no side": (ORDER, broken_row("openAlgo", "ETHUSDT", without("side"))),
}  # fmt: skip


def test_watchdog_when_rows_of_one_symbol_are_broken_then_it_is_told_and_the_other_gets_its_stop(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None, chat: Chat
) -> None:
    left = Abandoned(tmp_path, url, state, account, unprotected_s=1.0, every_s=0.5)
    left.beat()
    left.hold(0.5, ETH)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "a stop of its own")
        for turn, (name, (part, fault)) in enumerate(BROKEN.items()):
            state.faults.add(fault)
            left.hold(0.01)
            dog.wait_for(lambda: "BTCUSDT" not in left.bare(), f"{name}: a stop for the other")
            dog.wait_for(lambda n=turn: len(told(chat, "dog: since")) > n, f"{name}: word of it")
            assert f" {part} cannot be seen: " in told(chat, "dog: since")[-1], name
            if part == ORDER:  # it may or may not be a stop: another one, and not one a round
                dog.wait_for(lambda: len(left.stops("ETHUSDT")) == 2, f"{name}: one more")
            left.rounds(dog, 3)
            assert len(left.stops("ETHUSDT")) == 1 + (part == ORDER), name
            state.faults.clear()
            dog.wait_for(lambda n=turn: len(told(chat, "over: since")) > n, f"{name}: its end")
            dog.wait_for(lambda: len(left.stops("ETHUSDT")) == 1, f"{name}: one stop")
        # Without a mark the price traded last counts, and without that the entry's.
        no_mark = broken_row("Risk", "BTCUSDT", having(markPrice="0", entryPrice="58000"))
        state.faults.add(no_mark, broken_row("24hr", "BTCUSDT", having(lastPrice="59000")))
        left.hold(0.02)
        chat.wait_for(f"0.02 {BTC} had no stop; one placed at 56050")
        state.faults.clear()
        gone = broken_row("Risk", "BTCUSDT", lambda row: without("markPrice")(no_mark.change(row)))
        state.faults.add(gone, Answer(on="24hr", status=503, code=-1001, message="busy"))
        left.hold(0.03)
        chat.wait_for(f"0.03 {BTC} had no stop; one placed at 55100")
        dog.wait_for(lambda: not left.bare(), "the whole of it stopped")
    assert left.held() == {"BTCUSDT": 0.09, "ETHUSDT": 0.5}


@pytest.mark.slow
def test_watchdog_when_one_answer_trickles_in_then_it_is_not_waited_for_and_the_rest_is_done(
    left: Abandoned, chat: Chat
) -> None:
    left.bid(2_000, ETH, 0.1)  # an answer of some hundred bytes
    left.state.faults.add(Trickle(on="openOrders ETHUSDT", every_s=1.0))
    left.hold(0.02)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "a stop for the other one", timeout_s=100.0)
        chat.wait_for(f"0.02 {BTC} had no stop; one placed at 57000")
        assert len(left.account.open_orders()) == 1
        left.state.faults.clear()
        dog.wait_for(lambda: not left.account.open_orders(), "the entry taken back")


def test_watchdog_when_collateral_is_foreign_and_nobody_answers_a_flatten_then_it_is_done_after(
    left: Abandoned, account: Customer, chat: Chat
) -> None:
    """Where the collateral is in another asset, the count in the stake currency reads 0."""
    account.asset = "BNFCR"
    nothing = {"totalMarginBalance": "0.00000000", "totalMaintMargin": "0.00000000"}
    credits = Altered(on="/account", change=lambda told: {**told, **nothing})
    left.state.faults.add(credits)
    left.hold(0.02)
    with left.watched() as dog:
        said = chat.wait_for(" the margin cannot be seen: ").text
        assert "expected an account with USDT, got one with BNFCR only" in said
        left.rounds(dog, 2)
        assert left.held() == {"BTCUSDT": 0.02}
        assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]
        assert not told(chat, "margin ratio")
        # A person wants out while the exchange answers nobody.
        left.state.faults.add(Drop())
        left.rounds(dog, 2)
        left.desk.flatten(ANN, "out")
        chat.wait_for("the account")
        left.rounds(dog, 5)
        assert not told(chat, "closed")
        assert left.desk.store.read().flatten is not None
        assert left.held() == {"BTCUSDT": 0.02}
        # It answers again, only that the first order is done and not answered.
        lost = Drop(on="POST /fapi/v1/order", executed=True, times=1)
        left.state.faults.clear()
        left.state.faults.add(credits, lost)
        chat.wait_for(CLOSED)
        assert left.held() == {}
        assert told(chat, f"not done, tried again next round: 0.02 of 0.02 {BTC} closed")
        dog.wait_for(lambda: not account.open_algos(), "its stops taken back")
    assert len(told(chat, CLOSED)) == 1
    assert len([order for order in account.orders.values() if order.reduce_only]) == 1
    assert left.desk.store.read().flatten is None
