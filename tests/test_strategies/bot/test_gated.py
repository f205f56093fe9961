"""What a subclass, Freqtrade or a person may order: nothing that no guard has let through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, RunMode
from freqtrade.exceptions import OperationalException

from models.operate.control.state import ControlMode, Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.gate import OrderRefusedError
from strategies.seams.order_requests import ChangeRequest
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
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

ANN = Person("ann", "command line")
ETH = "ETH/USDT:USDT"


class Eager(BitcoinCrossMargin):
    """An ordinary subclass, which asks nobody."""

    answer: Any = 500.0
    price: float | None = 99.6

    def adjust_trade_position(self, trade: Any, current_time: Any, **kwargs: Any) -> Any:
        return self.answer

    def adjust_entry_price(self, *args: Any, **kwargs: Any) -> float | None:
        return self.price


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    def made(kind: type[BitcoinCrossMargin] = Eager, **blocks: Any) -> Any:
        s = kind(config(**{"user_data_dir": tmp_path} | blocks))
        s.dp, s.wallets = Provider(analysed(sigma=0.001)), Wallets(10_000.0)
        return running(s)

    return made


def order(s: Any, amount: float, **changes: Any) -> dict[str, Any]:
    """Send an order as Freqtrade does."""
    named = {"pair": PAIR, "ordertype": "market", "side": "buy", "amount": amount, "rate": RATE,
             "leverage": 2.0, "reduceOnly": False}  # fmt: skip
    answer: dict[str, Any] = s.dp._exchange.create_order(**named | changes)
    return answer


def adjust(s: Any, trade: Any, rate: float = RATE) -> Any:
    """Ask as Freqtrade does, which names all arguments."""
    return s.adjust_trade_position(
        trade=trade, current_time=NOW, current_rate=rate, current_profit=0.0, min_stake=10.0,
        max_stake=9000.0, current_entry_rate=rate, current_exit_rate=rate,
        current_entry_profit=0.0, current_exit_profit=0.0,
    )  # fmt: skip


def adjust_price(s: Any, trade: Any, remaining: float, *, is_entry: bool = True) -> Any:
    resting = SimpleNamespace(safe_remaining=remaining, safe_price=RATE)
    return s.adjust_order_price(
        trade=trade, order=resting, pair=trade.pair, current_time=NOW, proposed_rate=RATE,
        current_order_rate=RATE, entry_tag=None, side="long", is_entry=is_entry,
    )  # fmt: skip


def written(s: Any, kind: str) -> list[str]:
    return [entry.record["rules"][-1] for entry in s.control.journal.entries(kind=kind)]


# -- entries --------------------------------------------------------------------------------------


def test_entry_when_the_guards_confirm_it_then_one_order_of_that_size_passes(make: Any) -> None:
    s = make()
    assert confirm(s, amount=5.0) is True
    assert order(s, 5.0)["id"] == "1"
    with pytest.raises(OrderRefusedError):
        order(s, 5.0)
    assert confirm(s, amount=5.0, side="short") is True
    with pytest.raises(OrderRefusedError, match="expected at most 5"):
        order(s, 6.0, side="sell")
    assert len(s.dp._exchange.sent) == 1


def test_entry_when_a_subclass_confirms_it_itself_then_it_stops_at_the_gate_and_is_told_once(
    make: Any,
) -> None:
    class Own(BitcoinCrossMargin):
        def confirm_trade_entry(self, **kwargs: Any) -> bool:
            return True

    s = make(Own)
    assert confirm(s) is True
    for _ in range(3):
        with pytest.raises(OrderRefusedError, match="no guard has been asked"):
            order(s, 5.0)
    assert written(s, "order.refused") == ["no guard has been asked for it"]
    (said,) = s.dp.said
    assert (
        said == f"Order refused at the gate: long 5 {PAIR} at 100: no guard has been asked for it"
    )
    (entry,) = s.control.journal.entries(kind="order.refused")
    assert (entry.record["pair"], entry.record["side"], entry.record["leverage"],
            entry.record["notional_quote"]) == (PAIR, "long", 2.0, 500.0)  # fmt: skip
    with pytest.raises(OrderRefusedError):
        order(s, 5.0, side="sell")
    assert "short 5" in s.dp.said[-1]


def test_entry_when_its_leverage_is_not_the_one_the_guards_saw_then_it_stops(make: Any) -> None:
    s = make()
    assert confirm(s, amount=5.0) is True
    with pytest.raises(OrderRefusedError, match="expected leverage 2 at most"):
        order(s, 5.0, leverage=20.0)


def test_entry_when_halted_between_decision_and_order_then_it_stops(make: Any) -> None:
    s = make()
    assert confirm(s, amount=5.0) is True
    s.control.store.halt(ANN, "a test")
    with pytest.raises(OrderRefusedError, match="control is HALTED: a test"):
        order(s, 5.0)


class Follower(BitcoinCrossMargin):
    """Takes its signals from another bot's, as Freqtrade's documentation shows."""

    def populate_entry_trend(self, dataframe: Any, metadata: dict[str, Any]) -> Any:
        theirs, _ = self.dp.get_producer_df(metadata["pair"])
        return dataframe.assign(enter_long=theirs["enter_long"].to_numpy())


def test_entry_when_a_producer_signals_it_then_the_guards_are_asked_and_the_gate_stands(
    make: Any,
) -> None:
    s = make(Follower, external_message_consumer={"enabled": True, "producers": []})
    known = DataProvider(s.config, None)
    known._replace_external_df(PAIR, analysed(enter_long=1), NOW, "1h", CandleType.FUTURES)
    exchange = s.dp._exchange
    s.dp.get_producer_df = known.get_producer_df
    signalled = s.populate_entry_trend(analysed(), {"pair": PAIR})
    assert signalled["enter_long"].to_list() == [1]  # what another bot wants
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        order(s, 5.0)
    s.control.store.halt(ANN, "a test")
    assert stake(s) == 0.0
    assert confirm(s) is False
    assert "control is HALTED" in written(s, "entry.refused")[-1]
    with pytest.raises(OrderRefusedError, match="control is HALTED: a test"):
        order(s, 5.0)
    s.control.commands.resume(ANN)
    assert confirm(s, amount=5.0) is True
    assert order(s, 5.0)["id"] == "1"
    assert len(exchange.sent) == 1


def test_entry_when_the_gate_does_not_stand_then_it_is_refused_and_no_bot_starts(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    s.dp._exchange = None
    s.dp = s.dp
    assert confirm(s, amount=5.0) is False
    assert "no order gate stands" in written(s, "entry.refused")
    monkeypatch.setattr("strategies.bot.guarded.check_all", lambda config: ())
    with pytest.raises(OperationalException, match="no order gate stands"):
        s.bot_start()


def test_two_entries_when_one_is_permitted_or_rests_then_the_other_gets_what_is_left(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    # A repeat of the worst hour may cost new positions 2,250. What waits counts as if it were
    # ether, which fell 40 %: 5,000 of it leave 250, and those 625 more.
    assert confirm(s, amount=50.0) is True
    s.guarding.leverage[ETH] = 2.0
    assert confirm(s, pair=ETH, amount=6.3) is False
    assert confirm(s, pair=ETH, amount=6.2) is True
    order(s, 50.0)
    order(s, 6.2, pair=ETH)
    resting = SimpleNamespace(ft_order_side="buy", safe_remaining=50.0)
    open_trades.append(position(amount=0.0, open_orders=[resting]))  # as after a restart
    assert confirm(s, pair=ETH, amount=6.3) is False
    assert confirm(s, pair=ETH, amount=6.2) is True


def test_entry_when_something_of_a_wilder_coin_waits_then_it_counts_with_that_coins_worst_hour(
    make: Any,
) -> None:
    s = make()
    s.guarding.leverage[ETH] = 2.0
    assert confirm(s, pair=ETH, amount=56.0) is True  # 2,240 of the 2,250 in ether's worst hour
    assert confirm(s, amount=1.0) is False
    s.guarding.permits.void()
    assert confirm(s, amount=1.0) is True


def test_bot_when_the_gate_stands_then_a_loop_leaves_everything_as_it_is(make: Any) -> None:
    s = make()
    s.bot_loop_start(current_time=NOW)
    assert s.control.store.read().mode is ControlMode.ACTIVE
    make(runmode=RunMode.BACKTEST, user_data_dir=None)._look_at_gate()


def test_order_when_its_side_is_none_then_that_is_told_as_what_it_could_be(make: Any) -> None:
    s = make()
    with pytest.raises(OrderRefusedError):
        order(s, 5.0, side="hold")
    assert "short 5" in s.dp.said[-1]
    (entry,) = s.control.journal.entries(kind="order.refused")
    assert entry.record["side"] == "short"


def test_bot_when_something_takes_the_gates_place_then_it_halts_and_the_gate_stands_again(
    make: Any,
) -> None:
    s = make()
    s.dp._exchange.create_order = lambda **order: order
    s.bot_loop_start(current_time=NOW)
    state = s.control.store.read()
    assert state.mode is ControlMode.HALTED
    assert "order gate" in state.reason
    assert s.gate.stands
    with pytest.raises(OrderRefusedError, match="HALTED"):
        order(s, 5.0)


def test_backtest_when_it_runs_then_there_is_no_gate_and_hooks_are_the_subclasss_own(
    make: Any,
) -> None:
    s = make(runmode=RunMode.BACKTEST, user_data_dir=None)
    assert s.gate is None
    assert adjust(s, position()) == 500.0
    assert confirm(s, amount=5.0) is True
    assert order(s, 5.0)["id"] == "1"


def test_backtest_when_an_entry_was_let_through_then_only_its_trade_counts_from_then_on(
    make: Any,
) -> None:
    """A permit that no gate uses up would count as long as it is valid, by the wall's clock."""
    s, live = make(runmode=RunMode.BACKTEST, user_data_dir=None), make()
    for bot in (s, live):
        assert confirm(bot, amount=5.0) is True
    assert s.guarding.exposure(PAIR, RATE).gross_notional_quote == 0.0
    assert live.guarding.exposure(PAIR, RATE).gross_notional_quote == 5.0 * RATE


