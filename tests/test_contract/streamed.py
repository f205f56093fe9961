"""A session that is watched, and an artifact whose answers come from what it carries."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base.types import Artifact, Float32Array
from models.learn.export.onnx import to_onnx
from models.learn.nets.base import Past
from models.serve.session import Session
from tests.test_contract import echo


class watch:
    """A session that notes how many rows of a sequence it is asked to run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def step(self, features: Float32Array, past: list[Float32Array]) -> Any:
        self.rows.append(features.shape[1])
        return self._session.step(features, past)

    def run(self, features: Float32Array) -> Float32Array:
        self.rows.append(features.shape[1])
        return self._session.run(features)


class Late(nn.Module):
    """Row t answers with the first feature of row t - (CONTEXT - 1): all of it comes from the past.

    With `forgets`, what it leaves for the next rows is wrong.
    """

    def __init__(self, forgets: bool = False) -> None:
        super().__init__()
        self.forgets = forgets

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        reach = echo.CONTEXT - 1
        rows = past.behind(x[:, :, :1], reach, dim=1)  # (B, reach + T, 1)
        if self.forgets:
            past.left[-1] = 0.0 * past.left[-1]
        late = rows[:, : x.shape[1]]
        rest = [0.0 * late.expand(-1, -1, n) for n in (2, 5, 2 * echo.LAYOUT.bins)]
        quantiles = rest[1] + late
        return torch.cat((rest[0], late, quantiles, rest[2]), dim=-1)


def late_onnx(forgets: bool = False) -> bytes:
    return to_onnx(Late(forgets), len(echo.NAMES), carries=True)


def late_artifact(candles: int = 10_000, onnx: bytes | None = None) -> Artifact:
    """An artifact of `Late`, whose past may be carried on for `candles`."""
    onnx = onnx or late_onnx()
    good = echo.echo_artifact()
    manifest = {
        **good.manifest,
        "streaming": {"candles": candles},
        "onnx_sha256": Artifact.digest(onnx),
    }
    return dataclasses.replace(good, onnx=onnx, manifest=manifest)


def random_rows(rows: int, seed: int = 0) -> Float32Array:
    x = echo.echo_rows(rows, seed)
    assert len(np.unique(x[:, 0])) == rows  # no row answers for another by accident
    return x
