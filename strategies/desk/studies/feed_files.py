"""Histories of extra feeds on disk, as their publisher exports them (CoinGlass, 4 h bars).

Only what the cascade measurements use. A file that is absent is no error: the feed is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS

BAR_MS: Final = 4 * HOUR_MS


def read_open_interest(folder: Path | None, coin: str) -> tuple[IntArray, FloatArray]:
    """Return the ends of the bars and the aggregated open interest at them, in dollars."""
    return _read(folder, f"coinglass_oi_agg_ohlc_{coin}_4h.parquet", "close")


def liquidations(folder: Path | None, coin: str, side: int) -> tuple[IntArray, FloatArray]:
    """Return the ends of the bars and the notional liquidated in them; side -1 is of longs.

    The publisher revises this history: its level is not to be used, see `models.data.labels.tiers`.
    """
    which = "long" if side < 0 else "short"
    return _read(
        folder, f"coinglass_liquidation_{coin}_4h.parquet", f"aggregated_{which}_liquidation_usd"
    )


def _read(folder: Path | None, name: str, column: str) -> tuple[IntArray, FloatArray]:
    if folder is None or not (folder / name).is_file():
        return np.array([], dtype=np.int64), np.array([])
    frame = pd.read_parquet(folder / name)
    if missing := {"date", column} - set(frame.columns):
        raise InputError(
            f"expected columns date and {column}, got none called {', '.join(sorted(missing))}",
            where=str(folder / name),
            cure="export the feed again, or remove the file",
        )
    start = frame["date"].to_numpy("datetime64[ms]").astype(np.int64)
    return start + BAR_MS, frame[column].to_numpy(np.float64)
