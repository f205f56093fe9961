"""What both agents share: their settings, and the spec that trains them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from models.base.columns import HEAD_HAZARD, HEAD_QUANTILES
from models.base.spec import ModelSpec
from models.base.windows import CONTEXTS
from models.learn.agents.environment import AccountRules


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """The account an agent trades, and how long it learns."""

    leverage: float = 1.0  # notional over equity of the largest position
    sizes: int = 1  # of a position, per side; 1 is short, flat, long
    max_leverage: float = 1.25  # a position that has drifted beyond it is cut back
    margin_penalty: float = 0.1  # of the reward, per unit of margin ratio above 1
    life_candles: int = 24  # of one account: as long as the strategy holds a trade at most
    hidden: int = 32  # units of each of the two layers
    # Seconds on one core. An agent needs a hundred times as many before it can be judged.
    steps: int = 40_960
    evaluations: int = 10  # on the validation rows, at equal intervals; the best policy is kept
    accounts: int = 8  # simulated side by side
    learning_rate: float = 3e-4
    gamma: float = 0.99  # discount per candle

    def __post_init__(self) -> None:
        for name in ("sizes", "hidden", "steps", "evaluations", "accounts"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not 2 <= self.life_candles <= CONTEXTS[0]:
            raise ValueError(
                f"expected life_candles from 2 to {CONTEXTS[0]}, got {self.life_candles}"
            )
        if not 0 < self.leverage <= self.max_leverage <= 10:
            raise ValueError(
                f"expected 0 < leverage <= max_leverage <= 10, got {self.leverage}, "
                f"{self.max_leverage}"
            )
        if not 0 <= self.margin_penalty < math.inf:
            raise ValueError(f"expected margin_penalty finite and >= 0, got {self.margin_penalty}")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"expected 0 < learning_rate < 1, got {self.learning_rate}")
        if not 0 <= self.gamma < 1:
            raise ValueError(f"expected 0 <= gamma < 1, got {self.gamma}")

    def rules(self, round_trip_cost_frac: float) -> AccountRules:
        """Return the rules of an account under a round-trip cost."""
        levels = range(-self.sizes, self.sizes + 1)
        return AccountRules(
            targets=tuple(self.leverage * level / self.sizes for level in levels),
            max_leverage=self.max_leverage,
            cost_frac=round_trip_cost_frac / 2,
            margin_penalty=self.margin_penalty,
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
    failure_modes: tuple[str, ...] = (
        "answers no return interval and no hazard, so the strategy enters no trade on it",
        "one training says little: policies of other seeds earn very different amounts",
        "trades more than it earns: on a year of hours all policies lost money on held-out rows",
    )
    useful_rows: int = 50_000

    family: ClassVar[str] = "agent"