# -- growing --------------------------------------------------------------------------------------


def test_growth_when_a_subclass_asks_nobody_then_the_guards_are_asked_for_it(make: Any) -> None:
    s = make()
    s.answer = 500.0
    assert adjust(s, position()) == 500.0
    assert order(s, 500.0 * 2 / RATE)["id"] == "1"
    assert len(written_all(s, "entry.accepted")) == 1


def written_all(s: Any, kind: str) -> list[Any]:
    found: list[Any] = s.control.journal.entries(kind=kind)
    return found


def test_growth_when_halted_then_a_subclass_gets_none_and_the_reason_is_written_down(
    make: Any,
) -> None:
    s = make()
    s.control.store.halt(ANN, "a test")
    assert adjust(s, position()) is None
    s.answer = (500.0, "dip")
    assert adjust(s, position()) == (None, "dip")
    s.answer = 0.5
    assert adjust(s, position()) is None
    assert any("HALTED" in why for why in written(s, "entry.refused"))


def test_growth_when_beyond_a_limit_then_a_subclass_gets_none(
    make: Any, open_trades: list[Any]
) -> None:
    s = make()
    open_trades.append(position(amount=50.0))
    s.answer = 1_335.0  # at leverage 2 beyond the 2,668 that a repeat of the worst hour leaves
    assert adjust(s, open_trades[0]) is None
    s.answer = (1_334.0, "dip")
    assert adjust(s, open_trades[0]) == (1_334.0, "dip")


