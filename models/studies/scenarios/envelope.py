"""Far into the tail from one candle: the lows to come, the fan of prices, and days that were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy import stats

from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory, FittedEngine, Scenarios
from models.studies.scenarios.losses import PathLoss, losses_on
from models.studies.scenarios.origins import ScenarioFold, rows_as_path
from models.studies.scenarios.record import drawn_losses

LOW_LEVELS: Final = (0.01, 0.001, 0.0001)
FAN: Final = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
CRASHES: Final[Mapping[str, str]] = {
    "2020-03-12": "COVID", "2021-05-19": "China's ban", "2021-12-04": "flush",
    "2022-11-09": "FTX", "2023-08-17": "flush", "2024-08-05": "yen", "2025-10-10": "tariffs",
}  # fmt: skip
_TAIL: Final = 0.025


def low_rows(
    engine: str, scenarios: Scenarios, day: PathLoss, paths: int, seed: int
) -> list[dict[str, Any]]:
    """Return, by coin and level, the low within 24 hours that is passed so seldom, as a return.

    The interval is that of so many draws (binomial order statistics); it knows nothing of whether
    the engine is right.
    """
    losses = np.sort(drawn_losses(scenarios, [day], paths, seed)[:, 0, :, 0], axis=0)[::-1]
    out = []
    for a, coin in enumerate(scenarios.coins):
        for level in LOW_LEVELS:
            rank = round(level * (paths + 1))
            ends = stats.binom.ppf([_TAIL, 1 - _TAIL], paths, level).astype(int)
            known = rank >= 1
            out.append(
                {
                    "engine": engine, "coin": coin, "level": level,
                    "value": _as_return(losses[rank - 1, a]) if known else np.nan,
                    "low": _as_return(losses[ends[0] - 1, a]) if ends[0] >= 1 else np.nan,
                    "high": _as_return(losses[ends[1], a]) if known else np.nan,
                }
            )  # fmt: skip
    return out


def fan_of(scenarios: Scenarios, candles: int, paths: int, seed: int) -> FloatArray:
    """Return quantiles `FAN` of each close to come over the newest, as returns, (T, A, Q)."""
    closes = np.concatenate(
        [np.cumsum(block.close, axis=1) for block in scenarios.draw(paths, candles, seed)]
    )
    return np.asarray(np.expm1(np.moveaxis(np.quantile(closes, FAN, axis=0), 0, -1)))


def crash_rows(
    engine: str,
    fitted: FittedEngine,
    fold: ScenarioFold,
    history: CoinHistory,
    day: PathLoss,
    paths: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Return what an engine fitted before held possible of the crash days of its fold, by coin.

    Asked at the day's first moment, UTC. ``inside``: at least one drawn path went as low;
    ``as_low``: the share that did.
    """
    out = []
    close_ms = history.time_ms + history.candle_ms
    for name, what in CRASHES.items():
        at = int(np.datetime64(name, "ms").astype(np.int64))
        row = int(np.searchsorted(close_ms, at))
        if not fold.fit_ms <= at < fold.stop_ms or row + day.candles >= len(close_ms):
            continue
        if close_ms[row] != at or close_ms[row + day.candles] != at + DAY_MS:
            continue  # candles are missing
        came = losses_on(rows_as_path(history, row, day.candles), [day])[0, 0, :, 0]
        drawn = drawn_losses(fitted.given(history.until(at)), [day], paths, seed)[:, 0, :, 0]
        for a, coin in enumerate(history.coins):
            out.append(
                {
                    "engine": engine, "day": name, "what": what, "coin": coin,
                    "came": _as_return(came[a]), "paths": paths,
                    "lowest": _as_return(drawn[:, a].max()),
                    "far": _as_return(np.quantile(drawn[:, a], 1 - LOW_LEVELS[1])),
                    "as_low": float((drawn[:, a] >= came[a]).mean()),
                    "inside": bool((drawn[:, a] >= came[a]).any()),
                }
            )  # fmt: skip
    return out


def _as_return(loss: float) -> float:
    """Return a long's log loss as the return it is."""
    return float(np.expm1(-loss))
