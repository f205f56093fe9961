"""The volatility a linear regression forecasts over the horizon, from past ranges and the clock.

It is fitted in every training (`models.learn.volatility`) and served beside the graph: calibration
reads it (`models.serve.conditions`). NumPy only, and row by row: the newest row of a live series
has the number it has in a backtest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base.types import Float32Array, FloatArray, IntArray
from models.base.windows import hour_of_week
from models.serve.ranges import RangeInputs, range_columns, range_inputs, squared_ranges

LOG_RANGE_CLIP: Final = 8.0  # standard deviations


@dataclass(frozen=True, kw_only=True)
class LogVolatility:
    """log v = intercept + slope . z + clock[hour of week], v the volatility over the horizon.

    z are the logs of `RangeInputs`, standardised, within `LOG_RANGE_CLIP`.
    """

    inputs: RangeInputs
    mean: FloatArray  # (W,)
    std: FloatArray  # (W,)
    slope: FloatArray  # (W,)
    clock: FloatArray  # (168,)
    intercept: float

    def __call__(self, logs: FloatArray, hour: IntArray) -> FloatArray:
        """Return log v (R,) of logs (R, W) and hours of the week (R,)."""
        z = np.clip((logs - self.mean) / self.std, -LOG_RANGE_CLIP, LOG_RANGE_CLIP)
        # Row by row: a matrix product rounds a row by how many others there are.
        out: FloatArray = self.intercept + np.vecdot(z, self.slope) + self.clock[hour]
        return out

    def coefficients(self) -> dict[str, Any]:
        """Return what the manifest keeps, beside which inputs there are."""
        lists = ("mean", "std", "slope", "clock")
        return {name: getattr(self, name).tolist() for name in lists} | {
            "intercept": self.intercept
        }


class VolatilityForecast:
    """Rows of raw features and their times -> log of the volatility over the horizon.

    Parameters
    ----------
    regression
        log v, of a log return over the horizon.
    columns
        Where range and sigma stand among the features, `models.serve.ranges.range_columns`.
    """

    def __init__(self, regression: LogVolatility, columns: tuple[int, int], candle_ms: int) -> None:
        self._regression, self._columns, self._candle_ms = regression, columns, candle_ms

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> VolatilityForecast | None:
        """Return the forecast an artifact's manifest describes; None if it was not fitted."""
        fitted, candle_ms = manifest["log_volatility"], int(manifest["candle_ms"])
        if fitted is None:
            return None
        inputs = range_inputs(
            fitted["windows"], fitted["same_hour"], int(manifest["horizon_candles"]), candle_ms
        )
        lists = {
            name: np.asarray(fitted[name], np.float64) for name in ("mean", "std", "slope", "clock")
        }
        regression = LogVolatility(inputs=inputs, intercept=float(fitted["intercept"]), **lists)
        return cls(regression, range_columns(manifest["feature_names"], candle_ms), candle_ms)

    @property
    def reach(self) -> int:
        """Candles a forecast looks back on, its own included."""
        return self._regression.inputs.reach

    def __call__(self, x: Float32Array, time_ms: IntArray) -> FloatArray:
        """Return log v (N,) of rows (N, F) at times (N,), known at each row's close.

        NaN without `reach` gap-free candles, whose ranges are known, up to the row.
        """
        out, before = np.full(len(x), np.nan), self.reach - 1
        if len(x) <= before:
            return out
        logs = self._regression.inputs.logs(squared_ranges(x, *self._columns))
        log_v = self._regression(logs, hour_of_week(time_ms[before:], self._candle_ms))
        joined = time_ms[before:] - time_ms[: len(x) - before] == before * self._candle_ms
        out[before:] = np.where(joined, log_v, np.nan)
        return out
