"""Prophet: the log price as a broken line, seasons and calendar events.

Source: Taylor & Letham, "Forecasting at scale", The American Statistician 72, 2018, fitted by the
`prophet` library. It sees time and price only: features other than sigma play no part. The
forecast of a row is what trend, seasons and events add over the horizon, never a return to the
fitted level. The library takes the price around its fit for independent noise, which a price is
not, so each part gets the weight (0..1) it earns on validation rows.
# DIFF: its intervals come from simulated changepoints and that noise; here the spread is the
outcomes' own, in units of sigma. Cascades are beyond it: both hazards are the constant rate of
the training rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from models.base.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class ProphetConfig:
    """What the library is asked to fit; an order of 0 switches a season off."""

    changepoints: int = 25  # places where the trend may bend
    changepoint_range_frac: float = 0.8  # of the rows; the last fifth then fixes the slope ahead
    changepoint_prior_scale: float = 0.05  # how far it may bend; larger is more
    daily_order: int = 4  # candles longer than a day have none
    weekly_order: int = 3  # Fourier terms of the week
    yearly_order: int = 10  # where the training rows cover two years
    seasonality_prior_scale: float = 10.0  # how large the seasons may be; larger is more
    holidays: bool = True  # halvings and expiries
    # The library's 10 lets one day's price move pass for the effect of its event.
    holidays_prior_scale: float = 0.05
    # False: each part counts in full. In ten windows of hourly BTC (4, 24 and 168 candles ahead) no
    # part earned any weight, and full weights cost 12 millibits on validation rows (median).
    earned_weights: bool = True
    max_rows: int = 8_000  # evenly thinned above; fitting takes 1 to 2 seconds per 5,000

    def __post_init__(self) -> None:
        for name in ("changepoints", "daily_order", "weekly_order", "yearly_order"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"expected 0 <= {name} <= 100, got {getattr(self, name)}")
        for name in ("changepoint", "seasonality", "holidays"):
            value = getattr(self, f"{name}_prior_scale")
            if not 0 < value < math.inf:
                raise ValueError(f"expected {name}_prior_scale finite and > 0, got {value}")
        if not 0 < self.changepoint_range_frac <= 1:
            raise ValueError(
                f"expected 0 < changepoint_range_frac <= 1, got {self.changepoint_range_frac}"
            )
        if self.max_rows < 200:
            raise ValueError(f"expected max_rows >= 200, got {self.max_rows}")


@dataclass(frozen=True, kw_only=True)
class ProphetSpec(ModelSpec):
    """The one architecture that is a library's fit, written out."""

    family: ClassVar[str] = "prophet"


SPEC = ProphetSpec(
    name="prophet",
    title="Prophet",
    forecaster="ProphetForecaster",
    config=ProphetConfig,
    contexts=(1,),
    description=(
        "A log price taken apart into a trend that bends at a few dates, repeating days, weeks and "
        "years, and the days of halvings and expiries. The forecast is what these add over the "
        "horizon, as far as they earned it on validation rows; volatility sets its spread."
    ),
    failure_modes=(
        "knows the calendar and the volatility only: no candle changes its mind",
        "carries the last trend on; a turn is seen when the model is trained again",
        "takes a random walk for seasons where weights need not be earned",
        "forecasts no cascades: both hazards are the constant rate of the training rows",
    ),
    useful_rows=1_000,
    natural_use="daily to weekly",
    source="Taylor & Letham 2018",
    reads_time=True,
    minimum_rows=300,  # of validation: spread, weights and temperature come from there
)
