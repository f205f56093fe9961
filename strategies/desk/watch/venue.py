"""The exchange as the watchdog may use it: look, cancel, stop and close. It cannot open anything.

A client of its own, so that it neither waits for the bot's nor dies with it. Each row of an answer
is read by itself: what cannot be read is named, and hides nothing else.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

import ccxt

from models.base.errors import ConfigError, InputError
from models.base.units import Seconds
from models.operate.control.watch import Resting, WatchedPosition
from strategies.account.collateral import require_stake_in
from strategies.account.exchange_answers import (
    WATCHDOG,
    AnswerRow,
    margin_ratio_of,
    resting_of,
    signed_amount,
)
from strategies.account.exchange_client import account_client
from strategies.account.exchange_clock import clock_ahead_s
from strategies.desk.watch.ban import Ban
from strategies.seams.raw_answers import (
    AnsweredRow,
    bound_precision,
    list_markets_apart,
    rows_apart,
)
from strategies.seams.rest_client import every_market
from strategies.seams.throttle import pause_by_monotonic_time

_AMOUNT: Final = "positionAmt"  # Binance's name; ccxt leaves rows out that it takes for empty
_OFF: Final = "timeDifference"  # ccxt's option: milliseconds it takes off the machine's time
_NEWS_MS: Final = 500  # a smaller difference is not why a request was refused

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class ToldRows(Generic[_T]):
    """What an answer tells, and which rows of it cannot be read, each with the reason."""

    items: list[_T] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def venue_client(config: Mapping[str, Any]) -> ccxt.Exchange:
    """Return ccxt's client for the exchange, keys and addresses of a Freqtrade config."""
    block = config["exchange"]
    if config.get("trading_mode") != "futures":
        raise ConfigError("expected trading_mode futures", cure="the watchdog minds margin only")
    pause_by_monotonic_time()  # a clock set back must not stop it
    client: ccxt.Exchange = account_client(block)
    # Leverage tiers, which ccxt would ask for with the positions, are nothing to the watchdog.
    client.options["leverageBrackets"] = {}
    return client


