"""A network with batch normalisation is served with the statistics of its training.

No network of the catalogue has any. The next one may: the shell, the loop and the export must carry
what such a layer keeps in buffers, beside the weights.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models.learn import catalog
from models.learn.nets.base import Forecaster, NetworkSpec
from models.learn.training import loop
from models.learn.training.averaging import averaged_weights
from models.learn.training.loop import fit
from models.learn.training.networks import build_forecaster, fit_network
from models.learn.training.prepare import Prepared, prepare
from models.serve.session import Session
from tests.test_contract import planted

LEAD = 4  # rows of burn-in; the network itself looks at one


@dataclass(frozen=True, kw_only=True)
class NormedConfig:
    hidden: int = 8


class Normed(nn.Module):
    """x (B, T, F) -> y (B, T, H) by row; what it normalises is far from mean 0 and variance 1."""

    def __init__(self, n_features: int, n_outputs: int, config: NormedConfig) -> None:
        super().__init__()
        self.lift = nn.Linear(n_features, config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.head = nn.Linear(config.hidden, n_outputs)

    def lifted(self, x: Tensor) -> Tensor:
        return 5.0 + 10.0 * self.lift(x).transpose(1, 2)  # (B, C, T)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(torch.tanh(self.norm(self.lifted(x))).transpose(1, 2))
        return y


SPEC = NetworkSpec(
    **{
        **{f.name: getattr(catalog.load("linear"), f.name)
           for f in dataclasses.fields(NetworkSpec)},
        "name": "normed",
        "config": NormedConfig,
        "build": Normed,
        "carries_past": False,
        "contexts": (LEAD + 1, 64),
        "receptive_field": lambda config: LEAD + 1,
    }
)  # fmt: skip


@cache
def data() -> Prepared:
    torch.set_num_threads(1)
    return prepare(planted.held_out(planted.planted_job("linear")), SPEC)


def trained() -> Forecaster:
    d = data()
    model, _ = fit(
        build_forecaster(SPEC, d, seed=0), d.rows, d.split.train, d.split.validation, LEAD,
        d.layout, d.settings.training, 0,
    )  # fmt: skip
    return model


@torch.no_grad()
def off(model: Forecaster) -> float:
    """How far the served layer's output is from mean 0 and deviation 1 on the training rows."""
    d, network = data(), model.network
    assert isinstance(network, Normed)
    seen: list[Tensor] = []
    handle = network.norm.register_forward_hook(lambda _, args, y: seen.append(y))
    model.eval()(d.rows.features[None, : d.split.train.stop])
    handle.remove()
    z = seen[0] - network.norm.bias[:, None]
    z = z / network.norm.weight[:, None]  # (1, C, T)
    return float(max(z.mean(dim=-1).abs().max(), (z.std(dim=-1) - 1).abs().max()))


def weights_alone(model: nn.Module, ema: float) -> AveragedModel:
    """The planted mistake: an average that leaves every buffer as it was before training."""
    average = averaged_weights(model, ema)
    before = {name: value.clone() for name, value in average.module.named_buffers()}
    update = average.update_parameters

    def forgetful(current: nn.Module) -> None:
        update(current)
        for name, value in average.module.named_buffers():
            value.copy_(before[name])

    average.update_parameters = forgetful  # type: ignore[method-assign]
    return average


def test_batch_norm_when_trained_then_what_is_served_is_normalised_as_in_training() -> None:
    assert off(trained()) < 0.1


def test_batch_norm_when_weights_are_averaged_without_statistics_then_the_check_convicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "averaged_weights", weights_alone)
    assert off(trained()) > 1.0


def test_batch_norm_when_exported_then_the_graph_answers_as_torch_does_when_serving() -> None:
    d, model = data(), trained().eval()
    fitted = fit_network(SPEC, d)
    x = d.rows.features[None, :300]
    with torch.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(Session(fitted.onnx).run(x.numpy()), expected, atol=1e-5)


def test_batch_norm_when_trained_again_from_its_weights_then_its_statistics_come_along() -> None:
    d, first = data(), fit_network(SPEC, data())
    job = dataclasses.replace(d.job, warm_start=first.weights)
    one_step = dataclasses.replace(
        d.settings.training, fine_tune_lr_frac=1e-9, fine_tune_max_steps=1
    )
    settings = dataclasses.replace(d.settings, training=one_step)
    again = fit_network(SPEC, dataclasses.replace(d, job=job, settings=settings))
    assert again.facts["warm_start"] == "taken"
    x = d.rows.features[None, :300].numpy()
    # One batch moves them by a tenth at most.
    np.testing.assert_allclose(Session(again.onnx).run(x), Session(first.onnx).run(x), atol=0.1)


# -- the average itself ------------------------------------------------------------------------


def test_average_when_weights_move_then_it_is_what_the_formula_says_bit_for_bit() -> None:
    torch.manual_seed(0)
    model = nn.LSTM(3, 5)
    average, by_hand = averaged_weights(model, 0.9), copy.deepcopy(model)
    for step in range(1, 40):
        for p in model.parameters():
            p.data.add_(0.1 * torch.randn_like(p))
        average.update_parameters(model)
        decay = min(0.9, (1 + step) / (10 + step))
        for a, p in zip(by_hand.parameters(), model.parameters(), strict=True):
            a.data.lerp_(p.data, 1.0 - decay)
    for ours, theirs in zip(average.module.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_average_when_a_buffer_never_moves_or_holds_indices_then_it_stays_as_it_is() -> None:
    model = nn.BatchNorm1d(4)
    model.register_buffer("fixed", torch.tensor([0.1, 3e7, 1e-20]))
    model.register_buffer("kept", torch.tensor([0, 7, 123456789]))
    average = averaged_weights(model, 0.99)
    for _ in range(50):
        model.train()(torch.randn(16, 4) + 3.0)
        average.update_parameters(model)
    buffers = dict(average.module.named_buffers())
    assert torch.equal(buffers["fixed"], model.fixed)  # type: ignore[arg-type]
    assert torch.equal(buffers["kept"], model.kept)  # type: ignore[arg-type]
    assert int(buffers["num_batches_tracked"]) == 50
    assert (buffers["running_mean"] - 3.0).abs().max() < 0.5
