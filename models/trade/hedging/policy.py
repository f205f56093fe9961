"""Increase, decrease or maintain: one step of the hedge, the same function everywhere.

The baseline target is what past returns say. A model may lean on it, never further than `reach`:
towards more hedge when a cascade against the position is likely, towards less when its action
head says so. A no-trade band around the leaned target decides whether anything is traded, hard
limits how much. Nothing is remembered between candles, so backtest, dry-run, live and a restart
decide alike.

When the model fails: the hedge is held for `hold_candles`, then it follows the banded baseline.
Without a target the hedge is held. Held, it is still cut back to the limit on the sum. A person's
ratio wins over all of this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from models.base.columns import LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS
from models.base.errors import ConfigError, InputError
from models.trade.hedging.band import nearest_inside

_TINY: Final = 1e-9


class HedgeAction(StrEnum):
    """What the step does to the sum of the hedge ratios."""

    INCREASE = "increase"
    DECREASE = "decrease"
    MAINTAIN = "maintain"


class RatioSource(StrEnum):
    """Who decided."""

    MODEL = "model"
    BASELINE = "baseline"
    HOLD = "hold"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class HedgeSignal:
    """What a model says about the primary, known at the candle's close; None where it has no say.

    Attributes
    ----------
    false_alarms_against, false_alarms_for
        How often a week it is wrong to warn of a cascade against the position, or in its favour,
        at today's hazard or above (`models.base.columns.FALSE_ALARMS_DOWN`): the fewer, the graver.
    p_increase, p_decrease
        Probabilities of the action head; maintain is the rest.
    age_candles
        Candles since the model last answered and was trusted; 0 is now, inf is never. The rest
        is ignored unless it is 0.
    """

    false_alarms_against: float | None = None
    false_alarms_for: float | None = None
    p_increase: float | None = None
    p_decrease: float | None = None
    age_candles: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """Limits no model passes, and how far it may lean."""

    max_ratio: float = 1.0  # sum of the legs' notionals over the primary's
    min_ratio: float = 0.0  # no model lowers the sum below it
    max_step: float = 0.1  # change of each leg per candle
    min_step: float = 0.05  # a leg outside its band moves at least this far, if its target is
    max_changes_day: int = 4  # in calm; lifted in an alarm or far outside the band
    far: float = 0.3  # a leg this far outside its band is no matter of calm
    reach: float = 0.2  # how far a model may lean away from the baseline
    # A hazard against the position at which alarms are false so seldom, or more so, leans by all of
    # `reach`; one at which they are false up to twice as often forbids less hedge.
    false_alarms_per_week: float = 0.25
    action_lead: float = 0.2  # lead of increase over decrease (or back) that leans at all
    hold_candles: int = 3  # without a trusted model: hold this long, then the baseline

    def __post_init__(self) -> None:
        if not 0 <= self.min_ratio <= self.max_ratio <= 1.5:
            raise ConfigError(
                f"expected 0 <= min_ratio <= max_ratio <= 1.5, got {self.min_ratio} and "
                f"{self.max_ratio}"
            )
        if not 0 <= self.min_step <= self.max_step <= 1 or self.max_step == 0:
            raise ConfigError("expected 0 <= min_step <= max_step <= 1 and max_step > 0")
        if not (self.far > 0 and 0 <= self.reach <= 1):
            raise ConfigError("expected far > 0 and 0 <= reach <= 1")
        if not LEAST_FALSE_ALARMS <= self.false_alarms_per_week <= MOST_FALSE_ALARMS:
            raise ConfigError(
                f"expected {LEAST_FALSE_ALARMS:g} <= false_alarms_per_week <= "
                f"{MOST_FALSE_ALARMS:g}, got {self.false_alarms_per_week}"
            )
        if not 0 <= self.action_lead < 1:
            raise ConfigError(f"expected 0 <= action_lead < 1, got {self.action_lead}")
        if self.max_changes_day < 1 or self.hold_candles < 0:
            raise ConfigError("expected max_changes_day >= 1 and hold_candles >= 0")


@dataclass(frozen=True, kw_only=True)
class HedgeStep:
    """One decision."""

    ratio: tuple[float, ...]  # of each leg, to be held from the next candle on
    action: HedgeAction
    source: RatioSource
    reason: str
    lean: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All a step depends on, known at the candle's close.

    Attributes
    ----------
    held
        Ratio of each leg at current prices.
    target, width
        Baseline ratio and half-width of the band of each leg; NaN where unknown.
    signal
        None if no model is configured.
    changes_today
        Steps made in the last 24 hours.
    manual
        A person's ratio, or None; it is split over the legs like the target.
    frozen
        A person wants the legs left alone.
    smallest_step
        Smallest change of each leg the exchange takes, in ratio.
    """

    held: Sequence[float]
    target: Sequence[float]
    width: Sequence[float]
    signal: HedgeSignal | None = None
    changes_today: int = 0
    manual: float | None = None
    frozen: bool = False
    smallest_step: Sequence[float] = field(default=())


