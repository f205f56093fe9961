"""Two accounts: the hedge's profit protects the position only once somebody has moved it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from models.base.types import FloatArray

CUSHION: Final = 2.0  # of the maintenance margin: where a careful holder adds collateral


def transfer_need(equity_quote: ArrayLike, margin_quote: ArrayLike) -> FloatArray:
    """Return what an account needs to have `CUSHION` times its maintenance margin, 0 if it has.

    Parameters
    ----------
    equity_quote
        Collateral and open profit at the mark.
    margin_quote
        Maintenance margin; at an equity of this the exchange liquidates.

    Examples
    --------
    >>> transfer_need([100.0, 12.0], 10.0)
    array([0., 8.])
    """
    need = CUSHION * np.asarray(margin_quote, np.float64) - np.asarray(equity_quote, np.float64)
    out: FloatArray = np.maximum(need, 0.0)
    return out
