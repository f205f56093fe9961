"""Whose signals are traded: those of a forecast's most confident rows, and those of a coin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.trade.decision.signals import Signals

_RENEWED: Final = 24  # rows a bar stands
_LEAST: Final = 240  # known rows it is made of, at least


def confident(forecast: Mapping[str, FloatArray], share: float, window: int) -> Signals:
    """Return the side of the rows that are surest of it; nothing is left before its time.

    Parameters
    ----------
    forecast
        Column name -> (N,), the names of `models.base.columns.FORECAST`.
    share
        Of rows, in (0, 1): a row is sure where P(up) - P(down) is as far from 0 as in that share of
        the `window` rows before it that are known. The bar is renewed every 24 rows.

    Notes
    -----
    Known at the close of each row: a bar chosen over the whole span would know its future. So it
    is the share of the rows before that is kept, not of the span's own.

    Raises
    ------
    InputError
        If `share` is outside, or `window` shorter than the rows a bar needs.
    """
    if not 0 < share < 1 or window < _LEAST:
        raise InputError(
            f"expected 0 < share < 1 and a window of at least {_LEAST} rows, got {share} and "
            f"{window}"
        )
    lead = forecast[columns.P_UP] - forecast[columns.P_DOWN]
    lead = np.where(forecast[columns.ABSTAIN] == 0, lead, np.nan)
    size, bar = np.abs(lead), np.full(len(lead), np.nan)
    for row in range(0, len(lead), _RENEWED):
        before = size[max(0, row - window) : row]
        known = before[np.isfinite(before)]
        if len(known) >= _LEAST:
            bar[row : row + _RENEWED] = np.quantile(known, 1 - share)
    with np.errstate(invalid="ignore"):
        sure = size >= bar
    return _sides(np.where(sure, np.sign(lead), 0.0))


def by_coin(rows: int, rng: np.random.Generator) -> Signals:
    """Return a side by a coin on every row: the control, of which nothing can be known.

    What it loses is what trading costs; a fill model by which it earns is wrong.
    """
    return _sides(rng.choice((-1.0, 1.0), size=rows))


def _sides(side: FloatArray) -> Signals:
    never = np.zeros(len(side), dtype=np.bool_)
    return Signals(side.astype(np.int8), never, never.copy())
