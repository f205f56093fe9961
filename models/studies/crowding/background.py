"""What falls by itself, and who is forced out on the way: the market without the crowd."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.base.errors import ConfigError, InputError
from models.base.types import FloatArray, IntArray
from models.base.units import MINUTE_MS
from models.studies.crowding.impact import MINUTES_A_DAY

_HISTORY_HOURS = 240  # of hourly closes before the start: what the pack's sigma needs, and more


@dataclass(frozen=True, kw_only=True)
class FallRules:
    """The fall that comes from outside, whoever sells; minutes."""

    fall_frac: float = 0.06
    before_min: int = 30  # until it begins
    fall_min: int = 60  # that it takes
    after_min: int = 180  # that are looked at after it
    noise: bool = True  # around it, of an ordinary day; False for a straight line

    def __post_init__(self) -> None:
        if not 0 < self.fall_frac < 1:
            raise ConfigError(f"expected fall_frac in (0, 1), got {self.fall_frac}")
        for name in ("before_min", "fall_min", "after_min"):
            if not 1 <= getattr(self, name) <= 10 * MINUTES_A_DAY:
                raise ConfigError(
                    f"expected 1 <= {name} <= {10 * MINUTES_A_DAY}, got {getattr(self, name)}"
                )

    @property
    def minutes(self) -> int:
        """Minutes of the whole path."""
        return self.before_min + self.fall_min + self.after_min


@dataclass(frozen=True, kw_only=True)
class LeverageHistogram:
    """Longs of others, by how much they have borrowed; assumed, see the study's page.

    What a fall of 14 % in a day forces out of it is near what left in October 2025: open interest
    in Bitcoin fell by 18.6 % that day, what was closed by hand included.
    """

    open_interest: float = 0.5  # of an ordinary day's volume
    # Leverage -> share of the open interest.
    shares: Mapping[float, float] = field(
        default_factory=lambda: {2: 0.30, 3: 0.25, 5: 0.20, 10: 0.13, 20: 0.07, 50: 0.04, 100: 0.01}
    )
    maintenance_frac: float = 0.004  # Binance's lowest tier of Bitcoin
    held_days: float = 3.0  # entries are up to so old, so some are near their end already
    traders: int = 2_000

    def __post_init__(self) -> None:
        if not 0 <= self.open_interest < math.inf:
            raise ConfigError(f"expected open_interest >= 0, got {self.open_interest}")
        weights = list(self.shares.values())
        if not (weights and all(w >= 0 for w in weights) and math.isclose(sum(weights), 1)):
            raise ConfigError(f"expected shares >= 0 that sum to 1, got {dict(self.shares)}")
        if not all(lev > 1 for lev in self.shares):
            raise ConfigError(f"expected shares of leverages > 1, got {sorted(self.shares)}")
        if not (0 <= self.maintenance_frac < 0.01 and 0 < self.held_days < math.inf):
            raise ConfigError("expected 0 <= maintenance_frac < 0.01 and held_days > 0")
        if self.traders < 1:
            raise ConfigError(f"expected traders >= 1, got {self.traders}")


class LeveragedLongs:
    """Who is liquidated at which fall; each once, as a market order of the whole position.

    Examples
    --------
    >>> longs = LeveragedLongs(np.array([0.02, 0.05]), np.array([0.25, 0.5]))
    >>> longs.forced(0.03), longs.forced(0.01), longs.forced(0.9)
    (0.25, 0.0, 0.5)
    """

    def __init__(self, falls: FloatArray, sizes: FloatArray) -> None:
        order = np.argsort(falls)
        self.falls = falls[order]
        self._through = np.concatenate(([0.0], np.cumsum(sizes[order])))
        self.sold = 0.0

    @property
    def size(self) -> float:
        """Of all positions, whether liquidated or not, in days' volumes."""
        return float(self._through[-1])

    def forced(self, fall: float) -> float:
        """Return what is sold because the log price is `fall` below the start; 0 if it was."""
        due = float(self._through[np.searchsorted(self.falls, fall, side="right")])
        flow = max(due - self.sold, 0.0)
        self.sold += flow
        return flow


def leveraged_longs(
    rules: LeverageHistogram, sigma_day: float, rng: np.random.Generator
) -> LeveragedLongs:
    """Draw traders from the histogram, with entries of the last days; none is liquidated yet.

    A long entered at E with leverage l is liquidated at E (1 - 1/l) / (1 - maintenance).
    """
    leverages = np.array(list(rules.shares), dtype=np.float64)
    shares = np.array(list(rules.shares.values()))
    drawn, size = [], []
    per = np.maximum(np.round(rules.traders * shares), shares > 0).astype(int)
    for leverage, share, count in zip(leverages, shares, per, strict=True):
        if not count:
            continue
        distance = -math.log((1 - 1 / leverage) / (1 - rules.maintenance_frac))
        falls = np.empty(0)
        while len(falls) < count:  # of those that were not liquidated before
            age = rules.held_days * rng.random(4 * count)
            entry = sigma_day * np.sqrt(age) * rng.standard_normal(4 * count)
            falls = np.append(falls, (distance - entry)[distance - entry > 0])
        drawn.append(falls[:count])
        size.append(np.full(count, rules.open_interest * share / count))
    return LeveragedLongs(np.concatenate(drawn), np.concatenate(size))


def falling_path(rules: FallRules, sigma_day: float, rng: np.random.Generator) -> FloatArray:
    """Return the log price from outside at every minute's end, (T,), 0 at the start."""
    t = np.arange(1, rules.minutes + 1)
    done = np.clip((t - rules.before_min) / rules.fall_min, 0.0, 1.0)
    walk = np.cumsum(rng.standard_normal(rules.minutes)) * sigma_day / math.sqrt(MINUTES_A_DAY)
    out: FloatArray = done * math.log1p(-rules.fall_frac) + (walk if rules.noise else 0.0)
    return out


def recorded_path(
    close_ms: IntArray, close: FloatArray, rules: FallRules, *, scaled: bool = True
) -> FloatArray:
    """Return the log price of a recorded crash at every minute's end, (T,), 0 at the start.

    The lowest close stands where the fall of `rules` ends; between closes the path is straight.

    Parameters
    ----------
    close_ms
        (N,) when each candle closed.
    scaled
        Whether the lowest is moved to `fall_frac`; else as deep as it was.

    Raises
    ------
    InputError
        If the candles do not reach from the start of the path to its lowest.
    """
    lowest = int(np.argmin(close))
    first_ms = int(close_ms[lowest]) - (rules.before_min + rules.fall_min) * MINUTE_MS
    if first_ms < close_ms[0]:
        raise InputError(
            f"expected candles from {rules.before_min + rules.fall_min} min before the lowest on",
            where="crowding",
            cure="a shorter --fall-minutes, or a crash with more candles before it",
        )
    at = first_ms + np.arange(rules.minutes + 1) * MINUTE_MS
    path = np.interp(at, close_ms, np.log(close))
    path = path[1:] - path[0]
    if not path.min() < 0:
        raise InputError("expected a crash below the price at its start", where="crowding")
    out: FloatArray = path * (math.log1p(-rules.fall_frac) / path.min() if scaled else 1.0)
    return out


def hourly_past(sigma_day: float, rng: np.random.Generator) -> FloatArray:
    """Return log closes of the hours before the start, (H,), the last 0: ordinary days."""
    walk = np.cumsum(rng.standard_normal(_HISTORY_HOURS)) * sigma_day / math.sqrt(24)
    out: FloatArray = walk - walk[-1]
    return out
