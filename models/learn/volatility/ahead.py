"""Fitting the regression of the coming range, which every training does for its calibration.

Applying it: `models.serve.volatility`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from models.base import columns
from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.windows import Span, clock_flags, hour_of_week
from models.learn.calibration import MIN_ROWS
from models.learn.training.loop import clip_runs
from models.learn.training.prepare import Prepared
from models.learn.volatility.volatility import VolatilityConfig
from models.serve.ranges import (
    PARKINSON,
    SMALLEST_VARIANCE,
    RangeInputs,
    range_columns,
    range_inputs,
    squared_ranges,
)
from models.serve.volatility import LOG_RANGE_CLIP, LogVolatility, VolatilityForecast

_FEWEST: Final = 500  # rows with a whole context: the regression has some forty coefficients


@dataclass(frozen=True)
class RangeRows:
    """Rows with a whole context, and the range that followed each."""

    row: IntArray  # (R,) position in the job's frame, increasing
    logs: FloatArray  # (R, W) of `RangeInputs`
    hour: IntArray  # (R,) of the week
    realised: FloatArray  # (R,) log volatility over the horizon, from the ranges within it
    weight: FloatArray  # (R,)

    def take(self, keep: BoolArray) -> RangeRows:
        """Return the rows that are to be kept, (R,)."""
        return RangeRows(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


@dataclass(frozen=True, kw_only=True)
class VolatilityAhead:
    """The forecast of volatility that calibration reads.

    Attributes
    ----------
    fitted
        What the manifest keeps, ``log_volatility``; None if it could not be fitted.
    unseen
        (N,) log volatility ahead of each row by a regression that was not fitted on the row's block
        or, where the newest rows are held out, on those; NaN where not known, 0 if not fitted.
    why
        Why it could not be fitted, else empty.
    """

    fitted: dict[str, Any] | None
    unseen: FloatArray
    why: str = ""


def fit_ahead(data: Prepared) -> VolatilityAhead:
    """Fit the regression on the training rows and, where blocks are left out, without each."""
    try:
        return _fitted_ahead(data)
    except InputError as error:  # without ranges, or with too few rows, calibration does without
        return VolatilityAhead(
            fitted=None, unseen=np.zeros(len(data.job.time_ms)), why=error.problem
        )


def _fitted_ahead(data: Prepared) -> VolatilityAhead:
    job, config = data.job, data.config
    if not isinstance(config, VolatilityConfig):
        config = VolatilityConfig()
    horizon = data.settings.labels.horizon_candles
    inputs = range_inputs(config.windows, config.same_hour, horizon, job.candle_ms)
    at = range_columns(job.feature_names, job.candle_ms)
    rows = range_rows(data, inputs, data.split.train, at)
    if len(rows.row) < _FEWEST:
        raise InputError(f"expected {_FEWEST} rows with a whole context, got {len(rows.row)}")

    def forecasts(regression: LogVolatility) -> FloatArray:
        return VolatilityForecast(regression, at, job.candle_ms)(job.features, job.time_ms)

    regression = fit_log_volatility(data, rows, inputs, config.ridge)
    unseen = forecasts(regression)
    for (rest, _), block in zip(rows_of_blocks(rows, data), data.blocks, strict=True):
        without = forecasts(fit_log_volatility(data, rest, inputs, config.ridge))
        unseen[block.start : block.stop] = without[block.start : block.stop]
    held = unseen + 0.0 * job.labels[columns.LABEL_DIRECTION]
    of = slice(data.split.calibration.start, data.split.calibration.stop)
    if (count := int(np.isfinite(held[of]).sum())) < MIN_ROWS:
        raise InputError(f"expected {MIN_ROWS} calibration rows with a whole context, got {count}")
    return VolatilityAhead(
        fitted={
            "windows": [int(n) for n in config.windows],
            "same_hour": config.same_hour,
            **regression.coefficients(),
        },
        unseen=unseen,
    )


def rows_of_blocks(rows: RangeRows, data: Prepared) -> list[tuple[RangeRows, RangeRows]]:
    """Return, for each block left out, the rows whose labels share no candle with it, and its own.

    Raises
    ------
    InputError
        If one of both has no row with a whole context.
    """
    purge, out = data.settings.labels.purge_candles, []
    for block in data.blocks:
        inside = (rows.row >= block.start) & (rows.row < block.stop)
        near = (rows.row >= block.start - purge) & (rows.row < block.stop + purge)
        if not inside.any() or near.all():
            raise InputError(
                f"expected rows with a whole context in the block {block} and outside it, got "
                f"{int(inside.sum())} and {int((~near).sum())}",
                where=data.job.title,
                cure="bring candles without gaps, or lower training.cross_fit",
            )
        out.append((rows.take(~near), rows.take(inside)))
    return out


def range_rows(data: Prepared, inputs: RangeInputs, span: Span, at: tuple[int, int]) -> RangeRows:
    """Return the rows of `span` with a whole context before and a whole horizon behind them.

    The horizon of a span's last row ends within the purge behind it.

    Raises
    ------
    InputError
        If there is none.
    """
    job, horizon = data.job, data.settings.labels.horizon_candles
    squared = squared_ranges(job.features, *at)
    row, logs, realised = [], [], []
    reach = Span(span.start, span.stop + horizon)  # ranges of the purge are labels, not inputs
    for run in clip_runs(data.rows.runs, reach, inputs.reach - 1):
        last = min(run.stop - horizon, span.stop)
        first = run.start + inputs.reach - 1
        if last <= first:
            continue
        row.append(np.arange(first, last))
        logs.append(inputs.logs(squared[run.start : last]))
        ahead = np.lib.stride_tricks.sliding_window_view(squared[first + 1 :], horizon)
        realised.append(
            0.5 * np.log(ahead[: last - first].sum(axis=1) / PARKINSON + SMALLEST_VARIANCE)
        )
    if not row:
        raise InputError(
            f"expected {inputs.reach + horizon} candles without a gap, got none so long",
            where=f"{job.title}, rows {span.start} to {span.stop}",
            cure="bring candles without gaps, or shorten network.windows",
        )
    every = np.concatenate(row)
    return RangeRows(
        every,
        np.concatenate(logs),
        hour_of_week(job.time_ms[every], job.candle_ms),
        np.concatenate(realised),
        data.rows.weight.numpy()[every].astype(np.float64),
    )


def fit_regression(rows: RangeRows, inputs: RangeInputs, ridge: float) -> LogVolatility:
    """Return the ridge regression of the range to come on past ranges, hour and weekday."""
    scaler = StandardScaler().fit(rows.logs, sample_weight=rows.weight)
    z = np.clip(scaler.transform(rows.logs), -LOG_RANGE_CLIP, LOG_RANGE_CLIP)  # (R, W)
    clock = clock_flags()  # (168, 31)
    x = np.hstack((z, clock[rows.hour]))
    model = Ridge(alpha=ridge, solver="cholesky").fit(x, rows.realised, sample_weight=rows.weight)
    of_ranges = z.shape[1]
    return LogVolatility(
        inputs=inputs,
        mean=scaler.mean_,
        std=scaler.scale_,
        slope=model.coef_[:of_ranges],
        clock=clock @ model.coef_[of_ranges:],
        intercept=float(model.intercept_),
    )


def fit_log_volatility(
    data: Prepared, rows: RangeRows, inputs: RangeInputs, ridge: float
) -> LogVolatility:
    """Return the regression of `rows` in the unit of the returns that followed."""
    regression = fit_regression(rows, inputs, ridge)
    outcome = outcomes(data, rows)
    known = np.isfinite(outcome)
    z = np.abs(outcome[known]) * np.exp(-regression(rows.logs, rows.hour)[known])
    # A range understates what a price that jumps goes; the spread of the outcomes is the measure.
    spread = max(float(np.sqrt(np.average(z**2, weights=rows.weight[known]))), SMALLEST_VARIANCE)
    return replace(regression, intercept=regression.intercept + float(np.log(spread)))


def outcomes(data: Prepared, rows: RangeRows) -> FloatArray:
    """Return the log return over the horizon (R,) that followed each row, NaN where not known."""
    job, horizon = data.job, data.settings.labels.horizon_candles
    sigma = job.features[rows.row, job.feature_names.index(columns.FEATURE_SIGMA)]
    return np.asarray(job.labels[columns.LABEL_RETURN][rows.row] * sigma * np.sqrt(horizon))
