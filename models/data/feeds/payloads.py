"""Payloads of public endpoints to numbers. Pure: bytes come from elsewhere.

Exchanges answer through ccxt: its unified structures (funding rate, open interest, long/short
ratio, liquidation, order book), whose fields it leaves None where an answer was not as documented.
The others as their providers document them: the Fear & Greed index of alternative.me, coins of
CoinGecko, statistics and transactions of Blockchair, and the REST interface of mempool.space, which
litecoinspace.org serves for Litecoin. A payload that is not as documented is refused whole, with
every offender named: a feed that lies about one row is not to be trusted with the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray

_LATEST_MS: Final = 4_102_444_800_000  # 2100: a time beyond it is in another unit
_EARLIEST_MS: Final = 1_230_768_000_000  # 2009
_SHOWN: Final = 5  # offenders named
_SATOSHI: Final = 1e-8  # of a bitcoin or a litecoin
_HASH: Final = re.compile("[0-9a-f]{64}")  # it becomes part of an address


@dataclass(frozen=True)
class Series:
    """What a feed said, oldest first, times unique."""

    time_ms: IntArray  # (M,) what each value is about
    values: FloatArray  # (M,)

    def __len__(self) -> int:
        return len(self.time_ms)


@dataclass(frozen=True)
class Liquidation:
    """One forced order: side -1 where a long was sold out, +1 where a short was bought in."""

    time_ms: int
    side: int
    notional_quote: float


@dataclass(frozen=True)
class Depth:
    """What rests near the middle of an order book."""

    time_ms: int | None  # None where the exchange does not say
    mid: float
    spread_frac: float
    bid_quote: float  # within the given distance of the middle
    ask_quote: float


@dataclass(frozen=True)
class ChainBlock:
    """One block of a chain; its time is what its miner says."""

    id: str
    height: int
    time_ms: int


@dataclass(frozen=True)
class Transfers:
    """Transactions of at least a given size: how many, and what they moved."""

    count: int
    value_base: float


def funding(payload: Any, symbol: str) -> Series:
    """Return the funding rates paid, as fractions per payment, by time of payment.

    Examples
    --------
    >>> funding([{"symbol": "LTC/USDT:USDT", "fundingRate": 0.0001, "timestamp": 1700000000000}],
    ...         "LTC/USDT:USDT").values
    array([0.0001])
    """
    return _series(payload, "funding", symbol, "timestamp",
                   lambda row: _number(row, "fundingRate", -1.0, 1.0))  # fmt: skip


def open_interest(payload: Any, symbol: str, contract_size: float = 1.0) -> Series:
    """Return the open interest in base units, by time; exchanges count contracts of a size."""
    return _series(payload, "open interest", symbol, "timestamp", lambda row:
                   contract_size * _number(row, "openInterestAmount", 0.0, math.inf))  # fmt: skip


def long_short_ratio(payload: Any, symbol: str) -> Series:
    """Return accounts long over accounts short, by time."""
    return _series(payload, "long/short ratio", symbol, "timestamp",
                   lambda row: _number(row, "longShortRatio", 0.0, math.inf))  # fmt: skip


def order_book(payload: Any, symbol: str, contract_size: float, within_frac: float) -> Depth:
    """Return the depth of an order book within `within_frac` of its middle.

    Amounts are in contracts of `contract_size` base units, best price first.
    """
    if not isinstance(payload, Mapping):
        raise _refused("order book", [f"expected a block, got {_short(payload)}"])
    problems: list[str] = []
    if payload.get("symbol") != symbol:
        problems.append(f"expected symbol {symbol}, got {payload.get('symbol')!r}")
    sides: dict[str, list[tuple[float, float]]] = {}
    for name, sign in (("bids", -1), ("asks", 1)):
        try:
            sides[name] = _levels(payload.get(name), sign)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    try:
        time_ms = None if payload.get("timestamp") is None else _time(payload, "timestamp", 1)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise _refused("order book", problems)
    bid, ask = sides["bids"][0][0], sides["asks"][0][0]
    if bid >= ask:
        raise _refused("order book", [f"the best bid {bid:g} is not below the best ask {ask:g}"])
    mid = (bid + ask) / 2

    def resting(levels: list[tuple[float, float]]) -> float:
        near = (p * a for p, a in levels if abs(p / mid - 1) <= within_frac)
        return contract_size * sum(near)

    return Depth(time_ms, mid, (ask - bid) / mid, resting(sides["bids"]), resting(sides["asks"]))


def fear_greed(payload: Any) -> Series:
    """Return the Fear & Greed index, 0 to 100, by the day it is about."""
    if not isinstance(payload, Mapping) or "data" not in payload:
        raise _refused("fear and greed", [f"expected a block with data, got {_short(payload)}"])
    metadata = payload.get("metadata")
    error = metadata.get("error") if isinstance(metadata, Mapping) else None
    if error:
        raise _refused("fear and greed", [f"the provider says {error!r}"])
    return _series(payload["data"], "fear and greed", None, "timestamp",
                   lambda row: _number(row, "value", 0.0, 100.0), unit_ms=1000)  # fmt: skip


def liquidation(
    event: Any, symbol: str, contract_size: float = 1.0, *, sells_long: str = "sell"
) -> Liquidation:
    """Return one liquidation.

    Parameters
    ----------
    sells_long
        The side the exchange names where a long is liquidated: "sell", the side of the order, with
        Binance; "buy", the side of the position, with Bybit.

    Notes
    -----
    Binance sends at most the largest order of each second: sums of these are a lower bound.
    """
    if not isinstance(event, Mapping):
        raise _refused("liquidation", [f"expected a block, got {_short(event)}"])
    problems: list[str] = []
    notional = contract_size
    for name in ("price", "contracts"):
        try:
            notional *= _number(event, name, 0.0, math.inf)
        except ValueError as error:
            problems.append(str(error))
    if event.get("symbol") != symbol:
        problems.append(f"expected symbol {symbol}, got {event.get('symbol')!r}")
    if event.get("side") not in ("sell", "buy"):
        problems.append(f"expected side sell or buy, got {event.get('side')!r}")
    try:
        time_ms = _time(event, "timestamp", 1)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise _refused("liquidation", problems)
    return Liquidation(time_ms, -1 if event["side"] == sells_long else 1, notional)


def votes(payload: Any, coin_id: str) -> Series:
    """Return the share of a day's votes on CoinGecko that expect a rise, 0 to 1, at its time."""
    if not isinstance(payload, Mapping) or payload.get("id") != coin_id:
        raise _refused("votes", [f"expected the coin {coin_id}, got {_short(payload)}"])
    try:
        share = _number(payload, "sentiment_votes_up_percentage", 0.0, 100.0) / 100
        time_ms = _text_time(payload, "last_updated")
    except ValueError as error:
        raise _refused("votes", [str(error)]) from error
    return Series(np.array([time_ms], np.int64), np.array([share]))


