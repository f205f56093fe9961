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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from pydantic import Field, TypeAdapter

from models.base.types import FloatArray, IntArray
from models.data.feeds.documented import (
    BlockRow,
    BookLevel,
    FearGreedRow,
    ForcedOrder,
    FundingRow,
    LongShortRow,
    OpenInterestRow,
    OrderBook,
    Sentiment,
    Statistics,
    SummaryRow,
    TransactionRow,
    Waiting,
    held_to,
    refusal,
    shortened,
)

_SATOSHI: Final = 1e-8  # of a bitcoin or a litecoin

_FUNDING: Final = TypeAdapter(list[FundingRow])
_OPEN_INTEREST: Final = TypeAdapter(list[OpenInterestRow])
_LONG_SHORT: Final = TypeAdapter(list[LongShortRow])
_FEAR_GREED: Final = TypeAdapter(list[FearGreedRow])
_ORDER_BOOK: Final = TypeAdapter(OrderBook)
_FORCED_ORDER: Final = TypeAdapter(ForcedOrder)
_SENTIMENT: Final = TypeAdapter(Sentiment)
_WAITING: Final = TypeAdapter(Waiting)
_STATISTICS: Final = TypeAdapter(Statistics)
_BLOCKS: Final = TypeAdapter(Annotated[list[BlockRow], Field(min_length=1)])
_SUMMARY: Final = TypeAdapter(list[SummaryRow])
_TRANSACTIONS: Final = TypeAdapter(list[TransactionRow])


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


def funding(payload: object, symbol: str) -> Series:
    """Return the funding rates paid, as fractions per payment, by time of payment.

    Examples
    --------
    >>> funding([{"symbol": "LTC/USDT:USDT", "fundingRate": 0.0001, "timestamp": 1700000000000}],
    ...         "LTC/USDT:USDT").values
    array([0.0001])
    """
    rows = held_to(_FUNDING, payload, "funding", symbol=symbol)
    return _series("funding", [(row.time, row.value) for row in rows])


def open_interest(payload: object, symbol: str, contract_size: float = 1.0) -> Series:
    """Return the open interest in base units, by time; exchanges count contracts of a size."""
    rows = held_to(_OPEN_INTEREST, payload, "open interest", symbol=symbol)
    return _series("open interest", [(row.time, contract_size * row.value) for row in rows])


def long_short_ratio(payload: object, symbol: str) -> Series:
    """Return accounts long over accounts short, by time."""
    rows = held_to(_LONG_SHORT, payload, "long/short ratio", symbol=symbol)
    return _series("long/short ratio", [(row.time, row.value) for row in rows])


def order_book(payload: object, symbol: str, contract_size: float, within_frac: float) -> Depth:
    """Return the depth of an order book within `within_frac` of its middle.

    Amounts are in contracts of `contract_size` base units, best price first.
    """
    book = held_to(_ORDER_BOOK, payload, "order book", symbol=symbol, item="level")
    problems = [
        f"{name}: {fault}"
        for name, levels, sign in (("bids", book.bids, -1), ("asks", book.asks, 1))
        if (fault := _out_of_order(levels, sign))
    ]
    bid, ask = book.bids[0].price, book.asks[0].price
    if not problems and bid >= ask:
        problems.append(f"the best bid {bid:g} is not below the best ask {ask:g}")
    if problems:
        raise refusal("order book", problems)
    mid = (bid + ask) / 2

    def resting(levels: list[BookLevel]) -> float:
        near = (v.price * v.amount for v in levels if abs(v.price / mid - 1) <= within_frac)
        return contract_size * sum(near)

    return Depth(book.time, mid, (ask - bid) / mid, resting(book.bids), resting(book.asks))


def fear_greed(payload: object) -> Series:
    """Return the Fear & Greed index, 0 to 100, by the day it is about."""
    if not isinstance(payload, Mapping) or "data" not in payload:
        raise refusal("fear and greed", [f"expected a block with data, got {shortened(payload)}"])
    metadata = payload.get("metadata")
    error = metadata.get("error") if isinstance(metadata, Mapping) else None
    if error:
        raise refusal("fear and greed", [f"the provider says {error!r}"])
    rows = held_to(_FEAR_GREED, payload["data"], "fear and greed")
    return _series("fear and greed", [(1000 * row.time, row.value) for row in rows])


