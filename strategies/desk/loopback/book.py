"""The order book around the replayed price, and what an order takes out of it.

Levels are laid out evenly around the price, so a fill can be computed by hand: the best ask is the
price plus the half spread, rounded up to the tick, each further level one step higher, and every
level offers the same notional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from itertools import islice

from strategies.desk.loopback.symbols import Symbol

BUY, SELL = 1, -1


@dataclass(frozen=True, kw_only=True)
class Liquidity:
    """How much is offered how far from the price."""

    half_spread_bps: float = 0.5
    step_bps: float = 1.0  # between two levels
    level_notional_quote: float = 250_000.0
    refill_ms: int = 1_000  # a level that was taken is whole again after this


@dataclass(frozen=True)
class Level:
    """A price and the base units offered there."""

    price: Decimal
    quantity: Decimal


def round_to(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """Return `value` as a multiple of `step`.

    Examples
    --------
    >>> round_to(Decimal("100.07"), Decimal("0.1"), ROUND_CEILING)
    Decimal('100.1')
    """
    return (value / step).to_integral_value(rounding) * step


def ladder(symbol: Symbol, price: float, taker_side: int, liquidity: Liquidity) -> Iterator[Level]:
    """Yield the levels a taker meets, best first: asks for a buyer, bids for a seller."""
    tick, lot = Decimal(symbol.tick), Decimal(symbol.lot)
    rounding = ROUND_CEILING if taker_side == BUY else ROUND_FLOOR
    middle = Decimal(repr(price))
    best = middle * (1 + taker_side * Decimal(str(liquidity.half_spread_bps)) / 10_000)
    step = max(tick, round_to(middle * Decimal(str(liquidity.step_bps)) / 10_000, tick, ROUND_DOWN))
    level = round_to(best, tick, rounding)
    while level > 0:
        offered = Decimal(str(liquidity.level_notional_quote)) / level
        yield Level(level, max(lot, round_to(offered, lot, ROUND_DOWN)))
        level += taker_side * step


def levels(
    symbol: Symbol, price: float, taker_side: int, liquidity: Liquidity, count: int
) -> list[Level]:
    """Return the `count` best levels."""
    return list(islice(ladder(symbol, price, taker_side, liquidity), count))


def sweep(
    offers: Iterator[Level],
    quantity: Decimal,
    taker_side: int,
    limit: Decimal,
    taken: Mapping[Decimal, Decimal],
) -> list[Level]:
    """Return what an order for `quantity` executes at, best first, no worse than `limit`.

    `taken` is what others have just taken at each price. The sum falls short of `quantity` where
    the book does.

    Examples
    --------
    >>> offers = iter([Level(Decimal(100), Decimal(2)), Level(Decimal(101), Decimal(2))])
    >>> [(str(f.price), str(f.quantity)) for f in sweep(offers, Decimal(3), BUY, Decimal(105), {})]
    [('100', '2'), ('101', '1')]
    """
    fills = []
    left = quantity
    for offer in offers:
        if left <= 0 or taker_side * (offer.price - limit) > 0:
            break
        part = min(left, offer.quantity - taken.get(offer.price, Decimal(0)))
        if part > 0:
            fills.append(Level(offer.price, part))
            left -= part
    return fills
