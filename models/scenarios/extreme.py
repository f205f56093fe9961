"""Extreme values: filtered history whose joint tails are worse than the worst that was seen.

As `filtered.py`, but residuals beyond a high quantile come from a fitted tail at the upper
confidence bound of its index (`tails.py`). Assumes and breaks as filtered history does, except that
a surprise may be larger than any before; how much larger is an extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.base.errors import ConfigError
from models.base.types import BoolArray
from models.scenarios.chunked import kept_rows
from models.scenarios.filtered import FilteredHistory, FittedFilter
from models.scenarios.paths import CoinHistory
from models.scenarios.tails import fit_tails


@dataclass(frozen=True, kw_only=True)
class ExtremeValues:
    """Filtered history with generalised Pareto tails."""

    quantile: float = 0.975  # of residuals; beyond it they are replaced, in both tails
    confidence: float = 0.95  # one-sided, of the tail index
    base: FilteredHistory = field(default_factory=FilteredHistory)
    name: str = "extreme"

    def __post_init__(self) -> None:
        if not (0.5 <= self.quantile < 1 and 0.5 <= self.confidence < 1):
            raise ConfigError(
                f"expected quantile and confidence in [0.5, 1), got {self.quantile} "
                f"and {self.confidence}"
            )

    def fit(self, history: CoinHistory, kept: BoolArray | None = None) -> FittedFilter:
        """Fit the volatility, the residuals and their tails; of rows of `kept` where it is given.

        Raises
        ------
        InputError
            If the history is too short for either, or a coin never moves.
        """
        fitted = self.base.fit(history, kept)
        z, times = fitted.residuals, history.time_ms[kept_rows(history, kept)]
        tails = fit_tails(times, z.close, z.low, z.high, self.quantile, self.confidence)
        return replace(fitted, tails=tails)