def decide_hedge(now: Situation, config: PolicyConfig) -> HedgeStep:
    """Return the next hedge ratio of each leg.

    Raises
    ------
    InputError
        If a held ratio is not a finite number: what is held must be known.

    Examples
    --------
    >>> far = Situation(held=(0.2,), target=(0.8,), width=(0.1,))
    >>> step = decide_hedge(far, PolicyConfig())
    >>> step.action.value, round(step.ratio[0], 2)
    ('increase', 0.3)
    >>> decide_hedge(Situation(held=(0.75,), target=(0.8,), width=(0.1,)), PolicyConfig()).reason
    'inside the band'
    """
    if not all(math.isfinite(h) for h in now.held):
        raise InputError(f"expected finite held ratios, got {now.held}", where="hedge policy")
    if now.frozen:
        return _stay(now, RatioSource.PERSON, "frozen by a person")
    known = all(math.isfinite(x) for x in now.target)
    if now.manual is not None:
        aim = _split(min(max(now.manual, 0.0), config.max_ratio), now.target if known else now.held)
        return _towards(
            now, aim, [0.0] * len(aim), config, RatioSource.PERSON, "set by a person", 0.0
        )
    if not known or not all(math.isfinite(w) for w in now.width):
        return _hold(now, config, "no baseline target: holding")
    lean, alarm, why = 0.0, False, "baseline"
    source = RatioSource.BASELINE
    if now.signal is not None:
        if 0 < now.signal.age_candles <= config.hold_candles:
            return _hold(now, config, "the model is silent: holding")
        if now.signal.age_candles == 0:
            source = RatioSource.MODEL
            lean, alarm, why = _lean(now.signal, config)
        else:
            never = math.isinf(now.signal.age_candles)
            why = f"{'no forecast yet' if never else 'the model failed'}: banded baseline"
    target = [max(x, 0.0) for x in now.target]
    total = min(max(sum(target) + lean, config.min_ratio), config.max_ratio)
    # In an alarm waiting for the band would cost more than it saves.
    width = [0.0 if alarm else w for w in now.width]
    return _towards(now, _split(total, target), width, config, source, why, lean, alarm=alarm)


def _lean(signal: HedgeSignal, config: PolicyConfig) -> tuple[float, bool, str]:
    """Return (change of the target's sum, whether it is an alarm, why)."""
    against = _or_never(signal.false_alarms_against)
    if against <= min(config.false_alarms_per_week, _or_never(signal.false_alarms_for)):
        return config.reach, True, f"alarm against the position, wrong {against:.2g} times a week"
    if signal.p_increase is not None and signal.p_decrease is not None:
        lead = signal.p_increase - signal.p_decrease
        if abs(lead) >= config.action_lead:
            # Less hedge is new risk: not while a cascade is on the way.
            if lead < 0 and against <= 2 * config.false_alarms_per_week:
                return 0.0, False, "hazard forbids less hedge"
            return math.copysign(config.reach, lead) * min(abs(lead), 1.0), False, "action head"
    return 0.0, False, "the model sees nothing"


