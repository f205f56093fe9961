"""An engine of ordinary candles with rare things laid over: crashes, breaks, spikes, outages.

The base's paths stay what they are without the overlays: each has a stream of its own, so with and
without one are compared on the same paths. The default is what the tests of the room hold against
the worst that was seen: extreme values, and all four overlays.

What an overlay puts into a path by itself is not drawn by the base as well: rows of the history
that an overlay was made of (`taken`, of named crashes) are no part of the base's.

Assumes that rare things are rare: at most one crash and one spell of funding in a path, so the
chance of two within its span is left out. Breaks as its base and its overlays do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.scenarios.breaks import IdiosyncraticBreaks
from models.scenarios.chunked import cut
from models.scenarios.crashes import NamedCrashes
from models.scenarios.extreme import ExtremeValues
from models.scenarios.overlays import FittedOverlay, Overlay
from models.scenarios.paths import (
    CHUNK,
    CoinHistory,
    FittedEngine,
    PathBlock,
    RowEngine,
    Scenarios,
    chunks,
)
from models.scenarios.venue import FundingSpikes, VenueOutages


def rare_things() -> tuple[Overlay, ...]:
    """Return every overlay with its default settings, in the order they are laid over."""
    return (NamedCrashes(), IdiosyncraticBreaks(), FundingSpikes(), VenueOutages())


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A base and what is laid over it; what comes later sees what came before."""

    base: RowEngine = field(default_factory=ExtremeValues)
    overlays: tuple[Overlay, ...] = field(default_factory=rare_things)
    name: str = "mixture"

    def fit(self, history: CoinHistory) -> FittedMixture:
        """Fit the base and every overlay.

        Raises
        ------
        InputError
            If the history is too short for one of them.
        """
        fitted = tuple(overlay.fit(history) for overlay in self.overlays)
        kept = np.ones(len(history.close), dtype=np.bool_)
        kept[[row for one in fitted for row in one.taken]] = False
        base = self.base.fit(history, kept)
        notes = (*base.notes, *(note for one in fitted for note in one.notes))
        return FittedMixture(base=base, overlays=fitted, notes=notes)


@dataclass(frozen=True, kw_only=True)
class FittedMixture:
    """A fitted base and fitted overlays."""

    base: FittedEngine
    overlays: tuple[FittedOverlay, ...]
    notes: tuple[str, ...] = ()

    def given(self, history: CoinHistory) -> MixedScenarios:
        """Return the scenarios after `history`; raises what the base does."""
        return MixedScenarios(base=self.base.given(history), overlays=self.overlays)


@dataclass(frozen=True, kw_only=True)
class MixedScenarios:
    """The base's scenarios, with the overlays on every block."""

    base: Scenarios
    overlays: tuple[FittedOverlay, ...]

    @property
    def coins(self) -> tuple[str, ...]:
        return self.base.coins

    @property
    def candle_ms(self) -> int:
        return self.base.candle_ms

    def draw(self, paths: int, steps: int, seed: int, first: int = 0) -> Iterator[PathBlock]:
        """Yield paths as `Scenarios` describes; overlays see whole chunks."""
        for k, (size, _) in enumerate(chunks(paths, seed, first)):
            chunk = first // CHUNK + k
            (block,) = self.base.draw(CHUNK, steps, seed, chunk * CHUNK)
            for overlay, key in _own_streams(self.overlays):
                stream = np.random.SeedSequence(seed, spawn_key=(chunk, *key))
                block = overlay.laid_over(block, np.random.default_rng(stream))
            yield cut(block, size)


def _own_streams(
    overlays: Sequence[FittedOverlay],
) -> list[tuple[FittedOverlay, tuple[int, int]]]:
    """Return each overlay with a key of its kind: leaving one out does not change the others'."""
    kinds = [type(one).__name__ for one in overlays]
    return [
        (one, (zlib.crc32(kind.encode()), kinds[:n].count(kind)))
        for n, (one, kind) in enumerate(zip(overlays, kinds, strict=True))
    ]
