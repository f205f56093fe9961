"""What an order decided at a close meets in the next candle: prices to fill and stop at, funding.

Not labels of a head: an agent's market is made of them, and no observation ever is.
"""

from __future__ import annotations

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray


def ahead_prices(candles: Candles) -> dict[str, FloatArray]:
    """Return log(price of candle t + 1 / close of candle t) of its four prices, (N,) each.

    Known at the close of candle t + 1; NaN in the last row.

    Examples
    --------
    >>> one = np.array([1.0, 1.0])
    >>> made = Candles(time_ms=np.array([0, 60_000]), open=np.array([1.0, np.e]), high=one * 4,
    ...                low=one, close=np.array([1.0, 2.0]), volume=one)
    >>> ahead_prices(made)["ahead_open"]
    array([ 1., nan])
    """
    out = {}
    prices = (candles.open, candles.high, candles.low, candles.close)
    for name, price in zip(columns.AHEAD_PRICES, prices, strict=True):
        values = np.full(len(candles), np.nan)
        values[:-1] = np.log(price[1:] / candles.close[:-1])
        out[name] = values
    return out


def ahead_funding(
    candles: Candles, candle_ms: int, paid_ms: IntArray, rate: FloatArray, mark: FloatArray
) -> FloatArray:
    """Return what a long pays at the open of candle t + 1, per notional at close t, (N,).

    Negative where it is paid. 0 between payments; NaN before the first and after the last payment
    known, where nobody can tell. Known at that open.

    Parameters
    ----------
    paid_ms, rate, mark
        (P,) times of the payments, in order, their rates, and the mark price each is reckoned at.

    Raises
    ------
    InputError
        If times, rates and marks are not as many, times are not in order, or a payment falls inside
        a candle: then nobody could say who held what.

    Examples
    --------
    >>> one = np.ones(4)
    >>> made = Candles(time_ms=np.arange(4) * 60_000, open=one, high=one, low=one, close=one * 2,
    ...                volume=one)
    >>> ahead_funding(made, 60_000, np.array([60_000, 180_000]), one[:2] * 0.01, one[:2] * 2)
    array([0.01, 0.  , 0.01,  nan])
    """
    if not len(paid_ms) == len(rate) == len(mark) or (np.diff(paid_ms) <= 0).any():
        raise InputError(
            f"expected as many times, in order, as rates and marks, got {len(paid_ms)}, "
            f"{len(rate)} and {len(mark)}",
            where="funding",
        )
    out = np.full(len(candles), np.nan)
    if not len(paid_ms):
        return out
    opens = candles.time_ms + candle_ms
    at = np.searchsorted(opens, paid_ms)
    out[at[0] : at[-1]] = 0.0  # at the last one it is written below
    inside = (paid_ms >= opens[0]) & (paid_ms <= opens[-1])
    rows = at[inside]
    if (opens[rows] - paid_ms[inside] != 0).any():
        off = int(paid_ms[inside][opens[rows] != paid_ms[inside]][0])
        raise InputError(
            f"expected payments at the opens of candles, got one at {off} ms",
            where="funding",
            cure="use candles of at most an hour without gaps",
        )
    out[rows] = (rate * mark)[inside] / candles.close[rows]
    return out