@pytest.mark.parametrize("answer", [None, 0.0, -20.0, (None, ""), (-20.0, "less")])
def test_answer_when_it_does_not_grow_then_it_stays_as_it_is_even_halted(
    make: Any, answer: Any
) -> None:
    s = make()
    s.control.store.halt(ANN, "a test")
    s.answer = answer
    assert adjust(s, position()) == answer


def test_growth_when_the_strategy_has_asked_already_then_it_is_asked_once(make: Any) -> None:
    class Asking(BitcoinCrossMargin):
        def wanted_adjustment(self, *args: Any) -> float | None:
            return 500.0

    s = make(Asking)
    assert adjust(s, position()) == 500.0
    assert len(written_all(s, "entry.accepted")) == 1
    assert order(s, 10.0)["id"] == "1"
    assert adjust(s, position(is_short=True)) == 500.0
    assert len(written_all(s, "entry.accepted")) == 2
    assert order(s, 10.0, side="sell")["id"] == "2"


def test_growth_when_more_is_answered_than_the_guards_allowed_then_it_is_asked_anew(
    make: Any,
) -> None:
    class Greedy(BitcoinCrossMargin):
        def wanted_adjustment(self, *args: Any) -> float | None:
            return 100.0

        def adjust_trade_position(self, **named: Any) -> Any:
            return 3 * (super().adjust_trade_position(**named) or 0.0)

    s = make(Greedy)
    assert adjust(s, position()) is None  # one order for one decision
    assert any("was sent before" in why for why in written(s, "entry.refused"))