def liquidation(
    event: object, symbol: str, contract_size: float = 1.0, *, sells_long: str = "sell"
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
    order = held_to(_FORCED_ORDER, event, "liquidation", symbol=symbol)
    side = -1 if order.side == sells_long else 1
    return Liquidation(order.time, side, contract_size * order.price * order.contracts)


def votes(payload: object, coin_id: str) -> Series:
    """Return the share of a day's votes on CoinGecko that expect a rise, 0 to 1, at its time."""
    if not isinstance(payload, Mapping) or payload.get("id") != coin_id:
        raise refusal("votes", [f"expected the coin {coin_id}, got {shortened(payload)}"])
    found = held_to(_SENTIMENT, payload, "votes")
    return _series("votes", [(found.time, found.up_percent / 100)])


def mempool(payload: object) -> int:
    """Return how many transactions wait, from `GET /api/mempool` of mempool.space's interface."""
    return int(held_to(_WAITING, payload, "mempool").count)


def blocks(payload: object) -> list[ChainBlock]:
    """Return the blocks of `GET /api/v1/blocks[/:height]`, newest first."""
    rows = held_to(_BLOCKS, payload, "blocks")
    found = [ChainBlock(row.id, int(row.height), 1000 * row.time) for row in rows]
    return sorted(found, key=lambda block: -block.height)


def block_transfers(payload: object, least_base: float, *, extension: bool = False) -> Transfers:
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
        raise refusal("block summary", [f"expected transactions, got {shortened(payload)}"])
    sent = payload[1:-1] if extension else payload[1:]
    rows = held_to(_SUMMARY, sent, "transactions", item="transaction")
    return _transfers([row.moved for row in rows], least_base)


def blockchair_transfers(payload: object, least_base: float) -> tuple[Transfers, bool]:
    """Return the large transactions of `GET /:chain/transactions`, and whether these are all.

    Blockchair answers at most as many rows as asked for (`context.limit`).
    """
    data, context = _blockchair(payload)
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise refusal("Blockchair", [f"expected transactions, got {shortened(data)}"])
    sent = [r for r in data if not (isinstance(r, Mapping) and r.get("is_coinbase") is True)]
    rows = held_to(_TRANSACTIONS, sent, "transactions", item="transaction")
    limit = context.get("limit")
    complete = not (isinstance(limit, int) and len(data) >= limit)
    return _transfers([row.moved for row in rows], least_base), complete


def blockchair_mempool(payload: object) -> int:
    """Return how many transactions wait, from `GET /:chain/stats`."""
    data, _ = _blockchair(payload)
    return int(held_to(_STATISTICS, data, "statistics").count)


def _blockchair(payload: object) -> tuple[object, Mapping[str, object]]:
    """Return what Blockchair answers, and what it says about the answer."""
    block = payload if isinstance(payload, Mapping) else {}
    context = block.get("context")
    if not isinstance(context, Mapping) or "data" not in block:
        raise refusal("Blockchair", [f"expected data and context, got {shortened(payload)}"])
    if context.get("code") != 200:
        raise refusal("Blockchair", [f"the provider says {shortened(context.get('error'))}"])
    return block["data"], context


def _transfers(moved: Sequence[float], least_base: float) -> Transfers:
    large = [value * _SATOSHI for value in moved if value * _SATOSHI >= least_base]
    return Transfers(len(large), math.fsum(large))


def _out_of_order(levels: Sequence[BookLevel], sign: int) -> str:
    """Return which level is no worse than the one before it, or nothing."""
    before = None
    for i, level in enumerate(levels):
        if level.price == 0 or (before is not None and sign * (level.price - before) <= 0):
            return f"level {i}: price {level.price:g} is out of order"
        before = level.price
    return ""


def _series(what: str, rows: Sequence[tuple[int, float]]) -> Series:
    problems: list[str] = []
    known: dict[int, float] = {}
    for i, (time_ms, value) in enumerate(rows):
        if known.setdefault(time_ms, value) != value:
            problems.append(
                f"row {i}: {time_ms} is told twice, as {known[time_ms]:g} and {value:g}"
            )
    if problems:
        raise refusal(what, problems)
    times = sorted(known)
    return Series(
        np.array(times, dtype=np.int64), np.array([known[t] for t in times], dtype=np.float64)
    )
