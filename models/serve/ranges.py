"""What the regression of the coming range reads: averages of past squared ranges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.base.columns import FEATURE_SIGMA
from models.base.errors import InputError
from models.base.types import Float32Array, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.base.windows import MAX_CONTEXT_CANDLES

LARGEST_RANGE: Final = 1.0  # log(high / low) of a candle; beyond it a feature is broken
SMALLEST_VARIANCE: Final = 1e-12  # keeps the log finite where no candle traded
PARKINSON: Final = 4.0 * np.log(2.0)  # E[range^2] over the variance of a driftless random walk

_UNITS_MS = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_RANGE = re.compile(r"%-range(?:_gen_[A-Z0-9]+/.*_(\d+)([mhdw]))?$")


@dataclass(frozen=True)
class RangeInputs:
    """Weighted means of the last R squared ranges, one per input.

    Attributes
    ----------
    names
        Of the W inputs.
    kernel
        (W, R) weights, the oldest candle first; each row sums to 1.
    """

    names: tuple[str, ...]
    kernel: FloatArray

    @property
    def reach(self) -> int:
        """Candles one value looks back on, its own included."""
        return int(self.kernel.shape[1])

    def logs(self, squared: FloatArray) -> FloatArray:
        """Return the log variances (T - R + 1, W) of gap-free squared ranges (T,).

        Row i ends with candle i + R - 1 and is known at its close.
        """
        one = len(squared) == self.reach  # live; making a view takes longer than the sums
        past = squared[None] if one else sliding_window_view(squared, self.reach)
        # Row by row: a matrix product rounds a row by how many others there are.
        means = np.vecdot(past[:, None], self.kernel)  # (T - R + 1, W)
        return np.asarray(np.log(means / PARKINSON + SMALLEST_VARIANCE))


def range_inputs(
    windows: Sequence[int], same_hour: bool, horizon: int, candle_ms: int
) -> RangeInputs:
    """Return the inputs for candles of this length and a forecast of `horizon` candles.

    Averages over `windows` candles, and where `same_hour` is asked for, over the hours the forecast
    is about a day earlier, two days earlier, and so on as far as the context goes; candles of a
    day, and horizons beyond one, have none of those.

    Examples
    --------
    >>> made = range_inputs((1, 2), True, horizon=1, candle_ms=12 * HOUR_MS)
    >>> made.names, made.reach
    (('range 1', 'range 2', 'same hours, 128 days'), 256)
    """
    names = [f"range {n}" for n in windows]
    ages = [np.arange(n) for n in windows]  # of the candles that count; 0 is the newest
    day = DAY_MS // candle_ms
    days = MAX_CONTEXT_CANDLES // day if day else 0
    if same_hour and day > horizon and days:
        behind = day * np.arange(1, days + 1)[:, None]
        names.append(f"same hours, {days} days")
        ages.append((behind - np.arange(1, horizon + 1)).ravel())
    kernel = np.zeros((len(ages), 1 + max(int(age.max()) for age in ages)))
    for row, age in zip(kernel, ages, strict=True):
        row[-1 - age] = 1.0 / len(age)
    return RangeInputs(tuple(names), kernel)


def range_columns(names: Sequence[str], candle_ms: int) -> tuple[int, int]:
    """Return where the own market's range and sigma stand among the features.

    Both travel apart: `models.data.features` divides the log of high over low by sigma.
    FreqAI puts the pair's own features before those of other pairs.

    Raises
    ------
    InputError
        If no column is the range of candles of this length.
    """
    found = [i for i, name in enumerate(names) if _length_ms(name, candle_ms) == candle_ms]
    if not found:
        raise InputError(
            f"expected the feature %-range of {candle_ms / HOUR_MS:g} h candles, got "
            f"{[name for name in names if 'range' in name][:5]}",
            where="features of the volatility regression",
            cure="keep the features of models.data.features in the strategy, with its timeframe "
            "in freqai.feature_parameters.include_timeframes",
        )
    return found[0], names.index(FEATURE_SIGMA)


def _length_ms(name: str, plain_ms: int) -> int | None:
    """Return the candle length of a range column, `plain_ms` if it names none."""
    match = _RANGE.match(name)
    if not match:
        return None
    count, unit = match.groups()
    return int(count) * _UNITS_MS[unit] if count else plain_ms


def squared_ranges(x: Float32Array, range_column: int, sigma_column: int) -> FloatArray:
    """Return the squared log range of each candle, (N, F) -> (N,); NaN where it is not finite."""
    with np.errstate(invalid="ignore"):
        log_range = np.multiply(x[:, range_column], x[:, sigma_column], dtype=np.float64)
    known = np.where(np.isfinite(log_range), log_range, np.nan)
    return np.asarray(np.clip(known, -LARGEST_RANGE, LARGEST_RANGE) ** 2)
