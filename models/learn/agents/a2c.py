"""A2C: an agent that learns what position to hold, by advantage actor-critic.

Source: Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016, in the
synchronous form of stable-baselines3 (Raffin et al., JMLR 22, 2021): learning rate 7e-4, 5 steps
per update, gamma 0.99, RMSprop, gradients clipped at 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.learn.agents.base import AgentConfig, AgentSpec


@dataclass(frozen=True, kw_only=True)
class A2CConfig(AgentConfig):
    """The positions, and the published constants of the algorithm."""

    learning_rate: float = 7e-4  # of both networks
    update_candles: int = 5  # steps of each account per update

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.update_candles < 1:
            raise ValueError(f"expected update_candles >= 1, got {self.update_candles}")


def a2c_learner(config: A2CConfig) -> tuple[str, dict[str, Any]]:
    """Return the class and its settings."""
    return "A2C", {"n_steps": config.update_candles}


SPEC = AgentSpec(
    name="a2c",
    title="A2C",
    forecaster="A2CForecaster",
    config=A2CConfig,
    learner=a2c_learner,
    description=(
        "An agent that learned by trial which position to hold, how large and with which stop, "
        "from what its account earned after costs and funding. Its probabilities are those of the "
        "next action of an account that is flat; it learns from a few candles of several "
        "accounts at a time."
    ),
    natural_use="research",
    source="Mnih et al. 2016",
)
