"""Data tiers of the cascade label beyond candles, and how far the tiers agree.

L1 asks of a candle cascade that the crowd paid for its side beforehand (funding) and that open
interest fell. L2 reads liquidation notional itself, as a spike in units of its own past: the level
of liquidation history is revised after the fact, so only shape and timing may be used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.data.features.rolling import lag

OPEN_INTEREST_DROP = 0.03  # of open interest, from before the onset to its lowest in the window
FUNDING_TAIL = 0.10  # the most expensive tenth of its own past is extreme
SPIKE_QUANTILE = 0.995  # of its own past


def past_rank(values: FloatArray, window: int) -> FloatArray:
    """Return the share of the `window` values before each row that lie below it, (N,) in [0, 1].

    NaN where fewer than half of them are known. The row itself is not among them.

    Examples
    --------
    >>> past_rank(np.array([1.0, 2.0, 3.0, 0.0]), 2)
    array([nan, 1., 1., 0.])
    """
    if window < 1:
        raise InputError(f"expected a window of at least 1 row, got {window}")
    out = np.full(len(values), np.nan)
    for t in range(1, len(values)):
        past = values[max(t - window, 0) : t]
        known = past[np.isfinite(past)]
        if np.isfinite(values[t]) and 2 * len(known) >= window:
            out[t] = (known < values[t]).mean()
    return out


class Confirmed(NamedTuple):
    """Which onsets tier L1 confirms, and which it has the data to tell, (E,) each."""

    yes: BoolArray
    told: BoolArray


def confirm_l1(
    onset_rows: IntArray,
    side: int,
    funding: FloatArray,
    open_interest: FloatArray,
    *,
    history: int,
    window: int,
) -> Confirmed:
    """Return whether each candle onset also has a crowded side and a fall of open interest.

    Parameters
    ----------
    onset_rows
        (E,) rows of the onsets.
    funding
        (N,) rate in force at each close, NaN where unknown.
    open_interest
        (N,) notional or contracts, NaN where unknown.
    history
        Rows the funding is ranked against.
    window
        Rows after the onset in which open interest must fall by `OPEN_INTEREST_DROP`: this looks
        ahead, as a label may.

    Notes
    -----
    Long positions crowd where funding is dear, which is what a fall (side -1) liquidates. The
    funding that counts is that of the candle before the onset; the crash itself moves it.
    """
    if len(funding) != len(open_interest):
        raise AlignmentError(
            f"expected one funding rate per open interest, got {len(funding)} and "
            f"{len(open_interest)}"
        )
    dear = lag(past_rank(-side * funding, history), 1)
    before = lag(open_interest, 1)
    yes, told = np.zeros(len(onset_rows), bool), np.zeros(len(onset_rows), bool)
    for i, t in enumerate(onset_rows):
        after = open_interest[t : t + window + 1]
        known = after[np.isfinite(after)]
        told[i] = np.isfinite(dear[t]) and np.isfinite(before[t]) and len(known) > 0
        if told[i]:
            fell = known.min() <= (1 - OPEN_INTEREST_DROP) * before[t]
            yes[i] = bool(dear[t] >= 1 - FUNDING_TAIL and fell)
    return Confirmed(yes, told)


def liquidation_spikes(notional: FloatArray, history: int) -> BoolArray:
    """Return the rows (N,) whose liquidation notional is beyond 99.5 % of the `history` before.

    A rank within the series' own past: any factor common to all values, such as a later revision
    of the whole level, leaves it as it is. A revision of single values does not.
    """
    rank = past_rank(notional, history)
    return np.asarray(np.nan_to_num(rank, nan=0.0) >= SPIKE_QUANTILE)


class LabelAgreement(NamedTuple):
    """How two tiers' events match: counts, and the median of (second - first) in time units."""

    first: int
    second: int
    first_matched: int  # of the first, with one of the second within the tolerance
    second_matched: int
    median_lag: float


def label_agreement(first: IntArray, second: IntArray, tolerance: int) -> LabelAgreement:
    """Match events by time.

    Parameters
    ----------
    first, second
        (E,), (G,) times of two tiers' onsets, over a span both cover.
    tolerance
        Largest distance of a match, in the same unit.

    Examples
    --------
    >>> label_agreement(np.array([10, 50]), np.array([11, 90, 95]), 2)
    LabelAgreement(first=2, second=3, first_matched=1, second_matched=1, median_lag=1.0)
    """
    if not len(first) or not len(second):
        return LabelAgreement(len(first), len(second), 0, 0, float("nan"))
    apart = second[None, :] - first[:, None]  # (E, G)
    near = np.abs(apart) <= tolerance
    nearest = apart[np.arange(len(first)), np.abs(apart).argmin(axis=1)]
    matched = nearest[near.any(axis=1)]
    return LabelAgreement(
        len(first),
        len(second),
        int(near.any(axis=1).sum()),
        int(near.any(axis=0).sum()),
        float(np.median(matched)) if len(matched) else float("nan"),
    )