def mempool(payload: Any) -> int:
    """Return how many transactions wait, from `GET /api/mempool` of mempool.space's interface."""
    if not isinstance(payload, Mapping):
        raise _refused("mempool", [f"expected a block, got {_short(payload)}"])
    return _count(payload, "count", "mempool")


def blocks(payload: Any) -> list[ChainBlock]:
    """Return the blocks of `GET /api/v1/blocks[/:height]`, newest first."""
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes) or not payload:
        raise _refused("blocks", [f"expected a list, got {_short(payload)}"])
    problems, out = [], []
    for i, row in enumerate(payload):
        try:
            name = row.get("id") if isinstance(row, Mapping) else None
            if not isinstance(name, str) or not _HASH.fullmatch(name):
                raise ValueError(f"expected a block with its hash in id, got {_short(row)}")
            out.append(
                ChainBlock(name, int(_number(row, "height", 0, 1e9)), _time(row, "timestamp", 1000))
            )
        except ValueError as error:
            problems.append(f"row {i}: {error}")
    if problems:
        raise _refused("blocks", problems)
    return sorted(out, key=lambda block: -block.height)


def block_transfers(payload: Any, least_base: float, *, extension: bool = False) -> Transfers:
    """Return the large transactions of `GET /api/v1/block/:hash/summary`, in the block's order.

    A value is the sum of a transaction's outputs, in 1e-8 coins; change counts as moved. The first
    transaction is what the miner is paid and is left out.

    Parameters
    ----------
    extension
        Leave out the last one too: each Litecoin block ends with the transaction that carries all
        that is in its extension block (LIP-0002), which nobody has sent.
    """
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes) or not payload:
        raise _refused("block summary", [f"expected transactions, got {_short(payload)}"])
    return _transfers(payload[1:-1] if extension else payload[1:], "value", least_base)


def blockchair_transfers(payload: Any, least_base: float) -> tuple[Transfers, bool]:
    """Return the large transactions of `GET /:chain/transactions`, and whether these are all.

    Blockchair answers at most as many rows as asked for (`context.limit`).
    """
    rows = _blockchair(payload)
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise _refused("Blockchair", [f"expected transactions, got {_short(rows)}"])
    sent = [r for r in rows if not (isinstance(r, Mapping) and r.get("is_coinbase") is True)]
    limit = payload["context"].get("limit")
    complete = not (isinstance(limit, int) and len(rows) >= limit)
    return _transfers(sent, "output_total", least_base), complete


