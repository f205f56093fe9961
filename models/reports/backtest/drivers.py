"""What drove the forecasts, as numbers of the report."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from models.reports.backtest.record import DrivenForecast, RunRecord, TrainingRecord

_SHOWN: Final = 12  # bars of a figure


def drivers(record: RunRecord) -> dict[str, Any]:
    """Return the explained forecasts, the overview by pair, and what trees say of themselves."""
    found = record.drivers
    return {
        "missing": found.missing or None,
        "target": "p_up - p_down",
        "overview": [{"pair": pair, **dataclasses.asdict(o)} for pair, o in found.overview.items()],
        "forecasts": [_forecast(f, record) for f in found.forecasts],
        "permutation": _permutation(record),
    }


def _forecast(driven: DrivenForecast, record: RunRecord) -> dict[str, Any]:
    e = driven.explanation
    opened = [
        t
        for t in record.trades
        if t.pair == driven.pair and t.open_ms == e.time_ms + record.candle_ms
    ]
    return {
        "which": driven.which,
        "pair": driven.pair,
        "time_ms": e.time_ms,
        "side": opened[0].side if opened else None,
        "profit_quote": opened[0].profit_quote if opened else None,
        "total": e.total,
        "base": e.base,
        **e.by_driver(_SHOWN),
        "by_age": e.by_age(),
    }


def _permutation(record: RunRecord) -> list[dict[str, Any]]:
    """Return the newest training's permutation importance of each pair that has one."""
    newest: dict[str, TrainingRecord] = {}
    for training in sorted(record.trainings, key=lambda t: t.trained_until_ms):
        if training.manifest.get("importance", {}).get("features"):
            newest[training.pair] = training
    return [
        {
            "pair": pair,
            "trained_until_ms": t.trained_until_ms,
            **{key: t.manifest["importance"][key] for key in ("rows", "block_candles", "repeats")},
            "features": [
                {"feature": name, "value": value, "error": spread}
                for name, (value, spread) in t.manifest["importance"]["features"].items()
            ],
        }
        for pair, t in newest.items()
    ]
