"""The served policy against the environment it learned in, its training, and what lacks a head."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.base import columns
from models.base.errors import ArtifactError, InputError
from models.base.heads import HeadLayout
from models.base.types import Artifact, TrainingJob
from models.base.windows import Span
from models.learn import catalog
from models.learn.agents.a2c import A2CConfig
from models.learn.agents.base import AgentConfig
from models.learn.agents.environment import (
    OBSERVATION_CLIP,
    STATE,
    AccountRules,
    AgentMarket,
    MarketEnv,
)
from models.learn.agents.policy import ServedPolicy
from models.learn.agents.ppo import PPOConfig
from models.learn.agents.training import fit_agent
from models.learn.export.onnx import only_present
from models.learn.jobs.pipeline import train
from models.serve.predictor import Predictor
from models.serve.session import Session
from models.trade.decision.signals import DecisionConfig, signals
from strategies.bot.frames import restore_missing_forecasts
from tests.test_contract import planted

torch.set_num_threads(1)

LAYOUT = HeadLayout(bin_edges=(1, 2, 6))
LIFE = 12
RULES = AccountRules(
    targets=(-2.0, -1.0, 0.0, 1.0, 2.0), max_leverage=2.1, life_candles=LIFE, margin_penalty=0.0
)
FEATURES = 4  # return in sigma, two others, sigma


def small(network: str, **changes: object) -> TrainingJob:
    """A planted job of an agent that learns for a second."""
    settings = {**planted.SETTINGS, "network": {"steps": 4096, "evaluations": 2}}
    return planted.planted_job(network, settings=settings, **changes)


@cache
def trained(network: str) -> Artifact:
    return train(small(network))


def rows(count: int, seed: int = 0) -> Tensor:
    x = torch.randn(1, count, FEATURES, generator=torch.Generator().manual_seed(seed))
    x[..., -1] = 0.02 * torch.exp(0.2 * x[..., -1])
    return x


def policy(seed: int = 0) -> ServedPolicy:
    """An untrained policy that minds its account: its weights are large."""
    torch.manual_seed(seed)
    actor = nn.Sequential(
        nn.Linear(FEATURES + STATE, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(),
        nn.Linear(16, len(RULES.targets)),
    )  # fmt: skip
    for p in actor.parameters():
        p.data.mul_(3.0)
    mean, std = torch.tensor([0.1, 0.0, 0.0, 0.02]), torch.tensor([1.0, 2.0, 1.0, 0.004])
    return ServedPolicy(actor, LAYOUT, RULES, mean, std, 0, 3).eval()


@torch.no_grad()
def in_the_environment(served: ServedPolicy, x: Tensor, last: int) -> np.ndarray:
    """Action probabilities on row `last`, of an account opened `LIFE - 1` candles earlier."""
    raw = x[0].double().numpy()
    z = ((x[0] - served.mean) * served.scale).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP).numpy()
    world = AgentMarket(
        features=z, log_return=raw[:, 0] * raw[:, 3], sigma=raw[:, 3], runs=(Span(0, len(z)),)
    )
    env = MarketEnv(world, RULES)
    seen, _ = env.reset(options={"start": max(last - LIFE + 1, 0)})
    for _ in range(min(LIFE - 1, last)):
        seen, *_ = env.step(int(served.actor(torch.from_numpy(seen)).argmax()))
    return torch.softmax(served.actor(torch.from_numpy(seen)), dim=-1).numpy()


@pytest.mark.parametrize("seed", range(3))
def test_served_policy_when_compared_with_the_environment_then_its_account_is_the_same(
    seed: int,
) -> None:
    served, x = policy(seed), rows(60, seed)
    with torch.no_grad():
        p = served.probabilities(x)[0].numpy()
    for last in (0, 1, 5, LIFE - 1, LIFE, 40, 58):
        np.testing.assert_allclose(p[last], in_the_environment(served, x, last), atol=2e-5)


def test_served_policy_when_the_account_is_left_out_then_the_comparison_convicts() -> None:
    served, x = policy(), rows(60)
    blind = policy()
    first = blind.actor[0]
    assert isinstance(first, nn.Linear)
    first.weight.data[:, -STATE:] = 0.0
    with torch.no_grad():
        p = blind.probabilities(x)[0, -2].numpy()
    assert np.abs(p - in_the_environment(served, x, 58)).max() > 0.01


@torch.no_grad()
def test_served_policy_when_a_row_is_older_than_its_life_then_it_is_forgotten() -> None:
    served, x, last = policy(), rows(60), 50
    before = served.probabilities(x)[0, last]
    moved = []
    for row in range(60):
        other = x.clone()
        other[0, row, :3] += torch.tensor([2.0, -3.0, 1.0])
        moved.append(bool((served.probabilities(other)[0, last] != before).any()))
    assert not any(moved[: last - LIFE + 1])
    assert not any(moved[last + 1 :])
    assert moved[last]
    assert any(moved[last - LIFE + 1 : last])  # what the account went through is remembered


@torch.no_grad()
def test_served_policy_when_it_answers_then_the_heads_it_lacks_are_nan() -> None:
    y = policy()(rows(30))[0].numpy()
    present = LAYOUT.present(catalog.load("ppo").absent)
    np.testing.assert_allclose(np.exp(y[:, :3]).sum(axis=1), 1.0, atol=1e-5)
    assert only_present(y, present).shape == (30, 3)
    y[3, 5] = 0.0
    with pytest.raises(ArtifactError, match="expected NaN from every head"):
        only_present(y, present)


# -- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["ppo", "a2c"])
def test_training_when_done_then_the_global_random_states_are_as_before(network: str) -> None:
    data = planted.prepared(small(network))
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    expected = random.random(), np.random.rand(), float(torch.rand(1))  # noqa: NPY002
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    fit_agent(catalog.load(network), data)  # type: ignore[arg-type]
    assert (random.random(), np.random.rand(), float(torch.rand(1))) == expected  # noqa: NPY002


def test_training_when_done_then_the_temporary_directory_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fit_agent(catalog.load("a2c"), planted.prepared(small("a2c")))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_training_when_seeds_differ_then_so_do_the_policies() -> None:
    other = train(small("a2c", seed=1))
    assert Artifact.digest(other.onnx) != trained("a2c").manifest["onnx_sha256"]


def test_training_when_done_then_the_best_of_the_policies_valued_is_served() -> None:
    told = trained("a2c").manifest["agent"]
    values = dict(told["history"])
    assert list(values) == [2080, 4120]  # whole updates of 8 accounts x 5 candles
    assert told["best_step"] == max(values, key=lambda step: values[step])
    assert told["validation"]["log_equity"] == max(values.values())


def test_training_when_the_frame_has_no_return_then_it_is_refused_by_name() -> None:
    job = small("ppo", feature_names=("%-other", *planted.NAMES[1:]))
    with pytest.raises(InputError, match="%-return_1"):
        train(job)


def test_training_when_another_pair_has_a_return_too_then_the_markets_own_is_read() -> None:
    job, suffix = small("a2c"), ("_gen_BTC/USDTUSDT_1h", "_gen_ETH/USDTUSDT_1h")
    names = (f"%-return_1{suffix[1]}", f"%-return_1{suffix[0]}", *planted.NAMES[2:])
    x = job.features.copy()
    outcome = job.labels[columns.LABEL_RETURN] * x[:, -1]  # horizon 1: of the next candle
    x[1:, 1] = outcome[:-1] / x[1:, -1]
    told = train(dataclasses.replace(job, features=x, feature_names=names)).manifest["agent"]
    assert told["return_feature"] == names[1]
    assert told["return_feature_correlation"] > 0.99


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (AgentConfig, {"sizes": 0}),
        (AgentConfig, {"life_candles": 65}),
        (AgentConfig, {"life_candles": 1}),
        (AgentConfig, {"leverage": 2.0}),
        (AgentConfig, {"margin_penalty": float("nan")}),
        (AgentConfig, {"learning_rate": 0.0}),
        (AgentConfig, {"gamma": 1.0}),
        (AgentConfig, {"steps": 0}),
        (PPOConfig, {"clip": 1.0}),
        (PPOConfig, {"minibatch": 1}),
        (PPOConfig, {"epochs": 0}),
        (A2CConfig, {"update_candles": 0}),
    ],
)
def test_config_when_a_setting_cannot_be_then_it_is_refused(
    cls: type[AgentConfig], settings: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        cls(**settings)  # type: ignore[arg-type]


# -- what becomes of a head that is not there -----------------------------------------------------


def test_forecast_when_heads_are_absent_then_it_does_not_abstain_and_nothing_is_entered() -> None:
    job, artifact = small("a2c"), trained("a2c")
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    rows_ = slice(artifact.manifest["context_candles"] - 1, None)
    assert (out[columns.ABSTAIN][rows_] == 0).mean() > 0.9
    advantage = out[columns.P_UP] - out[columns.P_DOWN]
    assert (np.abs(advantage[rows_]) > 0.2).any()
    config = DecisionConfig(min_edge_costs=0.0, min_advantage=0.0)
    decided = signals(out, np.ones(len(job.time_ms)), 0.0014, config)
    assert not decided.side.any()
    assert decided.exit_long.any()  # leaving needs no interval


def test_frame_when_freqai_filled_absent_heads_with_zeros_then_they_are_nan_again() -> None:
    import pandas as pd

    job, artifact = small("a2c"), trained("a2c")
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    frame = pd.DataFrame(out).fillna(0.0).assign(do_predict=1)
    back = restore_missing_forecasts(frame)
    for name in columns.FORECAST:
        np.testing.assert_array_equal(back[name].to_numpy(), out[name], err_msg=name)


def test_artifact_when_it_lacks_a_head_nobody_knows_then_it_is_refused() -> None:
    good = trained("a2c")
    with pytest.raises(ArtifactError, match="absent_heads among"):
        Predictor(Artifact(good.onnx, {**good.manifest, "absent_heads": ["news"]}))


def test_graph_when_run_at_other_batch_sizes_then_each_row_is_the_same() -> None:
    job, artifact = small("ppo"), trained("ppo")
    session, x = Session(artifact.onnx), job.features[:300]
    whole = session.run(np.stack([x, x[::-1]]))[0]
    np.testing.assert_allclose(whole, session.run(x[None])[0], atol=1e-6)
