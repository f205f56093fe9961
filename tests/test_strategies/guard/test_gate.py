"""The order gate in front of an exchange object: what passes, what stops, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from freqtrade.enums import TradingMode
from freqtrade.exceptions import (
    DependencyException,
    InsufficientFundsError,
    OperationalException,
    TemporaryError,
)
from freqtrade.rpc import RPCException

from models.trade.risk.snapshot import Stage
from strategies.guard.gate import OrderGate, OrderRefusedError
from strategies.guard.permits import NewRisk, Permits
from strategies.seams import order_methods
from tests.test_strategies.worlds import PAIR, RATE, OrderBook, position

pytestmark = pytest.mark.usefixtures("open_trades")


@dataclass
class Gated:
    """An exchange behind a gate, and what the gate told."""

    stage: Stage = Stage.DRY_RUN
    halted: str = ""
    told: list[tuple[NewRisk, str]] = field(default_factory=list)
    permits: Permits = field(default_factory=Permits)
    exchange: Any = field(default_factory=OrderBook)

    def __post_init__(self) -> None:
        self.gate = OrderGate(
            self.permits, stage=self.stage, refusal=lambda: self.halted,
            refused=lambda order, why: self.told.append((order, why)),
        )  # fmt: skip
        self.gate.stand_before(self.exchange)

    def permit(self, side: int = 1, amount: float = 2.0) -> None:
        self.permits.issue(
            NewRisk(pair=PAIR, side=side, amount_base=amount, rate=RATE, leverage=3.0)
        )

    def order(self, side: str = "buy", amount: float = 2.0, **more: Any) -> dict[str, Any]:
        order = {"pair": PAIR, "ordertype": "market", "side": side, "amount": amount, "rate": RATE,
                 "leverage": 3.0, "reduceOnly": False, "time_in_force": "GTC"}  # fmt: skip
        answer: dict[str, Any] = self.exchange.create_order(**order | more)
        return answer

    def stop(self, side: str = "sell", amount: float = 1.0) -> dict[str, Any]:
        answer: dict[str, Any] = self.exchange.create_stoploss(
            pair=PAIR, amount=amount, stop_price=90.0, order_types={"stoploss": "market"},
            side=side, leverage=3.0,
        )  # fmt: skip
        return answer

    @property
    def amounts(self) -> list[float]:
        return [order["amount"] for order in self.exchange.sent]


# -- new risk -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.DRY_RUN, Stage.LIVE])
@pytest.mark.parametrize(("side", "sign"), [("buy", 1), ("sell", -1)])
def test_order_when_permitted_then_it_goes_on_as_it_was_once(
    stage: Stage, side: str, sign: int
) -> None:
    s = Gated(stage)
    s.permit(sign)
    assert s.order(side)["id"] == "1"
    assert s.exchange.sent == [{"pair": PAIR, "ordertype": "market", "side": side, "amount": 2.0,
                                "rate": RATE, "leverage": 3.0, "reduceOnly": False,
                                "time_in_force": "GTC"}]  # fmt: skip
    assert s.permits.pending_quote(sign) == 0.0  # Freqtrade's books have it from here on
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        s.order(side)
    assert len(s.exchange.sent) == 1


@pytest.mark.parametrize("stage", [Stage.DRY_RUN, Stage.LIVE])
def test_order_when_nobody_has_permitted_it_then_it_is_refused_and_told(stage: Stage) -> None:
    s = Gated(stage)
    with pytest.raises(OrderRefusedError) as refused:
        s.order(amount=5.0)
    assert str(refused.value) == (
        f"Refused at the order gate, long 5 {PAIR}: no guard has been asked for it. "
        "A position grows through the strategy and its guards only, a stop is cancelled and a "
        "leverage set by Freqtrade."
    )
    wanted = NewRisk(pair=PAIR, side=1, amount_base=5.0, rate=RATE, leverage=3.0)
    assert s.told == [(wanted, "no guard has been asked for it")]
    assert s.exchange.sent == []
    with pytest.raises(OrderRefusedError, match=f"short 1 {PAIR}"):
        s.order("sell", amount=1.0)


def test_refusal_when_raised_then_freqtrades_loop_and_its_api_both_know_what_to_do_with_it() -> (
    None
):
    error = OrderRefusedError("why")
    assert isinstance(error, DependencyException)  # the loop goes on
    assert isinstance(error, RPCException)  # the API answers
    assert error.message == str(error) == "why"
    assert repr(error) == "OrderRefusedError('why')"  # what logs and tasks show of it
    assert not isinstance(error, TemporaryError)  # nobody tries again


@pytest.mark.parametrize("side", ["hold", "", None])
def test_order_when_its_side_is_none_then_it_is_refused(side: Any) -> None:
    s = Gated()
    s.permit()
    with pytest.raises(OrderRefusedError, match=f"short 2 {PAIR}: expected side"):
        s.order(side)
    s.exchange.trading_mode = TradingMode.SPOT
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        s.order(side)


def test_order_when_halted_after_its_permit_then_it_is_refused_with_that_reason() -> None:
    s = Gated()
    s.permit()
    s.halted = "control is HALTED: a test"
    with pytest.raises(OrderRefusedError, match="control is HALTED: a test"):
        s.order()
    assert s.told[0][1] == "control is HALTED: a test"
    assert s.exchange.sent == []


def test_order_when_the_gate_cannot_judge_it_then_it_is_refused_by_name() -> None:
    s = Gated()
    s.permit()

    def broken() -> str:
        raise ConnectionError("no state")

    gate = OrderGate(s.permits, stage=Stage.DRY_RUN, refusal=broken,
                     refused=lambda order, why: s.told.append((order, why)))  # fmt: skip
    s.exchange = OrderBook()
    gate.stand_before(s.exchange)
    with pytest.raises(OrderRefusedError, match="ConnectionError: no state"):
        s.order()
    assert s.exchange.sent == []


def test_order_when_the_exchange_refuses_it_then_it_counts_no_more() -> None:
    s = Gated()
    s.permit()
    s.exchange.breaks = InsufficientFundsError("no money")
    with pytest.raises(InsufficientFundsError):
        s.order()
    assert s.permits.pending_quote(1) == 0.0


@pytest.mark.parametrize("error", [TemporaryError("lost"), KeyboardInterrupt()])
def test_order_when_its_answer_is_lost_then_it_counts_as_if_it_had_been_executed(
    error: BaseException,
) -> None:
    s = Gated()
    s.permit()
    s.exchange.breaks = error
    with pytest.raises(type(error)):
        s.order()
    assert s.permits.pending_quote(1) == 2.0 * RATE


def test_order_when_on_its_way_then_it_counts_as_exposure() -> None:
    s, seen = Gated(), []

    def slow(**order: Any) -> dict[str, Any]:
        seen.append(s.permits.pending_quote(1))
        return order

    s.exchange = OrderBook()
    s.exchange.create_order = slow
    s.gate.stand_before(s.exchange)
    s.permit()
    s.order()
    assert seen == [2.0 * RATE]


# -- what reduces ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.DRY_RUN, Stage.LIVE])
@pytest.mark.parametrize(("side", "short"), [("sell", False), ("buy", True)])
def test_exit_and_stop_when_halted_and_no_permit_then_they_pass_as_they_are(
    stage: Stage, side: str, short: bool, open_trades: list[Any]
) -> None:
    s = Gated(stage, halted="control is HALTED")
    open_trades.append(position(amount=1.0, is_short=short))
    s.order(side, amount=1.0, reduceOnly=True)
    s.order(side, amount=0.4, reduceOnly=True)
    s.stop(side, amount=1.0)
    assert s.amounts == [1.0, 0.4]
    assert all(order["reduceOnly"] for order in s.exchange.sent)
    assert [stop["amount"] for stop in s.exchange.placed] == [1.0]
    assert s.exchange.placed[0]["stop_price"] == 90.0
    assert s.told == []


def test_permit_when_a_position_is_reduced_before_it_is_used_then_it_is_void(
    open_trades: list[Any],
) -> None:
    s = Gated()
    open_trades.append(position(amount=1.0, is_short=True))  # a long was allowed because of it
    s.permit()
    s.order("buy", amount=1.0, reduceOnly=True)
    assert s.permits.pending_quote(1) == 0.0
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        s.order()


def test_exit_when_larger_than_the_position_then_a_dry_run_executes_no_more_than_there_is(
    open_trades: list[Any],
) -> None:
    s = Gated()
    open_trades += [position(amount=1.0), position(amount=0.5), position(pair="ETH", amount=9.0)]
    s.order("sell", amount=4.0, reduceOnly=True)
    s.stop("sell", amount=4.0)
    assert s.amounts == [1.5]
    assert [stop["amount"] for stop in s.exchange.placed] == [1.5]


@pytest.mark.parametrize("held", [[], [position(is_short=False)], [position(amount=0.0)]])
def test_exit_when_it_would_grow_the_position_then_a_dry_run_refuses_it(
    held: list[Any], open_trades: list[Any]
) -> None:
    s = Gated()
    open_trades += held
    s.permit(amount=10.0)
    with pytest.raises(OrderRefusedError, match="claims to reduce a position that is not there"):
        s.order("buy", amount=1.0, reduceOnly=True)
    with pytest.raises(OrderRefusedError, match="claims to reduce"):
        s.stop("buy")
    assert s.exchange.sent == s.exchange.placed == []
    assert len(s.told) == 2


def test_exit_when_live_and_freqtrade_knows_of_no_position_then_the_exchange_holds_it_to_its_word(
) -> None:  # fmt: skip
    s = Gated(Stage.LIVE)
    s.order("sell", amount=7.0, reduceOnly=True)
    s.stop("sell", amount=7.0)  # of a position whose entry was never answered
    assert s.amounts == [7.0]
    assert [stop["amount"] for stop in s.exchange.placed] == [7.0]


@pytest.mark.parametrize("stage", [Stage.DRY_RUN, Stage.LIVE])
def test_spot_when_sold_then_it_is_an_exit_and_when_bought_it_needs_a_permit(
    stage: Stage, open_trades: list[Any]
) -> None:
    s = Gated(stage)
    s.exchange.trading_mode = TradingMode.SPOT
    open_trades.append(position(amount=1.0))
    s.order("sell", amount=1.0)
    s.order("sell", amount=5.0)
    assert s.amounts == [1.0, 1.0]
    with pytest.raises(OrderRefusedError, match="no guard"):
        s.order("buy", amount=1.0)
    with pytest.raises(OrderRefusedError, match="claims to reduce"):
        s.stop("buy")


def test_order_when_it_sells_futures_without_saying_that_it_reduces_then_it_needs_a_permit(
    open_trades: list[Any],
) -> None:
    s = Gated()
    open_trades.append(position(amount=1.0))
    with pytest.raises(OrderRefusedError, match="no guard"):
        s.order("sell", amount=1.0)


# -- where it stands ------------------------------------------------------------------------------


def test_gate_when_it_stands_before_no_exchange_then_it_says_so_and_nothing_leaves() -> None:
    s = Gated()
    s.gate.stand_before(None)
    assert not s.gate.stands
    fresh = OrderGate(s.permits, stage=Stage.LIVE, refusal=str, refused=lambda order, why: None)
    assert not fresh.stands
    with pytest.raises(OrderRefusedError, match="stands before no exchange"):
        fresh.create_order(pair=PAIR, side="sell", amount=1.0, rate=RATE, leverage=1.0,
                           reduceOnly=True)  # fmt: skip
    with pytest.raises(OrderRefusedError, match="stands before no exchange"):
        fresh.create_stoploss(pair=PAIR, side="sell", amount=1.0, stop_price=90.0, leverage=1.0)


def test_gate_when_it_stands_already_then_it_does_not_stand_twice() -> None:
    s = Gated()
    assert s.gate.stands
    s.gate.stand_before(s.exchange)
    s.permit()
    s.order()  # used once on its way, not twice
    assert len(s.exchange.sent) == 1


@pytest.mark.parametrize("method", ["create_order", "create_stoploss"])
def test_gate_when_something_takes_its_place_then_it_no_longer_stands_until_it_does_again(
    method: str, open_trades: list[Any]
) -> None:
    s = Gated()
    foreign: Callable[..., dict[str, Any]] = vars(OrderBook)[method].__get__(s.exchange)
    setattr(s.exchange, method, foreign)
    assert not s.gate.stands
    s.gate.stand_before(s.exchange)
    assert s.gate.stands
    with pytest.raises(OrderRefusedError):
        s.order()


def test_gate_when_the_exchange_is_made_anew_then_it_stands_before_that_one() -> None:
    s, other = Gated(), OrderBook()
    s.gate.stand_before(other)
    assert s.gate.stands
    s.exchange = other
    with pytest.raises(OrderRefusedError):
        s.order()


def test_gate_when_this_freqtrade_sends_orders_another_way_then_no_bot_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = Gated()
    monkeypatch.setattr(order_methods, "_another_way", lambda *_: "Exchange sends orders elsewhere")
    with pytest.raises(OperationalException, match=r"Exchange sends orders elsewhere.*doctor"):
        s.gate.stand_before(OrderBook())
