"""Training an agent with stable-baselines3, and choosing the policy that is served."""

from __future__ import annotations

import copy
import math
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from models.base import columns
from models.base.errors import InputError, TrainingError
from models.base.types import FloatArray
from models.base.windows import Span
from models.learn.agents.base import AgentSpec
from models.learn.agents.environment import (
    OBSERVATION_CLIP,
    Account,
    AccountRules,
    AgentMarket,
    MarketEnv,
    walk,
)
from models.learn.agents.policy import ServedPolicy
from models.learn.export.onnx import to_onnx
from models.learn.prophet.path import log_price_path
from models.learn.training.fitted import Fitted
from models.learn.training.loop import clip_runs
from models.learn.training.prepare import Prepared

# FreqAI appends "gen" (no indicator period), the pair and the timeframe.
_RETURN = re.compile(r"%-return_1(_gen_[A-Z0-9]+/\S*)?$")


def fit_agent(spec: AgentSpec, data: Prepared) -> Fitted:
    """Train the agent of `data` on its training rows and export the best of its policies.

    Raises
    ------
    InputError
        If the features lack the candle's own return, or the rows have no price path.
    TrainingError, ArtifactError
        If no policy is finite, or the exported graph is not the policy.
    """
    started = time.monotonic()
    rules: AccountRules = data.config.rules(data.settings.labels.cost_frac)
    train, validation = (market(data, s) for s in (data.split.train, data.split.validation))
    column, correlation = find_return(data, train)

    def served(agent: OnPolicyAlgorithm) -> ServedPolicy:
        return _served_policy(agent, data, rules, column)

    def valued(policy: ServedPolicy) -> Account:
        targets = decisions(policy, data.rows.features, data.split.validation.start, validation)
        return walk(targets, validation.log_return, rules, validation.runs)

    selection = Selection(
        served, valued, data.config.steps, data.config.evaluations, data.job.title
    )
    with _private_randomness():
        agent = new_agent(spec, data, train, rules)
        agent.learn(data.config.steps, callback=selection)
        selection.consider()  # the last update comes after the last callback
    best = selection.best
    if best is None:
        raise TrainingError(
            "the agent's weights stopped being finite",
            where=data.job.title,
            cure="lower network.learning_rate, or check the features for extreme values",
        )
    hold = np.full(len(validation.log_return), rules.targets[-1])
    holding = walk(hold, validation.log_return, rules, validation.runs)
    facts = {
        "steps": agent.num_timesteps,
        "targets_leverage": list(rules.targets),
        "return_feature": data.job.feature_names[column],
        "return_feature_correlation": correlation,
        "best_step": selection.best_step,
        "history": selection.history,  # (step, log equity over all validation rows, after costs)
        "validation": _account_facts(valued(best), validation),
        "validation_hold": _account_facts(holding, validation),
    }
    return Fitted(
        seconds=time.monotonic() - started,
        onnx=to_onnx(best, len(data.job.feature_names), data.layout.present(spec.absent)),
        facts={"parameters": sum(p.numel() for p in best.parameters()), "agent": facts},
    )


def _served_policy(
    agent: OnPolicyAlgorithm, data: Prepared, rules: AccountRules, return_column: int
) -> ServedPolicy:
    """Return the agent's policy as it is now, as the graph that would be served."""
    return ServedPolicy(
        actor(agent),
        data.layout,
        rules,
        torch.from_numpy(data.mean),
        torch.from_numpy(data.std),
        return_column,
        data.job.feature_names.index(columns.FEATURE_SIGMA),
    ).eval()


def new_agent(
    spec: AgentSpec, data: Prepared, train: AgentMarket, rules: AccountRules
) -> OnPolicyAlgorithm:
    """Return the untrained agent among its accounts; seeds the global random states."""
    # DIFF: one fixed unit instead of VecNormalize, whose running statistics change what a reward
    # and a feature mean while the agent learns, and must be served along with it.
    unit = float(np.median(train.sigma[train.sigma > 0]))

    def environment() -> gymnasium.Env[Any, Any]:
        return gymnasium.wrappers.TransformReward(
            MarketEnv(train, rules), lambda reward: float(reward) / unit
        )

    config = data.config
    name, settings = spec.learner(config)
    agent: OnPolicyAlgorithm = getattr(stable_baselines3, name)(
        "MlpPolicy",
        DummyVecEnv([environment] * config.accounts),
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        policy_kwargs={"net_arch": [config.hidden, config.hidden]},
        seed=data.job.seed,
        device="cpu",
        **settings,
    )
    # Its own logger makes a folder of its own in the temporary directory for every training.
    agent.set_logger(Logger(folder=None, output_formats=[]))
    return agent


