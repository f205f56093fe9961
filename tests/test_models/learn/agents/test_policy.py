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
from models.base.policy import AgentPositions, entry_side, unpacked_policy
from models.base.types import Artifact, FloatArray, TrainingJob
from models.base.windows import Span
from models.learn import catalog
from models.learn.agents.a2c import A2CConfig
from models.learn.agents.account import AccountRules
from models.learn.agents.base import AgentConfig
from models.learn.agents.environment import OBSERVATION_CLIP, AgentMarket, MarketEnv
from models.learn.agents.policy import ServedPolicy, consistent
from models.learn.agents.ppo import PPOConfig
from models.learn.agents.training import fit_agent, market
from models.learn.export.onnx import only_present
from models.learn.jobs.pipeline import train
from models.serve.predictor import Predictor
from models.serve.session import Session
from models.trade.decision.signals import DecisionConfig, signals
from strategies.bot.frames import restore_missing_forecasts
from tests.test_contract import planted

torch.set_num_threads(1)

POSITIONS = AgentPositions()
K = len(POSITIONS.targets)
LAYOUT = HeadLayout(bin_edges=(1, 2, 6), policy=K)
RULES = AccountRules(positions=POSITIONS, cost_frac=0.0, life_candles=1000)
FEATURES = 4


def small(network: str, **changes: object) -> TrainingJob:
    """A planted job of an agent that learns for a second."""
    settings = {**planted.SETTINGS, "network": {"steps": 4096, "evaluations": 2}}
    return planted.planted_job(network, settings=settings, **changes)


@cache
def trained(network: str) -> Artifact:
    return train(small(network))


def rows(count: int, seed: int = 0) -> Tensor:
    return torch.randn(1, count, FEATURES, generator=torch.Generator().manual_seed(seed))


def policy(seed: int = 0) -> ServedPolicy:
    """An untrained policy that minds what it holds: its weights are large."""
    torch.manual_seed(seed)
    actor = nn.Sequential(
        nn.Linear(FEATURES + K, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, K)
    )
    for p in actor.parameters():
        p.data.mul_(3.0)
    mean, std = torch.tensor([0.1, 0.0, 0.0, 0.02]), torch.tensor([1.0, 2.0, 1.0, 0.4])
    return ServedPolicy(actor, LAYOUT, mean, std).eval()


@torch.no_grad()
def in_the_environment(served: ServedPolicy, x: Tensor) -> tuple[list[int], FloatArray]:
    """What was held on each row, and the actor's logits of the observations seen there."""
    z = ((x[0] - served.mean) * served.scale).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP).numpy()
    ones = np.ones(len(z))
    world = AgentMarket(
        features=z, open=ones, high=ones, low=ones, close=ones, funding=0 * ones, sigma=ones,
        runs=(Span(0, len(z)),),
    )  # fmt: skip
    env = MarketEnv(world, RULES)
    seen, _ = env.reset(options={"start": 0})
    held, logits = [], []
    for _ in range(len(z) - 1):
        held.append(env.account.held)
        logits.append(served.actor(torch.from_numpy(seen)).numpy())
        seen, *_ = env.step(int(logits[-1].argmax()))
    return held, np.array(logits)


@pytest.mark.parametrize("seed", range(3))
def test_served_policy_when_compared_with_the_environment_then_it_answers_what_it_would_do(
    seed: int,
) -> None:
    served, x = policy(seed), rows(60, seed)
    held, expected = in_the_environment(served, x)
    with torch.no_grad():
        logits = served.logits(x)[0].numpy()  # (T, K, K)
    np.testing.assert_allclose(logits[np.arange(59), held], expected, atol=2e-5)
    assert len(set(held)) > 2


def test_served_policy_when_the_held_position_is_left_out_then_the_comparison_convicts() -> None:
    served, x = policy(), rows(60)
    held, expected = in_the_environment(served, x)
    first = served.actor[0]
    assert isinstance(first, nn.Linear)
    first.weight.data[:, -K:] = 0.0
    with torch.no_grad():
        logits = served.logits(x)[0].numpy()
    assert np.abs(logits[np.arange(59), held] - expected).max() > 0.01


@torch.no_grad()
def test_served_policy_when_another_row_changes_then_it_does_not_matter() -> None:
    served, x, row = policy(), rows(60), 50
    before = served(x)
    other = x.clone()
    other[0, row] += 2.0
    changed = (served(other) != before) & torch.isfinite(before)
    assert changed.any(dim=-1)[0].nonzero().ravel().tolist() == [row]


@torch.no_grad()
def test_served_policy_when_it_answers_then_the_heads_it_lacks_are_nan() -> None:
    y = policy()(rows(30))[0].numpy()
    present = LAYOUT.present(catalog.load("ppo").absent)
    np.testing.assert_allclose(np.exp(y[:, :3]).sum(axis=1), 1.0, atol=1e-5)
    assert set(np.unique(y[:, LAYOUT.choices])) <= set(range(K))
    assert only_present(y, present).shape == (30, 3 + K)
    y[3, 5] = 0.0
    with pytest.raises(ArtifactError, match="expected NaN from every head"):
        only_present(y, present)


