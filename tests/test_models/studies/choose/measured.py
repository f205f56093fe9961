"""The numbers of a comparison in which one model passes every bar, to spoil one by one."""

from __future__ import annotations

from typing import Any


def estimate(value: float | None, half: float = 1.0) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - half, "high": value + half}


def passing(name: str = "lstm", **changes: Any) -> dict[str, Any]:
    """One model's row; `changes` replace its numbers."""
    row: dict[str, Any] = {
        "name": name, "title": name.upper(), "seeds": 3, "trades": 200.0, "fit_seconds": 20.0,
        "gain_over_reference": estimate(5.0), "gain_direction": estimate(3.0),
        "net_return": estimate(0.3, 0.1), "stressed_return": estimate(0.1, 0.2),
        "realised": estimate(30.0, 5.0), "slope": estimate(1.1, 0.3),
    }  # fmt: skip
    return row | changes


def comparison(*rows: dict[str, Any], **run: Any) -> dict[str, Any]:
    """A report's numbers, as `breakwater compare` writes them; `run` replaces what it says."""
    reference = passing("volatility", title="Volatility", gain_over_reference=estimate(0.0))
    told = {
        "pair": "BTC/USDT:USDT", "timeframe": "1h", "simulated": False, "tested_days": 240,
        "train_days": 1460, "commit": "abc", "reference": "Volatility",
        "settings": {"labels": {"horizon_candles": 4}},
    } | run  # fmt: skip
    return {"format": 1, "kind": "compare", "run": told, "models": [*rows, reference]}
