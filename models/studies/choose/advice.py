"""What a person needs, what speaks against each measured model for it, and the choice.

The bars are fixed and none is lowered for want of a model that passes: the answer then is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.base.errors import ConfigError
from models.evaluate.metrics.resampling import TAIL, Estimate
from models.studies.choose.tables import MeasuredModel

FEWEST_TRADES: Final = 30
FEWEST_SEEDS: Final = 3
FEWEST_DAYS: Final = 180.0
MOST_TRAINING_FRAC: Final = 0.15  # of one core, between two retrainings
_BY_EXPERIENCE: Final = ("ppo", "a2c", "gan")  # for who reads their code


class Skill(StrEnum):
    """How well a person knows what they are about to run."""

    NEW = "new"  # to Freqtrade
    FREQTRADE = "freqtrade"  # runs bots
    RESEARCH = "research"  # reads the code and the tables


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is to be run, where, and by whom.

    Parameters
    ----------
    delay_s
        From a candle's close to the order, as measured or as Freqtrade is known for.
    retrain_hours
        Between two trainings.
    cores
        That may train.
    """

    pair: str
    timeframe: str
    candle_s: float
    skill: Skill
    delay_s: float
    retrain_hours: float
    cores: int

    def __post_init__(self) -> None:
        for name in ("candle_s", "retrain_hours", "cores"):
            if not (0 < getattr(self, name) < math.inf):
                raise ConfigError(f"expected {name} > 0, got {getattr(self, name)}")
        if not (0 <= self.delay_s < math.inf):
            raise ConfigError(f"expected delay_s >= 0, got {self.delay_s}")


@dataclass(frozen=True, kw_only=True)
class WeighedModel:
    """A measured model and all that speaks against it; nothing means it passes."""

    model: MeasuredModel
    against: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What was chosen of what was measured.

    Attributes
    ----------
    chosen
        None where no model passes.
    judged
        All that were measured on these candles, those nearest to passing first.
    luck
        Probability that the best of so many models without any edge passes its first bar.
    """

    chosen: MeasuredModel | None
    judged: tuple[WeighedModel, ...]
    luck: float


def advise(measured: Sequence[MeasuredModel], needs: Needs) -> Advice:
    """Return the choice among the models that were measured on these candles.

    Of several comparisons of one model the longest counts, then the one with most seeds: picking
    the best of them would be one more try.
    """
    own = [
        m
        for m in measured
        if m.real and not m.is_reference and (m.pair, m.timeframe) == (needs.pair, needs.timeframe)
    ]
    latest: dict[str, MeasuredModel] = {}
    for model in sorted(own, key=lambda m: (m.days, m.seeds, m.table)):
        latest[model.name] = model
    judged = [WeighedModel(model=m, against=objections(m, needs)) for m in latest.values()]
    judged.sort(key=lambda j: (len(j.against), -_or(j.model.over_reference.value, -math.inf)))
    passing = [j.model for j in judged if not j.against]
    best = max(passing, key=lambda m: m.net.low, default=None)
    return Advice(chosen=best, judged=tuple(judged), luck=1 - (1 - TAIL) ** len(own))


def objections(m: MeasuredModel, needs: Needs) -> tuple[str, ...]:
    """Return what speaks against running a model, a sentence each."""
    found = [*_untested(m), *_unskilled(m), *_unpaid(m, needs), *_unbearable(m, needs)]
    return tuple(found)


def _untested(m: MeasuredModel) -> list[str]:
    out = []
    if m.seeds < FEWEST_SEEDS:
        out.append(f"measured with {m.seeds} seed(s), {FEWEST_SEEDS} are needed")
    if m.days < FEWEST_DAYS:
        out.append(f"tested on {m.days:.0f} days, {FEWEST_DAYS:.0f} are needed")
    return out


def _unskilled(m: MeasuredModel) -> list[str]:
    out = []
    if not m.over_reference.low > 0:
        out.append(f"its gain over volatility alone cannot be told from zero: "
                   f"{_shown(m.over_reference, '+.1f')} millibits")  # fmt: skip
    if not m.direction.low > 0:
        out.append(f"what it knows of direction cannot be told from zero: "
                   f"{_shown(m.direction, '+.1f')} millibits")  # fmt: skip
    return out


def _unpaid(m: MeasuredModel, needs: Needs) -> list[str]:
    """Return why its trades do not pay, each at its cost and as late as they are here."""
    if m.trades < FEWEST_TRADES:
        return [f"{m.trades:.0f} entries passed their bar in {m.days:.0f} days; fewer than "
                f"{FEWEST_TRADES} tell nothing"]  # fmt: skip
    out = []
    if not m.net.low > 0:
        out.append(f"its result after costs cannot be told from zero: {_shown(m.net, '+.1%')}")
    if not m.stressed.value > 0:
        out.append(f"at doubled costs and a candle late it loses: {m.stressed.value:+.1%}")
    if not m.slope.low <= 1 <= m.slope.high:
        out.append(f"it does not get what it claims: slope {_shown(m.slope, '.2f')}, 1 is honest")
    left = kept_frac(needs.delay_s, m.horizon_candles * needs.candle_s)
    if not m.net.value - (1 - left) * m.trades * abs(m.realised_bps.value) / 1e4 > 0:
        out.append(f"orders leave {needs.delay_s:.1f} s after the close: {1 - left:.1%} of each "
                   "move is over, and with it the result")  # fmt: skip
    return out


def _unbearable(m: MeasuredModel, needs: Needs) -> list[str]:
    out = []
    share = m.fit_seconds / (needs.retrain_hours * 3600)
    if share > MOST_TRAINING_FRAC * needs.cores:
        out.append(f"a training takes {m.fit_seconds:.0f} s every {needs.retrain_hours:.0f} h: "
                   f"{share:.0%} of a core, {needs.cores} core(s) here")  # fmt: skip
    if m.name in _BY_EXPERIENCE and needs.skill is not Skill.RESEARCH:
        out.append("made for research: what it answers has to be read with its code beside it")
    return out


def kept_frac(delay_s: float, horizon_s: float) -> float:
    """Return the part of a move over `horizon_s` that is still ahead `delay_s` after its start.

    Of a move that goes evenly: the least that a delay costs; one that is quick at first loses more.

    Examples
    --------
    >>> kept_frac(3.0, 300.0)
    0.99
    """
    return max(0.0, 1 - delay_s / horizon_s)


def _or(value: float, other: float) -> float:
    return value if math.isfinite(value) else other


def _shown(e: Estimate, form: str) -> str:
    if not math.isfinite(e.value):
        return "not known"
    return f"{e.value:{form}} ({e.low:{form}} to {e.high:{form}})"
