"""Where things are: the checkout, its user data, and real data that may lie beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
USER_DATA: Final = ROOT / "user_data"
SHARED: Final = ROOT.parent / "shared"  # real market data; tests that want it skip without it
