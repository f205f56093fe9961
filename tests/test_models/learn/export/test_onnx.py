"""A graph is exported only if it answers what torch does; outputs it lacks are NaN in both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.base.errors import ArtifactError
from models.learn.export.onnx import SHAPES, only_present, to_onnx
from models.serve.session import Session


class Scaled(nn.Module):
    """Its features times numbers, NaN where a number is."""

    def __init__(self, *by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class LengthAware(nn.Module):
    """Answers with the length it was traced at, which a graph keeps for good."""

    def forward(self, x: Tensor) -> Tensor:
        return x + float(x.shape[1])


def test_export_when_the_graph_is_loaded_then_it_answers_what_torch_does_at_every_shape() -> None:
    model = Scaled(0.5, -2.0)
    session = Session(to_onnx(model, 2))
    for batch, steps in SHAPES:
        x = np.random.default_rng(steps).normal(size=(batch, steps, 2)).astype(np.float32)
        expected = model(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(session.run(x), expected, rtol=1e-6)


def test_export_when_an_output_is_absent_then_it_must_be_nan_and_nothing_else_may() -> None:
    half = Scaled(1.0, float("nan"))
    answered = Session(to_onnx(half, 2, np.array([True, False]))).run(np.ones((1, 3, 2), "f4"))
    np.testing.assert_array_equal(np.isnan(answered[0]), [[False, True]] * 3)
    with pytest.raises(ArtifactError):
        to_onnx(half, 2)
    with pytest.raises(ArtifactError):
        to_onnx(Scaled(1.0, 2.0), 2, np.array([True, False]))


def test_export_when_the_graph_cannot_follow_the_length_then_it_is_refused() -> None:
    with pytest.raises(ArtifactError, match="torch"):
        to_onnx(LengthAware(), 2)


def test_present_outputs_when_none_are_named_then_all_count() -> None:
    outputs = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_array_equal(only_present(outputs, None), outputs)
    kept = only_present(np.where(outputs == 1, np.nan, outputs)[:, :1], np.array([1, 0, 1], bool))
    np.testing.assert_array_equal(kept, [[[0.0, 2.0]]])
