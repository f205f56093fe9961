"""Lengths of time, and the unit forecasts are measured in; each has one definition, here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0

MILLIBITS: Final = 1000.0 / math.log(2.0)  # per nat

Seconds: TypeAlias = Callable[[], float]
"""A clock that answers in seconds."""