def blockchair_mempool(payload: Any) -> int:
    """Return how many transactions wait, from `GET /:chain/stats`."""
    data = _blockchair(payload)
    if not isinstance(data, Mapping):
        raise _refused("statistics", [f"expected a block in data, got {_short(data)}"])
    return _count(data, "mempool_transactions", "statistics")


def _blockchair(payload: Any) -> Any:
    context = payload.get("context") if isinstance(payload, Mapping) else None
    if not isinstance(context, Mapping) or "data" not in payload:
        raise _refused("Blockchair", [f"expected data and context, got {_short(payload)}"])
    if context.get("code") != 200:
        raise _refused("Blockchair", [f"the provider says {_short(context.get('error'))}"])
    return payload["data"]


def _transfers(rows: Sequence[Any], value: str, least_base: float) -> Transfers:
    problems, large = [], []
    for i, row in enumerate(rows):
        try:
            if not isinstance(row, Mapping):
                raise ValueError(f"expected a block, got {_short(row)}")
            moved = _number(row, value, 0.0, math.inf) * _SATOSHI
            if moved >= least_base:
                large.append(moved)
        except ValueError as error:
            problems.append(f"transaction {i}: {error}")
    if problems:
        raise _refused("transactions", problems)
    return Transfers(len(large), math.fsum(large))


def _levels(levels: Any, sign: int) -> list[tuple[float, float]]:
    if not isinstance(levels, Sequence) or isinstance(levels, str | bytes) or not levels:
        raise ValueError(f"expected levels, got {_short(levels)}")
    out: list[tuple[float, float]] = []
    for i, level in enumerate(levels):
        if not isinstance(level, Sequence) or isinstance(level, str) or len(level) < 2:
            raise ValueError(f"level {i}: expected price and amount, got {_short(level)}")
        price = _number({"price": level[0]}, "price", 0.0, math.inf)
        if price == 0 or (out and sign * (price - out[-1][0]) <= 0):
            raise ValueError(f"level {i}: price {price:g} is out of order")
        out.append((price, _number({"amount": level[1]}, "amount", 0.0, math.inf)))
    return out


def _count(row: Mapping[str, Any], name: str, what: str) -> int:
    try:
        return int(_number(row, name, 0.0, 1e9))
    except ValueError as error:
        raise _refused(what, [str(error)]) from error


def _text_time(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"expected a time with its zone in {name}, got {_short(value)}")
    return _time({name: int(time.timestamp() * 1000)}, name, 1)


def _series(
    payload: Any,
    what: str,
    symbol: str | None,
    time_name: str,
    value_of: Callable[[Mapping[str, Any]], float],
    unit_ms: int = 1,
) -> Series:
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes):
        raise _refused(what, [f"expected a list, got {_short(payload)}"])
    problems: list[str] = []
    told: dict[int, float] = {}
    for i, row in enumerate(payload):
        try:
            if not isinstance(row, Mapping):
                raise ValueError(f"expected a block, got {_short(row)}")
            if symbol is not None and row.get("symbol") != symbol:
                raise ValueError(f"expected symbol {symbol}, got {row.get('symbol')!r}")
            time_ms, value = _time(row, time_name, unit_ms), value_of(row)
            if told.setdefault(time_ms, value) != value:
                raise ValueError(f"{time_ms} is told twice, as {told[time_ms]:g} and {value:g}")
        except ValueError as error:
            problems.append(f"row {i}: {error}")
    if problems:
        raise _refused(what, problems)
    times = sorted(told)
    return Series(
        np.array(times, dtype=np.int64), np.array([told[t] for t in times], dtype=np.float64)
    )


def _number(row: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """Return a number, sent as text or as one, within [low, high] and finite."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a number in {name}, got {_short(value)}")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"expected a number in {name}, got {_short(value)}") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError(f"expected {name} from {low:g} to {high:g}, got {number:g}")
    return number


def _time(row: Mapping[str, Any], name: str, unit_ms: int) -> int:
    value = _number(row, name, _EARLIEST_MS / unit_ms, _LATEST_MS / unit_ms)
    if value != int(value):
        raise ValueError(f"expected a whole time in {name}, got {value!r}")
    return int(value) * unit_ms


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refused(what: str, problems: list[str]) -> InputError:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InputError(
        "; ".join(problems[:_SHOWN]) + more,
        where=f"payload of {what}",
        cure="the provider answered otherwise than documented; use the second source",
    )
