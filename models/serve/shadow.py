"""Challenger against champion on candles that neither was trained on: may it take over?

Both have answered the same candles since the challenger was trained. Their losses are compared
candle by candle; the newer one wins a tie, because it has seen newer candles, unless it takes sides
more strongly than the pair's first model did: a bolder one has to be better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base import columns
from models.base.types import FloatArray
from models.serve.scores import BOLDNESS, class_loss, row_scores

SHADOW_ROWS: Final = 100  # candles, at least: of fewer nothing is said
_BLOCK: Final = 24  # candles averaged together: neighbours share their outcome


@dataclass(frozen=True, kw_only=True)
class ShadowVerdict:
    """Whether the challenger may serve, and in which numbers."""

    promoted: bool
    why: str
    rows: int
    worse_by_nats: float
    standard_error: float
    boldness: float  # the challenger's mean, in units of the first model's


def judge_shadow(
    champion: Mapping[str, FloatArray],
    challenger: Mapping[str, FloatArray],
    first: Mapping[str, FloatArray],
    came: tuple[FloatArray, FloatArray],
    most_bold: float,
) -> ShadowVerdict | None:
    """Return the verdict; None while fewer than `SHADOW_ROWS` candles can be compared.

    Parameters
    ----------
    champion, challenger, first
        Forecast columns of the same rows, (N,) each; `first` is the pair's first model.
    came
        (log return over the horizon, class) of those rows, NaN where not known yet.
    most_bold
        Times the first model's boldness beyond which a tie is lost.

    Notes
    -----
    The loss is that of the class plus that of the size of the return under the volatility that was
    told, a Laplace density's, both in nats: a model that takes a wild market for a calm one loses
    by the second whatever it says of direction.
    """
    apart = _loss(challenger, *came) - _loss(champion, *came)
    known = np.isfinite(apart)
    if known.sum() < SHADOW_ROWS:
        return None
    parts = np.array_split(apart[known], max(known.sum() // _BLOCK, 2))
    means = np.array([part.mean() for part in parts])
    error = float(means.std(ddof=1) / np.sqrt(len(means)))
    worse = float(apart[known].mean())
    own, usual = (
        float(row_scores(told, *came)[BOLDNESS][known].mean()) for told in (challenger, first)
    )
    bold = own / usual if usual > 0 else (np.inf if own > 0 else 1.0)
    why, promoted = "it is not clearly worse", True
    if worse > error:
        why, promoted = "its loss is higher by more than its error", False
    elif bold > most_bold and not worse < -error:
        why = f"it takes sides {bold:.1f} times as strongly as the first model, and is no better"
        promoted = False
    return ShadowVerdict(
        promoted=promoted, why=why, rows=int(known.sum()), worse_by_nats=worse,
        standard_error=error, boldness=min(bold, 1e9),
    )  # fmt: skip


def _loss(
    forecast: Mapping[str, FloatArray], log_return: FloatArray, direction: FloatArray
) -> FloatArray:
    sigma = np.where(forecast[columns.SIGMA] > 0, forecast[columns.SIGMA], np.nan)
    size = np.log(sigma) + np.sqrt(2.0) * np.abs(log_return) / sigma
    out: FloatArray = class_loss(forecast, direction) + size
    return out