def market(data: Prepared, span: Span) -> AgentMarket:
    """Return the rows of `span` as a market; row 0 is the first of the span.

    The price path is the one the labels of these rows imply, so rows whose labels are unknown at
    the ends of the span have no price, and belong to no run.
    """
    job, rows = data.job, slice(span.start, span.stop)
    horizon = data.settings.labels.horizon_candles
    sigma = job.features[rows, job.feature_names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    usable = data.rows.features[rows].numpy()
    price = log_price_path(job.labels[columns.LABEL_RETURN][rows], sigma, horizon)
    known = np.flatnonzero(np.isfinite(price))
    priced = Span(int(known[0]), int(known[-1]) + 1)
    whole = Span(priced.start + span.start, priced.stop + span.start)
    runs = [run for run in clip_runs(data.rows.runs, whole, 0) if len(run) > 1]
    z = np.clip((usable - data.mean) / data.std, -OBSERVATION_CLIP, OBSERVATION_CLIP)
    if not runs:
        raise InputError(
            "expected two neighbouring candles with a price, got none",
            where=data.job.title,
            cure="provide longer history without gaps",
        )
    return AgentMarket(
        features=z.astype(np.float32),
        log_return=np.concatenate(([0.0], np.diff(price))),
        sigma=np.nan_to_num(sigma),
        runs=tuple(Span(r.start - span.start, r.stop - span.start) for r in runs),
    )


def find_return(data: Prepared, train: AgentMarket) -> tuple[int, float]:
    """Return the column of the market's own one-candle return in sigma, and how well it fits.

    Frames with several pairs have one such column each; the market's own is the one that moves
    with the price its labels speak of. Fit is their correlation on the training rows.

    Raises
    ------
    InputError
        If there is no such column.
    """
    names = data.job.feature_names
    candidates = [i for i, name in enumerate(names) if _RETURN.match(name)]
    if not candidates:
        raise InputError(
            f"expected the feature %-return_1, got none like it in {list(names[:5])} ...",
            where=data.job.title,
            cure="use the pack's strategy, or name the candle's return as it does",
        )
    rows = np.concatenate([np.arange(r.start + 1, r.stop) for r in train.runs])
    happened = (train.log_return / np.maximum(train.sigma, 1e-12))[rows]
    fits = [float(np.corrcoef(train.features[rows, i], happened)[0, 1]) for i in candidates]
    best = int(np.argmax(fits))
    return candidates[best], fits[best]


def actor(agent: OnPolicyAlgorithm) -> nn.Sequential:
    """Return a copy of the agent's policy network: observation -> logits of the actions."""
    policy: Any = agent.policy
    return copy.deepcopy(nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net))


@torch.no_grad()
def decisions(policy: ServedPolicy, features: Tensor, start: int, of: AgentMarket) -> FloatArray:
    """Return the leverage the served policy asks for on each row of `of`, 0 outside its runs.

    `features` (N, F) are the raw ones of the whole frame, of whose rows `start` is the market's
    first.
    """
    out = np.zeros(len(of.log_return))
    for run in of.runs:
        x = features[None, start + run.start : start + run.stop]  # (1, T, F)
        out[run.start : run.stop] = policy.decided(x)[0].double().numpy()
    return out


@dataclass(eq=False)
class Selection(BaseCallback):
    """Values the policy on the validation rows at equal intervals, and keeps the best."""

    served: Callable[[OnPolicyAlgorithm], ServedPolicy]
    valued: Callable[[ServedPolicy], Account]
    steps: int
    evaluations: int
    title: str
    best: ServedPolicy | None = None
    best_step: int = 0
    best_log_equity: float = -math.inf
    history: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def _on_rollout_start(self) -> None:
        # Updates come between rollouts: only here the weights are new.
        if self.num_timesteps >= (len(self.history) + 1) * self.steps / self.evaluations:
            self.consider()

    def _on_step(self) -> bool:
        return True

    def consider(self) -> None:
        """Value the policy as it is now."""
        assert isinstance(self.model, OnPolicyAlgorithm)
        policy, step = self.served(self.model), self.num_timesteps
        if not all(bool(torch.isfinite(p).all()) for p in policy.parameters()):
            return
        log_equity = self.valued(policy).log_equity
        self.history.append((step, log_equity))
        if log_equity > self.best_log_equity:
            self.best, self.best_step, self.best_log_equity = policy, step, log_equity
        sys.stderr.write(
            f"  {self.title}  step {step}/{self.steps}  validation log equity {log_equity:+.4f}"
            f"  best {self.best_log_equity:+.4f}\n"
        )
        sys.stderr.flush()


def _account_facts(account: Account, of: AgentMarket) -> dict[str, float]:
    """Return what an account earned, and what it traded per candle, in equities."""
    candles = sum(len(run) - 1 for run in of.runs)
    return {"log_equity": account.log_equity, "turnover_per_candle": account.traded / candles}


@contextmanager
def _private_randomness() -> Iterator[None]:
    """Put back the global random states that stable-baselines3 seeds and draws from."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
