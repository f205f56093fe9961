"""What may differ between copies of one program, and how large the crowd is."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Final

from models.base.errors import ConfigError

MOST_ADOPTION: Final = 0.5
_BYTES_AN_AGENT: Final = 6_000  # limits, books and columns of one, measured and rounded up
_BYTES_A_MINUTE: Final = 40


@dataclass(frozen=True, kw_only=True)
class CrowdLevers:
    """How the copies leave; the defaults are the shipped program's.

    Hard limits and stops on the exchange are never delayed, split to a further price or left
    unexecuted by any of these: they can only be met earlier.
    """

    guard_jitter_frac: float = 0.2  # of the guards' soft thresholds: `limits.jittered`
    # Of the decisions' thresholds: stops up to so much nearer, targets up to so much lower.
    decision_jitter_frac: float = 0.0
    guards_at_once: bool = False  # what guards close goes out whole, not in `reduction.next_step`s
    stages: int = 1  # orders a cut is split into; of a stop, one ladder up to its distance
    stage_min: int = 5  # between two of them
    ladder_frac: float = 0.2  # the first order of a stop's ladder is so much nearer
    delay_min: int = 0  # a cut begins up to so much after the close, secret to each
    exit_frac: float = 1.0  # share of a cut that is carried out; the rest waits for a hard limit
    cap_frac: float = math.inf  # of a minute's volume, each copy's cut; a guard's has its own cap
    same_entries: bool = True  # one signal: everybody entered at the same price

    def __post_init__(self) -> None:
        for name in ("guard_jitter_frac", "decision_jitter_frac", "ladder_frac"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ConfigError(f"expected {name} in [0, 0.5], got {getattr(self, name)}")
        if not (self.stages >= 1 and self.stage_min >= 1 and self.delay_min >= 0):
            raise ConfigError("expected stages and stage_min >= 1 and delay_min >= 0")
        if not 0 < self.exit_frac <= 1:
            raise ConfigError(f"expected exit_frac in (0, 1], got {self.exit_frac}")
        if not self.cap_frac > 0:
            raise ConfigError(f"expected cap_frac > 0, got {self.cap_frac}")


@dataclass(frozen=True, kw_only=True)
class CrowdSize:
    """Who acts alike, and how many of them there are."""

    adoption: float = 0.05  # what all of them hold, in ordinary days' volumes of the market
    agents: int = 100
    target_share: float = 0.5  # of that in volatility targets; the rest in positions with a stop
    alarm: bool = False  # a cascade alarm in every copy at the first close after the fall began
    day_volume_quote: float = 14e9  # Bitcoin's perpetual on Binance, median of 2021 to 2025
    volume_ratio: float = 6.0  # of a falling hour's volume over an ordinary one's, the same hours

    def __post_init__(self) -> None:
        if not 0 <= self.adoption <= MOST_ADOPTION:
            raise ConfigError(
                f"expected an adoption in [0, {MOST_ADOPTION:g}], got {self.adoption}",
                where="crowding",
                cure="it is a share of an ordinary day's volume, at most half of it",
            )
        if not self.agents >= 1:
            raise ConfigError(
                f"expected at least 1 agent, got {self.agents}",
                where="crowding",
                cure="a market without agents is an adoption of 0",
            )
        if not 0 <= self.target_share <= 1:
            raise ConfigError(f"expected target_share in [0, 1], got {self.target_share}")
        if not (0 < self.day_volume_quote < math.inf and 0 < self.volume_ratio < math.inf):
            raise ConfigError("expected day_volume_quote and volume_ratio finite and > 0")


def require_memory(agents: int, traders: int, minutes: int, jobs: int = 1) -> int:
    """Return about how many bytes a study takes; refuse one that this machine has no memory for.

    Raises
    ------
    ConfigError
        If that is more than is free now.
    """
    need = jobs * (_BYTES_AN_AGENT * agents + 100 * traders + _BYTES_A_MINUTE * minutes)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need > free:
        raise ConfigError(
            f"expected a crowd that fits into {free / 1e9:.1f} GB of free memory, got {agents:,} "
            f"agents and {traders:,} traders in {jobs} processes: about {need / 1e9:.1f} GB",
            where="crowding",
            cure=f"at most {int(free / jobs / _BYTES_AN_AGENT / 2):,} agents, or fewer --jobs",
        )
    return need
