"""Running the Prophet library: quietly, without leftovers, and out of it into a closed form.

The only file of `models` that knows pandas, because the library takes and gives nothing else.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.learn.prophet.closed_form import ClosedForm
from models.learn.prophet.events import WINDOW_DAYS, events
from models.learn.prophet.prophet import ProphetConfig

if TYPE_CHECKING:
    from prophet import Prophet

_PERIODS = {"daily": 1.0, "weekly": 7.0, "yearly": 365.25}  # days
KNOWN_AHEAD_DAYS = 5 * 366  # events are looked up this far beyond the training rows


def seasonal_orders(config: ProphetConfig, span_days: float, step_days: float) -> dict[str, int]:
    """Return name -> Fourier order of each seasonality the rows can tell.

    A season needs two of its periods, and a wave more than two rows per period.

    Examples
    --------
    >>> seasonal_orders(ProphetConfig(), span_days=365, step_days=1 / 6)
    {'daily': 2, 'weekly': 3}
    """
    out = {}
    for name, period in _PERIODS.items():
        order = min(getattr(config, f"{name}_order"), int(np.ceil(period / step_days / 2)) - 1)
        if order >= 1 and span_days >= 2 * period:
            out[name] = order
    return out


def fit_prophet(
    time_ms: IntArray, y: FloatArray, config: ProphetConfig, step_ms: int, seed: int
) -> Prophet:
    """Return the fitted library model of log prices `y` (N,) at open times `time_ms` (N,)."""
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        from prophet import Prophet

        span_days = float(time_ms[-1] - time_ms[0]) / DAY_MS
        model = Prophet(
            n_changepoints=config.changepoints,
            changepoint_range=config.changepoint_range_frac,
            changepoint_prior_scale=config.changepoint_prior_scale,
            yearly_seasonality=False,
            weekly_seasonality=False,
            daily_seasonality=False,
            holidays=_holidays(time_ms) if config.holidays else None,
            holidays_prior_scale=config.holidays_prior_scale,
            seasonality_prior_scale=config.seasonality_prior_scale,
            uncertainty_samples=0,  # its intervals are not used: the outcomes' own spread is
            scaling="minmax",  # does not see the constant the price path lacks
        )
        for name, order in seasonal_orders(config, span_days, step_ms / DAY_MS).items():
            model.add_seasonality(name, _PERIODS[name], order)
        model.fit(pd.DataFrame({"ds": _stamps(time_ms), "y": y}), seed=seed, output_dir=folder)
    return model


def predict_prophet(model: Prophet, time_ms: IntArray) -> FloatArray:
    """Return the library's own trend, seasonality, holidays and yhat, (N, 4), times increasing."""
    with _quiet():
        found = model.predict(pd.DataFrame({"ds": _stamps(time_ms)}))
    seasons = [found[name] for name in model.seasonalities]
    holidays = found["holidays"] if "holidays" in found else 0.0 * found["yhat"]
    return np.column_stack(
        (found["trend"], sum(seasons, 0.0 * found["yhat"]), holidays, found["yhat"])
    )


def closed_form(model: Any, origin_ms: int) -> ClosedForm:
    """Return the fitted function of `model`, in log price and days since `origin_ms`."""
    scale, per_day = float(model.y_scale), pd.Timedelta(days=1) / model.t_scale
    origin = (pd.Timestamp(origin_ms, unit="ms") - model.start) / model.t_scale
    k, m = float(model.params["k"].mean()), float(model.params["m"].mean())
    beta = scale * model.params["beta"].mean(axis=0)  # (columns,)
    # In `t` the trend is m + k t + sum(delta * max(t - knot, 0)), t = origin + days * per_day.
    value = dict(zip(_column_names(model), beta, strict=True))
    waves = [
        (2 * np.pi * (i + 1) / season["period"], value[name, 2 * i], value[name, 2 * i + 1])
        for name, season in model.seasonalities.items()
        for i in range(season["fourier_order"])
    ]
    w, a, b = np.array(waves or [(0.0, 0.0, 0.0)]).T
    return ClosedForm(
        origin_ms=origin_ms,
        intercept=float(model.y_min) + scale * (m + k * origin),
        slope=scale * k * per_day,
        knots=(np.asarray(model.changepoints_t, dtype=np.float64) - origin) / per_day,
        bends=scale * model.params["delta"].mean(axis=0) * per_day,
        frequency=w,
        amplitude=np.hypot(a, b),
        phase=np.mod(np.arctan2(b, a) + w * (origin_ms / DAY_MS), 2 * np.pi),
        holidays=_day_effects(model, origin_ms, value),
    )


def _column_names(model: Any) -> list[tuple[str, int]]:
    """Return (component, number) of each regression column, in the order of the coefficients."""
    names = [
        (name, i)
        for name, season in model.seasonalities.items()
        for i in range(2 * season["fourier_order"])
    ]
    if model.holidays is not None:
        # The library sorts its holiday columns by these very names.
        keys = sorted(
            (f"{name}_delim_{'+' if o >= 0 else '-'}{abs(o)}", name, o)
            for name in set(model.holidays["holiday"])
            for o in range(WINDOW_DAYS[0], WINDOW_DAYS[1] + 1)
        )
        names += [(name, offset) for _, name, offset in keys]
    return names or [("zeros", 0)]


def _day_effects(model: Any, origin_ms: int, value: dict[tuple[str, int], float]) -> FloatArray:
    if model.holidays is None:
        return np.zeros(1)
    first = _day(origin_ms)
    ends = [d.date() for d in model.holidays["ds"]]
    out = np.zeros((max(ends) - first).days + WINDOW_DAYS[1] + 3)
    for name, day in zip(model.holidays["holiday"], ends, strict=True):
        for offset in range(WINDOW_DAYS[0], WINDOW_DAYS[1] + 1):
            at = (day - first).days + offset + 1
            if at > 0:
                out[at] += value[name, offset]
    return out


def _holidays(time_ms: IntArray) -> pd.DataFrame | None:
    """Return the events of every kind the rows contain, and their later dates."""
    first, last = _day(int(time_ms[0])), _day(int(time_ms[-1]))
    rows = [
        (name, pd.Timestamp(day))
        for name, days in events(first, last + timedelta(days=KNOWN_AHEAD_DAYS)).items()
        if days and days[0] <= last
        for day in days
    ]
    if not rows:
        return None
    out = pd.DataFrame(rows, columns=["holiday", "ds"])
    return out.assign(lower_window=WINDOW_DAYS[0], upper_window=WINDOW_DAYS[1])


def _day(time_ms: int) -> date:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).date()


def _stamps(time_ms: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(time_ms).astype("datetime64[ms]"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let only errors of the library through: it announces every fit, and irks pandas 3."""
    from cmdstanpy.utils import get_logger

    get_logger()  # the first call sets a level of its own
    loggers = [logging.getLogger(name) for name in ("prophet", "prophet.plot", "cmdstanpy")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
