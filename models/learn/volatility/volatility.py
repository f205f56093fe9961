"""Volatility: a linear regression of the coming range, and nothing that knows a side.

Source: Corsi, "A simple approximate long-memory model of realized volatility", Journal of
Financial Econometrics 7, 2009: the logarithm of volatility is regressed on its averages over
several horizons. Ranges measure it: Parkinson, "The extreme value method for estimating the
variance of the rate of return", Journal of Business 53, 1980. Beside them stand the same hours of
the days before, the hour of the day and the weekday.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from models.base.columns import HEAD_VOLATILITY
from models.base.config import EXPECTED
from models.base.spec import ModelSpec
from models.base.windows import CONTEXTS, MAX_CONTEXT_CANDLES


@dataclass(frozen=True, kw_only=True)
class VolatilityConfig:
    """What the regression is given, and how much it is held back."""

    # Candles of each average of past ranges: doubled up to what a running bot hands over.
    windows: Sequence[int] = field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        metadata={EXPECTED: "a list of different whole numbers"},
    )
    same_hour: bool = True  # the horizon's own hours, of as many days before as there are
    ridge: float = 10.0  # penalty on squared coefficients of standardised inputs, in rows

    def __post_init__(self) -> None:
        if not self.windows or len(set(self.windows)) != len(self.windows):
            raise ValueError(f"expected different windows, at least one, got {self.windows}")
        if not all(1 <= n <= MAX_CONTEXT_CANDLES for n in self.windows):
            raise ValueError(
                f"expected windows from 1 to {MAX_CONTEXT_CANDLES} candles, got {self.windows}"
            )
        if not 0 < self.ridge < math.inf:  # every row has an hour: without it there is no solution
            raise ValueError(f"expected ridge finite and > 0, got {self.ridge}")


@dataclass(frozen=True, kw_only=True)
class VolatilitySpec(ModelSpec):
    """The one architecture without a side."""

    cross_fits: bool = True

    family: ClassVar[str] = "volatility"

    def candles_read(self, config: VolatilityConfig) -> int:
        return MAX_CONTEXT_CANDLES if config.same_hour else max(config.windows)


SPEC = VolatilitySpec(
    name="volatility",
    title="Volatility",
    forecaster="VolatilityForecaster",
    config=VolatilityConfig,
    contexts=CONTEXTS,
    description=(
        "A weighted sum of logarithms: of the ranges of the last candles, of the same hours of "
        "the days before, and of what the hour and the weekday usually bring. It forecasts how far "
        "the price goes, and takes ups and downs to be as frequent as in training."
    ),
    failure_modes=(
        "never knows which way: its median is zero and it opens nothing",
        "a wild hour that nothing announces, as news does, is as unlikely to it as to everybody",
        "remembers 256 candles: a level of volatility older than that is forgotten",
    ),
    useful_rows=3_000,
    natural_use="reference",
    source="Parkinson 1980; Corsi 2009",
    reads_time=True,
    directional=False,
    extra=(HEAD_VOLATILITY,),
    minimum_rows=500,
)
