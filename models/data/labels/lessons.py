"""What there is to learn from a cascade that is over: its rows, and the moment they are known.

A training keeps the newest rows to calibrate on, so that a fresh episode would reach the weights
months later only. A lesson is the stretch of those rows that a running bot learns from at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.base.types import Candles
from models.data.labels.episodes import closed_episodes
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import cascade_rule


@dataclass(frozen=True)
class Lesson:
    """Candles of one episode, by open time in milliseconds."""

    first_ms: int  # as far before the onset as the hazard looks
    onset_ms: int
    last_ms: int  # the episode's end
    known_ms: int  # at its close every label of these rows is known


def lessons(candles: Candles, candle_ms: int, labels: LabelSettings, after_ms: int) -> list[Lesson]:
    """Return the episodes of both sides that became known after the candle at `after_ms`.

    Nothing known of the first n candles changes when more come. The candles should begin
    `CascadeConfig.history_ms` and a few days before `after_ms`.
    """
    found = closed_episodes(
        candles, candle_ms, labels.purge_candles, cascade_rule(labels, candle_ms)
    )
    t = candles.time_ms
    return [
        Lesson(
            first_ms=int(t[max(episode.onset - labels.cascade_horizon_candles, 0)]),
            onset_ms=int(t[episode.onset]),
            last_ms=int(t[episode.end]),
            known_ms=int(t[row]),
        )
        for episode, row in found
        if t[row] > after_ms
    ]