def _heeding(
    method: Callable[Concatenate[Venue, _P], _T],
) -> Callable[Concatenate[Venue, _P], _T]:
    """Decorate what asks the exchange: while that has forbidden it, nothing is sent.

    What it refuses for its date alone, and so has not done, is asked once more by its own clock.
    """

    @wraps(method)
    def asked(venue: Venue, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with venue.ban.heeded(), venue.in_time():
            try:
                return method(venue, *args, **kwargs)
            except ccxt.InvalidNonce:
                if not venue.dates_anew():
                    raise
            return method(venue, *args, **kwargs)

    return asked


class Venue:
    """Positions, orders and margin of the account, and the four things that lower its risk.

    Every method raises ccxt's own errors, and InputError for an answer that is none.

    Parameters
    ----------
    stake
        Currency the bot counts in, and the account's margin with it.
    in_time
        Bounds how long a question in its block may take.
    """

    def __init__(
        self, client: ccxt.Exchange, monotonic: Seconds = time.monotonic, *, stake: str = "USDT",
        in_time: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:  # fmt: skip
        bound_precision(client)
        self._stake, self.in_time = stake, in_time
        self._client, self.ban = client, Ban(client, monotonic)
        self._count = itertools.count()
        self._stamp = f"{WATCHDOG}{client.milliseconds()}"

    # -- looking --------------------------------------------------------------------------------

    @_heeding
    def positions(self) -> ToldRows[WatchedPosition]:
        """Return the open positions."""
        self._know_markets()
        rows = rows_apart(self._client, self._client.fetch_positions)
        if not self._knows(row for answered in rows for row in answered.parsed):
            list_markets_apart(self._client)  # listed since, or left out of the last list
            rows = rows_apart(self._client, self._client.fetch_positions)
        return _told(rows, self._position)

    @_heeding
    def resting(self, symbol: str) -> ToldRows[Resting]:
        """Return the orders that wait in one market, stops included."""
        self._know_markets()
        told: ToldRows[Resting] = ToldRows()
        for params in ({}, {"trigger": True}):
            ask = partial(self._client.fetch_open_orders, symbol, params=params)
            part = _told(rows_apart(self._client, ask), partial(_order, symbol))
            told.items += part.items
            told.unread |= part.unread
        return told

    @_heeding
    def stops(self) -> ToldRows[Resting]:
        """Return the stops that wait in any market; weighs as much as 40 single ones."""
        self._know_markets()
        params = {"trigger": True, **every_market(self._client)}
        ask = partial(self._client.fetch_open_orders, params=params)
        return _told(rows_apart(self._client, ask), partial(_order, ""))

    @_heeding
    def margin_ratio(self) -> float | None:
        """Return maintenance margin over equity as the exchange counts it; None if it does not.

        Raises
        ------
        ConfigError
            If the collateral is in another asset: its count in the stake currency reads 0, which
            would be taken for an account that has lost everything.
        """
        balance = self._client.fetch_balance()
        require_stake_in(balance, self._stake)
        ratio = margin_ratio_of(balance)
        if ratio is not None and not 0 <= ratio < math.inf:
            raise InputError(f"expected a margin ratio >= 0, got {ratio}")
        return ratio

    def dates_anew(self) -> bool:
        """Date requests by the exchange's clock from now on; return whether that changes much."""
        options = self._client.options
        before_ms = options.get(_OFF)
        if before_ms is None:  # an exchange whose requests ccxt dates otherwise
            return False
        try:
            options[_OFF] = round(1000 * clock_ahead_s(self._client))
        except Exception:  # noqa: BLE001 - of any kind: the refusal is what is told
            return False
        return bool(abs(options[_OFF] - before_ms) > _NEWS_MS)

    @_heeding
    def clock_ahead_s(self) -> float:
        """Return how many seconds the machine's clock is ahead of the exchange's."""
        return clock_ahead_s(self._client)

    @_heeding
    def volume_1h_quote(self, symbol: str) -> float | None:
        """Return what was traded in the last full hour, quote units."""
        rows = self._client.fetch_ohlcv(symbol, "1h", limit=2)
        return float(rows[0][4]) * float(rows[0][5]) if len(rows) == 2 else None

    def smallest_quote(self, symbol: str) -> float:
        """Return the least notional of an order."""
        limits = self._client.market(symbol)["limits"]
        return float((limits.get("cost") or {}).get("min") or 0.0)

    def _know_markets(self) -> None:
        if not self._client.markets:
            list_markets_apart(self._client)

    def _knows(self, rows: Iterable[AnswerRow]) -> bool:
        return all(row["symbol"] in self._client.markets for row in rows)

    def _position(self, row: AnsweredRow) -> WatchedPosition | None:
        """Return a row's position; None for one that is empty."""
        parsed = row.parsed[0] if row.parsed else self._own_reading(row)
        if not float(parsed.get("contracts") or 0.0):
            return None
        amount = signed_amount(parsed)
        if parsed["side"] not in ("long", "short") or not math.isfinite(amount):
            raise InputError(f"expected a size and a side, got {amount} {parsed['side']}")
        if parsed["symbol"] not in self._client.markets:  # nobody can tell where it is not
            raise InputError(f"not listed: {parsed['symbol']}")
        return WatchedPosition(symbol=parsed["symbol"], amount=amount, mark=self._mark(parsed))

    def _own_reading(self, row: AnsweredRow) -> AnswerRow:
        """Return a row that ccxt cannot parse, or leaves out, by the little that matters of it."""
        raw = row.raw
        if not isinstance(raw, Mapping) or _AMOUNT not in raw:
            raise InputError(row.error or "left out by ccxt")
        amount = float(raw[_AMOUNT])
        market = self._client.safe_market(str(raw["symbol"]), None, None, "swap")
        if amount and market["symbol"] not in self._client.markets:
            raise InputError("not listed")
        return {
            "symbol": market["symbol"], "contracts": abs(amount), "contractSize": 1.0,
            "side": "short" if amount < 0 else "long",
            "markPrice": raw.get("markPrice"), "entryPrice": raw.get("entryPrice"),
        }  # fmt: skip

    def _mark(self, parsed: AnswerRow) -> float:
        """Return the mark; without one what was traded last, and then the entry's price."""
        symbol = parsed["symbol"]
        asks: tuple[Callable[[], Any], ...] = (
            lambda: parsed["markPrice"],
            lambda: self._client.fetch_ticker(symbol)["last"],
            lambda: parsed["entryPrice"],
        )
        for ask in asks:
            try:
                price = float(ask())
            except Exception:  # noqa: BLE001 - of any kind: the next one is asked
                continue
            if 0 < price < math.inf:
                return price
        raise InputError("no price")

    # -- acting ---------------------------------------------------------------------------------

    @_heeding
    def cancel(self, order: Resting) -> None:
        """Take an order back."""
        params = {} if order.trigger is None else {"trigger": True}
        self._client.cancel_order(order.id, order.symbol, params)

    @_heeding
    def protect(self, position: WatchedPosition, amount: float, price: float) -> None:
        """Place a reduce-only stop for `amount` of a position."""
        self._reduce(
            position, amount, {"stopLossPrice": self._client.price_to_precision(
                position.symbol, price)}
        )  # fmt: skip

    @_heeding
    def close(self, position: WatchedPosition, amount: float) -> float | None:
        """Close `amount` of a position at the market, reduce-only.

        Returns
        -------
        float or None
            How much of it the exchange says was filled; None if it does not say.
        """
        filled = self._reduce(position, amount, {}).get("filled")
        return None if filled is None else float(filled)

    def _reduce(
        self, position: WatchedPosition, amount: float, params: Mapping[str, Any]
    ) -> AnswerRow:
        side = "sell" if position.amount > 0 else "buy"
        size = float(self._client.amount_to_precision(position.symbol, amount))
        extra = {"reduceOnly": True, "clientOrderId": f"{self._stamp}-{next(self._count)}"}
        sent: AnswerRow = self._client.create_order(
            position.symbol, "market", side, size, None, {**extra, **params}
        )  # fmt: skip
        return sent


def _told(rows: Iterable[AnsweredRow], read: Callable[[AnsweredRow], _T | None]) -> ToldRows[_T]:
    told: ToldRows[_T] = ToldRows()
    for row in rows:
        try:
            item = read(row)
        except Exception as error:  # noqa: BLE001 - of any kind: this row is named, others count
            told.unread[_name(row)] = f"{type(error).__name__}: {error}"[:100]
            continue
        if item is not None:
            told.items.append(item)
    return told


def _order(symbol: str, row: AnsweredRow) -> Resting:
    """Return the order of a row, which is to be in `symbol`; empty for any market."""
    if not row.parsed:
        raise InputError(row.error or "left out by ccxt")
    (parsed,) = row.parsed
    order = resting_of(parsed)
    is_asked = symbol in ("", order.symbol)
    whole = parsed["side"] in ("buy", "sell") and is_asked and order.amount >= 0
    # A stop that does not say it only reduces must not be taken for an entry, and back.
    if not whole or (order.trigger is not None and parsed["reduceOnly"] is None):
        raise InputError("expected side, size and kind of an order")
    return order


def _name(row: AnsweredRow) -> str:
    """Return which row it is, in the exchange's words."""
    named = row.raw.get("symbol") if isinstance(row.raw, Mapping) else None
    return named[:20] if isinstance(named, str) else "a row"
