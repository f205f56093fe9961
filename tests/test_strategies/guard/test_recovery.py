"""What a lost answer left open: what is held is told, a bare position stopped, a closing booked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import Order, Trade, init_db

from models.operate.control.state import ControlMode
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard import recovery
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.worlds import NOW, PAIR, RATE, Wallets, analysed, config, running

pytestmark = pytest.mark.usefixtures("open_trades")

OTHER = "LTC/USDT:USDT"
LATER = NOW + timedelta(seconds=20)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def made(runmode: RunMode = RunMode.LIVE) -> Any:
        s = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=runmode))
        s.dp, s.wallets = LiveProvider(analysed()), Wallets(10_000.0)
        return running(s)

    return made


def holds(contracts: float, pair: str = PAIR, side: str = "long") -> dict[str, Any]:
    return {"symbol": pair, "contracts": contracts, "side": side, "markPrice": RATE}


def silent(*args: Any, **kwargs: Any) -> Any:
    raise ConnectionError("down")


def unknown(s: Any) -> frozenset[str]:
    found: frozenset[str] = s.guarding.unknowns.of(PAIR) | s.guarding.unknowns.of("")
    return found


def noted(s: Any, kind: str) -> list[str]:
    return [entry.record["what"] for entry in s.control.journal.entries(kind=kind)]


# -- what the exchange holds ----------------------------------------------------------------------


def test_held_when_something_is_then_it_is_asked_again_after_five_seconds_and_else_at_once(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, now_s = make(), [1_000.0]
    exchange = s.dp._exchange
    monkeypatch.setattr(recovery, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    assert s.guarding.held() == ()
    exchange.positions = [holds(3.0, OTHER, "short"), holds(2.0)]
    assert s.guarding.held() == (f"{PAIR} 2", f"{OTHER} -3")
    exchange.positions = [holds(1.0)]
    for after_s, held in ((4.9, (f"{PAIR} 2", f"{OTHER} -3")), (5.0, (f"{PAIR} 1",))):
        now_s[0] = 1_000.0 + after_s
        assert s.guarding.held() == held


def test_held_when_the_exchange_is_silent_then_it_is_unknown_and_asked_again_after_five_seconds(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, now_s = make(), [1_000.0]
    monkeypatch.setattr(recovery, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with monkeypatch.context() as m:
        m.setattr(s.dp._exchange, "fetch_positions", silent)
        assert s.guarding.held() is None
        assert unknown(s) == {"what the exchange holds"}
    assert s.guarding.held() is None
    now_s[0] += 5.0
    assert s.guarding.held() == ()
    assert unknown(s) == set()


def test_exchange_when_the_run_is_dry_then_it_is_asked_for_nothing_and_holds_nothing(
    make: Any,
) -> None:
    s = make(RunMode.DRY_RUN)
    s.dp._exchange.positions = [holds(2.0)]
    s.guarding.loop(LATER)
    assert s.guarding.held() == ()
    assert s.guarding.recovery.holds_now(PAIR) is False
    assert s.guarding.recovery.on_exchange == frozenset()
    assert s.guarding.exchange is None
    assert s.guarding.recovery.differences_of(PAIR) == ()


# -- an entry that nobody knows of ----------------------------------------------------------------


def test_entry_when_it_was_lost_and_there_is_no_mark_then_that_is_said_and_it_is_tried_again(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    answer = s.dp.funding_rate(PAIR)
    monkeypatch.setattr(s.dp, "funding_rate", lambda pair: {**answer, "markPrice": None})
    s.guarding.readings.view = None
    s.guarding.recovery.approved[PAIR] = 5.0
    s.dp._exchange.positions = [holds(5.0)]
    s.guarding.loop(LATER)
    assert f"whether a lost entry in {PAIR} has a stop" in unknown(s)
    assert s.dp._exchange.stops == []
    monkeypatch.setattr(s.dp, "funding_rate", lambda pair: answer)
    s.guarding.readings.view = None
    s.guarding.loop(LATER + timedelta(seconds=5))
    assert s.dp._exchange.stops == [(PAIR, 5.0, "sell", pytest.approx(90.0))]
    assert f"whether a lost entry in {PAIR} has a stop" not in unknown(s)


def test_entry_when_it_was_lost_and_orders_cannot_be_asked_for_then_it_is_stopped_all_the_same(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    monkeypatch.setattr(s.dp._exchange._api, "fetch_open_orders", silent)
    s.guarding.recovery.approved[PAIR] = -5.0
    s.dp._exchange.positions = [holds(5.0, side="short")]
    s.guarding.loop(LATER)
    assert s.dp._exchange.stops == [(PAIR, 5.0, "buy", pytest.approx(110.0))]
    assert PAIR not in s.guarding.recovery.approved


def test_entry_when_the_database_refuses_it_then_it_is_stopped_as_a_whole_before_the_end(
    make: Any,
) -> None:
    s = make()
    s.guarding.recovery.approved[PAIR] = 5.0
    s.dp._exchange.positions = [holds(5.0)]
    stop = {
        "id": "7", "symbol": PAIR, "side": "sell", "amount": 5.0, "remaining": 5.0,
        "reduceOnly": True, "triggerPrice": 90.0, "clientOrderId": "x-1", "info": {},
    }  # fmt: skip
    for resting, placed in (([], 1), ([{**stop, "remaining": 2.0}], 2), ([stop], 2)):
        s.dp._exchange._api.orders = resting
        s.guarding.recovery.before_the_end("the disk is full")
        assert s.dp._exchange.stops == [(PAIR, 5.0, "sell", pytest.approx(90.0))] * placed
    assert noted(s, "database.refused") == ["the trades database refused: the disk is full"]
    said = f"{PAIR}: an entry of 5 cannot be booked: the disk is full"
    assert noted(s, "entry.unbooked") == [said] * 2
    assert unknown(s) == set()


def test_position_when_the_database_refuses_and_it_is_somebody_elses_then_it_is_left_alone(
    make: Any,
) -> None:
    s = make()
    s.guarding.recovery.approved[PAIR] = 5.0
    s.dp._exchange.positions = [holds(3.0)]
    s.guarding.recovery.before_the_end("the disk is full")
    assert s.dp._exchange.stops == []
    assert unknown(s) == set()


def test_database_when_it_refuses_in_a_dry_run_then_that_is_noted_and_no_stop_is_placed(
    make: Any,
) -> None:
    s = make(RunMode.DRY_RUN)
    s.guarding.recovery.approved[PAIR] = 5.0
    s.dp._exchange.positions = [holds(5.0)]
    s.guarding.recovery.before_the_end("the disk is full")
    s.guarding.recovery.before_the_end("the disk is gone")
    assert len(noted(s, "database.refused")) == 2
    assert s.dp._exchange.stops == []


# -- a closing that the trade has not heard of ----------------------------------------------------


@pytest.fixture
def trade(open_trades: list[Any]) -> Iterator[Trade]:
    """A long of 1, in a database of its own."""
    init_db("sqlite://")
    opened = NOW - timedelta(minutes=30)
    entry = Order(
        order_id="1", ft_order_side="buy", ft_pair=PAIR, ft_amount=1.0, ft_price=RATE,
        ft_is_open=False, status="closed", side="buy", amount=1.0, filled=1.0, average=RATE,
        order_filled_date=opened,
    )  # fmt: skip
    made = Trade(
        pair=PAIR, exchange="binance", stake_amount=50.0, amount=1.0, open_rate=RATE,
        fee_open=0.0, fee_close=0.0, open_date=opened, is_open=True, leverage=2.0,
    )  # fmt: skip
    made.orders.append(entry)
    Trade.session.add(made)
    Trade.commit()
    open_trades.append(made)
    yield made
    Trade.session.remove()


def sell(filled: float, when: datetime = NOW, client: str = "x-2") -> dict[str, Any]:
    """An order that closed, as ccxt tells it."""
    return {"id": "2", "symbol": PAIR, "side": "sell", "status": "closed", "type": "market",
            "amount": filled, "filled": filled, "average": RATE, "price": RATE, "remaining": 0.0,
            "timestamp": round(1000 * when.timestamp()), "clientOrderId": client}  # fmt: skip


def closed(s: Any, held: float, *orders: dict[str, Any], left: bool) -> list[str]:
    """Let a loop find that less is held; return the orders the trade has got."""
    if left:
        s.control.clock = lambda: round(1000 * NOW.timestamp())
        s.guarding.leaving(PAIR, NOW)
    s.dp._exchange.positions = [holds(held)] if held else []
    s.dp._exchange.fetch_orders = lambda pair, since: list(orders)
    s.guarding.loop(LATER)
    assert f"why {PAIR} differs" not in unknown(s)
    (trade,) = Trade.get_open_trades()
    return [order.order_id for order in trade.open_orders]


def test_exit_when_its_answer_was_lost_then_its_trade_gets_it_and_nothing_halts(
    make: Any, trade: Trade
) -> None:
    s = make()
    assert closed(s, 0.6, sell(0.4), left=True) == ["2"]
    assert noted(s, "exit.lost") == [f"{PAIR}: the answer to an exit of 0.4 was lost"]
    assert noted(s, "exit.forced") == []
    assert s.control.store.read().mode is ControlMode.ACTIVE


@pytest.mark.parametrize("left", [True, False], ids=["an exit had left", "nothing had"])
def test_position_when_the_exchange_closed_it_then_its_trade_gets_that_and_it_halts(
    make: Any, trade: Trade, left: bool
) -> None:
    s = make()
    assert closed(s, 0.0, sell(1.0, client="autoclose-7"), left=left) == ["2"]
    said = f"{PAIR}: 1 was closed by the exchange itself"
    assert noted(s, "exit.forced") == [said]
    assert noted(s, "exit.lost") == []
    state = s.control.store.read()
    assert (state.mode, state.reason) == (ControlMode.HALTED, said)


def test_position_when_a_person_closed_it_then_its_trade_gets_nothing(
    make: Any, trade: Trade
) -> None:
    s = make()
    assert closed(s, 0.6, sell(0.4), left=False) == []
    assert noted(s, "exit.lost") == noted(s, "exit.forced") == []
