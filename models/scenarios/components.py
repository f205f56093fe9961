"""Volatility with a long memory where GARCH is integrated: a mean of EWMAs from short to long.

Zumbach, "The RiskMetrics 2006 methodology", 2007: EWMAs whose spans grow by sqrt(2) from 4 to 362
candles, weighted 1 - ln(span) / ln(1560). Their mean forgets as the logarithm of time does, so it
stays up for weeks where one short EWMA falls within a day. Nothing is chosen or fitted: the numbers
are the defaults of the `arch` package's `RiskMetrics2006`.

DIFF: spans are in candles, as the package has them for whatever data it is given; the paper's are
in days. Breaks as `volatility.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import FloatArray, IntArray
from models.scenarios.paths import CoinHistory
from models.scenarios.volatility import FIT_DAYS, WILDEST, CoinVolatility, garch_by_coin

_LONGEST: Final = 1_560.0  # candles; where the logarithm's weight would be none
_SHORTEST: Final = 4.0  # candles
_GROWTH: Final = 2.0**0.5
COMPONENTS: Final = 14


@dataclass(frozen=True, kw_only=True)
class ComponentVolatility:
    """Each coin's sigma2 as a weighted mean of components; shape letter: C of all coins."""

    parts: CoinVolatility  # (C,) each, coin after coin
    weight: FloatArray  # (C,) adds up to one within a coin
    count: IntArray  # (A,) components of each coin
    notes: tuple[str, ...] = ()

    def variances(self, history: CoinHistory) -> FloatArray:
        """Return sigma2 of each row and of the one to come, (R + 1, A)."""
        return self.level(self.parts.of_returns(self._spread(history.close)))

    def newest(self, history: CoinHistory) -> FloatArray:
        """Return the state after a history's last row, (C,)."""
        return np.asarray(self.parts.of_returns(self._spread(history.close))[-1])

    def level(self, state: FloatArray) -> FloatArray:
        """Return sigma2 of a state, (..., C) -> (..., A)."""
        first = np.cumsum(self.count) - self.count
        return np.asarray(np.add.reduceat(state * self.weight, first, axis=-1))

    def after(
        self, state: FloatArray, close: FloatArray, low: FloatArray, high: FloatArray
    ) -> FloatArray:
        """Return the state (P, C) of the next candle from this one's and its return, (P, A)."""
        return self.parts.after(state, self._spread(close), low, high)

    def _spread(self, close: FloatArray) -> FloatArray:
        return np.repeat(close, self.count, axis=-1)


def long_memory() -> tuple[FloatArray, FloatArray]:
    """Return what each component keeps of itself, and its weight, (COMPONENTS,) each.

    Examples
    --------
    >>> keeps, weight = long_memory()
    >>> keeps.round(3)[[0, -1]].tolist(), weight.round(3)[[0, -1]].tolist()
    ([0.779, 0.997], [0.115, 0.028])
    """
    span = _SHORTEST * _GROWTH ** np.arange(COMPONENTS)
    weight = 1 - np.log(span) / np.log(_LONGEST)
    return np.exp(-1 / span), weight / weight.sum()


def fit_component_volatility(
    history: CoinHistory, fit_days: float = FIT_DAYS
) -> ComponentVolatility:
    """Fit each coin's GARCH on its newest `fit_days`; a long memory stands in for integrated ones.

    Raises
    ------
    InputError
        As `fit_coin_volatility`.
    """
    keeps, weight = long_memory()
    rows, weights, notes = [], [], []
    for coin, one in zip(history.coins, garch_by_coin(history, fit_days), strict=True):
        if isinstance(one, str):
            notes.append(f"{coin}: {one}; RiskMetrics 2006 instead")
            rows.append(np.column_stack([np.zeros(COMPONENTS), 1 - keeps, keeps]))
            weights.append(weight)
        else:
            rows.append(np.array([one]))
            weights.append(np.ones(1))
    count = np.array([len(w) for w in weights])
    omega, alpha, beta = np.concatenate(rows).T
    start = np.repeat((history.close**2).mean(axis=0), count)

    def limited(most: FloatArray) -> ComponentVolatility:
        parts = CoinVolatility(omega=omega, alpha=alpha, beta=beta, start=start, most=most)
        return ComponentVolatility(
            parts=parts, weight=np.concatenate(weights), count=count, notes=tuple(notes)
        )

    most = WILDEST**2 * limited(np.full(len(start), np.inf)).variances(history).max(axis=0)
    return limited(np.repeat(most, count))
