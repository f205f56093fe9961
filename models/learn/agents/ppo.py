"""PPO: an agent that learns what position to hold, by clipped policy gradients.

Source: Schulman et al., "Proximal policy optimization algorithms", arXiv 1707.06347, 2017, as
implemented by stable-baselines3 (Raffin et al., JMLR 22, 2021): learning rate 3e-4, 2048 steps per
update in 10 epochs of minibatches of 64, clip 0.2, gamma 0.99, lambda 0.95.
# DIFF: the 2048 steps of an update are shared by the accounts simulated side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.learn.agents.base import AgentConfig, AgentSpec

_UPDATE = 2048  # steps, of all accounts together


@dataclass(frozen=True, kw_only=True)
class PPOConfig(AgentConfig):
    """The positions, and the published constants of the algorithm."""

    epochs: int = 10  # over the steps of one update
    minibatch: int = 64  # steps of the market in one gradient
    clip: float = 0.2  # furthest change of an action's probability ratio that is rewarded

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs < 1:
            raise ValueError(f"expected epochs >= 1, got {self.epochs}")
        if not 2 <= self.minibatch <= _UPDATE:
            raise ValueError(f"expected minibatch from 2 to {_UPDATE}, got {self.minibatch}")
        if not 0 < self.clip < 1:
            raise ValueError(f"expected 0 < clip < 1, got {self.clip}")


def ppo_learner(config: PPOConfig) -> tuple[str, dict[str, Any]]:
    """Return the class and its settings."""
    return "PPO", {
        "n_steps": max(_UPDATE // config.accounts, 2),
        "batch_size": config.minibatch,
        "n_epochs": config.epochs,
        "clip_range": config.clip,
    }


SPEC = AgentSpec(
    name="ppo",
    title="PPO",
    forecaster="PPOForecaster",
    config=PPOConfig,
    learner=ppo_learner,
    description=(
        "An agent that learned by trial which position to hold, how large and with which stop, "
        "from what its account earned after costs and funding. Its probabilities are those of the "
        "next action of an account that is flat; a step of learning is kept small by clipping."
    ),
    natural_use="research",
    source="Schulman et al. 2017",
)
