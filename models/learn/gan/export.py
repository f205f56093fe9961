"""The generator of joint paths as a graph of its own, inside the served graph's metadata."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from models.base.errors import ArtifactError
from models.learn.export.onnx import OPSET, TOLERANCE
from models.learn.gan.generator import Generator
from models.learn.gan.noise import REACH, noise_channels, profile, standard_noise
from models.learn.gan.trained import Trained

METADATA: Final = "breakwater.paths"  # key in the served graph: another graph, base64


class _Paths(nn.Module):
    """features (1, T, F), noise (N, REACH + S, Z), basis (S, Q) -> paths (N, S, A)."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, features: Tensor, noise: Tensor, basis: Tensor) -> Tensor:
        y = self.generator.condition(features)[:, -1]  # (1, P), of the last row
        mu, s, b = self.generator.profiles(y, basis)
        heavy, g = self.generator.shocks(noise)
        paths: Tensor = mu + torch.exp(s + g @ b.transpose(-1, -2)) * heavy
        return paths


def with_paths(served: bytes, trained: Trained) -> bytes:
    """Return the served graph with the generator in its metadata.

    Raises
    ------
    ArtifactError
        If the exported generator is not the trained one.
    """
    model = onnx.load_from_string(served)
    model.metadata_props.add(
        key=METADATA, value=base64.b64encode(_exported(trained)).decode("ascii")
    )
    out: bytes = model.SerializeToString(deterministic=True)
    return out


def _exported(trained: Trained) -> bytes:
    generator = trained.generator
    assets = generator.shocks.assets
    module, steps = _Paths(generator).eval(), 16
    basis = trained.profile(steps)
    example = _rows(generator, 70, torch.Generator().manual_seed(0))
    noise = torch.from_numpy(standard_noise(3, steps, assets, 0))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as `models.learn.export.onnx`; the check below decides
        torch.onnx.export(
            module,
            (example, noise, basis),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["features", "noise", "basis"],
            output_names=["paths"],
            dynamic_axes={
                "features": {1: "time"},
                "noise": {0: "paths", 1: "reach_and_steps"},
                "basis": {0: "steps"},
                "paths": {0: "paths", 1: "steps"},
            },
        )
    graph = buffer.getvalue()
    _check(module, graph, trained.candle_ms)
    return graph


def _rows(generator: Generator, rows: int, random: torch.Generator) -> Tensor:
    """Return random feature rows (1, T, F) such as the training rows were."""
    condition = generator.condition
    z = torch.randn(1, rows, len(condition.mean), generator=random)
    return condition.mean + z / condition.scale


@torch.no_grad()
def _check(module: _Paths, graph: bytes, candle_ms: int) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(1)
    channels = noise_channels(module.generator.shocks.assets)
    for rows, paths, steps in ((64, 1, 1), (80, 5, 7), (128, 40, 60)):
        given = {
            "features": _rows(module.generator, rows, random),
            "noise": torch.randn(paths, REACH + steps, channels, generator=random),
            "basis": torch.from_numpy(profile(steps, candle_ms)).float(),
        }
        expected = module(*given.values()).numpy()
        got = session.run(None, {name: x.numpy() for name, x in given.items()})[0]
        gap = float(np.abs(got - expected).max())
        if not gap <= TOLERANCE * float(np.abs(expected).max()):
            raise ArtifactError(
                f"ONNX and torch paths differ by {gap:.2e}",
                where=f"export check at {rows} rows, {paths} paths, {steps} steps",
                cure="the exporter mistranslated the generator; do not serve this artifact",
            )
