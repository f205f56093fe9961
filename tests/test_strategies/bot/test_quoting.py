"""Ordinary orders rest in the book for some minutes; what guards or a person close never does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.base import columns
from models.operate.control.state import Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.LitecoinHedge import LitecoinHedge
from strategies.seams import moved_orders
from tests.test_strategies.guard.books import Book
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Provider,
    Wallets,
    analysed,
    config,
    confirm,
    position,
    running,
)

ANN = Person("ann", "command line")
MAKER = {"execution": {"style": "maker"}, "limits": {"max_order_equity_frac": 2.0}}


@pytest.fixture
def make(tmp_path: Path, open_trades: list[Any]) -> Callable[..., Any]:
    number = itertools.count()  # a halt lasts: each bot has a folder of its own

    def made(kind: Any = BitcoinCrossMargin, block: dict[str, Any] = MAKER, **more: Any) -> Any:
        folder = tmp_path / str(next(number))
        s = kind(config(user_data_dir=folder, breakwater=block, **more))
        provider = Provider(analysed(sigma=0.001))
        provider._exchange = Book()
        s.dp, s.wallets = provider, Wallets(10_000.0)
        open_trades[:] = [trade()]
        return running(s) if more == {} else s

    return made


def trade(**changes: Any) -> Any:
    kept: dict[str, Any] = {}
    held = {
        "id": 1, "is_open": True, "amount": 2.0, "get_custom_data": kept.get,
        "set_custom_data": kept.__setitem__, "open_date_utc": NOW, "open_rate_requested": RATE,
        "trade_direction": "long",
    }  # fmt: skip
    return position(**held | changes)


def order(**changes: Any) -> Any:
    resting = {
        "order_id": "7", "ft_pair": PAIR, "order_type": "limit", "side": "sell",
        "ft_order_side": "sell", "safe_filled": 0.0, "safe_remaining": 2.0, "safe_price": RATE,
        "order_date_utc": NOW, "ft_price": RATE,
    }  # fmt: skip
    return SimpleNamespace(**resting | changes)


def leave(s: Any, held: Any, reason: str = "exit_signal", **changes: Any) -> Any:
    asked = {
        "pair": PAIR, "trade": held, "order_type": "market", "amount": 2.0, "rate": RATE,
        "time_in_force": "GTC", "exit_reason": reason, "current_time": NOW,
    }  # fmt: skip
    return s.confirm_trade_exit(**asked | changes)


def send(s: Any, side: str = "sell", *, reduces: bool = True, amount: float = 2.0) -> str:
    """Send what Freqtrade does after it has asked; return the type it left as."""
    exchange = s.dp._exchange
    exchange.create_order(
        pair=PAIR, ordertype="market", side=side, amount=amount, rate=RATE, leverage=2.0,
        reduceOnly=reduces, time_in_force="GTC", initial_order=not reduces,
    )  # fmt: skip
    return str(exchange.sent[-1]["ordertype"])


def test_style_when_taker_then_nothing_rests(make: Any) -> None:
    s = make(block={"limits": {"max_order_equity_frac": 2.0}})
    assert confirm(s, amount=2.0)
    assert send(s, "buy", reduces=False) == "market"
    assert leave(s, trade()) is True
    assert send(s) == "market"
    assert s.order_types["exit"] == "market"
    assert moved_orders._movers == []


def test_entry_when_confirmed_then_it_is_quoted_and_one_a_person_forces_is_not(make: Any) -> None:
    s = make()
    assert confirm(s, amount=2.0)
    assert send(s, "buy", reduces=False) == "limit"
    assert confirm(s, amount=2.0, entry_tag="force_entry")
    assert send(s, "buy", reduces=False) == "market"


@pytest.mark.parametrize("reason", ["exit_signal", "max_hold", "exit_begun"])
def test_exit_when_ordinary_then_it_is_quoted_and_left_to_rest(make: Any, reason: str) -> None:
    s, held = make(), trade()
    assert leave(s, held, reason) is True
    assert send(s) == "limit"
    assert s.exit_is_begun(held)
    held.open_orders = [order()]
    assert leave(s, held, reason) is False  # it is in the book already
    later = NOW + timedelta(minutes=10)
    assert leave(s, held, reason, current_time=later) is True
    assert send(s) == "market"


def test_exit_when_a_subclass_says_yes_to_one_that_rests_then_it_is_not_sent_twice(
    make: Any,
) -> None:
    class Agreeing(BitcoinCrossMargin):
        def confirm_trade_exit(self, *args: Any, **kwargs: Any) -> bool:
            return True

        def check_exit_timeout(self, *args: Any, **kwargs: Any) -> bool:
            return False  # of infinite patience

    s, held = make(Agreeing), trade()
    assert leave(s, held) is True
    assert send(s) == "limit"
    held.open_orders = [order()]
    assert leave(s, held) is False
    asked = {"pair": PAIR, "trade": held, "order": held.open_orders[0], "current_time": NOW}
    assert s.check_exit_timeout(**asked) is False
    _halted(s, held)
    assert s.check_exit_timeout(**asked) is True


@pytest.mark.parametrize(
    "reason",
    ["emergency_exit", "force_exit", "stop_loss", "trailing_stop_loss", "liquidation", "roi",
     "stoploss_on_exchange", "partial_exit", "flatten"],
)  # fmt: skip
def test_exit_when_not_ordinary_then_it_goes_to_market_even_where_one_rests(
    make: Any, reason: str
) -> None:
    s, held = make(), trade(open_orders=[order()])
    assert leave(s, held, reason) is True
    assert send(s) == "market"


def _halted(s: Any, held: Any) -> None:
    s.control.store.halt(ANN, "a test")


def _cascade(s: Any, held: Any) -> None:
    s.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: 0.01})


def _unseen(s: Any, held: Any) -> None:
    s.dp.frame = analysed().iloc[:0]


def _broken(s: Any, held: Any) -> None:
    s.dp.frame = analysed().drop(columns=[columns.FALSE_ALARMS_DOWN])


@pytest.mark.parametrize("happens", [_halted, _cascade, _unseen, _broken])
def test_exit_when_something_happens_while_it_rests_then_it_is_taken_back_and_leaves_at_market(
    make: Any, happens: Callable[[Any, Any], None]
) -> None:
    s, held, resting = make(), trade(), order()
    leave(s, held)
    send(s)
    held.open_orders = [resting]
    asked = {"pair": PAIR, "trade": held, "order": resting, "current_time": NOW}
    assert s.check_exit_timeout(**asked) is False
    happens(s, held)
    assert s.check_exit_timeout(**asked) is True
    assert leave(s, held, "exit_begun") is True
    assert send(s) == "market"
    assert len(s.control.journal.entries(kind="exit")) == 2  # both were written down


def test_entry_when_filled_in_part_then_it_is_cut_by_freqtrade_or_else_by_us(make: Any) -> None:
    s, held = make(), trade(amount=0.0)
    resting = order(side="buy", ft_order_side="buy")
    asked = {"pair": PAIR, "trade": held, "order": resting, "current_time": NOW}
    assert s.check_entry_timeout(**asked) is False
    resting.safe_filled = 0.001
    assert s.check_entry_timeout(**asked) is True
    assert s.dp._exchange.cancelled == []
    assert s.check_entry_timeout(**asked) is False  # too small for Freqtrade: it has left it there
    assert s.dp._exchange.cancelled == ["7"]


def test_entry_when_its_minutes_are_over_or_no_risk_may_be_added_then_it_is_given_up(
    make: Any,
) -> None:
    s, held = make(), trade(amount=0.0)
    asked = {"pair": PAIR, "trade": held, "order": order(side="buy", ft_order_side="buy")}
    assert s.check_entry_timeout(**asked, current_time=NOW + timedelta(minutes=14)) is False
    assert s.check_entry_timeout(**asked, current_time=NOW + timedelta(minutes=15)) is True
    s.control.store.halt(ANN, "a test")
    assert s.check_entry_timeout(**asked, current_time=NOW) is True


def test_quote_when_the_price_has_left_it_then_it_follows_with_a_permit_for_no_more(
    make: Any,
) -> None:
    s, held = make(), trade(amount=0.0)
    resting = order(side="buy", ft_order_side="buy", safe_price=RATE - 0.2)
    assert s._moved_quote(held, resting) == pytest.approx(RATE - 0.1)  # the best bid
    permitted = s.guarding.permits._issued[PAIR].order
    assert permitted.notional_quote == pytest.approx(2.0 * (RATE - 0.2))
    for stays in ({"safe_filled": 0.5}, {"safe_price": RATE + 5}, {"order_type": "market"}):
        assert s._moved_quote(held, order(side="buy", ft_order_side="buy", **stays)) is None
    s.control.store.halt(ANN, "a test")
    assert s._moved_quote(held, resting) is None


def test_quote_when_it_was_put_a_moment_ago_then_it_stays(make: Any) -> None:
    from datetime import UTC, datetime

    s = make()
    fresh = order(side="buy", ft_order_side="buy", safe_price=RATE - 0.2)
    fresh.order_date_utc = datetime.now(UTC)
    assert s._moved_quote(trade(), fresh) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(  # an exit that was asked about and not sent is what could go wrong
            [
                *["exit"] * 4,
                *["staged", "emergency"] * 2,
                "entry",
                "force",
                "halt",
                "danger",
                "calm",
            ]
        ),
        st.booleans(),  # whether the order Freqtrade asked about is sent, or got lost on its way
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(steps=STEPS)
def test_orders_when_hooks_come_in_any_sequence_then_a_guards_exit_is_never_a_limit_order(
    make: Any, steps: list[tuple[str, bool]]
) -> None:
    """As Freqtrade asks and sends, each with the same pair, amount and price: the hardest case."""
    s, held = make(), trade()
    for step, is_sent in steps:
        if step == "entry":
            s.guarding.entries.orders.clear()
            if confirm(s, amount=2.0) and is_sent and not s.control.refusal():
                send(s, "buy", reduces=False)
        elif step == "exit":
            if leave(s, held) and is_sent:
                send(s)
        elif step == "staged":  # a closing of the guards, as `_staged` writes it down
            s._note_reduction(held, RATE, 1.0, NOW)
            assert send(s) == "market"
        elif step == "emergency":  # Freqtrade asks about the order's patience, and of the exit not
            s.check_exit_timeout(pair=PAIR, trade=held, order=order(), current_time=NOW)
            assert send(s) == "market"
        elif step == "force":
            assert leave(s, held, "force_exit") is True
            assert send(s) == "market"
        elif step == "halt":
            s.control.store.halt(ANN, "a test")
        else:
            alarms = 0.01 if step == "danger" else 5.0
            s.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: alarms})
        if s.control.refusal() and leave(s, held):
            assert send(s) == "market"


def test_hedge_when_maker_is_asked_for_then_it_does_not_start(tmp_path: Path) -> None:
    hedge = {"mode": "elsewhere", "primary": {"amount_base": 20.0}, "instruments": [PAIR]}
    with pytest.raises(OperationalException, match="a leg that nobody fills"):
        LitecoinHedge(config(user_data_dir=tmp_path, breakwater={**MAKER, "hedge": hedge}))


def test_backtest_when_maker_then_prices_are_two_ticks_behind_and_exits_go_to_market_in_time(
    make: Any,
) -> None:
    s = make(runmode=RunMode.BACKTEST)
    assert (s.order_types["entry"], s.order_types["exit"]) == ("limit", "limit")
    quoted = {"pair": PAIR, "current_time": NOW, "proposed_rate": RATE, "entry_tag": None}
    assert s.custom_entry_price(trade=None, side="long", **quoted) == pytest.approx(RATE - 0.2)
    assert s.custom_entry_price(trade=None, side="short", **quoted) == pytest.approx(RATE + 0.2)
    held = trade()
    exits = {"pair": PAIR, "trade": held, "current_profit": 0.0, "proposed_rate": RATE}
    for tag, later, price in [
        ("partial_exit", 0, RATE), ("force_exit", 0, RATE), ("exit_signal", 0, RATE + 0.2),
        ("exit_begun", 9, RATE + 0.2), ("exit_begun", 10, RATE),
    ]:  # fmt: skip
        now = NOW + timedelta(minutes=later)
        got = s.custom_exit_price(current_time=now, exit_tag=tag, **exits)
        assert got == pytest.approx(price), (tag, later)
    s.dp.frame = analysed(**{columns.FALSE_ALARMS_DOWN: 0.01})
    assert s.custom_exit_price(current_time=NOW, exit_tag="exit_signal", **exits) == RATE
