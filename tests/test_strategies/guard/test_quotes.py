"""One order is quoted, the one that was named; a refused quote is put anew, nothing else rests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from freqtrade.exceptions import InvalidOrderException, TemporaryError

from models.trade.risk.snapshot import Stage
from strategies.guard.gate import OrderGate
from strategies.guard.permits import NewRisk, Permits
from strategies.guard.quotes import VALID_QUOTE_S, NamedOrder, Quotes
from tests.test_strategies.guard.books import ASK, BID, Book
from tests.test_strategies.worlds import PAIR, RATE, position


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def gate(book: Book, open_trades: list[Any]) -> OrderGate:
    open_trades.append(position(amount=5.0))
    made = OrderGate(
        Permits(), stage=Stage.DRY_RUN, refusal=str, refused=lambda order, why: None
    )  # fmt: skip
    made.stand_before(book)
    return made


def named(**changes: Any) -> NamedOrder:
    order = {"pair": PAIR, "side": "sell", "amount_base": 2.0, "rate": RATE, "reduces": True}
    return NamedOrder(**order | changes)


def send(book: Book, **changes: Any) -> dict[str, Any]:
    order = {"pair": PAIR, "ordertype": "market", "side": "sell", "amount": 2.0, "rate": RATE,
             "leverage": 3.0, "reduceOnly": True, "time_in_force": "GTC"}  # fmt: skip
    answer: dict[str, Any] = book.create_order(**order | changes)
    return answer


def test_order_when_named_then_it_alone_is_post_only_at_the_best_of_its_side(
    gate: OrderGate, book: Book
) -> None:
    gate.quotes.name(named())
    for _ in range(2):
        send(book)
    first, second = book.sent
    assert (first["ordertype"], first["time_in_force"], first["rate"]) == ("limit", "PO", ASK)
    assert (second["ordertype"], second["time_in_force"], second["rate"]) == ("market", "GTC", RATE)


@pytest.mark.parametrize(
    "other", [{"amount": 2.1}, {"rate": RATE + 0.1}, {"pair": "ETH/USDT:USDT"}], ids=str
)
def test_order_when_it_differs_from_the_named_one_then_it_goes_to_market_and_the_name_is_gone(
    gate: OrderGate, book: Book, other: dict[str, Any], open_trades: list[Any]
) -> None:
    open_trades.append(position(pair="ETH/USDT:USDT", amount=5.0))
    gate.quotes.name(named())
    send(book, **other)
    send(book)
    assert [order["ordertype"] for order in book.sent] == ["market", "market"]


def test_entry_when_named_then_it_still_needs_its_permit_and_keeps_its_size(
    gate: OrderGate, book: Book
) -> None:
    entry = {"side": "buy", "reduceOnly": False}
    gate.quotes.name(named(side="buy", reduces=False))
    with pytest.raises(Exception, match="Refused at the order gate"):
        send(book, **entry)
    assert book.sent == []
    gate.permits.issue(NewRisk(pair=PAIR, side=1, amount_base=2.0, rate=RATE, leverage=3.0))
    gate.quotes.name(named(side="buy", reduces=False))
    send(book, **entry)
    [sent] = book.sent
    assert (sent["ordertype"], sent["rate"], sent["amount"]) == ("limit", BID, 2.0)


def test_quote_when_the_book_has_moved_on_then_it_is_put_anew_and_after_three_it_is_an_error(
    gate: OrderGate, book: Book
) -> None:
    book.refuses = 2
    gate.quotes.name(named())
    send(book)
    assert [order["rate"] for order in book.sent] == pytest.approx([ASK, ASK - 0.1, ASK - 0.2])
    book.refuses = 3
    gate.quotes.name(named())
    with pytest.raises(InvalidOrderException, match="Post Only"):
        send(book)
    assert len(book.sent) == 6


def test_exit_when_there_is_no_book_then_it_goes_to_market_and_an_entry_is_not_sent(
    gate: OrderGate, book: Book
) -> None:
    book.no_book = TemporaryError("no book")
    gate.quotes.name(named())
    send(book)
    assert book.sent[0]["ordertype"] == "market"
    gate.permits.issue(NewRisk(pair=PAIR, side=1, amount_base=2.0, rate=RATE, leverage=3.0))
    gate.quotes.name(named(side="buy", reduces=False))
    with pytest.raises(TemporaryError):
        send(book, side="buy", reduceOnly=False)
    assert len(book.sent) == 1


def _void(quotes: Quotes, clock: list[float]) -> None:
    quotes.void()


def _wait(quotes: Quotes, clock: list[float]) -> None:
    clock[0] += VALID_QUOTE_S


def _from_elsewhere(quotes: Quotes, clock: list[float]) -> None:
    quotes.void()
    thread = threading.Thread(target=quotes.name, args=(named(),))
    thread.start()
    thread.join()


@pytest.mark.parametrize("then", [_void, _wait, _from_elsewhere])
def test_name_when_void_late_or_another_threads_then_nothing_is_quoted(
    then: Callable[[Quotes, list[float]], None],
) -> None:
    clock = [0.0]
    quotes = Quotes(lambda: clock[0])
    order = {"pair": PAIR, "side": "sell", "amount": 2.0, "rate": RATE, "reduceOnly": True}
    quotes.name(named())
    assert quotes.take(order)  # the control
    quotes.name(named())
    then(quotes, clock)
    assert not quotes.take(order)
