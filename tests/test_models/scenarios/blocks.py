"""Whole blocks of paths on which nothing happens, for what is laid over them."""

from __future__ import annotations

import numpy as np

from models.scenarios.paths import CHUNK, PathBlock


def flat_block(steps: int, coins: int = 3) -> PathBlock:
    """Return paths without a move, that pay 1 bp of funding every eighth candle."""
    shape = (CHUNK, steps, coins)
    funding = np.zeros(shape)
    funding[:, ::8] = 1e-4
    return PathBlock(
        close=np.zeros(shape), low=np.zeros(shape), high=np.zeros(shape), funding=funding,
        answers=np.ones(shape[:2], dtype=np.bool_),
    )  # fmt: skip
