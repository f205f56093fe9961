"""Refusal of fills and mark price paths the account replay could not be trusted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import BoolArray, IntArray
from models.trade.account.records import Fill, MarketPath
from models.trade.account.tiers import MarginTiers

_PRICES = ("open", "high", "low", "close")
_ROUNDING_FRAC = 1e-9  # of a price: a file may have passed through a shorter float


def check_settings(
    wallet_quote: float,
    slippage_frac: float,
    liquidation_fee_frac: float,
    markets: Mapping[str, MarketPath],
    tiers: Mapping[str, MarginTiers],
) -> None:
    """Raise InputError unless the wallet is > 0, costs are fractions and every pair has tiers."""
    if not (np.isfinite(wallet_quote) and wallet_quote > 0):
        raise InputError(f"expected a finite wallet > 0, got {wallet_quote}", where="wallet_quote")
    for name, value in (
        ("slippage_frac", slippage_frac),
        ("liquidation_fee_frac", liquidation_fee_frac),
    ):
        if not 0 <= value < 1:
            raise InputError(
                f"expected 0 <= {name} < 1, got {value}",
                where=name,
                cure="5 basis points are 0.0005",
            )
    missing = sorted(set(markets) - set(tiers))
    if missing:
        raise InputError(
            f"no margin tiers for {missing}",
            where="account replay",
            cure="load the tiers of every market",
        )


def common_grid(markets: Mapping[str, MarketPath]) -> IntArray:
    """Return the one time grid (N,) of all markets.

    Raises
    ------
    InputError
        If there is no market, or one is unsorted, gappy, duplicated, of unequal lengths or has
        prices that are not finite, not > 0 or outside their candle's low and high.
    AlignmentError
        If two markets are on different times, or one is filed under another's name.
    """
    if not markets:
        raise InputError("expected at least one market", where="account replay")
    for key, market in markets.items():
        if key != market.pair:
            raise AlignmentError(
                f"expected {key}, got the path of {market.pair}",
                where="markets",
                cure="key every path by its own pair",
            )
        _check_times(market)
        _check_values(market)
    first, *others = markets.values()
    for market in others:
        _check_aligned(first, market)
    return first.time_ms


def _check_times(market: MarketPath) -> None:
    times = market.time_ms
    if not np.issubdtype(times.dtype, np.integer):
        raise InputError(
            f"expected whole milliseconds, got {times.dtype}",
            where=f"{market.pair}, time_ms",
            cure="pass open times as int64 milliseconds UTC",
        )
    if len(times) < 2:
        raise InputError(
            f"expected at least 2 mark candles, got {len(times)}",
            where=market.pair,
            cure="widen the time range",
        )
    step = np.diff(times)
    usual = int(np.median(step))
    wrong = step <= 0 if (step <= 0).any() else step != usual
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0]) + 1
        raise InputError(
            f"expected evenly spaced, increasing mark candles ({usual} ms), got a step of "
            f"{step[row - 1]} ms at row {row}",
            where=f"{market.pair}, {times[row]} ms",
            cure="sort, remove duplicates and download the missing ones; holes are not filled",
        )


def _check_values(market: MarketPath) -> None:
    for name in (*_PRICES, "funding_rate"):
        if len(getattr(market, name)) != len(market.time_ms):
            raise AlignmentError(
                f"expected {len(market.time_ms)} rows of {name}, got {len(getattr(market, name))}",
                where=market.pair,
                cure="pass NaN where there is no funding; prices have no holes",
            )
    for name in _PRICES:
        values = getattr(market, name)
        _refuse(market, ~(np.isfinite(values) & (values > 0)), f"a finite {name} > 0")
    top, bottom = np.maximum(market.open, market.close), np.minimum(market.open, market.close)
    slack = _ROUNDING_FRAC * top
    outside = (market.low > bottom + slack) | (market.high < top - slack)
    _refuse(market, outside, "low <= open, close <= high")
    _refuse(market, np.isinf(market.funding_rate), "a finite funding rate, or NaN for none")


def _refuse(market: MarketPath, wrong: BoolArray, expected: str) -> None:
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    got = {name: float(getattr(market, name)[row]) for name in (*_PRICES, "funding_rate")}
    raise InputError(
        f"expected {expected}, got {got} ({int(wrong.sum())} rows)",
        where=f"{market.pair}, row {row}, {market.time_ms[row]} ms",
        cure="download the mark candles again; values are never guessed",
    )


def _check_aligned(first: MarketPath, other: MarketPath) -> None:
    a, b = first.time_ms, other.time_ms
    if np.array_equal(a, b):
        return
    n = min(len(a), len(b))
    differs = np.flatnonzero(a[:n] != b[:n])
    row = int(differs[0]) if len(differs) else n
    longer = a if len(a) > n else b
    raise AlignmentError(
        f"expected mark candles of {first.pair} and {other.pair} on the same times, got "
        f"{len(a)} and {len(b)} rows that differ from row {row} on",
        where=f"{other.pair}, {(b if row < n else longer)[row]} ms",
        cure="cut all markets to the same span",
    )


def check_fills(fills: Sequence[Fill], markets: Mapping[str, MarketPath], grid: IntArray) -> None:
    """Raise InputError at the first fill that is unsorted, unknown, outside or not finite."""
    end = int(2 * grid[-1] - grid[-2])
    before = int(grid[0])
    for i, fill in enumerate(fills):
        where = f"fill {i} of {fill.pair} at {fill.time_ms} ms"
        if fill.pair not in markets:
            raise InputError(
                f"expected a fill in {sorted(markets)}, got {fill.pair}",
                where=where,
                cure="pass the mark candles of every pair traded",
            )
        if not grid[0] <= fill.time_ms < end:
            raise InputError(
                f"expected a fill from {grid[0]} ms to before {end} ms, where mark candles are",
                where=where,
                cure="download mark candles for the whole run",
            )
        if fill.time_ms < before:
            raise InputError(
                f"expected fills oldest first, got one before {before} ms",
                where=where,
                cure="sort the fills by time",
            )
        _check_amounts(fill, where)
        before = fill.time_ms


def _check_amounts(fill: Fill, where: str) -> None:
    numbers = (fill.amount_base, fill.price_quote, fill.fee_quote)
    if not np.isfinite(numbers).all() or fill.price_quote <= 0 or fill.amount_base == 0:
        raise InputError(
            f"expected a finite amount other than 0, price > 0 and fee, got {numbers}",
            where=where,
            cure="drop orders that were never filled",
        )
