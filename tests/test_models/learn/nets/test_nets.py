"""What single networks promise beyond the contract: which columns they read, how far they look."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.base import columns
from models.base.errors import InputError
from models.base.heads import HeadLayout
from models.base.types import TrainingJob
from models.data.features.candles import candle_features
from models.learn.jobs.pipeline import train
from models.learn.nets import linear, tcn, transformer, wavenet
from models.learn.nets.base import Committee, Forecaster
from models.serve.predictor import Predictor
from tests.test_contract import planted
from tests.test_models import markets


def test_wavenet_when_it_names_the_candle_then_the_pack_makes_those_columns() -> None:
    made = candle_features(markets.random_walk(400))
    assert set(wavenet.CANDLE) <= set(made)
    read = {name for name in made if wavenet.reads(f"%-{name}_gen_BTC/USDTUSDT_1h")}
    assert read == set(wavenet.CANDLE)
    assert wavenet.reads(columns.FEATURE_SIGMA)  # without it, no cost can be told from a candle


def test_wavenet_when_other_columns_change_then_its_forecast_does_not() -> None:
    artifact, job = planted.planted_artifact("wavenet"), planted.planted_job("wavenet")
    other = job.features.copy()
    other[:, 1:3] = np.random.default_rng(5).normal(size=(len(other), 2))
    one, two = (
        Predictor(artifact).predict(x, job.time_ms, job.feature_names)
        for x in (job.features, other)
    )
    for name in set(columns.FORECAST) - {columns.NOVELTY, columns.ABSTAIN}:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    other[:, 0] = -other[:, 0]  # the one it reads
    three = Predictor(artifact).predict(other, job.time_ms, job.feature_names)
    assert np.nanmax(np.abs(three[columns.P_UP] - one[columns.P_UP])) > 0.1


def test_wavenet_when_there_is_no_candle_column_then_it_refuses_to_train() -> None:
    job = planted.planted_job("wavenet")
    names = ("%-echo", *job.feature_names[1:])
    with pytest.raises(InputError, match="features WaveNet reads, got none of them in"):
        train(dataclasses.replace(job, feature_names=names))


def test_transformer_when_the_same_candles_come_in_another_order_then_it_answers_otherwise() -> (
    None
):
    torch.manual_seed(0)
    config = transformer.TransformerConfig(layers=1)
    net = transformer.Transformer(3, 10, config).eval()
    with torch.no_grad():
        net.layers[0].attention.distance.normal_()
        x = torch.randn(1, 20, 3)
        swapped = x.clone()
        swapped[:, [4, 11]] = x[:, [11, 4]]  # both before the last row, inside its window
        assert (net(x)[:, -1] - net(swapped)[:, -1]).abs().max() > 1e-4
        # Without the position bias attention is a set: the control the bias is there for.
        net.layers[0].attention.distance.zero_()
        torch.testing.assert_close(net(x)[:, -1], net(swapped)[:, -1])


@pytest.mark.parametrize("time", [65, 96, 100])  # of a window of 32: less than a block over, none
def test_attention_when_a_pass_is_long_then_blocks_answer_and_learn_as_the_whole_would(
    time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = transformer.Transformer(6, 4, transformer.TransformerConfig(dropout=0.0))
    x = torch.randn(3, time, 6, generator=torch.Generator().manual_seed(0))

    def answered() -> tuple[torch.Tensor, list[torch.Tensor]]:
        network.zero_grad()
        y = network(x)
        y.square().sum().backward()
        return y.detach(), [p.grad.clone() for p in network.parameters() if p.grad is not None]

    in_blocks, slopes = answered()
    monkeypatch.setattr(transformer.LocalAttention, "_in_blocks", transformer.LocalAttention._mixed)
    whole, expected = answered()
    torch.testing.assert_close(in_blocks, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(slopes, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (lambda: transformer.TransformerConfig(width=30), "width a multiple of 4 heads, got 30"),
        (lambda: transformer.TransformerConfig(window=1), "expected window >= 2, got 1"),
        (lambda: transformer.TransformerConfig(window=128), "at most 256 candles, got 382"),
        (lambda: wavenet.WaveNetConfig(layers=9), "at most 256 candles, got 512"),
        (lambda: wavenet.WaveNetConfig(skip=0), "expected skip >= 1, got 0"),
        (lambda: linear.LinearConfig(average=200), "window + average <= 129, got 208"),
        (lambda: tcn.TCNConfig(blocks=9), "at most 256 candles, got 2045"),
    ],
)
def test_config_when_out_of_range_then_the_range_and_the_value_are_named(
    config: type, said: str
) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        config()
    assert said in str(caught.value)


def test_forecaster_when_columns_are_kept_then_the_network_is_handed_those() -> None:
    seen: list[torch.Tensor] = []

    class Note(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x.new_zeros(*x.shape[:2], 10)

    x = torch.arange(12.0).reshape(1, 3, 4)
    Forecaster(Note(), HeadLayout(bin_edges=(1,)), torch.zeros(4), torch.ones(4), [2, 0])(x)
    assert torch.equal(seen[0], x.clamp(-8, 8)[..., [2, 0]])


# -- several members in one graph ------------------------------------------------------------


def committee_job(members: int, seed: int = 0) -> TrainingJob:
    job = planted.planted_job("tcn", seed=0)
    training = {
        **planted.SETTINGS["training"], "members": members, "max_steps": 20, "cross_fit": 1
    }  # fmt: skip
    return dataclasses.replace(job, settings={**planted.SETTINGS, "training": training}, seed=seed)


def test_committee_when_asked_then_it_answers_the_mean_of_its_members() -> None:
    layout = HeadLayout(bin_edges=(1, 2))
    torch.manual_seed(0)
    members = [
        Forecaster(tcn.TCN(3, layout.width, tcn.TCNConfig()), layout, torch.zeros(3), torch.ones(3))
        for _ in range(3)
    ]
    committee = Committee([member.eval() for member in members]).eval()
    x = torch.randn(2, 9, 3)
    with torch.no_grad():
        answers, together = [member(x) for member in members], committee(x)
    mean = torch.stack([a[..., layout.classes].softmax(-1) for a in answers]).mean(0)
    torch.testing.assert_close(together[..., layout.classes].softmax(-1), mean)
    quantiles = torch.stack([a[..., layout.quantiles] for a in answers]).mean(0)
    torch.testing.assert_close(together[..., layout.quantiles], quantiles)
    assert (quantiles.diff(dim=-1) >= 0).all()
    hazard = torch.stack([a[..., layout.hazard(-1)].sigmoid() for a in answers]).mean(0)
    torch.testing.assert_close(together[..., layout.hazard(-1)].sigmoid(), hazard)


def test_committee_when_its_members_standardise_differently_then_it_is_refused() -> None:
    layout = HeadLayout(bin_edges=(1, 2))
    one, other = (
        Forecaster(tcn.TCN(3, layout.width, tcn.TCNConfig()), layout, torch.zeros(3), std)
        for std in (torch.ones(3), torch.full((3,), 2.0))
    )
    with pytest.raises(ValueError, match="members of other rows"):
        Committee([one, other])


def test_training_when_it_has_members_then_they_differ_and_travel_as_one_graph() -> None:
    artifact = train(committee_job(3))
    manifest = artifact.manifest
    assert manifest["members"] == 3
    assert manifest["parameters"] == 3 * train(committee_job(1)).manifest["parameters"]
    curves = manifest["history"]
    assert len(curves) == 3
    assert len({tuple(loss for _, loss in curve) for curve in curves}) == 3
    job = committee_job(3)
    out = Predictor(artifact).predict(job.features, job.time_ms, job.feature_names)
    assert np.isfinite(out[columns.P_UP][manifest["context_candles"] - 1 :]).all()
    assert manifest["streaming"]["candles"] > 0  # each member's past beside the other's
    assert train(job).manifest["onnx_sha256"] == manifest["onnx_sha256"]


def test_members_when_there_is_one_then_its_network_is_the_first_of_more() -> None:
    one, three = train(committee_job(1)), train(committee_job(3))
    assert one.manifest["history"][0] == three.manifest["history"][0]
