"""Liquidation-cascade onsets from candles alone (data tier L0).

A cascade starts at the first candle whose move over the last hour is beyond both a multiple of
volatility and an absolute floor, on abnormal volume. The floor matters: a purely
volatility-scaled rule makes "volatility is low" the best predictor of its own label.

The move is the adverse excursion: to the candle's low for falls, to its high for squeezes. That is
what a margin account is liquidated at, wherever the candle closes. No low is above its close, so
whatever would count by the close counts by the excursion: it is the union of both rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.data.features.rolling import lag, rolling_median, rolling_rms

# Smallest hourly move that can be a cascade, by coin; 4 % where none is given.
_FLOORS: Final = {"BTC": 0.03}
_FLOOR: Final = 0.04


def coin_floor(coin: str) -> float:
    """Return `floor_frac` of a coin.

    Examples
    --------
    >>> coin_floor("BTC"), coin_floor("XRP")
    (0.03, 0.04)
    """
    return _FLOORS.get(coin, _FLOOR)


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """What counts as a cascade."""

    move_ms: int = HOUR_MS  # the move is measured from the close an hour, or a candle, before
    by_close: bool = False  # to the close, not to the low or high: to compare the labels
    sigma_multiple: float = 4.0  # of the volatility over the same span
    floor_frac: float = 0.03  # and at least this large: `coin_floor`
    volume_multiple: float = 3.0  # of the median volume
    history_ms: int = 30 * DAY_MS  # volatility and median volume are taken over 30 days
    merge_ms: int = DAY_MS  # onsets less than a day apart are one episode
    retrace_frac: float = 0.382  # of the move taken back ends it (the chartists' 38.2 %)
    longest_ms: int = DAY_MS  # it ends after a day whatever the price does

    def __post_init__(self) -> None:
        for name in set(self.__dataclass_fields__) - {"by_close"}:
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, got {getattr(self, name)}")


def cascade_onsets(
    candles: Candles, candle_ms: int, side: int, config: CascadeConfig | None = None
) -> tuple[BoolArray, BoolArray]:
    """Return (onset, known): the first candle of each cascade, and where that can be told.

    Parameters
    ----------
    candles
        One market, contiguous, oldest first.
    candle_ms
        Candle length.
    side
        -1 for long liquidations (price falls), +1 for short squeezes.

    Returns
    -------
    onset, known
        (N,) booleans. Onset t is known at the close of candle t. `known` is False for the rows
        before a full history of volatility and volume exists.
    """
    config = config or CascadeConfig()
    hit, known = cascade_hits(candles, candle_ms, side, config)
    return _first_of_each(hit, max(1, config.merge_ms // candle_ms)), known


def cascade_hits(
    candles: Candles, candle_ms: int, side: int, config: CascadeConfig
) -> tuple[BoolArray, BoolArray]:
    """Return (hit, known): every candle that meets the rule, and where that can be told, (N,) each.

    Known at each candle's close. Hits less than `merge_ms` apart belong to one cascade.
    """
    if side not in (-1, 1):
        raise InputError(f"expected side -1 or +1, got {side}")
    span = max(1, config.move_ms // candle_ms)
    history = max(2, config.history_ms // candle_ms)
    r = np.log(candles.close) - lag(np.log(candles.close), 1)
    # Volatility and median volume end one candle earlier, so the event does not raise its own bar.
    sigma = lag(rolling_rms(r, history), 1) * np.sqrt(span)
    volume = lag(rolling_median(candles.volume, history), 1)
    reach = candles.close if config.by_close else candles.low if side < 0 else candles.high
    move = np.log(reach) - lag(np.log(candles.close), span)
    known = np.isfinite(sigma) & np.isfinite(volume) & np.isfinite(move)
    bar = np.maximum(config.sigma_multiple * sigma, config.floor_frac)
    with np.errstate(invalid="ignore"):
        hit = known & (side * move > bar) & (candles.volume > config.volume_multiple * volume)
    return np.asarray(hit), known


def _first_of_each(hit: BoolArray, merge_candles: int) -> BoolArray:
    onset = np.zeros(len(hit), dtype=np.bool_)
    last = -merge_candles - 1
    for t in np.flatnonzero(hit):
        if t - last > merge_candles:
            onset[t] = True
        last = int(t)
    return onset


def candles_to_onset(onset: BoolArray, known: BoolArray, horizon_candles: int) -> FloatArray:
    """Return the candles from t to the next onset after t, (N,) -> (N,).

    Values 1..horizon, horizon + 1 where none came, NaN for rows whose next `horizon` candles are
    not all in the frame and known. The last rows are NaN even where an onset is already seen:
    keeping only those would overstate the rate.

    Examples
    --------
    >>> onset = np.array([False, False, True, False, False])
    >>> candles_to_onset(onset, np.ones(5, bool), 2)
    array([ 2.,  1.,  3., nan, nan])
    """
    rows = len(onset)
    out = np.full(rows, np.nan)
    following = np.full(rows + 1, np.inf)  # index of the first onset at or after t
    for t in range(rows - 1, -1, -1):
        following[t] = t if onset[t] else following[t + 1]
    steps = following[1:] - np.arange(rows)  # strictly after t
    out[:] = np.where(steps <= horizon_candles, steps, horizon_candles + 1)
    out[max(rows - horizon_candles, 0) :] = np.nan
    # A candle that cannot be told makes every row unknown that looks at it.
    unknown = np.concatenate(([0], np.cumsum(~known)))  # (N + 1,) unknown rows before each
    ahead = np.minimum(np.arange(rows) + horizon_candles + 1, rows)
    out[unknown[ahead] > unknown[:rows]] = np.nan
    return out


def hazard_bins(horizon_candles: int, bins: int) -> tuple[int, ...]:
    """Return log-spaced upper edges of the discrete-time bins, in candles, last = horizon.

    Log spacing keeps the bins near the event short (Kvamme & Borgan 2021, quantile or log bins).

    Examples
    --------
    >>> hazard_bins(24, 6)
    (1, 2, 4, 7, 13, 24)
    """
    if bins < 1 or horizon_candles < bins:
        raise InputError(
            f"expected 1 <= bins <= horizon, got {bins} bins for {horizon_candles} candles"
        )
    edges = np.round(np.geomspace(1, horizon_candles, bins)).astype(int)
    for i in range(1, bins):
        edges[i] = max(edges[i], edges[i - 1] + 1)
    edges[-1] = horizon_candles
    return tuple(int(e) for e in edges)
