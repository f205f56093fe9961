"""Which perpetuals a data directory has candles of: the known ones, and others as their prices are.

Filters of a coin that is not in `symbols.py` are made up from its prices, fine enough for any of
them; its leverage brackets are those Freqtrade packages. The real exchange's filters differ.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Final

import pandas as pd

from strategies.desk.loopback.replay import INTERVALS
from strategies.desk.loopback.symbols import LISTED, Symbol
from strategies.desk.loopback.tiers import has_brackets

logger = logging.getLogger(__name__)

_DIGITS: Final = 5  # of a price that count
_FINEST: Final = 8  # digits after the point at most, as the exchange has
_LOT_DIGITS: Final = 3


def coins_in(datadir: Path) -> tuple[Symbol, ...]:
    """Return the symbols to list for a Freqtrade data directory, the known ones first.

    A coin without leverage brackets on record cannot be traded on margin: it is left out, and said.
    """
    known = {symbol.base for symbol in LISTED}
    files = {_base(path): path for path in sorted(_candle_files(datadir), reverse=True)}
    others = sorted(set(files) - known)
    for base in [base for base in others if not has_brackets(base)]:
        logger.warning("%s is left out: Freqtrade has no leverage brackets of it", base)
    found = [described(base, files[base]) for base in others if has_brackets(base)]
    return (*LISTED, *found)


def described(base: str, path: Path) -> Symbol:
    """Return a coin's entry, its tick and lot by the lowest and the newest price in its file."""
    frame = pd.read_feather(path, columns=["low", "close"])
    lowest, newest = float(frame["low"].min()), float(frame["close"].iloc[-1])
    digits = _digits(lowest)
    lot_digits = min(max(math.floor(math.log10(newest)), 0), _LOT_DIGITS)
    lot = f"{10.0**-lot_digits:.{lot_digits}f}"
    most = f"{10 ** max(9 - math.floor(math.log10(newest)), 3):d}"
    tick = f"{10.0**-digits:.{digits}f}"
    return Symbol(
        base=base, onboard_ms=0, price_digits=digits, quantity_digits=lot_digits, min_price=tick,
        max_price="10000000", tick=tick, lot=lot, max_quantity=most, max_market_quantity=most,
        min_notional="5",
    )  # fmt: skip


def _digits(price: float) -> int:
    """Return how many digits after the point a tick has.

    Examples
    --------
    >>> _digits(64_000.0), _digits(150.0), _digits(0.002)
    (0, 2, 7)
    """
    return min(max(_DIGITS - 1 - math.floor(math.log10(price)), 0), _FINEST)


def _candle_files(datadir: Path) -> list[Path]:
    folder = datadir / "futures"
    return [
        path for name in INTERVALS for path in folder.glob(f"*_USDT_USDT-{name}-futures.feather")
    ]


def _base(path: Path) -> str:
    return path.name.split("_")[0]
