"""The order gate: the last place before an order leaves, live and in a dry run.

Whatever is not known to reduce a position needs a permit of the guards, whoever asks for it: the
strategy, a subclass of it, a person through Freqtrade's API or Telegram. A stop or an exit never
needs one. A backtest has no exchange object to send orders through, and no gate.

It stands twice: before the methods Freqtrade orders and cancels with, and before whatever else its
ccxt clients are about to change. There only what has passed the first goes on, an order that the
exchange itself holds to reducing, and one of the book that is taken back. A stop that is cancelled
past Freqtrade does not, as Freqtrade would not know to replace it; nor does a leverage beyond the
limit, another margin mode, a transfer or a withdrawal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from freqtrade.enums import TradingMode
from freqtrade.exceptions import DependencyException, InvalidOrderException, OperationalException
from freqtrade.exchange import Exchange
from freqtrade.persistence import Trade
from freqtrade.rpc import RPCException

from models.trade.risk.snapshot import Stage
from strategies.guard.permits import NewRisk, Permits
from strategies.guard.quotes import Quotes, send_quoted
from strategies.seams.order_methods import (
    ORDER_METHODS,
    CancelMethod,
    OrderMethod,
    cancel_method,
    order_method,
    replace_order_methods,
    stop_method,
)
from strategies.seams.order_requests import (
    ORDER_REQUESTS,
    ChangeRequest,
    look_at_requests,
    looked_at,
)

logger = logging.getLogger(__name__)

_SIGNS: Final = {"buy": 1, "sell": -1}

# Whether the request on its way is of an order that has passed: of this thread, and this call.
_passing: ContextVar[bool] = ContextVar("passing", default=False)


@contextmanager
def _passed() -> Iterator[None]:
    before = _passing.set(True)
    try:
        yield
    finally:
        _passing.reset(before)


class OrderRefusedError(DependencyException, RPCException):  # type: ignore[misc]  # no types
    """An order stopped at the gate.

    Freqtrade's loop goes on to the next pair, as it does without enough money; its API and its
    Telegram answer with the text.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.args = (message,)  # RPCException puts itself there, and no repr of it ever ends


