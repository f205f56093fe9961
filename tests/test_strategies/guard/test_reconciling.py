"""The books against the exchange's: orders, stops and fills that nothing explains halt, what is on
its way does not, and nothing is asked for when a candle closes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode

from models.operate.control.state import ControlMode, GuardActor
from strategies.account.exchange_account import read_executions, read_transfers
from strategies.account.exchange_answers import fills_of
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.guard.permits import NewRisk
from strategies.guard.reconciling import Reconciler
from tests.test_strategies.fakes import ANN, Client, Exchange, LiveProvider
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Wallets,
    analysed,
    config,
    confirm,
    position,
    running,
)

pytestmark = pytest.mark.usefixtures("open_trades")

OTHER = "LTC/USDT:USDT"


@pytest.fixture
def s(tmp_path: Path) -> Any:
    made = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=RunMode.LIVE))
    state = made.control.store.folder / "state.json"  # a person armed it an hour ago
    kept = json.loads(state.read_text(encoding="utf-8")) | {"armed_ms": ms(-3600)}
    state.write_text(json.dumps(kept), encoding="utf-8")
    made.control._acknowledge, made._hold = "", lambda: None
    made.dp, made.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    return running(made)


@pytest.fixture
def client(s: Any) -> Client:
    found: Client = s.dp._exchange._api
    return found


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ms(seconds: float) -> int:
    return round(at(seconds).timestamp() * 1000)


def loops(s: Any, *seconds: float) -> ControlMode:
    """Loop at these times and return the mode after the last."""
    for when in seconds:
        s.bot_loop_start(at(when))
    found: ControlMode = s.control.store.read().mode
    return found


def why(s: Any) -> str:
    return str(s.control.store.read().reason)


def resting(order: str, **changes: Any) -> dict[str, Any]:
    return {"id": order, "symbol": PAIR, "side": "sell", "amount": 5.0, "remaining": 5.0,
            "reduceOnly": True, "triggerPrice": 95.0, "clientOrderId": "x-1", "info": {},
            **changes}  # fmt: skip


def executed(order: str, when: float, amount: float = 5.0, **changes: Any) -> dict[str, Any]:
    return {"id": f"{order}-{when}", "order": order, "symbol": PAIR, "amount": amount,
            "price": RATE, "timestamp": ms(when), **changes}  # fmt: skip


def order(number: str, side: str = "buy", **changes: Any) -> SimpleNamespace:
    """An order of the bot, filled unless said otherwise."""
    return SimpleNamespace(**{
        "order_id": number, "ft_order_side": side, "ft_is_open": False, "safe_filled": 5.0,
        "safe_amount": 5.0, "safe_remaining": 0.0, "safe_price": RATE,
        "order_date_utc": NOW, **changes,
    })  # fmt: skip


def holding(s: Any, open_trades: list[Any], *orders: Any) -> Any:
    """Let bot and exchange hold 5 of the pair, with these orders of the bot."""
    trade = position(amount=5.0, stake_amount=250.0)
    trade.orders = list(orders)
    trade.open_orders = [o for o in orders if o.ft_is_open and o.ft_order_side != "stoploss"]
    trade.open_sl_orders = [o for o in orders if o.ft_is_open and o.ft_order_side == "stoploss"]
    open_trades.append(trade)
    s.dp._exchange.positions = [{"symbol": PAIR, "contracts": 5.0, "side": "long",
                                 "markPrice": RATE, "liquidationPrice": 40.0}]  # fmt: skip
    return trade


STOP = order("7", "stoploss", ft_is_open=True, safe_filled=0.0, safe_remaining=5.0)


# -- resting orders -------------------------------------------------------------------------------


def test_orders_when_both_sides_agree_then_nothing_halts(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7"), resting("8", clientOrderId="bwdog1-0")]  # and the watchdog's
    assert loops(s, 20, 40, 60, 80) is ControlMode.ACTIVE
    assert confirm(s, current_time=at(81)) is True


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([resting("7"), resting("66", triggerPrice=None, reduceOnly=False)],
         "order 66 of 5 is open on the exchange, the bot does not know it"),
        ([resting("66")], "the bot takes order 7 for open, the exchange does not have it"),
        ([], "no stop on the exchange for 5 of 5"),
        ([resting("7", remaining=2.0)], "no stop on the exchange for 3 of 5"),
    ],
)  # fmt: skip
def test_orders_when_a_difference_lasts_then_it_halts_and_says_which(
    s: Any, client: Client, open_trades: list[Any], orders: list[Any], said: str
) -> None:
    holding(s, open_trades, STOP)
    client.orders = orders
    assert loops(s, 20, 25, 34) is ControlMode.ACTIVE  # perhaps it is on its way
    assert loops(s, 36) is ControlMode.HALTED
    assert said in why(s)


def test_orders_when_the_exchange_was_silent_only_for_freqtrade_then_it_has_another_loop(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, OTHER]  # another pair's looks are not its own
    holding(s, open_trades, STOP)
    client.orders = []
    # The exchange answers every look. Freqtrade, which asked in between, was refused again and
    # again for longer than a difference may last, and asks anew after the second look.
    assert loops(s, 20, 45) is ControlMode.ACTIVE
    assert loops(s, 50) is ControlMode.HALTED
    assert "order 7" in why(s)


def test_orders_when_a_difference_passes_by_itself_then_nothing_halts(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    assert loops(s, 20, 26, 32) is ControlMode.ACTIVE  # its stop is being replaced
    client.orders = [resting("7")]
    assert loops(s, 37, 60) is ControlMode.ACTIVE
    client.orders = []
    assert loops(s, 75, 89) is ControlMode.ACTIVE  # counted from anew


@pytest.mark.parametrize("others", [0, 45], ids=["asked pair by pair", "asked all at once"])
def test_orders_when_nobody_answers_for_a_while_then_that_while_explains_nothing(
    s: Any, client: Client, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, *(f"P{n}/USDT:USDT" for n in range(others))]

    def busy(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("too many requests")

    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    assert loops(s, 20) is ControlMode.ACTIVE
    client.orders = []  # triggered; Freqtrade, which asks the same exchange, cannot know it yet
    assert loops(s, 36) is ControlMode.ACTIVE
    with monkeypatch.context() as m:
        m.setattr(client, "fetch_open_orders", busy)
        assert loops(s, 42, 48, 54, 60, 66) is ControlMode.ACTIVE
    assert loops(s, 72, 78) is ControlMode.ACTIVE  # twelve seconds of answers in all
    assert loops(s, 84) is ControlMode.HALTED
    assert "no stop on the exchange for 5 of 5" in why(s)


@pytest.mark.parametrize("closed", [True, False], ids=["put right", "as it was"])
def test_positions_when_a_person_resumes_then_only_what_is_seen_after_it_halts_again(
    s: Any, client: Client, closed: bool
) -> None:
    s.dp._exchange.positions = [{"symbol": PAIR, "contracts": 5.0, "side": "long",
                                 "markPrice": RATE, "liquidationPrice": 40.0}]  # fmt: skip
    assert loops(s, 20, 26, 32, 38) is ControlMode.HALTED
    assert "the exchange holds 5, the books 0" in why(s)
    if closed:
        s.dp._exchange.positions = []  # at the exchange, by hand, and at once
    s.control.commands.resume(ANN)
    assert loops(s, 38.5) is (ControlMode.ACTIVE if closed else ControlMode.HALTED)


def test_orders_when_a_person_resumes_as_a_candle_closes_then_what_was_seen_before_does_not_halt(
    s: Any, client: Client
) -> None:
    client.orders = [resting("66", clientOrderId="web_1")]
    assert loops(s, 20, 26, 32, 38) is ControlMode.HALTED
    client.orders = []
    s.control.commands.resume(ANN)
    assert loops(s, 3598) is ControlMode.ACTIVE  # too near to ask for orders


def test_orders_when_the_strategy_keeps_no_stops_there_then_none_is_missed(
    s: Any, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a hedge has it: of a strategy that must keep them there, the setting is put back.
    monkeypatch.setattr(s, "_look_at_settings", lambda: None)
    s.order_types = {**s.order_types, "stoploss_on_exchange": False}
    holding(s, open_trades)
    assert loops(s, 20, 40, 60) is ControlMode.ACTIVE


def test_orders_when_there_are_many_pairs_then_they_are_asked_for_all_at_once(
    s: Any, client: Client
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, *(f"P{n}/USDT:USDT" for n in range(45))]
    by_hand = {"clientOrderId": "web_1"}
    client.orders = [resting("66", **by_hand), resting("67", symbol="NOT/LISTED", **by_hand)]
    before = len(client.asked)
    assert loops(s, 20, 28, 36) is ControlMode.HALTED
    assert client.asked[before:].count("orders") == 6  # thrice two
    assert "66" in why(s)
    assert "67" not in why(s)


@pytest.mark.parametrize(("others", "asked"), [(38, 2 * 39), (39, 2)])
def test_orders_when_there_are_forty_pairs_then_asking_for_all_at_once_is_cheaper(
    s: Any, client: Client, others: int, asked: int
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, *(f"P{n}/USDT:USDT" for n in range(others))]
    before = len(client.asked)
    loops(s, 20)
    assert client.asked[before:].count("orders") == asked  # stops and others


def test_orders_when_one_pair_of_several_differs_then_it_is_looked_at_every_five_seconds(
    s: Any, client: Client
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, OTHER]
    client.orders = [resting("66", symbol=OTHER, clientOrderId="web_1")]
    assert loops(s, 20, 25, 30, 34.999) is ControlMode.ACTIVE
    assert loops(s, 35) is ControlMode.HALTED


def test_books_when_the_exchange_does_not_answer_for_one_thing_then_they_are_not_known_to_agree(
    s: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(seconds: float) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = s.guarding.recovery.reconcile([], ms(seconds), 0, None)
        return found

    assert compared(20) == ()
    with monkeypatch.context() as m:
        m.setattr(client, "fetch_balance", gone)
        assert compared(40) is None
    assert compared(45) == ()


def test_orders_when_stops_are_left_from_a_kill_then_they_are_taken_back_and_a_persons_is_not(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    client.orders = [resting("66")]
    loops(s, 20)
    assert s.dp._exchange.cancelled == [("66", PAIR)]  # nothing is held: it protects nothing
    holding(s, open_trades, STOP)
    client.orders = [resting("67")]
    loops(s, 40)
    assert s.dp._exchange.cancelled == [("66", PAIR)]  # 67 is all that protects
    client.orders = [resting("7"), resting("67"), resting("68", clientOrderId="web_1")]
    loops(s, 50)
    assert s.dp._exchange.cancelled == [("66", PAIR), ("67", PAIR)]
    noted = [entry.record["what"] for entry in s.control.journal.entries(kind="stop.left")]
    assert noted == [f"{PAIR}: a stop of 5 that no trade knows"] * 2
    assert loops(s, 55, 66) is ControlMode.HALTED
    assert "68" in why(s)


def test_orders_when_a_stop_is_left_and_the_positions_differ_then_it_stays(
    s: Any, client: Client
) -> None:
    s.dp._exchange.positions = [{"symbol": PAIR, "contracts": 5.0, "side": "long"}]
    client.orders = [resting("66")]
    loops(s, 20)
    assert s.dp._exchange.cancelled == []


# -- fills ----------------------------------------------------------------------------------------


def test_fills_when_amount_and_average_price_are_the_same_then_nothing_halts(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    trade = holding(s, open_trades, order("1"), STOP)
    client.orders = [resting("7")]
    s.order_filled(PAIR, trade, order("1"), at(21))
    client.executions = [
        executed("1", 20, 2.0, price=99.0),
        executed("1", 20.5, 3.0, price=302 / 3),
    ]
    assert loops(s, 25, 45, 65) is ControlMode.ACTIVE
    assert "executions" in client.asked


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "the exchange filled nothing of order 1, the books 5 at 100"),
        ([executed("1", 20, 4.0)], "the exchange filled 4 at 100 of order 1, the books 5 at 100"),
        ([executed("1", 20, price=100.5)], "the exchange filled 5 at 100.5 of order 1"),
        ([executed("1", 20), executed("2", 20.1)], "5 at 100 of order 2, the books nothing"),
    ],
)  # fmt: skip
def test_fills_when_the_books_say_otherwise_then_it_halts_and_says_which(
    s: Any, client: Client, open_trades: list[Any], rows: list[Any], said: str
) -> None:
    trade = holding(s, open_trades, order("1"), STOP)
    client.orders = [resting("7")]
    s.order_filled(PAIR, trade, order("1"), at(21))
    client.executions = rows
    assert loops(s, 25, 30, 39) is ControlMode.ACTIVE
    assert loops(s, 41) is ControlMode.HALTED
    assert said in why(s)


def test_fills_when_an_old_one_is_repeated_then_nobody_looks_for_it_among_the_newest(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    bought = order("1", order_date_utc=at(-172_800))  # two days ago
    trade = holding(s, open_trades, bought, STOP)
    trade.id, trade.is_open = 1, True
    client.orders = [resting("7")]
    s.order_filled(PAIR, trade, bought, at(-172_800))
    assert loops(s, 20) is ControlMode.ACTIVE
    s.order_filled(PAIR, trade, bought, at(21))
    assert loops(s, 25, 45, 65) is ControlMode.ACTIVE
    assert len(s.control.journal.entries(kind="order.filled")) == 1


HALF_A_DAY, DAY = 12 * 3600, 24 * 3600


@pytest.mark.parametrize(("when", "halts"), [(36, True), (35.999, False)])
def test_fills_when_nobody_knows_of_one_then_it_counts_for_half_a_day(
    s: Any, client: Client, open_trades: list[Any], when: float, halts: bool
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    loops(s, 20)
    client.executions = [executed("90", when, 1.0)]  # told of half a day late
    client.wallet -= 1.0
    loops(s, HALF_A_DAY + 20, HALF_A_DAY + 28, HALF_A_DAY + 36)
    assert ("order 90" in why(s)) is halts


@pytest.mark.parametrize(("when", "halts"), [(0, True), (-0.001, False)])
def test_fills_when_nobody_knows_of_one_from_before_the_start_then_it_is_no_matter_of_this_run(
    s: Any, client: Client, open_trades: list[Any], when: float, halts: bool
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    loops(s, 20)
    client.executions = [executed("90", when, 1.0)]
    client.wallet -= 1.0
    loops(s, 30, 38, 46)
    assert ("order 90" in why(s)) is halts


@pytest.mark.parametrize(("when", "halts"), [(36, True), (35.999, False)])
def test_fills_when_the_bot_booked_one_then_the_exchange_has_to_know_it_for_a_day(
    s: Any, client: Client, when: float, halts: bool
) -> None:
    loops(s, 20)
    s.guarding.booked(PAIR, order("5"), at(when))  # never executed
    loops(s, DAY + 20, DAY + 28, DAY + 36)
    assert ("order 5" in why(s)) is halts


@pytest.mark.parametrize(("late", "since_s"), [(9.0, 9), (9.001, -DAY)])
def test_fills_when_they_have_been_read_then_for_a_day_and_a_half_only_later_ones_are_asked_for(
    s: Any, client: Client, monkeypatch: pytest.MonkeyPatch, late: float, since_s: int
) -> None:
    answer, since = client.fetch_my_trades, []

    def noted(pair: str, since_ms: int, limit: int) -> Any:
        since.append(since_ms)
        return answer(pair, since_ms, limit)

    monkeypatch.setattr(client, "fetch_my_trades", noted)
    client.executions = [executed("1", 9)]
    s.guarding.booked(PAIR, order("1"), at(10))
    loops(s, 20)
    s.guarding.booked(PAIR, order("1"), at(10))  # reported once more
    loops(s, HALF_A_DAY + DAY + late)
    assert since == [ms(-DAY), ms(since_s)]


def test_fills_when_they_differ_then_they_are_asked_for_every_five_seconds_and_not_in_each_loop(
    s: Any, client: Client
) -> None:
    s.guarding.booked(PAIR, order("1"), at(10))
    loops(s, 20)
    for seconds, times in ((24.999, 0), (25, 1), (26, 0), (30, 1)):
        before = len(client.asked)
        loops(s, seconds)
        assert client.asked[before:].count("executions") == times


def test_fills_when_one_is_listed_late_then_nothing_halts(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    trade = holding(s, open_trades, order("1"), STOP)
    client.orders = [resting("7")]
    s.order_filled(PAIR, trade, order("1"), at(21))
    loops(s, 25, 31)
    client.executions = [executed("1", 20)]
    assert loops(s, 37, 60) is ControlMode.ACTIVE


@pytest.mark.parametrize("filled", [0.0, 2.0], ids=["not booked", "booked in part"])
def test_fills_when_they_are_of_an_order_still_open_then_they_are_on_their_way(
    s: Any, client: Client, open_trades: list[Any], filled: float
) -> None:
    waiting = order("1", ft_is_open=True, safe_filled=filled, safe_remaining=5.0 - filled)
    trade = holding(s, open_trades, waiting, STOP)
    client.orders = [resting("7"), resting("1", triggerPrice=None, reduceOnly=False)]
    s.guarding.booked(PAIR, order("0"), at(10))
    client.executions = [executed("0", 9), executed("1", 20, 2.0)]
    assert loops(s, 25, 45, 65) is ControlMode.ACTIVE
    # Filled and never told by Freqtrade's hook, as after a restart: its own record is enough.
    trade.orders[0] = order("1")
    trade.open_orders, client.orders = [], client.orders[:1]
    client.executions.append(executed("1", 70, 3.0))
    client.wallet -= 0.2
    assert loops(s, 75, 85, 95) is ControlMode.ACTIVE


def test_fills_when_a_stop_was_triggered_then_the_order_behind_it_is_looked_at(
    s: Any, client: Client
) -> None:
    s.guarding.booked(PAIR, order("7", "stoploss", safe_price=95.0), at(10))
    client.executions = [executed("70", 9, price=95.0)]
    assert loops(s, 25, 45) is ControlMode.ACTIVE
    client.executions[0]["price"] = 94.0
    s.guarding.booked(PAIR, order("7", "stoploss", safe_price=95.0), at(50))
    s.guarding.recovery.books._executed.clear()
    assert loops(s, 55, 63, 71) is ControlMode.HALTED
    assert "94 of order 70, the books 5 at 95" in why(s)


def test_fills_when_the_balance_moves_by_itself_then_executions_are_looked_at(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    loops(s, 20, 30)
    assert "executions" not in client.asked  # nothing has happened
    client.wallet -= 1.0  # somebody traded there and back
    client.executions = [executed("90", 31, 1.0), executed("91", 31, 1.0)]
    assert loops(s, 40, 46, 56) is ControlMode.HALTED
    assert "order 90" in why(s)
    assert "order 91" in why(s)


def test_fills_when_a_person_has_seen_to_them_and_resumed_then_they_are_settled(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    client.executions = [executed("90", 12, 1.0)]
    s.guarding.booked(PAIR, order("5"), at(10))  # never executed
    assert loops(s, 20, 28, 36) is ControlMode.HALTED
    s.control.store.clock = lambda: ms(50)
    s.control.store.resume(ANN)
    assert loops(s, 55, 75, 95) is ControlMode.ACTIVE
    s.control.store.reduce(GuardActor("price_fresh"), "silent")
    client.executions.append(executed("91", 30, 1.0))  # before the resumption, told late
    assert loops(s, 100, 116, 132) is ControlMode.REDUCING


def test_positions_when_an_order_was_just_sent_then_the_very_next_loop_looks(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    books = s.guarding.recovery.books
    monkeypatch.setattr(books, "_positions", lambda trades, found: asked.append(0.0) or ())
    loops(s, 1, 2)  # it has looked at 0
    assert asked == []
    s.guarding.leaving(PAIR, NOW)
    loops(s, 3, 4)
    assert len(asked) == 1
    s.guarding.sent(PAIR, "long", 1.0, at(4))
    loops(s, 5, 6)
    assert len(asked) == 2


# -- when it asks, and what an answer that fails means --------------------------------------------


def test_exchange_when_a_candle_is_about_to_close_or_has_just_closed_then_it_is_left_alone(
    s: Any, client: Client
) -> None:
    loops(s, 20)
    close = 3600 - 2  # NOW is two seconds into the candle
    before = list(client.asked)
    loops(s, close - 2)
    assert client.asked[len(before) :] == ["balance", "orders", "orders"]
    loops(s, close + 20)
    before, close = list(client.asked), close + 3600
    loops(s, close - 1.999, close, close + 0.3, close + 2.999)
    s.dp.frame = analysed(date=NOW + timedelta(minutes=119, seconds=58))
    assert client.asked == before
    loops(s, close + 3)
    assert client.asked[len(before) :] == ["balance", "orders", "orders"]


def test_exchange_when_nothing_happens_then_orders_are_asked_for_every_fifteen_seconds(
    s: Any, client: Client
) -> None:
    loops(s, 20)
    for seconds, times in ((34.999, 0), (35, 2), (49.999, 0), (50, 2)):
        before = len(client.asked)
        loops(s, seconds)
        assert client.asked[before:].count("orders") == times  # stops and others


def test_entry_when_it_is_decided_then_no_more_is_asked_for_than_the_position(
    s: Any, client: Client
) -> None:
    loops(s, 20)
    before = list(client.asked)
    assert confirm(s, current_time=at(21)) is True
    assert client.asked == before


@pytest.mark.parametrize("broken", ["fetch_balance", "fetch_open_orders", "fetch_my_trades"])
def test_exchange_when_it_does_not_answer_then_entries_wait_and_nothing_halts(
    s: Any, client: Client, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def down(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("down")

    s.guarding.booked(PAIR, order("1"), at(10))
    client.executions = [executed("1", 9)]
    with monkeypatch.context() as m:
        m.setattr(client, broken, down)
        assert loops(s, 20, 40, 60) is ControlMode.ACTIVE
        assert s.guarding.unknowns.concerning(PAIR) != ()
        assert confirm(s, current_time=at(61)) is False
    assert loops(s, 80) is ControlMode.ACTIVE
    assert confirm(s, current_time=at(81)) is True
    assert s.guarding.unknowns.concerning(PAIR) == ()


def test_losses_when_the_account_was_last_seen_a_minute_ago_then_the_bots_own_count_decides(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops(s, 20)
    # The bot is never quiet enough to ask, as where candles close all the time.
    monkeypatch.setattr(Reconciler, "_is_quiet", lambda self, now_ms: False)
    s.wallets.total = 9_700.0
    assert loops(s, 40, 79) is ControlMode.ACTIVE  # the exchange's last word still counts
    assert s.guarding.losses.day_frac == pytest.approx(0.0)
    assert loops(s, 80) is ControlMode.HALTED
    assert s.guarding.losses.day_frac == pytest.approx(0.03)


def test_losses_when_the_bots_own_count_is_nothing_left_then_it_is_a_whole_loss_and_halts(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops(s, 20)
    monkeypatch.setattr(Reconciler, "_is_quiet", lambda self, now_ms: False)
    s.wallets.total = 0.0
    assert loops(s, 80) is ControlMode.HALTED
    assert s.guarding.losses.day_frac == pytest.approx(1.0)


# -- the exchange's own margin --------------------------------------------------------------------


def test_margin_when_the_exchange_counts_more_then_it_decides_and_a_person_sees_it(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    client.maintenance = 510.0
    assert loops(s, 20) is ControlMode.ACTIVE
    assert (
        confirm(s, current_time=at(21)) is False
    )  # 5.1 % by the exchange, next to nothing by the pack
    shown = s._figures()
    assert shown["margin ratio by the exchange, %"] == 5.1
    assert shown["distance to liquidation by the exchange, %"] == 60.0
    assert shown["equity by the exchange"] == 10_000.0
    client.maintenance = 5_100.0
    assert loops(s, 30) is ControlMode.REDUCING
    client.maintenance, s.guarding.consequences.warned = 7_100.0, {}
    loops(s, 40)
    assert s.adjust_trade_position(open_trades[0], at(41), RATE, 0.0, 5.0, 5000.0) == -250.0


# -- deposits and withdrawals ---------------------------------------------------------------------


def transfer(number: int, when: float, amount: float) -> dict[str, Any]:
    direction = "in" if amount > 0 else "out"
    return {"id": number, "timestamp": ms(when), "currency": "USDT", "direction": direction,
            "amount": abs(amount)}  # fmt: skip


def test_deposit_and_withdrawal_when_they_are_listed_then_no_loss_is_hidden_or_made_up(
    s: Any, client: Client, tmp_path: Path
) -> None:
    client.profit = -100.0
    loops(s, 20)
    assert s.guarding.losses.day_frac == pytest.approx(0.01)
    client.wallet += 9_900.0
    client.ledger = [transfer(1, 22, 9_900.0)]
    loops(s, 30)
    assert s.guarding.losses.day_frac == pytest.approx(0.01)
    client.wallet -= 15_000.0
    client.ledger.append(transfer(2, 32, -15_000.0))
    assert loops(s, 40) is ControlMode.ACTIVE
    assert s.guarding.losses.peak_frac == pytest.approx(0.01)
    client.profit -= 24.0
    assert loops(s, 45) is ControlMode.ACTIVE
    assert s.guarding.losses.day_frac == pytest.approx(0.015, rel=0.01)
    # Over a restart nothing is counted again, and what came meanwhile is counted once.
    before = s.guarding.losses
    client.wallet += 5_000.0
    client.ledger.append(transfer(3, 57, 5_000.0))
    again = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=RunMode.LIVE))
    again.dp, again.wallets, again._hold = s.dp, s.wallets, lambda: None
    for when in (60, 70, 80):
        again.bot_loop_start(at(when))
        assert again.guarding.losses.day_frac == pytest.approx(before.day_frac)
        assert again.guarding.losses.peak_frac == pytest.approx(before.peak_frac)
    client.profit -= 60.0
    assert loops(again, 85) is ControlMode.HALTED  # the control: a loss is one


def test_deposit_when_wallet_and_history_tell_of_it_one_after_the_other_then_it_is_waited_for(
    s: Any, client: Client
) -> None:
    client.wallet = 5_000.0  # taken out, and not yet listed
    assert loops(s, 20, 25, 30) is ControlMode.ACTIVE
    client.ledger = [transfer(1, 19, -5_000.0)]
    assert loops(s, 34, 60) is ControlMode.ACTIVE
    assert s.guarding.losses.day_frac == pytest.approx(0.0)
    client.ledger.append(transfer(2, 60, 5_000.0))  # listed, and not yet there
    client.wallet += 0.01
    loops(s, 65)
    client.wallet = 10_000.01
    loops(s, 70)
    assert s.guarding.losses.peak_quote == pytest.approx(10_000.01, rel=1e-6)
    client.wallet = 9_000.0  # nothing will explain it
    assert loops(s, 80, 85, 94) is ControlMode.ACTIVE
    assert loops(s, 99) is ControlMode.HALTED


def test_transfers_when_they_cannot_be_asked_for_then_references_stay_and_it_is_said(
    s: Any, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("down")

    monkeypatch.setattr(client, "fetch_ledger", down)
    client.wallet = 9_950.0
    loops(s, 20)
    assert "deposits and withdrawals cannot be had: ConnectionError: down" in caplog.text
    assert s.guarding.losses.day_start_quote == 10_000.0
    assert s.guarding.losses.equity_quote == 9_950.0


def test_transfers_when_the_bot_was_away_for_weeks_then_every_week_is_asked_for() -> None:
    exchange, day = Exchange(), 86_400
    rows = [transfer(n, n * day, 1.0) for n in range(30)]
    exchange._api.ledger = [*rows, {**rows[3], "id": "b", "currency": "BNB"}]
    found = read_transfers(exchange, "USDT", ms(0), ms(25 * day))
    assert [t.id for t in found] == [str(n) for n in range(len(found))]
    assert len(found) >= 26
    assert exchange._api.asked == ["transfers"] * 4


def test_executions_when_there_are_more_than_one_page_then_all_are_read_and_counted_once() -> None:
    exchange = Exchange()
    exchange._api.executions = [
        executed("1", n // 2, 1.0, id=str(n), price=RATE + n % 2) for n in range(2500)
    ]
    rows = read_executions(exchange, PAIR, ms(0))
    (fill,) = fills_of(rows)
    assert (fill.amount, fill.price) == (2500.0, pytest.approx(RATE + 0.5))
    assert len(rows) > 2500  # pages overlap


# -- one pair is one pair -------------------------------------------------------------------------


def gone(*args: Any, **kwargs: Any) -> Any:
    raise ConnectionError("binance -1121 Invalid symbol.")


def unknown(s: Any) -> set[str]:
    return {u.what for u in s.control.store.read().unknown if u.lasts}


def test_positions_when_why_they_differ_cannot_be_found_out_then_the_difference_halts_all_the_same(
    s: Any, client: Client, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    holding(s, open_trades, STOP)
    s.dp._exchange.positions = []  # settled: nothing is held, and its orders cannot be asked for
    s.guarding.leaving(PAIR, NOW)
    assert loops(s, 20, 25) is ControlMode.ACTIVE
    assert f"why {PAIR} differs" in unknown(s)  # this exchange tells no orders at all
    assert loops(s, 36) is ControlMode.HALTED
    assert f"{PAIR}: the exchange holds 0, the books 5" in why(s)
    s.dp._exchange.positions = [{"symbol": PAIR, "contracts": 5.0, "side": "long",
                                 "markPrice": RATE, "liquidationPrice": 40.0}]  # fmt: skip
    loops(s, 45)
    assert f"why {PAIR} differs" not in unknown(s)  # nothing is left to explain


def test_positions_when_an_exit_of_known_size_is_being_booked_then_nothing_is_to_be_explained(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    on_its_way = order("8", "sell", ft_is_open=True, safe_filled=0.0, safe_remaining=5.0)
    trade = holding(s, open_trades, STOP, on_its_way)
    s.dp._exchange.positions = []
    s.guarding.leaving(PAIR, NOW)
    assert loops(s, 20, 25) is ControlMode.ACTIVE
    assert f"why {PAIR} differs" not in unknown(s)  # this exchange tells no orders at all
    trade.open_orders[0].safe_remaining = 4.0  # explains not all of it
    loops(s, 31)
    assert f"why {PAIR} differs" in unknown(s)


def test_positions_when_explaining_breaks_as_a_whole_then_the_difference_is_seen_all_the_same(
    s: Any, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    holding(s, open_trades, STOP)
    s.dp._exchange.positions = []
    monkeypatch.setattr(s.guarding.recovery, "_protect_lost", gone)
    assert loops(s, 20, 28, 36) is ControlMode.HALTED
    assert "the exchange holds 0, the books 5" in why(s)


@pytest.mark.parametrize("kind", ["orders", "fills"])
def test_pair_when_the_exchange_knows_it_no_more_then_the_others_are_compared_and_may_be_entered(
    s: Any, client: Client, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    asked = {"orders": "fetch_open_orders", "fills": "fetch_my_trades"}[kind]
    answer = getattr(client, asked)

    def dead(pair: str, *args: Any, **kwargs: Any) -> Any:
        return gone() if pair == OTHER else answer(pair, *args, **kwargs)

    monkeypatch.setattr(client, asked, dead)
    s.dp.current_whitelist = lambda: [OTHER, PAIR]
    trade = holding(s, open_trades, order("1"), STOP)
    client.orders = [resting("7")]
    s.order_filled(PAIR, trade, order("1"), at(10))
    s.guarding.booked(OTHER, order("5"), at(10))
    client.executions = [executed("1", 9), executed("5", 9, symbol=OTHER)]
    assert loops(s, 20, 40, 60) is ControlMode.ACTIVE
    assert unknown(s) == {f"the {kind} of {OTHER}"}
    assert s.guarding.decide(PAIR, "long", 100.0, RATE, at(61)).allowed
    assert not s.guarding.decide(OTHER, "long", 100.0, RATE, at(61)).allowed
    client.orders = []
    client.executions.append(executed("2", 65))
    client.wallet -= 1.0
    assert loops(s, 66, 72, 90) is ControlMode.HALTED
    assert ("no stop on the exchange" in why(s)) or ("order 7" in why(s)) or ("order 2" in why(s))
    assert OTHER not in why(s)


def test_pair_when_it_is_looked_at_no_more_then_what_differed_in_it_is_forgotten(
    s: Any, client: Client
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, OTHER]
    client.orders = [resting("66", symbol=OTHER, clientOrderId="web_1")]
    assert loops(s, 20, 30) is ControlMode.ACTIVE
    s.dp.current_whitelist = lambda: [PAIR]
    assert loops(s, 36, 50, 70) is ControlMode.ACTIVE


def test_orders_when_many_pairs_are_not_answered_for_then_the_account_is_unknown(
    s: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    s.dp.current_whitelist = lambda: [PAIR, *(f"P{n}/USDT:USDT" for n in range(45))]
    monkeypatch.setattr(client, "fetch_open_orders", gone)
    loops(s, 20)
    assert unknown(s) == {"the exchange's orders"}
    assert confirm(s, current_time=at(21)) is False


def test_stops_when_there_are_several_of_one_trade_then_the_newest_whole_one_stays_and_it_is_said(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    numbers = ("7", "8", "9", "10")
    stops = [order(n, "stoploss", ft_is_open=True, safe_filled=0.0) for n in numbers]
    holding(s, open_trades, *stops)
    client.orders = [resting(n, remaining=2.0 if n == "10" else 5.0) for n in numbers]
    loops(s, 20)
    assert s.dp._exchange.cancelled == [("7", PAIR), ("8", PAIR), ("10", PAIR)]
    noted = [entry.record["what"] for entry in s.control.journal.entries(kind="stop.left")]
    assert noted[0] == f"{PAIR}: a stop of 5 beside another of 5"
    assert len(noted) == 3
    client.orders = [resting("9")]  # Freqtrade has not asked after the others yet
    assert loops(s, 40, 60, 80) is ControlMode.ACTIVE


def test_stops_when_none_of_them_is_whole_or_positions_are_unknown_then_all_stay(
    s: Any, client: Client, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = [order(n, "stoploss", ft_is_open=True, safe_filled=0.0) for n in ("7", "8")]
    holding(s, open_trades, *stops)
    client.orders = [resting("7", remaining=2.0), resting("8", remaining=3.0)]
    loops(s, 20)
    assert s.dp._exchange.cancelled == []
    client.orders = [resting("7"), resting("8")]
    monkeypatch.setattr(s.dp._exchange, "fetch_positions", gone)
    loops(s, 40)
    assert s.dp._exchange.cancelled == []


def test_fill_when_only_its_trade_told_of_it_then_it_stays_known_once_the_trade_is_closed(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, order("1"), STOP)
    client.orders, client.executions = [resting("7")], [executed("1", 20)]
    loops(s, 22)
    client.wallet -= 0.25
    assert loops(s, 30, 36) is ControlMode.ACTIVE
    assert "executions" in client.asked
    open_trades.clear()
    client.orders, s.dp._exchange.positions = [], []
    client.executions.append(executed("2", 40))
    s.guarding.booked(PAIR, order("2", "sell"), at(41))
    assert loops(s, 45, 61, 77) is ControlMode.ACTIVE


# -- losses that are not counted yet --------------------------------------------------------------


def test_entry_when_a_stop_has_filled_then_it_waits_until_the_losses_contain_it(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    trade = holding(s, open_trades, STOP)
    trade.is_open = False
    client.orders = [resting("7")]
    loops(s, 20)
    assert s.guarding.decide(PAIR, "long", 100.0, RATE, at(21)).allowed
    trade.is_open, trade.id = True, 1  # of the fill; what closing writes down is another matter
    open_trades.clear()
    s.dp._exchange.positions, client.orders = [], []
    s.order_filled(PAIR, trade, order("7", "stoploss", safe_price=97.0), at(21.5))
    refused = s.guarding.decide(PAIR, "long", 100.0, RATE, at(22))
    assert not refused.allowed
    assert f"the result of a fill in {PAIR}" in refused.reason
    client.executions = [executed("70", 21, price=97.0)]
    client.wallet -= 150.0  # 1.5 %: its reason is waited for
    loops(s, 23)
    assert "the reason of a jump" in s.guarding.decide(PAIR, "long", 1.0, RATE, at(24)).reason
    loops(s, 30, 39)
    assert s.guarding.losses.day_frac == pytest.approx(0.015)
    assert s.guarding.decide(PAIR, "long", 100.0, RATE, at(40)).allowed
    client.wallet -= 60.0
    loops(s, 45, 61)
    assert not s.guarding.decide(PAIR, "long", 100.0, RATE, at(62)).allowed  # 2.1 % lost


def test_entry_when_the_equity_was_never_seen_in_this_run_then_it_waits(
    tmp_path: Path, s: Any
) -> None:
    again = BitcoinCrossMargin(config(user_data_dir=tmp_path, runmode=RunMode.LIVE))
    again.control._acknowledge = ""
    again.dp, again.wallets = s.dp, s.wallets
    again.guarding.leverage[PAIR] = 2.0
    refused = again.guarding.decide(PAIR, "long", 100.0, RATE, at(1))
    assert "the equity since the start" in refused.reason
    again.guarding.loop(at(2))
    assert again.guarding.decide(PAIR, "long", 100.0, RATE, at(3)).allowed


def test_position_when_it_was_sold_in_an_emergency_then_nothing_is_opened_until_a_person_resumes(
    s: Any, open_trades: list[Any]
) -> None:
    trade = holding(s, open_trades)
    trade.id = 1
    leaving = {"order_type": "market", "amount": 5.0, "rate": RATE, "time_in_force": "GTC",
               "current_time": at(5)}  # fmt: skip
    assert s.confirm_trade_exit(PAIR, trade, exit_reason="exit_signal", **leaving) is True
    assert s.control.store.read().mode is ControlMode.ACTIVE
    assert s.confirm_trade_exit(PAIR, trade, exit_reason="emergency_exit", **leaving) is True
    assert s.control.store.read().mode is ControlMode.HALTED
    assert f"{PAIR}: its stop was refused" in why(s)
    assert len(s.control.journal.entries(kind="protection.failed")) == 1
    s.control.store.resume(ANN)
    assert s.control.store.read().mode is ControlMode.ACTIVE


# -- somebody else's positions --------------------------------------------------------------------


def test_entry_when_somebody_else_holds_another_pair_then_it_is_refused_before_the_halt(
    s: Any, open_trades: list[Any]
) -> None:
    """Within the time a difference may take to explain itself, both together pass any limit."""
    s.dp._exchange.positions = [{"symbol": OTHER, "contracts": 60.0, "side": "long",
                                 "markPrice": RATE, "liquidationPrice": 40.0}]  # fmt: skip
    assert loops(s, 20) is ControlMode.ACTIVE
    assert confirm(s, current_time=at(21)) is False
    assert f"{OTHER}: the exchange holds a position that is not this bot's" in why(s)


def test_position_when_it_is_the_bots_own_and_not_booked_yet_then_it_is_nobody_elses(
    s: Any, open_trades: list[Any]
) -> None:
    s.dp._exchange.positions = [{"symbol": OTHER, "contracts": 5.0, "side": "long",
                                 "markPrice": RATE, "liquidationPrice": 40.0}]  # fmt: skip
    assert loops(s, 20) is ControlMode.ACTIVE
    s.guarding.recovery.approved[OTHER] = 5.0
    assert not strangers(s)
    del s.guarding.recovery.approved[OTHER]
    assert strangers(s)
    s.guarding.leaving(OTHER, NOW)  # it was closed a moment ago
    assert not strangers(s)


def strangers(s: Any) -> list[str]:
    return [d for d in s.guarding.recovery.differences_of(PAIR) if "not this bot's" in d]


def test_trade_when_the_exchange_holds_its_position_then_there_is_an_objection_to_forgetting_it(
    s: Any, client: Client, open_trades: list[Any]
) -> None:
    holding(s, open_trades, STOP)
    client.orders = [resting("7")]
    loops(s, 20)
    assert "left without a stop" in s._held_by_the_exchange(PAIR)
    assert s._held_by_the_exchange(OTHER) == ""
    s.dp._exchange.positions = []
    open_trades.clear()
    loops(s, 30)
    assert s._held_by_the_exchange(PAIR) == ""


def test_order_when_it_is_permitted_then_the_gate_lets_that_much_pass_and_no_more(s: Any) -> None:
    s.guarding.permit(PAIR, "long", 2.0, RATE)
    asked = NewRisk(pair=PAIR, side=1, amount_base=2.0, rate=RATE, leverage=1.0)
    assert s.guarding.permits.why_not(asked) == ""
    assert s.guarding.permits.why_not(replace(asked, side=-1))
    assert s.guarding.permits.why_not(replace(asked, amount_base=4.0))


@pytest.mark.parametrize(("direction", "signed"), [("long", 2.0), ("short", -2.0)])
def test_entry_when_it_is_quoted_anew_then_what_is_left_of_it_explains_itself_on_its_side(
    s: Any, direction: str, signed: float
) -> None:
    resting = SimpleNamespace(
        pair=PAIR, is_short=direction == "short", trade_direction=direction, leverage=3.0
    )
    s.guarding.moved(resting, 2.0, RATE)
    assert s.guarding.recovery.approved[PAIR] == signed
    asked = NewRisk(
        pair=PAIR, side=1 if signed > 0 else -1, amount_base=2.0, rate=RATE, leverage=3.0
    )
    assert s.guarding.permits.why_not(asked) == ""


def test_trade_when_its_fill_is_younger_than_the_last_look_then_the_exchange_is_asked_itself(
    s: Any, open_trades: list[Any]
) -> None:
    loops(s, 20)
    assert s.guarding.recovery.on_exchange == frozenset()  # as compared last
    holding(s, open_trades, STOP)  # filled and booked since
    assert "left without a stop" in s._held_by_the_exchange(PAIR)
    s.dp._exchange.positions = []  # closed since, by hand
    assert s._held_by_the_exchange(PAIR) == ""


def test_trade_when_the_exchange_does_not_say_what_it_holds_then_it_is_not_forgotten(
    s: Any, open_trades: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(pair: str | None = None) -> list[Any]:
        raise ConnectionError("GET https://x.example/?signature=abcdef0123456789")

    loops(s, 20)
    monkeypatch.setattr(s.dp._exchange, "fetch_positions", silent)
    said = s._held_by_the_exchange(PAIR)
    assert "does not say" in said
    assert "(ConnectionError)" in said
    assert "signature" not in said
