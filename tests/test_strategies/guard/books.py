"""An exchange object with an order book, before which an order gate stands."""

from __future__ import annotations

from typing import Any

from freqtrade.exceptions import InvalidOrderException

from tests.test_strategies.worlds import RATE, OrderBook

BID, ASK = RATE - 0.1, RATE + 0.1


class Book(OrderBook):
    """An exchange with a book that refuses as many quotes as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.bid, self.refuses = BID, 0
        self.no_book: Exception | None = None
        self.cancelled: list[str] = []

    def fetch_l2_order_book(self, pair: str, limit: int) -> dict[str, Any]:
        if self.no_book is not None:
            raise self.no_book
        return {"bids": [[self.bid, 1.0]], "asks": [[self.bid + ASK - BID, 1.0]]}

    def create_order(self, **order: Any) -> dict[str, Any]:
        answer = super().create_order(**order)
        if order["ordertype"] == "limit" and self.refuses:
            self.refuses, self.bid = self.refuses - 1, self.bid - 0.1
            raise InvalidOrderException("Post Only order will be rejected")
        return answer

    def cancel_order(
        self, order_id: str, pair: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        self.cancelled.append(order_id)
        return super().cancel_order(order_id, pair, params)

    def price_get_one_pip(self, pair: str, price: float) -> float:
        return 0.1
