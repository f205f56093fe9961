"""A model traded in a style: what is judged, and each of its seeds a trial of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.base.types import IntArray
from models.studies.compare import ComparedModel, Trading, Truth
from models.studies.trials.registry import TriedReturns, day_numbers, every_day
from models.studies.validate.money import (
    STYLES_JUDGED,
    TradedSeed,
    TradingStyle,
    traded_seeds,
)


@dataclass(frozen=True, kw_only=True)
class JudgedModel:
    """One model's forecasts, and whether another future changed them."""

    entry: ComparedModel
    noticed: str = ""  # where it knew of candles to come; empty is as it should be


@dataclass(frozen=True)
class StyledModel:
    """One model traded in one style: what is judged, and every seed of it a trial."""

    model: JudgedModel
    style: TradingStyle
    seeds: Sequence[TradedSeed]
    keys: Sequence[str] = field(default=())  # of its trials, by seed

    @property
    def title(self) -> str:
        return f"{self.model.entry.title}, {self.style.title}"


def in_styles(
    models: Sequence[JudgedModel],
    truth: Truth,
    trading: Trading,
    styles: Sequence[TradingStyle] = STYLES_JUDGED,
) -> list[StyledModel]:
    """Return every model in every style."""
    return [
        StyledModel(model, style, traded_seeds(model.entry, style, truth, trading))
        for style in styles
        for model in models
    ]


def daily_trial(
    seed: TradedSeed, time_ms: IntArray, *, key: str, by: str, model: str, style: str, number: int,
    settings: str,
) -> TriedReturns:  # fmt: skip
    """Return one seed's returns as the registry takes them."""
    first, returns = every_day(day_numbers(time_ms), seed.daily)
    return TriedReturns(
        key=key, by=by, model=model, style=style, seed=number, settings=settings,
        first_day=first, returns=returns,
    )  # fmt: skip
