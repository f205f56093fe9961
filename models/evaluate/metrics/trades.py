"""Trade metrics: how often, how much, how long, by side and by exit reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.evaluate.metrics.resampling import TAIL, UNKNOWN, Estimate


def wilson(successes: int, trials: int) -> Estimate:
    """Return a share with its Wilson 95 % interval (Wilson 1927); NaN without trials.

    Trials are taken as independent; trades that overlap in time are less sure than this says.

    Examples
    --------
    >>> [round(x, 4) for x in wilson(8, 10)]
    [0.8, 0.4902, 0.9433]
    """
    if trials == 0:
        return UNKNOWN
    if not 0 <= successes <= trials:
        raise InputError(f"expected 0 <= successes <= {trials}, got {successes}")
    z = float(norm.ppf(1 - TAIL))
    p, shrink = successes / trials, 1 + z * z / trials
    middle = (p + z * z / (2 * trials)) / shrink
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / shrink
    return Estimate(p, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)))


def trade_metrics(
    profit_quote: FloatArray,
    side: IntArray,
    open_ms: IntArray,
    close_ms: IntArray,
    exit_reason: Sequence[str],
) -> dict[str, Any]:
    """Return metrics of closed trades, overall, by side and by exit reason.

    Parameters
    ----------
    profit_quote
        (M,) profit of each trade after fees and funding, quote units.
    side
        (M,) +1 long, -1 short.
    open_ms, close_ms
        (M,) fill times.
    exit_reason
        M reasons.

    Notes
    -----
    ``profit_factor`` is NaN without a losing trade: infinite is not a score.
    """
    hours = (close_ms - open_ms) / HOUR_MS
    reasons = np.asarray(exit_reason, dtype=object)
    return {
        **_group(profit_quote, hours),
        "by_side": {
            name: _group(profit_quote[side == value], hours[side == value])
            for name, value in (("long", 1), ("short", -1))
        },
        "by_exit_reason": [
            {"reason": reason, **_group(profit_quote[reasons == reason], hours[reasons == reason])}
            for reason in sorted(set(exit_reason))
        ],
    }


def _group(profit: FloatArray, hours: FloatArray) -> dict[str, Any]:
    count = len(profit)
    gains, losses = float(profit[profit > 0].sum()), float(-profit[profit < 0].sum())
    return {
        "count": count,
        "win_rate": wilson(int((profit > 0).sum()), count).as_dict(),
        "profit_quote": float(profit.sum()),
        "mean_profit_quote": float(profit.mean()) if count else np.nan,
        "best_quote": float(profit.max()) if count else np.nan,
        "worst_quote": float(profit.min()) if count else np.nan,
        "profit_factor": gains / losses if losses > 0 else np.nan,
        "holding_hours_mean": float(hours.mean()) if count else np.nan,
        "holding_hours_median": float(np.median(hours)) if count else np.nan,
    }
