"""Each coin's volatility from its past ranges and the clock: a log-linear HAR.

    log sigma_t = clock_t + sum_k slope_k x_k,t-1,    x_k: EWMAs of log(high / low), span after span

Corsi, "A simple approximate long-memory model of realized volatility", Journal of Financial
Econometrics 7, 2009, with EWMAs for means (Bollerslev, Hood, Huss & Pedersen, "Risk
everywhere", Review of Financial Studies 31, 2018); ranges measure volatility (Parkinson 1980); the
hour of the day and the weekday shift it (Andersen & Bollerslev, "Intraday periodicity and
volatility persistence in financial markets", Journal of Empirical Finance 4, 1997). Least squares
on all rows. A path goes on with the ranges it draws, as in Realized GARCH (Hansen, Huang & Shek
2012): so what the regression leaves of the log range is drawn, not left out, and as rows are
divided by the same sigma that they are multiplied by, no logarithm biases the level.

The largest root of the recursion is below one, so it comes back to the usual level of hour and
weekday; where a fit has it not below, log volatility is the EWMA of a day alone, which comes back
to nothing, and `notes` tell of it. Breaks where volatility jumps without a wide candle before it,
and where its usual level is another than it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.signal import lfilter

from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.base.windows import WEEK_HOURS, clock_flags
from models.scenarios.paths import CoinHistory
from models.scenarios.volatility import WILDEST, require_moving_coins

SPAN_DAYS: Final = (1 / 24, 1 / 4, 1.0, 7.0, 30.0)  # of the EWMAs; below a candle, one candle
LEAST_RANGE: Final = 0.01  # of the median: a candle that hardly traded says no more
_WEEK_MS: Final = WEEK_HOURS * HOUR_MS


@dataclass(frozen=True, kw_only=True)
class HarVolatility:
    """Parameters per coin; shape letter: K spans. A state holds (A * K) EWMAs and the clock."""

    keep: FloatArray  # (K,) what an EWMA keeps of itself
    slope: FloatArray  # (A, K)
    clock: FloatArray  # (168, A) log sigma of an hour of the week where all EWMAs are 0
    start: FloatArray  # (A, K) EWMAs before the first row of a history
    least: FloatArray  # (A,) log range; smaller ones are taken for it
    most: FloatArray  # (A,) sigma2 is cut there
    candle_ms: int
    notes: tuple[str, ...] = ()

    def variances(self, history: CoinHistory) -> FloatArray:
        """Return sigma2 of each row and of the one to come, (R, A) -> (R + 1, A).

        Row t is known at the close of t - 1.
        """
        return self._level(self._ewmas(history), hours_to_come(history))

    def newest(self, history: CoinHistory) -> FloatArray:
        """Return the state after a history's last row, (A * K + 1,)."""
        opens = float(history.time_ms[-1] + self.candle_ms)
        return np.append(self._ewmas(history)[-1].ravel(), opens % _WEEK_MS)

    def level(self, state: FloatArray) -> FloatArray:
        """Return sigma2 of a state, (..., A * K + 1) -> (..., A)."""
        x = state[..., :-1].reshape(*state.shape[:-1], *self.slope.shape)
        return self._level(x, state[..., -1].astype(np.int64) // HOUR_MS)

    def after(
        self, state: FloatArray, close: FloatArray, low: FloatArray, high: FloatArray
    ) -> FloatArray:
        """Return the state of the next candle from this one's and its range, (P, A) each."""
        log_range = self._log_range(low, high)
        out = np.empty_like(state)
        x = state[..., :-1].reshape(*state.shape[:-1], *self.slope.shape)
        moved = self.keep * x + (1 - self.keep) * log_range[..., None]
        out[..., :-1] = moved.reshape(*state.shape[:-1], -1)
        out[..., -1] = (state[..., -1] + self.candle_ms) % _WEEK_MS
        return out

    def roots(self) -> FloatArray:
        """Return the largest root of each coin's recursion, (A,); below 1 it comes back.

        Examples
        --------
        >>> one, coin = np.ones((1, 1)), np.ones(1)
        >>> HarVolatility(keep=0.9 * coin, slope=0.5 * one, clock=np.zeros((168, 1)), start=-one,
        ...     least=-coin, most=coin, candle_ms=HOUR_MS).roots().round(3).tolist()
        [0.95]
        """
        recursion = np.diag(self.keep) + (1 - self.keep)[:, None] * self.slope[:, None, :]
        return np.asarray(np.abs(np.linalg.eigvals(recursion)).max(axis=-1))

    def _level(self, x: FloatArray, hour: IntArray) -> FloatArray:
        log_sigma = self.clock[hour] + (x * self.slope).sum(axis=-1)
        return np.asarray(np.minimum(np.exp(2 * log_sigma), self.most))

    def _log_range(self, low: FloatArray, high: FloatArray) -> FloatArray:
        return np.asarray(np.log(np.maximum(high - low, np.exp(self.least))))

    def _ewmas(self, history: CoinHistory) -> FloatArray:
        return ewmas_of(self._log_range(history.low, history.high), self.keep, self.start)


def ewmas_of(x: FloatArray, keep: FloatArray, start: FloatArray) -> FloatArray:
    """Return EWMAs before each row and after the last, (R, A) -> (R + 1, A, K)."""
    out = np.empty((len(x) + 1, *start.shape))
    out[0] = start
    for k, kept in enumerate(keep):
        zi = kept * start[None, :, k]
        out[1:, :, k] = lfilter([1 - kept], [1.0, -kept], x, axis=0, zi=zi)[0]
    return out


def hours_to_come(history: CoinHistory) -> IntArray:
    """Return the hour of the week in which each row opens, and the one after the last, (R + 1,)."""
    opens = np.append(history.time_ms, history.time_ms[-1] + history.candle_ms)
    return np.asarray(opens // HOUR_MS % WEEK_HOURS)


def fit_har_volatility(history: CoinHistory) -> HarVolatility:
    """Fit every coin on all rows.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_FIT_ROWS`, or a coin's price never moves.
    """
    width = history.high - history.low
    require_moving_coins(history.coins, width)
    least = np.array([np.log(LEAST_RANGE * np.median(x[x > 0])) for x in width.T])
    log_range = np.log(np.maximum(width, np.exp(least)))
    spans = np.maximum(1.0, np.array(SPAN_DAYS) * DAY_MS / history.candle_ms)
    keep = np.exp(-1 / np.unique(spans))
    start = np.repeat(log_range.mean(axis=0)[:, None], len(keep), axis=1)
    slope, clock = _regressed(log_range, ewmas_of(log_range, keep, start)[:-1], history)
    found = HarVolatility(
        keep=keep, slope=slope, clock=clock, start=start, least=least,
        most=np.full(len(least), np.inf), candle_ms=history.candle_ms,
    )  # fmt: skip
    day = int(np.argmin(np.abs(np.unique(spans) - DAY_MS / history.candle_ms)))
    notes = []
    for i, (coin, root) in enumerate(zip(history.coins, found.roots(), strict=True)):
        if root < 1:
            continue
        slope[i], clock[:, i] = np.arange(len(keep)) == day, 0.0
        notes.append(
            f"{coin}: log ranges are not stationary (root {root:.4f}); their EWMA of a day instead"
        )
    # From the width of a candle to the spread of its close, whose mean square becomes sigma2's.
    clock += 0.5 * np.log((history.close**2 / found.variances(history)[:-1]).mean(axis=0))
    most = WILDEST**2 * found.variances(history).max(axis=0)
    return replace(found, most=most, notes=tuple(notes))


def _regressed(
    log_range: FloatArray, x: FloatArray, history: CoinHistory
) -> tuple[FloatArray, FloatArray]:
    """Return the slopes (A, K) and clocks (168, A) of log ranges (R, A) on EWMAs (R, A, K)."""
    flags = clock_flags()
    now = flags[hours_to_come(history)[:-1]]
    rows = [np.hstack((one, now)) for one in x.swapaxes(0, 1)]
    beta = np.array(
        [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(rows, log_range.T, strict=True)]
    )
    spans = x.shape[2]
    return beta[:, :spans], flags @ beta[:, spans:].T
