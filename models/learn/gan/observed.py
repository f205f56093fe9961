"""What really happened after each row: the paths a generator learns from and is judged by.

A training frame holds features and labels, no price. The one-candle return is a feature in units
of its own row's volatility, so the rows after row t tell the path after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.base.types import BoolArray, FloatArray
from models.base.windows import Span

# FreqAI appends "gen" (no indicator period), the pair and the timeframe.
_RETURN = re.compile(r"%-return_1(?:_gen_([A-Z0-9]+)/[A-Z0-9]+_(\w+))?$")
_SMALLEST_SIGMA = 1e-8  # candles that did not trade have none


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The returns of a frame, asset 0 the traded pair."""

    assets: tuple[str, ...]
    scaled: FloatArray  # (N, A) each candle's log return in units of its row's sigma
    sigma: FloatArray  # (N,) of the traded pair, per candle
    label: FloatArray  # (N,) log return over the horizon / (sigma sqrt(horizon)), NaN unknown
    horizon: int
    runs: Sequence[Span]  # gap-free rows

    @property
    def log_return(self) -> FloatArray:
        """(N, A) each candle's log return; other pairs' in units of their sigma over BTC's."""
        return self.scaled * self.sigma[:, None]


def return_columns(names: Sequence[str]) -> dict[str, int]:
    """Return asset -> column of its one-candle return, the traded pair first, one timeframe.

    FreqAI puts the traded pair and the strategy's own timeframe first.

    Examples
    --------
    >>> return_columns(["%-return_1_gen_BTC/USDTUSDT_1h", "%-return_1_gen_BTC/USDTUSDT_4h",
    ...                 "%-return_1_gen_ETH/USDTUSDT_1h", "%-return_12_gen_ETH/USDTUSDT_1h"])
    {'BTC': 0, 'ETH': 2}
    >>> return_columns(["%-range", "%-return_1"])
    {'base': 1}
    """
    found: dict[str, int] = {}
    timeframe: str | None = None
    for column, name in enumerate(names):
        if match := _RETURN.match(name):
            asset = match.group(1) or "base"
            timeframe = match.group(2) if not found else timeframe
            if asset not in found and match.group(2) == timeframe:
                found[asset] = column
    return found


def paths_after(observed: Observed, span: Span, steps: int) -> tuple[FloatArray, BoolArray]:
    """Return the `steps` returns after each row, (N, S, A) in units of the row's sigma, and where.

    A row counts if its whole path lies in `span` and no candle of it is missing; elsewhere the
    path is zero. Known at the close of candle t + steps, never earlier.

    The label tells the same over the horizon; where the two differ the label wins, and the first
    returns are shifted alike. On a market's own candles it is a matter of rounding.

    # DIFF: other pairs' volatility is not in the frame. Their returns are in units of their own
    # sigma, and its change along the path is taken to be the traded pair's.
    """
    rows, assets = observed.scaled.shape
    sigma = np.maximum(observed.sigma, _SMALLEST_SIGMA)
    out, known = np.zeros((rows, steps, assets)), np.zeros(rows, dtype=bool)
    for run in observed.runs:
        start, stop = max(run.start, span.start), min(run.stop, span.stop)
        if stop - start <= steps:
            continue
        moved = observed.log_return[start + 1 : stop]
        windows = sliding_window_view(moved, steps, axis=0).transpose(0, 2, 1)  # (n, S, A)
        here = slice(start, stop - steps)
        out[here] = windows / sigma[here, None, None]
        known[here] = True
    known &= np.isfinite(observed.label) & (observed.sigma > _SMALLEST_SIGMA)
    explained = out[known, : observed.horizon, 0].sum(axis=1)
    missing = observed.label[known] * np.sqrt(observed.horizon) - explained
    out[known, : observed.horizon, 0] += (missing / observed.horizon)[:, None]
    out[~known] = 0.0
    return out, known


def paths_before(observed: Observed, steps: int) -> FloatArray:
    """Return the returns up to each row and its own, (N, S, A) in units of the row's sigma.

    Zero where a run begins within them.
    """
    sigma = np.maximum(observed.sigma, _SMALLEST_SIGMA)
    out = np.zeros((len(sigma), steps, observed.scaled.shape[1]))
    for run in observed.runs:
        if len(run) >= steps:
            moved = observed.log_return[run.start : run.stop]
            windows = sliding_window_view(moved, steps, axis=0).transpose(0, 2, 1)
            here = slice(run.start + steps - 1, run.stop)
            out[here] = windows / sigma[here, None, None]
    return out
