"""What strategies and FreqAI models expect of each other; they meet through Freqtrade only.

Checked with `isinstance`: a strategy may run with another FreqAI model, and a model of the pack
with another strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

MADE_OF: Final = "made_of.json"  # beside a bot's models: what they depend on, part by part


class StageTimer(Protocol):
    """Takes the time of the stages between a candle's close and its order."""

    def stage(self, pair: str, name: str) -> AbstractContextManager[None]:
        """Time the block as stage `name` of `pair`."""


@runtime_checkable
class TimedHost(Protocol):
    """A strategy whose stages are timed."""

    @property
    def lane(self) -> StageTimer:
        """What takes the time."""


@runtime_checkable
class LateBooking(Protocol):
    """A FreqAI model that answers first and keeps its books between candles."""

    def catch_up(self) -> None:
        """Book the answers given since the last call; nobody waits for it."""


@runtime_checkable
class KnownModels(Protocol):
    """A FreqAI model class that says where a bot of a config keeps its models."""

    def identity(self, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the folder's name, and the parts its digest is of."""


@runtime_checkable
class ModelsHost(Protocol):
    """A strategy that keeps a book and a journal of its models."""

    @property
    def models_folder(self) -> Path | None:
        """Where what is known of its models belongs; None where nothing is kept."""

    def note_models(self, event: str, what: str, done: str) -> None:
        """Write down what has become of a model."""
