"""A comparison's run as its page shows it."""

from __future__ import annotations

from typing import Any

RUN: dict[str, Any] = {
    "title": "Models", "span": "s", "data": "d", "simulated": True, "seeds": [0],
    "train_days": 1, "test_days": 1, "reference": "Base",
}  # fmt: skip
