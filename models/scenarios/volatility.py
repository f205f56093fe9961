"""Each coin's volatility: GARCH(1,1) with Student-t innovations, or EWMA where that does not hold.

    sigma2_t = omega + alpha r_{t-1}^2 + beta sigma2_{t-1}

Bollerslev 1986 and 1987, fitted by the `arch` package without a mean. It is fitted on the newest
year: a span that joins several levels of volatility looks integrated (Lamoureux & Lastrapes 1990).
Where it still does, or the fit does not converge, EWMA takes its place (RiskMetrics 1996: omega 0,
alpha + beta 1), its half-life chosen by QLIKE (Patton 2011); `notes` tell of it. Another stand-in
is in `components.py`.

Breaks where volatility jumps without a large return before it, and at its daily pattern.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from scipy.signal import lfilter

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_MS
from models.scenarios.paths import CoinHistory

FIT_DAYS: Final = 365.0
LEAST_FIT_ROWS: Final = 500
MOST_PERSISTENT: Final = 0.999  # alpha + beta beyond it is taken for integrated
HALF_LIVES: Final = (6.0, 12.0, 24.0, 48.0, 96.0)  # candles; of EWMA
WILDEST: Final = 2.0  # sigma never exceeds so many times the largest of the history
_PERCENT: Final = 100.0  # arch's optimiser wants returns of order one


@dataclass(frozen=True, kw_only=True)
class CoinVolatility:
    """Parameters per coin, all (A,); squared ones in squared log returns per candle."""

    omega: FloatArray
    alpha: FloatArray
    beta: FloatArray
    start: FloatArray  # sigma2 before the first row of a history
    most: FloatArray  # sigma2 is cut there
    notes: tuple[str, ...] = ()

    def variances(self, history: CoinHistory) -> FloatArray:
        """Return sigma2 of each row and of the one to come, (R + 1, A).

        Row t is known at the close of t - 1.
        """
        return self.of_returns(history.close)

    def of_returns(self, close: FloatArray) -> FloatArray:
        """Return sigma2 of each of some returns and of the one to come, (R, A) -> (R + 1, A)."""
        out = np.empty((len(close) + 1, close.shape[1]))
        out[0] = self.start
        for i, r in enumerate(close.T):
            into = self.omega[i] + self.alpha[i] * r * r
            kept = self.beta[i] * self.start[i]
            out[1:, i] = lfilter([1.0], [1.0, -self.beta[i]], into, zi=[kept])[0]
        return np.minimum(out, self.most)

    def newest(self, history: CoinHistory) -> FloatArray:
        """Return the state after a history's last row, (A,): here sigma2 itself."""
        return np.asarray(self.variances(history)[-1])

    def level(self, state: FloatArray) -> FloatArray:
        """Return sigma2 of a state: here the state."""
        return state

    def after(
        self, variance: FloatArray, close: FloatArray, low: FloatArray, high: FloatArray
    ) -> FloatArray:
        """Return sigma2 of the next candle from this one's and its return, (P, A) each."""
        return np.minimum(self.omega + self.alpha * close**2 + self.beta * variance, self.most)


class Volatility(Protocol):
    """Sigma2 of every coin as it develops, from a state of its own shape (S,)."""

    @property
    def notes(self) -> tuple[str, ...]: ...

    def variances(self, history: CoinHistory) -> FloatArray: ...  # (R + 1, A)

    def newest(self, history: CoinHistory) -> FloatArray: ...  # (S,)

    def level(self, state: FloatArray) -> FloatArray: ...  # (..., S) -> (..., A)

    def after(
        self, state: FloatArray, /, close: FloatArray, low: FloatArray, high: FloatArray
    ) -> FloatArray: ...  # (P, S) and the drawn candle, (P, A) each


def fit_coin_volatility(history: CoinHistory, fit_days: float = FIT_DAYS) -> CoinVolatility:
    """Fit every coin on its newest `fit_days`; EWMA stands in for an integrated GARCH.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_FIT_ROWS`, or a coin's price never moves.
    """
    notes, found = [], []
    newest = _newest(history, fit_days)
    for coin, r, one in zip(history.coins, newest.T, garch_by_coin(history, fit_days), strict=True):
        if isinstance(one, str):
            half_life = _half_life(r)
            notes.append(f"{coin}: {one}; EWMA with a half-life of {half_life:g} candles instead")
            one = (0.0, 1 - 0.5 ** (1 / half_life), 0.5 ** (1 / half_life))
        found.append(one)
    omega, alpha, beta = np.array(found).T
    start = np.asarray((history.close**2).mean(axis=0))
    unlimited = CoinVolatility(
        omega=omega, alpha=alpha, beta=beta, start=start, most=np.full(len(start), np.inf)
    )
    most = WILDEST**2 * unlimited.variances(history).max(axis=0)
    return CoinVolatility(
        omega=omega, alpha=alpha, beta=beta, start=start, most=most, notes=tuple(notes)
    )


def garch_by_coin(
    history: CoinHistory, fit_days: float = FIT_DAYS
) -> list[tuple[float, float, float] | str]:
    """Return each coin's omega, alpha and beta on its newest `fit_days`, or why it has none.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_FIT_ROWS`, or a coin's price never moves.
    """
    newest = _newest(history, fit_days)
    require_moving_coins(history.coins, newest)
    return [_garch(r) for r in newest.T]


def require_moving_coins(coins: Sequence[str], moves: FloatArray) -> None:
    """Refuse moves (R, A) that no volatility can be fitted to.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_FIT_ROWS`, or a coin's price never moves.
    """
    still = [c for c, r in zip(coins, moves.T, strict=True) if not r.any()]
    if len(moves) < LEAST_FIT_ROWS or still:
        raise InputError(
            f"expected at least {LEAST_FIT_ROWS} rows in which every coin moves, got {len(moves)}"
            + (f", and {', '.join(still)} never move" if still else ""),
            where="volatility",
            cure="hand in a longer history, or leave the coin out",
        )


def _newest(history: CoinHistory, fit_days: float) -> FloatArray:
    return history.close[-int(fit_days * DAY_MS / history.candle_ms) :]


def _garch(r: FloatArray) -> tuple[float, float, float] | str:
    """Return omega, alpha and beta, or why they are not to be used."""
    from arch import arch_model  # an engine without it does without this library

    model = arch_model(_PERCENT * r, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scale and convergence: the flag tells
        result = model.fit(disp="off", show_warning=False)
    omega, alpha, beta = (float(result.params[n]) for n in ("omega", "alpha[1]", "beta[1]"))
    if result.convergence_flag != 0 or not np.isfinite([omega, alpha, beta]).all():
        return f"GARCH does not converge (flag {result.convergence_flag})"
    if alpha + beta > MOST_PERSISTENT:
        return f"GARCH is not stationary (alpha + beta = {alpha + beta:.4f})"
    return omega / _PERCENT**2, alpha, beta


def _half_life(r: FloatArray) -> float:
    """Return the half-life with the lowest QLIKE, log(sigma2) + r^2 / sigma2 on average."""

    def qlike(half_life: float) -> float:
        keep = 0.5 ** (1 / half_life)
        first = float((r * r).mean())
        sigma2 = lfilter([1 - keep], [1.0, -keep], r[:-1] ** 2, zi=[keep * first])[0]
        return float(np.mean(np.log(sigma2) + r[1:] ** 2 / sigma2))

    return min(HALF_LIVES, key=qlike)