def test_table_when_served_then_it_turns_to_the_side_of_entry_only_and_changes_nothing_else() -> (
    None
):
    flat = K // 2
    table = torch.randint(K, (2000, K), generator=torch.Generator().manual_seed(0))
    served = consistent(table).numpy()
    side, entered = np.sign(served - flat), entry_side(served)
    holding = np.sign(np.arange(K) - flat)
    turns = side * holding < 0
    assert turns.any()
    assert (side[turns] == np.broadcast_to(entered[:, None], side.shape)[turns]).all()
    changed = served != table.numpy()
    assert changed.any()
    assert (served[changed] == flat).all()
    assert (np.sign(table.numpy() - flat) * holding < 0)[changed].all()  # turns alone
    again = consistent(torch.from_numpy(served)).numpy()
    np.testing.assert_array_equal(again, served)


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


def test_training_when_the_job_does_not_tell_the_next_candle_then_it_is_refused_by_name() -> None:
    job = small("ppo")
    labels = {k: v for k, v in job.labels.items() if k != columns.AHEAD_LOW}
    with pytest.raises(InputError, match="ahead_low"):
        train(dataclasses.replace(job, labels=labels))


def test_market_when_made_of_what_rows_are_told_then_it_is_the_candles_up_to_a_factor() -> None:
    job = small("ppo")
    n = len(job.time_ms)
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(0.01 * rng.normal(size=n)))
    ahead = {
        columns.AHEAD_OPEN: 0.001, columns.AHEAD_HIGH: 0.02, columns.AHEAD_LOW: -0.03,
    }  # fmt: skip
    told = {name: np.append(np.full(n - 1, value), np.nan) for name, value in ahead.items()}
    told[columns.AHEAD_CLOSE] = np.append(np.diff(np.log(close)), np.nan)
    told[columns.AHEAD_FUNDING] = np.append(np.where(np.arange(n - 1) % 8 == 7, 1e-4, 0.0), np.nan)
    data = planted.prepared(dataclasses.replace(job, labels={**job.labels, **told}))
    span = data.split.validation
    made = market(data, span)
    inside = slice(span.start, span.stop)
    np.testing.assert_allclose(made.close, 100 * close[inside] / close[span.start])
    for name, price in zip(ahead, (made.open, made.high, made.low), strict=True):
        np.testing.assert_allclose(price[1:], made.close[:-1] * np.exp(ahead[name]))
    paid = np.where(np.arange(n) % 8 == 0, 1e-4, 0.0)[inside][1:] * made.close[:-1]
    np.testing.assert_allclose(made.funding[1:], paid, atol=1e-15)
    assert made.funding[0] == 0  # of a candle nothing was decided for
    horizon = data.settings.labels.horizon_candles
    np.testing.assert_allclose(made.sigma, job.features[inside, -1] * np.sqrt(horizon), rtol=1e-6)


def test_market_when_a_row_is_not_told_then_no_episode_goes_over_it() -> None:
    job = small("ppo")
    gap = job.labels[columns.AHEAD_OPEN].copy()
    data = planted.prepared(job)
    row = data.split.train.start + 100
    gap[row] = np.nan
    labels = {**job.labels, columns.AHEAD_OPEN: gap}
    made = market(planted.prepared(dataclasses.replace(job, labels=labels)), data.split.train)
    assert made.runs[:2] == (Span(0, 101), Span(101, len(data.split.train)))


def test_training_when_no_funding_is_told_then_the_manifest_says_so() -> None:
    assert trained("ppo").manifest["agent"]["funding_known"] == 0.0
    job = small("a2c")
    paid = np.where(np.arange(len(job.time_ms)) % 2, 1e-4, np.nan)
    told = train(dataclasses.replace(job, labels={**job.labels, columns.AHEAD_FUNDING: paid}))
    assert told.manifest["agent"]["funding_known"] == pytest.approx(0.5, abs=0.01)


def test_forecast_when_an_agent_answers_then_its_table_is_the_policys() -> None:
    job, artifact = small("ppo"), trained("ppo")
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    known = np.isfinite(out[columns.POLICY])
    assert known.sum() == len(known) - artifact.manifest["context_candles"] + 1
    raw = Session(artifact.onnx).run(job.features[None])[0]
    layout = HeadLayout.of(artifact.manifest)
    table = unpacked_policy(out[columns.POLICY], K)
    np.testing.assert_array_equal(table[known], raw[known][:, layout.choices])
    assert len(np.unique(table[known], axis=0)) > 1


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (AgentConfig, {"leverages": (0.6, 0.3)}),
        (AgentConfig, {"stop_sigmas": (2.0, -1.0)}),
        (AgentConfig, {"life_candles": 1}),
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
