"""Joint paths of several coins' candles, and the one face of everything that draws them.

Shape letters: P paths, T steps (candles), A coins; R rows of history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray

CHUNK: Final = 1_024  # paths drawn from one stream of random numbers


@dataclass(frozen=True, kw_only=True)
class CoinHistory:
    """Several coins' candles on one grid, oldest first; what an engine may learn from.

    A row holds the candle that opened at its time, as log differences from the close before it,
    and is known when that candle has closed.
    """

    coins: tuple[str, ...]  # A pairs, as Freqtrade writes them
    candle_ms: int
    time_ms: IntArray  # (R,) opening times; a gap is a missing row, never a filled one
    close: FloatArray  # (R, A) log of the close over the close before
    low: FloatArray  # (R, A) log of the low over the close before; <= min(close, 0)
    high: FloatArray  # (R, A) log of the high over the close before; >= max(close, 0)
    funding: FloatArray  # (R, A) what longs paid within the candle, as a fraction of notional

    def until(self, time_ms: int) -> CoinHistory:
        """Return what is known at `time_ms`: the candles that have closed by then."""
        return self.only(self.time_ms + self.candle_ms <= time_ms)

    def only(self, kept: BoolArray) -> CoinHistory:
        """Return the rows of `kept` (R,); what is not kept is a gap."""
        return CoinHistory(
            coins=self.coins, candle_ms=self.candle_ms, time_ms=self.time_ms[kept],
            close=self.close[kept], low=self.low[kept], high=self.high[kept],
            funding=self.funding[kept],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PathBlock:
    """Some paths of all coins: what each candle to come does, from the newest known close on.

    `low` and `high` are of the whole candle, so a stop or a liquidation between two closes is
    seen. Nothing says in which order a candle reached them, nor that two coins did together.
    """

    close: FloatArray  # (P, T, A) log of each close over the close before
    low: FloatArray  # (P, T, A) <= min(close, 0)
    high: FloatArray  # (P, T, A) >= max(close, 0)
    funding: FloatArray  # (P, T, A) fraction of notional that longs pay within the candle
    answers: BoolArray  # (P, T) whether the exchange takes orders in the candle; stops need it

    def __len__(self) -> int:
        return len(self.close)


class Scenarios(Protocol):
    """An engine that stands at one instant: what may follow the newest candle it was given."""

    @property
    def coins(self) -> tuple[str, ...]: ...

    @property
    def candle_ms(self) -> int: ...

    def draw(self, paths: int, steps: int, seed: int, first: int = 0) -> Iterator[PathBlock]:
        """Yield `paths` paths of `steps` candles in blocks of at most `CHUNK` paths.

        The same seed gives the same paths, whatever else runs, and fewer paths are the first of
        more: chunk i has a stream of its own (`chunks`). `first`, a multiple of `CHUNK`, leaves
        out the paths before it: so several processes share the work and get the same paths.
        """
        ...


class FittedEngine(Protocol):
    """Parameters that were learnt; no candle later than the history of `fit` is in them.

    Plain data: a process that is to draw gets it pickled and stands it itself.
    """

    @property
    def notes(self) -> tuple[str, ...]: ...  # what a reader of its results has to know

    def given(self, history: CoinHistory) -> Scenarios:
        """Return the scenarios from the end of `history` on, by these parameters."""
        ...


class Engine(Protocol):
    """A way to make scenarios; settings are its constructor's."""

    @property
    def name(self) -> str: ...

    def fit(self, history: CoinHistory) -> FittedEngine:
        """Learn from a history.

        Raises
        ------
        InputError
            If the history is too short for this engine: how many rows it needs, and had.
        """
        ...


class RowEngine(Engine, Protocol):
    """An engine that draws from rows of the history, and can leave some out."""

    def fit(self, history: CoinHistory, kept: BoolArray | None = None) -> FittedEngine:
        """Learn from a history.

        Parameters
        ----------
        kept
            (R,) rows that may be drawn; all by default. What follows them is learnt from all.

        Raises
        ------
        InputError
            If there are too few for this engine: how many rows it needs, and had.
        """
        ...


def chunks(paths: int, seed: int, first: int = 0) -> Iterator[tuple[int, np.random.Generator]]:
    """Yield the size of each chunk of `paths`, from path `first` on, and its own random stream.

    Raises
    ------
    InputError
        If `paths` is below 1, `seed` below 0, or `first` no multiple of `CHUNK`.

    Examples
    --------
    >>> (few,) = [rng.random() for _, rng in chunks(1_000, 7)]
    >>> few == [rng.random() for _, rng in chunks(2_000, 7)][0]
    True
    """
    if paths < 1 or seed < 0:
        raise InputError(f"expected at least 1 path and a seed from 0 on, got {paths} and {seed}")
    if first < 0 or first % CHUNK:
        raise InputError(f"expected a first path that is a multiple of {CHUNK}, got {first}")
    for done in range(0, paths, CHUNK):
        stream = np.random.SeedSequence(seed, spawn_key=((first + done) // CHUNK,))
        yield min(CHUNK, paths - done), np.random.default_rng(stream)
