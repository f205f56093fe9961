"""The fast GRU against torch's own, which it stands for."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from models.learn.export.onnx import OPSET
from models.learn.layers import gru
from models.learn.layers.gru import FastGRU


def layer(layers: int = 1, *, seed: int = 0, **options: Any) -> FastGRU:
    torch.manual_seed(seed)
    return FastGRU(4, 5, layers, **options)


def rows(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def learnt(
    module: nn.GRU, forward: Callable[..., Any], x: Tensor, hx: Tensor | None
) -> list[Tensor]:
    """The answers, and the gradients of a loss that weighs every one of them differently."""
    x = x.clone().requires_grad_()
    start = None if hx is None else hx.clone().requires_grad_()
    module.zero_grad()
    y, end = forward(module, x, start)
    ((y * rows(*y.shape, seed=2)).sum() + (end * rows(*end.shape, seed=3)).sum()).backward()
    leaves = [x, *module.parameters(), *([] if start is None else [start])]
    return [y, end, *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_gru_when_it_is_fast_then_it_answers_and_learns_as_torch_does(
    batch_first: bool, layers: int, start: bool, batch: int
) -> None:
    module = layer(layers, batch_first=batch_first)
    x = rows(*((batch, 50, 4) if batch_first else (50, batch, 4)))
    hx = rows(layers, batch, 5, seed=4) if start else None
    ours, theirs = (learnt(module, f, x, hx) for f in (FastGRU.forward, nn.GRU.forward))
    assert len(ours) == len(theirs) == 3 + 4 * layers + start
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert ours[0].shape == theirs[0].shape


def test_gru_when_gradients_are_measured_then_they_are_those_of_its_answers() -> None:
    module = layer(2, batch_first=True).double()
    x, hx = rows(2, 6, 4).double().requires_grad_(), rows(2, 2, 5).double().requires_grad_()

    def answers(x: Tensor, hx: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        y, end = module(x, hx)
        return y, end

    assert torch.autograd.gradcheck(answers, (x, hx, *module.parameters()))


def test_gru_when_a_gate_has_a_wrong_slope_then_the_measured_gradients_convict_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = gru._slopes

    def wrong(*arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slopes, candidate = right(*arguments)
        slopes[:, 1] *= 1.001  # of the update gate
        return slopes, candidate

    monkeypatch.setattr(gru, "_slopes", wrong)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        test_gru_when_gradients_are_measured_then_they_are_those_of_its_answers()


def test_gru_when_units_are_left_out_between_layers_then_they_are_those_torch_leaves_out() -> None:
    module, x = layer(3, dropout=0.5, batch_first=True), rows(2, 30, 4)
    torch.manual_seed(7)
    ours = module(x)[0]
    torch.manual_seed(7)
    theirs = nn.GRU.forward(module, x)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert (module(x)[0] - theirs).abs().max() > 1e-3  # other draws
    module.eval()
    torch.testing.assert_close(module(x), nn.GRU.forward(module, x), rtol=1e-4, atol=1e-5)


def fast(monkeypatch: pytest.MonkeyPatch, module: FastGRU, x: Any) -> bool:
    """Whether the module takes its own way for `x`; its answers are torch's in any case."""
    taken: list[int] = []
    states = FastGRU._states

    def watched(module: FastGRU, layer: int, x: Tensor, before: Tensor) -> Tensor:
        taken.append(layer)
        return states(module, layer, x, before)

    with monkeypatch.context() as patch:
        patch.setattr(FastGRU, "_states", watched)
        y = module(x)[0]
    expected = nn.GRU.forward(module, x)[0]
    if isinstance(x, Tensor):
        torch.testing.assert_close(y, expected, rtol=1e-2, atol=1e-2)
    return bool(taken)


def test_gru_when_it_cannot_be_fast_then_it_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(2, 6, 4)
    assert fast(monkeypatch, layer(batch_first=True), x)
    assert not fast(monkeypatch, layer(batch_first=True), x[0])  # no batch
    assert not fast(monkeypatch, layer(batch_first=True, bidirectional=True), x)
    assert not fast(monkeypatch, layer(batch_first=True, bias=False), x)
    assert not fast(monkeypatch, layer(batch_first=True), pack_sequence([x[0], x[1, :4]]))
    with torch.autocast("cpu", torch.bfloat16):
        assert not fast(monkeypatch, layer(batch_first=True), x)


def test_gru_when_it_is_exported_then_the_graph_has_one_gru_as_torchs_has() -> None:
    def graph(module: nn.GRU) -> bytes:
        buffer = io.BytesIO()
        torch.onnx.export(
            module.eval(),
            (rows(1, 6, 4), rows(1, 1, 5)),
            buffer,  # type: ignore[arg-type] # the TorchScript exporter takes a stream
            dynamo=False,
            opset_version=OPSET,
        )
        return buffer.getvalue()

    plain = nn.GRU(4, 5, batch_first=True)
    plain.load_state_dict(layer(batch_first=True).state_dict())
    ours, theirs = (onnx.load_from_string(graph(m)) for m in (layer(batch_first=True), plain))
    kinds = [node.op_type for node in ours.graph.node]
    assert kinds == [node.op_type for node in theirs.graph.node]
    assert kinds.count("GRU") == 1
    assert [w.raw_data for w in ours.graph.initializer] == [
        w.raw_data for w in theirs.graph.initializer
    ]
