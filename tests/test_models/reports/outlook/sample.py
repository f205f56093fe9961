"""An outlook, with the hour to come and without, for tests of its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from models.operate.control.outlook import Odds, Outlook
from models.operate.control.shocks import CoinShocks, PairShock, Unforeseen
from models.reports.outlook.page import write_outlook_page
from tests.test_models.operate.control.outlooks import UNTIL_MS, outlook

RUN: Final = {"title": "The outlook of an account", "simulated": False, "bot": "user_data: live"}
SHOCKS: Final = CoinShocks(
    known=(
        PairShock(pair="LTC/USDT:USDT", until_ms=UNTIL_MS, fall_frac=0.625, rise_frac=0.1),
        PairShock(pair="BTC/USDT:USDT", until_ms=UNTIL_MS, fall_frac=0.051, rise_frac=0.039),
    ),
    missing=(Unforeseen(pair="NEW/USDT:USDT", why="expected at least <26,280> candles"),),
)  # fmt: skip
NEVER: Final = Odds(share=0.0, low=0.0, high=0.0004)


def safe() -> Outlook:
    """Return an outlook without a path that ends in liquidation, of an engine that has passed."""
    held = outlook(engine="har", engine_passed=True, simulated=True)
    return replace(held, horizons=tuple(replace(one, liquidated=NEVER) for one in held.horizons))


def write(folder: Path, created_ms: int) -> Path:
    return write_outlook_page(outlook(), SHOCKS, RUN, folder, created_ms)


def write_silent(folder: Path, created_ms: int) -> Path:
    return write_outlook_page(safe(), None, RUN | {"simulated": True}, folder, created_ms)
