"""What both agents share: their settings, and the spec that trains them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from models.base.columns import HEAD_HAZARD, HEAD_POLICY, HEAD_QUANTILES
from models.base.policy import AgentPositions
from models.base.spec import ModelSpec
from models.base.windows import CONTEXTS
from models.learn.agents.account import AccountRules


@dataclass(frozen=True, kw_only=True)
class AgentConfig(AgentPositions):
    """The positions an agent chooses among, and how long it learns."""

    life_candles: int = 168  # of one account: a week of hours
    hidden: int = 32  # units of each of the two layers
    # Seconds on one core. An agent needs a hundred times as many before it can be judged.
    steps: int = 40_960
    evaluations: int = 10  # on the validation rows, at equal intervals; the best policy is kept
    accounts: int = 8  # simulated side by side
    learning_rate: float = 3e-4  # of the policy and of the value network
    gamma: float = 0.99  # discount per candle

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden", "steps", "evaluations", "accounts"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.life_candles < 2:
            raise ValueError(f"expected life_candles >= 2, got {self.life_candles}")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"expected 0 < learning_rate < 1, got {self.learning_rate}")
        if not 0 <= self.gamma < 1:
            raise ValueError(f"expected 0 <= gamma < 1, got {self.gamma}")

    def rules(self, round_trip_cost_frac: float) -> AccountRules:
        """Return the rules of an account under a round-trip cost."""
        positions = AgentPositions(leverages=self.leverages, stop_sigmas=self.stop_sigmas)
        return AccountRules(
            positions=positions,
            cost_frac=round_trip_cost_frac / 2,
            life_candles=self.life_candles,
        )


@dataclass(frozen=True, kw_only=True)
class AgentSpec(ModelSpec):
    """An agent trained by stable-baselines3 in the pack's environment.

    Attributes
    ----------
    learner
        (config) -> name of the stable-baselines3 class, and its keyword arguments.
    """

    learner: Callable[[Any], tuple[str, dict[str, Any]]]
    contexts: tuple[int, ...] = CONTEXTS
    minimum_rows: int = 1000  # far too few to judge an agent by, enough to see that it runs
    # A policy answers what to do; it has no distribution of returns and no hazard.
    absent: tuple[str, ...] = (HEAD_QUANTILES, HEAD_HAZARD)
    extra: tuple[str, ...] = (HEAD_POLICY,)
    failure_modes: tuple[str, ...] = (
        "answers no return interval and no hazard: only the strategy BitcoinAgent trades it",
        "one training says little: policies of other seeds earn very different amounts",
        "trades more than it earns: on a year of hours all policies lost money on held-out rows",
    )
    useful_rows: int = 50_000

    family: ClassVar[str] = "agent"

    def candles_read(self, config: Any) -> int:
        return 1
