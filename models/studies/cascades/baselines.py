"""The hazards a network has to beat, each fitted on rows of several coins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from models.base.types import BoolArray, Float32Array, FloatArray
from models.data.features.hawkes import fit_hawkes
from models.learn.hazard.boosted import fit_boosted
from models.learn.hazard.proportional import ProportionalHazard, fit_proportional
from models.studies.cascades.panel import SIDES, Coin

# A fitted hazard: coin -> P(onset in bin k | none before), (N, 2, K).
Hazard = Callable[[Coin], FloatArray]
Fit = Callable[[list[Coin], dict[str, BoolArray], tuple[int, ...]], Hazard]

CONSTANT: Final = "Constant"
BOOSTED: Final = "Boosted trees on candles"
_HINT: Final = 1e-3  # a slope that ranks and says nothing


def _pooled(
    coins: list[Coin],
    train: dict[str, BoolArray],
    edges: tuple[int, ...],
    side: int,
    of: Callable[[Coin], Any],
) -> tuple[Any, FloatArray, FloatArray]:
    """Return features (R, F), events and rows at risk (R, K) of all coins' training rows."""
    parts = []
    for coin in coins:
        rows = np.flatnonzero(train[coin.name] & coin.usable(side))
        parts.append((of(coin)[rows], *(a[rows] for a in coin.targets(side, edges))))
    x, event, at_risk = (np.concatenate(p) for p in zip(*parts, strict=True))
    return x, event, at_risk


def _proportional(of: Callable[[Coin, int], FloatArray], sign: int = 0) -> Fit:
    """Return a fit of the proportional hazard of features `of(coin, side)` (N, F)."""

    def fit(coins: list[Coin], train: dict[str, BoolArray], edges: tuple[int, ...]) -> Hazard:
        fitted = []
        for side in range(len(SIDES)):

            def features(coin: Coin, s: int = side) -> FloatArray:
                return of(coin, s)

            model = fit_proportional(*_pooled(coins, train, edges, side, features))
            if sign and sign * model.slope[0] <= 0:
                # The rows say the opposite. It keeps its ranking, at the base rate.
                model = ProportionalHazard(
                    model.start, np.array([sign * _HINT]), model.mean, model.std
                )
            fitted.append(model)
        return lambda coin: np.stack([m.hazard(of(coin, s)) for s, m in enumerate(fitted)], axis=1)

    return fit


def _nothing(coin: Coin, side: int) -> FloatArray:
    return np.empty((len(coin), 0))


def _volatility(coin: Coin, side: int) -> FloatArray:
    return coin.log_sigma[:, None]


def _feeds(coin: Coin, side: int) -> FloatArray:
    """Feeds beside flags of which are missing."""
    values = coin.feeds[:, [not name.endswith("_age") for name in coin.feed_names]]
    return np.column_stack((values, np.isnan(values).astype(np.float64)))


def _candles(coin: Coin) -> Float32Array:
    return coin.features


def _hawkes(coins: list[Coin], train: dict[str, BoolArray], edges: tuple[int, ...]) -> Hazard:
    segments = []
    for coin in coins:
        cuts = np.flatnonzero(np.diff(train[coin.name].astype(int))) + 1
        pieces = np.split(np.arange(len(coin)), cuts)
        segments += [coin.shocks[p] for p in pieces if train[coin.name][p[0]] and len(p) > 1]
    process = fit_hawkes(segments)

    def intensity(coin: Coin, side: int) -> FloatArray:
        return np.asarray(np.log(process.intensity(coin.shocks)))

    return _proportional(intensity)(coins, train, edges)


def _boosted(coins: list[Coin], train: dict[str, BoolArray], edges: tuple[int, ...]) -> Hazard:
    fitted = []
    for side in range(len(SIDES)):
        x, event, at_risk = _pooled(coins, train, edges, side, _candles)
        fitted.append(fit_boosted(x, event, at_risk))
    return lambda coin: np.stack([m.hazard(coin.features) for m in fitted], axis=1)


BASELINES: Final[dict[str, Fit]] = {
    CONSTANT: _proportional(_nothing),
    "High volatility": _proportional(_volatility, 1),
    "Low volatility": _proportional(_volatility, -1),
    "Funding + open interest": _proportional(_feeds),
    "Hawkes": _hawkes,
    BOOSTED: _boosted,
}
