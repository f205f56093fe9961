"""What one test leaves in the process is no other test's business."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _log_records_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot started in this process has Freqtrade remember text only: traces are taken out."""
    if loggers := sys.modules.get("freqtrade.loggers"):
        monkeypatch.setattr(loggers.bufferHandler, "filters", [])
