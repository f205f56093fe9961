"""What a training is told of: in the log, and to a person where it failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

logger = logging.getLogger(__name__)


def in_service(trained_s: int, freqai: Mapping[str, Any]) -> str:
    """Return which model answers now, given when it was trained and FreqAI's settings."""
    if not trained_s:
        return "There is no model yet: no forecasts until a training works."
    until = "without expiry"
    if hours := freqai.get("expiration_hours", 0):
        until = f"until {_utc(trained_s + hours * 3600)}"
    return f"The model trained at {_utc(trained_s)} stays in service {until}."


def log_training(m: Mapping[str, Any]) -> None:
    """Say what a training took and gained, and what its model card warns of."""
    for warning in m.get("card", {}).get("warnings", ()):
        logger.warning("%s: %s", m["title"], warning)
    logger.info(
        "%s: %.1f s, validation gain %.1f millibits, context %d candles", m["title"],
        m["seconds"]["all"], m["metrics"]["validation"]["gain_millibits"], m["context_candles"],
    )  # fmt: skip


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
