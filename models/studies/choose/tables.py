"""The numbers of a comparison's report, model by model, as far as a choice needs them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.base.errors import InputError
from models.evaluate.metrics.resampling import UNKNOWN, Estimate

_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class MeasuredModel:
    """One model in one comparison; estimates carry 95 % intervals.

    Attributes
    ----------
    over_reference, direction
        Gains in millibits per candle: over the volatility reference; in direction alone.
    net, stressed
        Log return of one unit of stake over the tested span at the pack's rules, after costs; and
        with costs doubled, one candle later.
    realised_bps, slope
        What came of the entries that passed, and of what they claimed; unknown without any.
    """

    table: str  # the report's folder
    name: str
    title: str
    pair: str
    timeframe: str
    real: bool  # of candles of a market, not of a simulation
    days: float  # tested
    train_days: float
    seeds: int
    commit: str
    over_reference: Estimate
    direction: Estimate
    trades: float
    net: Estimate
    stressed: Estimate
    realised_bps: Estimate
    slope: Estimate
    fit_seconds: float
    horizon_candles: int
    is_reference: bool


def measured_models(numbers: Mapping[str, Any], table: str) -> list[MeasuredModel]:
    """Return the models of one comparison's ``report.json``.

    Raises
    ------
    InputError
        If it is no comparison, or one of a version that did not say pair and candles.
    """
    if numbers.get("kind") != "compare" or numbers.get("format") != _FORMAT:
        raise InputError(
            f"expected a comparison of format {_FORMAT}, got {numbers.get('kind')!r} of format "
            f"{numbers.get('format')!r}",
            where=table,
        )
    run = numbers.get("run")
    rows = numbers.get("models")
    if not isinstance(run, Mapping) or not isinstance(rows, Sequence):
        raise InputError("expected what was run and its models, got neither", where=table)
    missing = sorted({"pair", "timeframe", "tested_days"} - set(run))
    if missing:
        raise InputError(
            f"the comparison does not say its {', '.join(missing)}",
            where=table,
            cure="an older version wrote it: run `breakwater compare` again",
        )
    return [_measured(run, row, table) for row in rows]


def _measured(run: Mapping[str, Any], row: Mapping[str, Any], table: str) -> MeasuredModel:
    try:
        return MeasuredModel(
            table=table,
            name=str(row["name"]),
            title=str(row["title"]),
            pair=str(run["pair"]),
            timeframe=str(run["timeframe"]),
            real=not run["simulated"],
            days=float(run["tested_days"]),
            train_days=float(run["train_days"]),
            seeds=int(row["seeds"]),
            commit=str(run["commit"]),
            over_reference=_estimate(row["gain_over_reference"]),
            direction=_estimate(row["gain_direction"]),
            trades=float(row["trades"]),
            net=_estimate(row["net_return"]),
            stressed=_estimate(row["stressed_return"]),
            realised_bps=_estimate(row["realised"]),
            slope=_estimate(row["slope"]),
            fit_seconds=float(row["fit_seconds"]),
            horizon_candles=int(run["settings"]["labels"]["horizon_candles"]),
            is_reference=row["title"] == run["reference"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"a model's row cannot be read: {type(error).__name__} {error}",
            where=table,
            cure="run `breakwater compare` again",
        ) from error


def _estimate(told: Mapping[str, Any] | None) -> Estimate:
    """Return an estimate; unknown numbers are written as null."""
    if told is None:
        return UNKNOWN
    return Estimate(*(_number(told[name]) for name in Estimate._fields))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
