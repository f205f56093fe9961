"""The hazards a network has to beat, each fitted on rows of several coins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.hazard.hawkes import fit_hawkes
from models.hazard.proportional import ProportionalHazard, fit_proportional
from models.heads import sigmoid
from models.trees.base import BoostingConfig
from models.trees.boosting import HazardHead
from models.trees.table import Table
from models.types import BoolArray, FloatArray
from models.validation.cascades.panel import SIDES, Coin

# A fitted hazard: coin -> P(onset in bin k | none before), (N, 2, K).
Hazard = Callable[[Coin], FloatArray]
Fit = Callable[[list[Coin], dict[str, BoolArray], tuple[int, ...]], Hazard]

CONSTANT: Final = "Constant"
BOOSTED: Final = "Boosted trees on candles"
_THIN: Final = 3  # trees see every third row: neighbours are the same situation
_ROUNDS: Final = 120
_HINT: Final = 1e-3  # a slope that ranks and says nothing


def _pooled(
    coins: list[Coin],
    train: dict[str, BoolArray],
    edges: tuple[int, ...],
    side: int,
    of: Callable[[Coin], FloatArray],
    thin: int = 1,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return features (R, F), events and rows at risk (R, K) of all coins' training rows."""
    parts = []
    for coin in coins:
        rows = np.flatnonzero(train[coin.name] & coin.usable(side))[::thin]
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
    return np.column_stack((coin.feeds, np.isnan(coin.feeds).astype(np.float64)))


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
        x, event, at_risk = _pooled(coins, train, edges, side, lambda c: c.features, _THIN)  # type: ignore[arg-type,return-value]
        prior = fit_proportional(x[:, :0].astype(np.float64), event, at_risk).start
        rows = len(x)
        table = Table(
            row=np.arange(rows),
            x=x.astype(np.float32),
            direction=np.zeros(rows, np.int64),
            scaled_return=np.zeros(rows),
            event=np.stack((event, event), axis=1),
            at_risk=np.stack((at_risk, at_risk), axis=1),
        )
        config = BoostingConfig(hazard_leaf_onsets=48 // _THIN)
        head = HazardHead(config=config, prior=prior, side=0, threads=1, seed=0)
        fitted.append((prior, head.fit(table, _ROUNDS)))
    return lambda coin: np.stack(
        [sigmoid(prior + model.outputs(coin.features)) for prior, model in fitted], axis=1
    )


BASELINES: Final[dict[str, Fit]] = {
    CONSTANT: _proportional(_nothing),
    "High volatility": _proportional(_volatility, 1),
    "Low volatility": _proportional(_volatility, -1),
    "Funding + open interest": _proportional(_feeds),
    "Hawkes": _hawkes,
    BOOSTED: _boosted,
}
