"""Training an agent with stable-baselines3, and choosing the policy that is served."""

from __future__ import annotations

import copy
import itertools
import math
import random
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
from torch import nn

from models.base import columns
from models.base.errors import InputError, TrainingError
from models.base.types import FloatArray, IntArray
from models.base.windows import Span
from models.learn.agents.account import RUIN, Account, AccountRules
from models.learn.agents.base import AgentSpec
from models.learn.agents.environment import OBSERVATION_CLIP, AgentMarket, MarketEnv, walk
from models.learn.agents.policy import ServedPolicy
from models.learn.export.onnx import to_onnx
from models.learn.training.fitted import Fitted
from models.learn.training.loop import clip_runs
from models.learn.training.prepare import Prepared


def fit_agent(spec: AgentSpec, data: Prepared) -> Fitted:
    """Train the agent of `data` on its training rows and export the best of its policies.

    Raises
    ------
    InputError
        If the rows do not tell what the next candle brought.
    TrainingError, ArtifactError
        If no policy is finite, or the exported graph is not the policy.
    """
    started = time.monotonic()
    rules: AccountRules = data.config.rules(data.settings.labels.cost_frac)
    train, validation = (market(data, s) for s in (data.split.train, data.split.validation))

    def served(agent: OnPolicyAlgorithm) -> ServedPolicy:
        mean, std = torch.from_numpy(data.mean), torch.from_numpy(data.std)
        return ServedPolicy(actor(agent), data.layout, mean, std).eval()

    def valued(policy: ServedPolicy) -> Account:
        return walk(decisions(policy, data, data.split.validation), validation, Account(rules))

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
    facts = {
        "steps": agent.num_timesteps,
        "targets_leverage": list(rules.positions.targets),
        "stop_sigmas": list(rules.positions.stops),
        "funding_known": _funding_known(data),
        "best_step": selection.best_step,
        "history": selection.history,  # (step, log equity over all validation rows, after costs)
        "validation": _account_facts(valued(best), validation),
        "validation_hold": _account_facts(_held(validation, rules), validation),
    }
    return Fitted(
        seconds=time.monotonic() - started,
        onnx=to_onnx(best, len(data.job.feature_names), data.layout.present(spec.absent)),
        facts={"parameters": sum(p.numel() for p in best.parameters()), "agent": facts},
    )


def _held(of: AgentMarket, rules: AccountRules) -> Account:
    """Return the account that always wanted the largest long position."""
    positions = len(rules.positions.targets)
    hold = np.full((len(of.close), positions), positions - 1, dtype=np.int64)
    return walk(hold, of, Account(rules))


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

    Prices are made of what each row is told of the next candle, from 100 on, so none is needed from
    outside the span. Funding nobody knows is left out, and told in the manifest.

    Raises
    ------
    InputError
        If the job does not tell what the next candle brought, or no two candles follow each other.
    """
    job, rows = data.job, slice(span.start, span.stop)
    missing = [name for name in columns.AHEAD_PRICES if name not in job.labels]
    if missing:
        raise InputError(
            f"expected {', '.join(columns.AHEAD_PRICES)}, got none of {', '.join(missing)}",
            where=job.title,
            cure="use the pack's strategies, or models.data.labels.targets.label_columns",
        )
    ahead = np.stack([job.labels[name][rows][:-1] for name in columns.AHEAD_PRICES])
    follows = np.concatenate(([False], np.isfinite(ahead).all(axis=0)))  # (N,) the row before
    ahead = np.nan_to_num(ahead)
    close = 100.0 * np.exp(np.concatenate(([0.0], np.cumsum(ahead[3]))))
    open_, high, low = (
        np.concatenate((close[:1], close[:-1] * np.exp(values))) for values in ahead[:3]
    )
    paid = np.nan_to_num(_funding(data)[rows][:-1]) * close[:-1]
    z = (data.rows.features[rows].numpy() - data.mean) / data.std
    runs = tuple(_runs(data, span, np.flatnonzero(~follows)))
    if not runs:
        raise InputError(
            "expected two neighbouring candles with a price, got none",
            where=job.title,
            cure="provide longer history without gaps",
        )
    per_candle = job.features[rows, job.feature_names.index(columns.FEATURE_SIGMA)]
    horizon = data.settings.labels.horizon_candles
    return AgentMarket(
        features=np.clip(z, -OBSERVATION_CLIP, OBSERVATION_CLIP).astype(np.float32),
        open=open_,
        high=high,
        low=low,
        close=close,
        funding=np.concatenate(([0.0], paid)),
        sigma=np.nan_to_num(per_candle.astype(np.float64)) * math.sqrt(horizon),
        runs=runs,
    )


def _runs(data: Prepared, span: Span, breaks: IntArray) -> Iterator[Span]:
    """Yield the gap-free runs within `span`, from its first row on, cut before each of `breaks`."""
    for run in clip_runs(data.rows.runs, span, 0):
        first, stop = run.start - span.start, run.stop - span.start
        cuts = [first, *(int(b) for b in breaks if first < b < stop), stop]
        for a, b in itertools.pairwise(cuts):
            if b - a > 1:
                yield Span(a, b)


def _funding(data: Prepared) -> FloatArray:
    """Return what a long pays at the next open, per notional, (N,); NaN where nobody told."""
    unknown = np.full(len(data.job.time_ms), np.nan)
    return data.job.labels.get(columns.AHEAD_FUNDING, unknown)


def _funding_known(data: Prepared) -> float:
    """Return the share of the training rows whose funding is known."""
    span = data.split.train
    return float(np.isfinite(_funding(data)[span.start : span.stop]).mean())


def actor(agent: OnPolicyAlgorithm) -> nn.Sequential:
    """Return a copy of the agent's policy network: observation -> logits of the actions."""
    policy: Any = agent.policy
    return copy.deepcopy(nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net))


@torch.no_grad()
def decisions(policy: ServedPolicy, data: Prepared, span: Span) -> IntArray:
    """Return the served tables of actions (N, K) for the rows of `span`."""
    x = data.rows.features[None, span.start : span.stop]  # (1, N, F)
    chosen: IntArray = policy.choices(x)[0].numpy()
    return chosen


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
        log_equity = _log_equity(self.valued(policy))
        self.history.append((step, log_equity))
        if log_equity > self.best_log_equity:
            self.best, self.best_step, self.best_log_equity = policy, step, log_equity
        sys.stderr.write(
            f"  {self.title}  step {step}/{self.steps}  validation log equity {log_equity:+.4f}"
            f"  best {self.best_log_equity:+.4f}\n"
        )
        sys.stderr.flush()


def _log_equity(account: Account) -> float:
    """Return the log of what a closed account has, over what it began with."""
    return math.log(max(account.wallet_quote / account.equity_quote, RUIN))


def _account_facts(account: Account, of: AgentMarket) -> dict[str, float]:
    """Return what an account earned, its fills, and its turnover in first equities."""
    candles = sum(len(run) - 1 for run in of.runs)
    stops = sum(fill.reason == "stop" for fill in account.fills)
    return {
        "log_equity": _log_equity(account),
        "turnover_per_candle": account.traded_quote / account.equity_quote / candles,
        "fills": len(account.fills),
        "stops": stops,
    }


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
