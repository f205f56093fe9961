"""What calibration reads of a row beside the model's answer: volatility, ranges and the clock.

All of it is known at the row's close, the volatility ahead (`models.serve.volatility`) as a
forecast. What a model knows of calm, storms and the hour is not enough
(`models.learn.moves` and `models.learn.stretch` say by how much); regressions on these, fitted on
rows the model was not trained on, add what is lacking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.base.columns import FEATURE_SIGMA, feature_name
from models.base.types import Float32Array, FloatArray, IntArray
from models.base.windows import WEEK_HOURS, hour_of_week

CLOCK_HOURS: Final = 48  # those of a day of work, and behind them those of a day of rest
_DAY: Final = CLOCK_HOURS // 2
# Saturday and Sunday are the third and fourth day of a week that begins on Thursday.
_OF_WEEK: Final = np.concatenate(
    [np.arange(_DAY) + _DAY * (day in (2, 3)) for day in range(WEEK_HOURS // _DAY)]
)
_SIGMA: Final = feature_name(FEATURE_SIGMA)
# What is added before a logarithm: candles that hardly trade are alike. Ranges are in sigma.
_LOGS: Final = {_SIGMA: 1e-9, "range": 0.05, "range_mid": 0.05}
_RATIOS: Final = ("vol_fast_mid", "vol_mid_slow")  # logarithms already
INPUT_CLIP: Final = 4.0  # standard deviations
_AHEAD: Final = ("volatility ahead", "its square")
_SMALLEST_COST: Final = 1e-6  # keeps the log finite where trading is free


class ConditionInputs:
    """The inputs of such a regression, found among the features by name.

    Parameters
    ----------
    names
        Of the F features. Of those it would read it takes the first of each name, the pair's own
        under FreqAI, and does without the ones that are not there.
    """

    def __init__(self, names: Sequence[str], candle_ms: int) -> None:
        plain = [feature_name(name) for name in names]
        logs = {plain.index(n): least for n, least in _LOGS.items() if n in plain}
        self._read = [*logs, *(plain.index(name) for name in _RATIOS if name in plain)]
        self._least, self._candle_ms = np.array([*logs.values()]), candle_ms
        self.names = tuple(names[i] for i in self._read)  # (W,), sigma first

    def __call__(self, x: Float32Array) -> FloatArray:
        """Return the inputs (N, W) of rows with raw features (N, F)."""
        out = x[:, self._read].astype(np.float64)
        logs = out[:, : len(self._least)]
        logs[:] = np.log(np.maximum(logs, 0.0) + self._least)
        return out

    def clock(self, time_ms: IntArray) -> IntArray:
        """Return the hour at each candle's close, (N,), 0 to `CLOCK_HOURS` - 1.

        Examples
        --------
        >>> inputs = ConditionInputs([FEATURE_SIGMA], 3_600_000)
        >>> inputs.clock(np.array([0, 48 * 3_600_000]))  # a Thursday's first hour, a Saturday's
        array([ 1, 25])
        """
        out: IntArray = _OF_WEEK[hour_of_week(time_ms, self._candle_ms)]
        return out


class MoveInputs:
    """What the odds of a move beyond costs read: the volatility ahead, and `ConditionInputs`.

    Volatility counts in units of the cost, as a logarithm and its square: the odds rise with it
    ever more slowly.

    Parameters
    ----------
    ahead
        Whether a forecast of volatility is brought.
    """

    def __init__(
        self, names: Sequence[str], candle_ms: int, cost_frac: float, *, ahead: bool
    ) -> None:
        self._conditions = ConditionInputs(names, candle_ms)
        self.clock = self._conditions.clock
        self._log_cost = np.log(max(cost_frac, _SMALLEST_COST))
        self.forecasts = len(_AHEAD) if ahead else 0  # of the inputs, the first ones
        self.names = (*_AHEAD[: self.forecasts], *self._conditions.names)  # (W,)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> MoveInputs:
        """Return the inputs of an artifact's odds."""
        return cls(
            manifest["feature_names"], int(manifest["candle_ms"]), float(manifest["cost_frac"]),
            ahead=manifest["log_volatility"] is not None,
        )  # fmt: skip

    def __call__(self, log_volatility: FloatArray, x: Float32Array) -> FloatArray:
        """Return the inputs (N, W) of rows with forecasts (N,) and raw features (N, F)."""
        conditions = self._conditions(x)
        if not self.forecasts:
            return conditions
        costs = log_volatility - self._log_cost
        return np.column_stack((costs, costs * costs, conditions))


class ConditionTerm:
    """``intercept + slope . z + clock[hour]``, z the standardised inputs within `INPUT_CLIP`.

    Parameters
    ----------
    fitted
        ``mean``, ``std`` and ``slope`` of the W inputs, ``clock`` of the hours and ``intercept``.
    """

    def __init__(self, fitted: Mapping[str, Any]) -> None:
        self._mean, self._std, self._slope, self._clock = (
            np.asarray(fitted[key], np.float64) for key in ("mean", "std", "slope", "clock")
        )
        self._intercept = float(fitted["intercept"])

    def __call__(self, inputs: FloatArray, clock: IntArray) -> FloatArray:
        """Return the sum (N,) of inputs (N, W) and hours (N,)."""
        z = within_clip(inputs, self._mean, self._std)  # (N, W)
        # Row by row: a matrix product rounds a row by how many others there are.
        out: FloatArray = self._intercept + np.vecdot(z, self._slope) + self._clock[clock]
        return out


def within_clip(inputs: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Return the inputs (N, W) standardised, at most `INPUT_CLIP` from their mean."""
    return np.asarray(np.clip((inputs - mean) / std, -INPUT_CLIP, INPUT_CLIP))
