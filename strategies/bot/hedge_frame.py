"""What a leg's decision needs, put on the leg's own frame row by row.

Freqtrade's backtest shows a callback the current row of its own pair, but may still show the last
one of another pair: nothing is looked up across pairs when an order is decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pandas import DataFrame, Series

from models.base import columns
from models.base.types import FloatArray
from models.trade.hedging.baseline import BaselineConfig, baseline, limited_ratio
from models.trade.hedging.policy import HedgeSignal

PRIMARY = "hedge_primary_close"
AGE = "hedge_signal_age"
AGAINST, FOR = "hedge_against", "hedge_for"
P_INCREASE, P_DECREASE = "hedge_p_increase", "hedge_p_decrease"
_SIGNAL = (AGE, AGAINST, FOR, P_INCREASE, P_DECREASE)


def close_of(leg: int) -> str:
    """Return the column of a leg's close."""
    return f"hedge_close_{leg}"


def target_of(leg: int) -> str:
    """Return the column of a leg's baseline ratio."""
    return f"hedge_target_{leg}"


def width_of(leg: int) -> str:
    """Return the column of the half-width of a leg's band."""
    return f"hedge_width_{leg}"


def plot_of(forecast: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Freqtrade's web page draws: the forecast of the primary, and of a leg its own.

    A column that a pair does not have is left out of its plot.
    """
    ratio = {target_of(0): {"color": "#0072b2"}, target_of(1): {"color": "#009e73"}}
    signal = {AGAINST: {"color": "#d55e00"}, FOR: {"color": "#0072b2"},
              P_INCREASE: {"color": "#009e73"}, P_DECREASE: {"color": "#cc79a7"}}  # fmt: skip
    subplots = {"ratio": ratio, "signal": signal, **forecast["subplots"]}
    return {"main_plot": forecast["main_plot"], "subplots": subplots}


def baseline_columns(
    frame: DataFrame,
    primary: DataFrame,
    legs: Sequence[DataFrame],
    config: BaselineConfig,
    max_ratio: float,
) -> DataFrame:
    """Return `frame` with closes, baseline targets and band widths of all legs.

    Parameters
    ----------
    frame
        Of one leg; its dates stay as they are.
    primary, legs
        Candles with `date` and `close`; a candle missing in any is NaN in the columns.
    max_ratio
        Limit on the sum of the targets; larger ones are scaled down to it.
    """
    closes = [_on(frame, one) for one in (primary, *legs)]
    target, width = baseline(closes[0], np.column_stack(closes[1:]), config)
    target = limited_ratio(target, max_ratio)
    added: dict[str, FloatArray] = {PRIMARY: closes[0]}
    for leg, close in enumerate(closes[1:]):
        added |= {
            close_of(leg): close,
            target_of(leg): target[:, leg],
            width_of(leg): width[:, leg],
        }
    return frame.assign(**added)


def signal_columns(forecast: DataFrame, side: str) -> DataFrame:
    """Return date and the signal columns of the primary's analysed frame.

    `hedge_signal_age` counts candles since the last trusted forecast; inf before the first. The
    action head's columns are used where a model has them.
    """
    trusted = (forecast["do_predict"] == 1) & (forecast[columns.ABSTAIN] == 0)
    rows = np.arange(len(forecast))
    last = np.maximum.accumulate(np.where(trusted, rows, -1))
    against, for_ = columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP
    more, less = columns.P_INCREASE, columns.P_DECREASE
    if side == "short":  # the head's label is a long position's
        against, for_, more, less = for_, against, less, more
    return DataFrame({
        "date": forecast["date"],
        AGE: np.where(last >= 0, rows - last, np.inf),
        AGAINST: forecast.get(against, np.nan),
        FOR: forecast.get(for_, np.nan),
        P_INCREASE: forecast.get(more, np.nan),
        P_DECREASE: forecast.get(less, np.nan),
    })  # fmt: skip


def with_signal(frame: DataFrame, signal: DataFrame | None) -> DataFrame:
    """Return `frame` with the signal columns of its dates.

    A date the signal does not have counts on from the last one it has: a model that has stopped
    answering grows older with every candle.
    """
    if signal is None:
        return frame.assign(**{AGE: np.inf}, **dict.fromkeys(_SIGNAL[1:], np.nan))
    joined = frame[["date"]].merge(signal, on="date", how="left")
    age = joined[AGE].to_numpy(np.float64, copy=True)
    for row in np.flatnonzero(np.isnan(age)):
        age[row] = age[row - 1] + 1 if row else np.inf
    return frame.assign(**{AGE: age}, **{n: joined[n].to_numpy() for n in _SIGNAL[1:]})


def signal_of(row: Series) -> HedgeSignal:
    """Return the row's signal; what the model does not have, or is NaN, is None."""

    def known(name: str) -> float | None:
        value = float(row[name])
        return value if math.isfinite(value) else None

    age = float(row[AGE])
    return HedgeSignal(
        false_alarms_against=known(AGAINST),
        false_alarms_for=known(FOR),
        p_increase=known(P_INCREASE),
        p_decrease=known(P_DECREASE),
        age_candles=math.inf if math.isnan(age) else age,
    )


def numbers(row: Series, legs: int) -> Mapping[str, tuple[float, ...]]:
    """Return closes, targets and widths of the legs at one row."""
    return {
        "close": tuple(float(row[close_of(k)]) for k in range(legs)),
        "target": tuple(float(row[target_of(k)]) for k in range(legs)),
        "width": tuple(float(row[width_of(k)]) for k in range(legs)),
    }


def _on(frame: DataFrame, candles: DataFrame) -> FloatArray:
    """Return the closes of `candles` on the dates of `frame`, NaN where there is none."""
    if candles is frame or "close" not in candles:
        return (
            frame["close"].to_numpy(np.float64) if candles is frame else np.full(len(frame), np.nan)
        )
    joined = frame[["date"]].merge(candles[["date", "close"]], on="date", how="left")
    out: FloatArray = joined["close"].to_numpy(np.float64)
    return out