class OrderGate:
    """Stands in front of one exchange object's orders.

    Parameters
    ----------
    permits
        What the guards have allowed.
    stage
        Where the bot runs: live, the exchange itself holds a reduce-only order to what it says.
    refusal
        Why no risk may be added now; asked last, a halt between decision and order counts.
    refused
        Is told of each order that is stopped, and why; must not raise.
    clean
        Takes secrets out of words that may repeat an error's.
    max_leverage
        The most a client may set a pair's to by itself; what Freqtrade sets with an order is the
        permit's.
    """

    def __init__(
        self,
        permits: Permits,
        *,
        stage: Stage,
        refusal: Callable[[], str],
        refused: Callable[[NewRisk, str], None],
        clean: Callable[[str], str] = str,
        max_leverage: float = 1.0,
    ) -> None:
        self.permits, self._stage, self._max_leverage = permits, stage, max_leverage
        self.quotes = Quotes()
        self._refusal, self._refused, self._clean = refusal, refused, clean
        self._exchange: Exchange | None = None
        self._orders: OrderMethod = _not_standing  # Freqtrade's own, once the gate stands
        self._stops: OrderMethod = _not_standing
        self._cancels: CancelMethod = _not_standing

    def stand_before(self, exchange: Exchange | None) -> None:
        """Have every order of `exchange` pass here; without one the gate does not stand.

        Raises
        ------
        OperationalException
            If this Freqtrade sends orders in another way than the gate was made for.
        """
        if why := ORDER_METHODS.missing() or ORDER_REQUESTS.missing():
            raise OperationalException(
                f"No order can be held to the limits in this Freqtrade: {why}. "
                "Install the versions the pack is made for, then `breakwater doctor`."
            )
        self._exchange = exchange
        if exchange is None or self.stands:
            return
        if not self._stands_before_methods(exchange):
            self._orders, self._stops = order_method(exchange), stop_method(exchange)
            self._cancels = cancel_method(exchange)
            replace_order_methods(
                exchange, self.create_order, self.create_stoploss, self.cancel_order
            )
        look_at_requests(exchange, self.request)

    @property
    def stands(self) -> bool:
        """Whether the exchange object's orders pass here now."""
        exchange = self._exchange
        return (
            exchange is not None
            and self._stands_before_methods(exchange)
            and looked_at(exchange, self.request)
        )

    def _stands_before_methods(self, exchange: Exchange) -> bool:
        return (
            order_method(exchange) == self.create_order
            and stop_method(exchange) == self.create_stoploss
            and cancel_method(exchange) == self.cancel_order
        )

    # -- in the place of Freqtrade's own ------------------------------------------------------

    def create_order(self, **order: Any) -> dict[str, Any]:
        """Send an order that reduces a position, or one that the guards have permitted.

        Raises
        ------
        OrderRefusedError
            If it is neither.
        """
        risk = _risk_of(order, order["rate"])
        if order.get("reduceOnly") or (self._is_spot and risk.side < 0):
            self.permits.void()
            amount = self._reducing(risk)
            with _passed():
                return self._send({**order, "amount": amount})
        self._let_through(risk)
        try:
            with _passed():
                answer = self._send(order)
        except BaseException as error:
            # What the exchange has refused was not executed; all else may have been.
            self.permits.settle(risk, answered=isinstance(error, InvalidOrderException))
            raise
        self.permits.settle(risk, answered=True)
        return answer

    def _send(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send an order that has passed; the one that was named as such, post-only."""
        if self._exchange is None or not self.quotes.take(order):
            return self._orders(**order)
        return send_quoted(order, self._exchange, self._orders)

    def create_stoploss(self, **order: Any) -> dict[str, Any]:
        """Place a stop, as large as what it protects at most."""
        amount = self._reducing(_risk_of(order, order["stop_price"]))
        with _passed():
            return self._stops(**{**order, "amount": amount})

    def cancel_order(
        self, order_id: str, pair: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take an order or a stop back; Freqtrade knows of it, and replaces a stop."""
        with _passed():
            return self._cancels(order_id, pair, params)

    # -- before the clients -------------------------------------------------------------------

    def request(self, asked: ChangeRequest) -> None:
        """Let a client's request leave if it is of what has passed, or can only lower risk.

        Raises
        ------
        OrderRefusedError
            If it is of neither: it was sent past Freqtrade, and so past every guard.
        """
        if _passing.get() or asked.reduces or 0 < asked.leverage <= self._max_leverage:
            return
        order = NewRisk(
            pair=asked.pair or asked.what, side=asked.side, amount_base=asked.amount_base,
            rate=asked.price, leverage=1.0,
        )  # fmt: skip
        self._stop(order, f"{asked.what} by the exchange's client, past Freqtrade and the guards")

    # -- what decides -------------------------------------------------------------------------

    def _let_through(self, order: NewRisk) -> None:
        try:
            why = self._refusal() or self.permits.take(order)
        except Exception as error:
            logger.exception("the order gate refuses what it cannot judge")
            why = self._clean(f"{type(error).__name__}: {error}")
        if why:
            self._stop(order, why)

    def _stop(self, order: NewRisk, why: str) -> None:
        self._refused(order, why)
        raise OrderRefusedError(
            f"Refused at the order gate, {order}: {why}. "
            "A position grows through the strategy and its guards only, a stop is cancelled and a "
            "leverage set by Freqtrade."
        )

    @property
    def _is_spot(self) -> bool:
        """Whether nothing can be sold short, and no exit claims to reduce."""
        return self._exchange is not None and self._exchange.trading_mode == TradingMode.SPOT

    def _reducing(self, order: NewRisk) -> float:
        """Return the amount by which an order that claims to reduce may do so.

        Live, the exchange executes no more of it than there is, and what it holds counts, not what
        Freqtrade believes. In a dry run nobody would hold it to that.
        """
        if self._stage is Stage.LIVE and not self._is_spot:
            return order.amount_base
        trades = [trade for trade in Trade.get_open_trades() if trade.pair == order.pair]
        held = sum(-trade.amount if trade.is_short else trade.amount for trade in trades)
        if not order.side * held < 0:
            self._stop(order, "it claims to reduce a position that is not there")
        return float(min(order.amount_base, abs(held)))


def _risk_of(order: Mapping[str, Any], rate: float) -> NewRisk:
    return NewRisk(
        pair=order["pair"], side=_SIGNS.get(order["side"], 0), amount_base=order["amount"],
        rate=rate, leverage=order["leverage"],
    )  # fmt: skip


def _not_standing(*_: Any, **order: Any) -> dict[str, Any]:
    raise OrderRefusedError("the order gate stands before no exchange")
