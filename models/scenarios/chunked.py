"""What engines have in common: chunks, what fits into memory, which market they know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.errors import AlignmentError, InputError
from models.base.types import BoolArray, FloatArray
from models.scenarios.paths import CHUNK, CoinHistory, PathBlock, chunks

MEMORY_BYTES: Final = 4 * 2**30  # one block and what making it needs may take so much
# Numbers (CHUNK, T) held at once while a block is made, measured; a coin's own, and shared ones.
PER_COIN: Final = 14
SHARED: Final = 10

BlockMaker = Callable[[int, np.random.Generator], PathBlock]
"""Makes one block of `CHUNK` paths: steps, stream of random numbers."""


@dataclass(frozen=True, kw_only=True)
class ChunkedScenarios:
    """Scenarios whose chunks are independent: `block` makes one from its own stream.

    A chunk is always made whole and then cut, so that fewer paths are the first of more.
    """

    coins: tuple[str, ...]
    candle_ms: int
    block: BlockMaker
    memory_bytes: int = MEMORY_BYTES

    def draw(self, paths: int, steps: int, seed: int, first: int = 0) -> Iterator[PathBlock]:
        """Yield paths as `Scenarios` describes; `check_memory` refuses what would not fit."""
        check_memory(steps, len(self.coins), self.memory_bytes)
        for size, rng in chunks(paths, seed, first):
            yield cut(self.block(steps, rng), size)


def block_bytes(steps: int, coins: int) -> int:
    """Return about how much memory one block takes while it is made; the number of paths is free.

    Examples
    --------
    >>> block_bytes(168, 5) // 2**20
    105
    """
    return CHUNK * steps * 8 * (PER_COIN * coins + SHARED)


def check_memory(steps: int, coins: int, limit_bytes: int = MEMORY_BYTES) -> None:
    """Refuse steps and coins whose blocks would not fit.

    Raises
    ------
    InputError
        If there is no step, or a block would take more than `limit_bytes`.
    """
    if steps < 1:
        raise InputError(f"expected at least 1 step, got {steps}")
    needed = block_bytes(steps, coins)
    if needed > limit_bytes:
        raise InputError(
            f"expected blocks within {limit_bytes / 2**20:.0f} MiB, got {steps} steps of {coins} "
            f"coins: {needed / 2**20:.0f} MiB",
            where="scenarios",
            cure=f"at most {steps * limit_bytes // needed} steps, longer candles or fewer coins",
        )


def cut(block: PathBlock, size: int) -> PathBlock:
    """Return the first `size` paths."""
    if size == len(block):
        return block
    return PathBlock(
        close=block.close[:size], low=block.low[:size], high=block.high[:size],
        funding=block.funding[:size], answers=block.answers[:size],
    )  # fmt: skip


def check_same_market(coins: tuple[str, ...], candle_ms: int, history: CoinHistory) -> None:
    """Refuse a history of other coins or candles than those an engine was fitted on.

    Raises
    ------
    AlignmentError
        Naming both.
    InputError
        If the history is empty.
    """
    if (history.coins, history.candle_ms) != (coins, candle_ms):
        raise AlignmentError(
            f"expected {', '.join(coins)} in candles of {candle_ms} ms, as fitted, "
            f"got {', '.join(history.coins)} in {history.candle_ms} ms",
            where="history",
            cure="hand in the coins and candles the engine was fitted on, or fit it again",
        )
    if not len(history.close):
        raise InputError("expected at least 1 row of history, got none", where="history")


def check_rows(engine: str, history: CoinHistory, least: int) -> None:
    """Refuse a history that is too short for an engine.

    Raises
    ------
    InputError
        With the rows needed and had.
    """
    rows = len(history.close)
    if rows < least:
        raise InputError(
            f"expected at least {least} rows of history for {engine}, got {rows}",
            where=", ".join(history.coins),
            cure="hand in a longer history, or take an engine that needs less",
        )


def kept_rows(history: CoinHistory, kept: BoolArray | None) -> BoolArray:
    """Return which rows of a history may be drawn, (R,); all by default."""
    return np.ones(len(history.close), dtype=np.bool_) if kept is None else kept


def all_answer(steps: int) -> BoolArray:
    """Return an exchange that takes orders in every candle, (CHUNK, T)."""
    return np.ones((CHUNK, steps), dtype=np.bool_)


def around_close(
    close: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return low and high with the close and the close before within them."""
    return np.minimum(low, np.minimum(close, 0.0)), np.maximum(high, np.maximum(close, 0.0))