def test_growth_when_the_rate_is_worse_than_permitted_then_the_order_stops(make: Any) -> None:
    s = make()
    assert adjust(s, position()) == 500.0
    with pytest.raises(OrderRefusedError, match="a rate of 100 or better"):
        order(s, 9.0, rate=101.0)


def test_growth_when_in_review_mode_then_a_person_is_asked_first(make: Any) -> None:
    blocks = {"limits": {"max_order_equity_frac": 2.0}, "review": {"enabled": True}}
    s = make(breakwater=blocks)
    assert adjust(s, position()) is None
    (proposal,) = s.control.store.read().proposals
    assert proposal.notional_quote == pytest.approx(1000.0)
    with pytest.raises(OrderRefusedError):
        order(s, 10.0)


# -- orders at another price ----------------------------------------------------------------------


def test_resting_entry_when_a_subclass_moves_it_then_the_guards_are_asked_for_the_new_one(
    make: Any,
) -> None:
    s = make()
    assert adjust_price(s, position(), remaining=9.96) == 99.6
    assert order(s, 10.0, rate=99.6)["id"] == "1"  # 9.96 * 100 / 99.6


def test_resting_entry_when_halted_then_it_stays_where_it_is(make: Any) -> None:
    s = make()
    s.control.store.halt(ANN, "a test")
    assert adjust_price(s, position(), remaining=9.9) == RATE
    with pytest.raises(OrderRefusedError):
        order(s, 10.0, rate=99.6)


@pytest.mark.parametrize("price", [None, RATE])
def test_resting_entry_when_it_is_cancelled_or_kept_then_nobody_is_asked(
    make: Any, price: float | None
) -> None:
    s = make()
    s.price = price
    assert adjust_price(s, position(), remaining=9.9) == price
    assert written_all(s, "entry.accepted") == []


def test_resting_exit_when_a_subclass_moves_it_then_nobody_is_asked_even_halted(make: Any) -> None:
    s = make()
    s.control.store.halt(ANN, "a test")
    s.adjust_exit_price = lambda *_, **__: 98.0
    assert adjust_price(s, position(), remaining=9.9, is_entry=False) == 98.0


def test_stake_when_asked_then_no_permit_is_out_for_it_yet(make: Any) -> None:
    s = make()
    assert stake(s) > 0
    with pytest.raises(OrderRefusedError):
        order(s, 0.1)


# -- what a client sets by itself ------------------------------------------------------------------


def test_leverage_when_a_client_sets_it_then_the_bots_own_limit_holds_and_more_is_told(
    make: Callable[..., Any],
) -> None:
    s = make(breakwater={"limits": {"max_leverage": 2.0}})
    s.gate.request(ChangeRequest(what="POST leverage", pair=PAIR, leverage=2.0))
    with pytest.raises(OrderRefusedError, match="POST leverage by the exchange's client"):
        s.gate.request(ChangeRequest(what="POST leverage", pair=PAIR, leverage=2.5))
    assert any("Order refused at the gate: " + PAIR in said for said in s.dp.said)


def test_provider_when_it_is_given_then_every_client_of_its_exchange_refuses_a_page(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    minded: list[object] = []
    monkeypatch.setattr("strategies.bot.gated.refuse_pages", minded.append)
    s = make()
    assert minded == [s.dp._exchange]
    s.dp = DataProvider({"runmode": RunMode.BACKTEST}, None)  # which has no exchange
    assert len(minded) == 1
