"""What the tests of the strategies share."""

from __future__ import annotations

from typing import Any

import pytest
from freqtrade.persistence import Trade


@pytest.fixture
def open_trades(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Freqtrade's open trades, empty until a test adds some."""
    trades: list[Any] = []
    monkeypatch.setattr(Trade, "get_open_trades", lambda: trades)
    return trades
