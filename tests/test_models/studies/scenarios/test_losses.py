"""What is judged of a path, by hand, and paths that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.paths import PathBlock
from models.studies.scenarios.losses import PathLoss, losses_on, path_losses_of


def block(close: list[float], low: list[float], high: list[float]) -> PathBlock:
    parts = [np.array(values).reshape(1, -1, 1) for values in (close, low, high)]
    return PathBlock(
        close=parts[0], low=parts[1], high=parts[2], funding=np.zeros_like(parts[0]),
        answers=np.ones(parts[0].shape[:2], np.bool_),
    )  # fmt: skip


FALL = block([0.01, -0.05, 0.02], [-0.02, -0.09, 0.0], [0.03, 0.0, 0.04])


def test_losses_when_a_path_is_walked_by_hand_then_they_are_those() -> None:
    """Closes at +1, -4 and -2 %; lows -2, -8 and -4, highs 3, 1 and 0 (in logs)."""
    asked = [PathLoss("one", 1), PathLoss("three", 3), PathLoss("worst", 3, worst=True)]
    (got,) = losses_on(FALL, asked)
    assert got[:, 0] == pytest.approx(
        np.array([[-0.01, 0.01], [0.02, -0.02], [0.08, 0.03]]), abs=1e-12
    )
    (first,) = losses_on(FALL, [PathLoss("worst", 1, worst=True)])
    assert first[0, 0] == pytest.approx([0.02, 0.03])


def test_losses_when_candles_are_days_then_there_is_no_loss_of_less_than_one() -> None:
    assert [loss.title for loss in path_losses_of(DAY_MS)] == [
        "24 h", "168 h", "24 h, worst price",
    ]  # fmt: skip
    assert path_losses_of(4 * HOUR_MS)[0] == PathLoss("4 h", 1)
    with pytest.raises(InputError, match="a day is a multiple of, got 18000000 ms"):
        path_losses_of(5 * HOUR_MS)