def _or_never(rate: float | None) -> float:
    """Return a rate of false alarms; where there is none nothing is warned of."""
    return math.inf if rate is None else rate


def _split(total: float, like: Sequence[float]) -> tuple[float, ...]:
    """Return `total` split over the legs as `like` is; equally where that is nothing."""
    whole = sum(max(x, 0.0) for x in like)
    if whole <= _TINY:
        return (total / len(like),) * len(like)
    return tuple(total * max(x, 0.0) / whole for x in like)


def _towards(
    now: Situation,
    aim: Sequence[float],
    width: Sequence[float],
    config: PolicyConfig,
    source: RatioSource,
    why: str,
    lean: float,
    *,
    alarm: bool = False,
) -> HedgeStep:
    """Return the step from what is held to the edge of the band around `aim`."""
    wanted = [nearest_inside(h, a, w) for h, a, w in zip(now.held, aim, width, strict=True)]
    # The band is about small errors; the limit on the sum is not.
    if sum(wanted) > config.max_ratio + _TINY:
        wanted = list(_split(config.max_ratio, wanted))
    smallest = now.smallest_step or (0.0,) * len(wanted)
    gaps = [
        _at_least(w - h, max(config.min_step, least), a - h)
        for w, h, a, least in zip(wanted, now.held, aim, smallest, strict=True)
    ]
    if max(abs(g) for g in gaps) <= _TINY:
        return _stay(now, source, "inside the band", lean)
    calm = not alarm and source is not RatioSource.PERSON and max(abs(g) for g in gaps) < config.far
    if calm and now.changes_today >= config.max_changes_day and sum(now.held) <= config.max_ratio:
        return _stay(now, source, f"{config.max_changes_day} changes today already", lean)
    ratio = []
    for held, gap, least in zip(now.held, gaps, smallest, strict=True):
        # A small account's smallest order may be larger than the step allowed, never than the gap.
        change = math.copysign(min(abs(gap), max(config.max_step, least)), gap)
        ratio.append(held + change if abs(change) >= least else held)
    change = sum(ratio) - sum(now.held)
    if max(abs(r - h) for r, h in zip(ratio, now.held, strict=True)) <= _TINY:
        return _stay(now, source, "below the smallest order", lean)
    action = HedgeAction.INCREASE if change > _TINY else HedgeAction.DECREASE
    if abs(change) <= _TINY:
        action = HedgeAction.MAINTAIN  # between the legs
    return HedgeStep(ratio=tuple(ratio), action=action, source=source, reason=why, lean=lean)


def _at_least(gap: float, least: float, whole: float) -> float:
    """Return `gap`, or if that is smaller than `least`, as much of it as `whole` has room for."""
    if abs(gap) <= _TINY or abs(gap) >= least or gap * whole <= 0:
        return gap
    return math.copysign(max(abs(gap), min(least, abs(whole))), gap)


def _hold(now: Situation, config: PolicyConfig, why: str) -> HedgeStep:
    """Hold within the limit on the sum, which needs no model: prices alone may have passed it."""
    if sum(now.held) <= config.max_ratio + _TINY:
        return _stay(now, RatioSource.HOLD, why)
    aim = _split(config.max_ratio, now.held)
    return _towards(now, aim, [0.0] * len(aim), config, RatioSource.HOLD, f"{why} the limit", 0.0)


def _stay(now: Situation, source: RatioSource, why: str, lean: float = 0.0) -> HedgeStep:
    held = tuple(now.held)
    return HedgeStep(ratio=held, action=HedgeAction.MAINTAIN, source=source, reason=why, lean=lean)
