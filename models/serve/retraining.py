"""When a model is trained anew, and when a new one may take over. Pure: numbers in, a reason out.

A calm market changes slowly and a training costs; a wild one, or a model that no longer is what it
was, cannot wait a month. Within a cascade nothing is trained and nothing is promoted: its rows are
not known to the end, and what is learned or judged in the middle of it is its first half. That is
told from candles, not from the model's own hazard: a model that has drifted must not keep itself in
office by seeing cascades everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.types import Candles
from models.base.units import DAY_MS
from models.serve.scores import FEATURES

_WEEK_DAYS: Final = 7
_QUARTER_DAYS: Final = 90
_LEAST_DAYS: Final = 21  # three weeks: of less, a week is not compared with anything


@dataclass(frozen=True, kw_only=True)
class RetrainingConfig:
    """When a running bot trains its models anew, and what a new one has to show first."""

    # Watch the models, and let the days below decide instead of freqai.live_retrain_hours.
    enabled: bool = False
    calm_days: float = 30.0  # between two trainings of a pair
    volatile_days: float = 7.0  # the same in a volatile market
    # The market is volatile when the volatility of 7 days is above this many times that of 90.
    volatile_ratio: float = 1.5
    alarm_days: float = 1.0  # after an alarm a pair is trained at once, but not sooner than this
    # A new model answers beside the serving one for so long, and for 100 candles at least, before
    # it may take over; the first model of a pair has nobody to answer beside.
    shadow_days: float = 7.0
    # A new model that takes sides this many times as strongly as the first one of the pair serves
    # only where it is clearly better, not where it is as good.
    max_boldness: float = 1.5
    kept_models: int = 3  # earlier ones of a pair that `breakwater rollback` can go back to

    def __post_init__(self) -> None:
        for name in ("calm_days", "volatile_days", "alarm_days"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        if not self.volatile_days <= self.calm_days:
            raise ValueError(
                f"expected volatile_days <= calm_days, got {self.volatile_days} and "
                f"{self.calm_days}"
            )
        if not 0 <= self.shadow_days < math.inf:
            raise ValueError(f"expected shadow_days finite and >= 0, got {self.shadow_days}")
        for name in ("volatile_ratio", "max_boldness"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and >= 1, got {getattr(self, name)}")
        if not 1 <= self.kept_models <= 20:
            raise ValueError(f"expected 1 <= kept_models <= 20, got {self.kept_models}")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Whether a pair is to be trained now, why, and what holds it back if anything does."""

    due: bool
    why: str
    held: str = ""  # why it is not, though it is time


def schedule(
    config: RetrainingConfig,
    *,
    age_ms: int,
    ratio: float | None,
    alarms: Collection[str],
    in_cascade: bool,
    in_shadow: bool,
) -> Schedule:
    """Return whether to train a pair that has a model.

    Parameters
    ----------
    age_ms
        Since its last training, whoever serves.
    ratio
        Of volatilities, as `volatility_ratio` returns it.
    alarms
        Scores whose monitors alarm. Features alone are unlike: nothing is worse yet, and it is
        trained as in a volatile market.
    in_shadow
        Whether a new model is waiting already.

    Examples
    --------
    >>> calm = {"ratio": 1.0, "alarms": (), "in_cascade": False, "in_shadow": False}
    >>> schedule(RetrainingConfig(), age_ms=8 * DAY_MS, **calm).due
    False
    >>> schedule(RetrainingConfig(), age_ms=8 * DAY_MS, **{**calm, "ratio": 2.0})
    Schedule(due=True, why='7 days in a volatile market (2.00 times usual)', held='')
    """
    age_days = age_ms / DAY_MS
    volatile = ratio is not None and ratio > config.volatile_ratio
    unlike = FEATURES in alarms
    days = config.volatile_days if volatile or unlike else config.calm_days
    market = f"a volatile market ({ratio:.2f} times usual)" if volatile else "a calm market"
    if unlike and not volatile:
        market = "a market unlike the training's"
    why = ""
    if set(alarms) - {FEATURES} and age_days >= config.alarm_days:
        why = f"alarm: {'; '.join(sorted(alarms))}"
    elif age_days >= days:
        why = f"{days:g} days in {market}"
    if not why:
        return Schedule(due=False, why="")
    held = "a new model is in its shadow period" if in_shadow else ""
    held = "a cascade is not over" if in_cascade else held
    return Schedule(due=not held, why=why, held=held)


def volatility_ratio(candles: Candles, candle_ms: int) -> float | None:
    """Return the volatility of the newest 7 days over that of the newest 90, or of what there is.

    None with less than three weeks of candles, or where nothing has moved.

    Parameters
    ----------
    candles
        Closed ones, oldest first; known at the close of the last.
    """
    days = min(len(candles) * candle_ms / DAY_MS, _QUARTER_DAYS)
    if days < _LEAST_DAYS:
        return None
    rows = [int(span * DAY_MS / candle_ms) for span in (_WEEK_DAYS, days)]
    moves = np.diff(np.log(candles.close[-rows[1] :]))
    usual = float(np.sqrt(np.mean(moves**2)))
    newest = float(np.sqrt(np.mean(moves[-rows[0] :] ** 2)))
    return newest / usual if usual > 0 else None
