"""A trained forecaster to ONNX bytes, checked against torch and against itself.

Opset 20, dynamic batch and time. Checked at export: equal outputs at several (batch, time) shapes
with random distinct inputs and pasts, the context whose windowed outputs equal the whole pass on
real held-out rows, and how far a past carried from candle to candle keeps giving those outputs.

Exporter: TorchScript. With torch 2.13 the torch.export-based one fixes an LSTM's time axis to the
example's from the second export of a process on (the first is right), and takes 3-5 s against
0.1 s. Whatever the exporter says, the checks below decide.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base.errors import ArtifactError
from models.base.types import BoolArray, Float32Array
from models.base.windows import Span
from models.learn.nets.base import Past
from models.serve.session import Session

OPSET = 20
_FURTHEST = 4096  # candles a past is carried on at most: measured so far, half a year of hours
SHAPES = ((1, 1), (1, 7), (2, 80), (5, 33))  # (batch, time) at which torch and ONNX must agree
TOLERANCE = 1e-4  # of the outputs' standard deviation
# Of an output's largest value: what float32 sums in another order may differ by. Without it, an
# output that hardly moves (a hazard of a model that learnt nothing) fails on its last place.
ROUNDING = 16 * float(np.finfo(np.float32).eps)


class _Carried(nn.Module):
    """A module and its `Past` as plain tensors: (x, part..) -> (y, part..)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        past = Past(parts)
        y = self.model(features, past) if parts else self.model(features)
        return (y, *past.left)


def to_onnx(
    model: nn.Module, n_features: int, present: BoolArray | None = None, *, carries: bool = False
) -> bytes:
    """Return ONNX bytes for `model`: ``features (B, T, F) -> outputs (B, T, H)``.

    `present` (H,) marks the outputs it has; the others must be NaN. None means all. A model that
    `carries` takes a `Past` beside the features; its parts become inputs and outputs of the graph.

    Raises
    ------
    ArtifactError
        If ONNX Runtime and torch disagree by more than `TOLERANCE` at any shape.
    """
    served = _Carried(model).eval()
    random = torch.Generator().manual_seed(0)
    example = torch.randn(2, 16, n_features, generator=random)
    parts = _random_past(model, example, random) if carries else ()
    into = [f"past_{i}" for i in range(len(parts))]
    left = [f"left_{i}" for i in range(len(parts))]
    dynamic = {0: "batch", 1: "time"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and doubts the check below settles
        torch.onnx.export(
            served,
            (example, *parts),
            buffer,  # type: ignore[arg-type] # the TorchScript exporter takes a stream
            dynamo=False,
            opset_version=OPSET,
            input_names=["features", *into],
            output_names=["outputs", *left],
            dynamic_axes={
                **dict.fromkeys(("features", "outputs"), dynamic),
                **{name: {0: "batch"} for name in (*into, *left)},
            },
        )
    onnx = buffer.getvalue()
    _check_against_torch(served, onnx, n_features, present, carries)
    return onnx


@torch.no_grad()
def _random_past(model: nn.Module, x: Tensor, random: torch.Generator) -> tuple[Tensor, ...]:
    """Return a past for `x`, no part like another: zeros would not show parts that are swapped."""
    past = Past()
    model(x[:, :1], past)
    return tuple(torch.randn(part.shape, generator=random) for part in past.left)


@torch.no_grad()
def _check_against_torch(
    served: _Carried, onnx: bytes, n_features: int, present: BoolArray | None, carries: bool
) -> None:
    session = Session(onnx)
    generator = torch.Generator().manual_seed(1)
    for batch, steps in SHAPES:
        where = f"export check at batch {batch}, time {steps}"
        x = torch.randn(batch, steps, n_features, generator=generator)
        _check_same(session.run(x.numpy()), served(x)[0].numpy(), present, where)
        if not carries:
            continue
        parts = _random_past(served.model, x, generator)
        outputs, left = session.step(x.numpy(), [part.numpy() for part in parts])
        expected, *after = (part.numpy() for part in served(x, *parts))
        _check_same(outputs, expected, present, where)
        for before, ours, theirs in zip(parts, left, after, strict=True):
            if ours.shape != tuple(before.shape):
                raise ArtifactError(
                    f"expected a past of shape {tuple(before.shape)} behind the rows as before "
                    f"them, got {ours.shape}",
                    where=where,
                    cure="every layer must leave what it takes",
                )
            _check_same(ours, theirs, None, where)


def _check_same(
    ours: Float32Array, theirs: Float32Array, present: BoolArray | None, where: str
) -> None:
    ours, theirs = only_present(ours, present), only_present(theirs, present)
    gap = float(np.abs(ours - theirs).max())
    limit = TOLERANCE * float(theirs.std() + 1e-3) + ROUNDING * float(np.abs(theirs).max())
    if not gap <= limit:
        raise ArtifactError(
            f"ONNX and torch differ by {gap:.2e} (allowed {limit:.2e})",
            where=where,
            cure="the exporter mistranslated the network; do not serve this artifact",
        )


def only_present(outputs: Float32Array, present: BoolArray | None) -> Float32Array:
    """Return the outputs (.., H) that are `present` (H,).

    Raises
    ------
    ArtifactError
        If an absent output is anything but NaN: a number there would be a made-up one.
    """
    if present is None:
        return outputs
    if not np.isnan(outputs[..., ~present]).all():
        raise ArtifactError(
            "expected NaN from every head the architecture does not have, got numbers",
            cure="declare the heads of the architecture as its graph has them",
        )
    return np.asarray(outputs[..., present])


def measure_context(
    onnx: bytes,
    features: Float32Array,
    run: Span,
    candidates: tuple[int, ...],
    seed: int = 0,
    present: BoolArray | None = None,
) -> tuple[int, dict[int, float]]:
    """Return the smallest context that reproduces the whole pass, and the gap of each candidate.

    Parameters
    ----------
    features
        (N, F) raw features; `run` marks gap-free held-out rows in it.
    candidates
        Contexts in candles, shortest first.
    present
        (H,) outputs the graph has, see `only_present`.

    Returns
    -------
    context, gaps
        Gap = largest |window - whole pass| beyond `ROUNDING` over 64 windows ending at random rows,
        in standard deviations of each output, measured on the trained weights.

    Raises
    ------
    ArtifactError
        If no candidate stays within `TOLERANCE`: the live forecast would not be the tested one.
    """
    session = Session(onnx)
    x = features[run.start : run.stop]
    longest = candidates[-1]
    if len(x) < 2 * longest:
        raise ArtifactError(
            f"expected at least {2 * longest} gap-free held-out rows for parity, got {len(x)}",
            cure="lengthen the training window",
        )
    whole = only_present(session.run(x[None])[0], present)  # (T, H)
    rng = np.random.default_rng(seed)
    ends = rng.choice(np.arange(longest, len(x)), size=min(64, len(x) - longest), replace=False)
    gaps: dict[int, float] = {}
    for context in candidates:
        windows = np.stack([x[e + 1 - context : e + 1] for e in ends])  # (64, context, F)
        last = only_present(session.run(windows)[:, -1], present)  # (64, H)
        gaps[context] = _gap(last, whole[ends], whole[longest:])
        if gaps[context] <= TOLERANCE:
            return context, gaps
    raise ArtifactError(
        f"no context reproduces the whole pass within {TOLERANCE:g} standard deviations: {gaps}",
        where="parity of the live path on the trained weights",
        cure="train with a smaller learning rate or fewer steps, or allow a longer context",
    )


def _gap(ours: Float32Array, theirs: Float32Array, of: Float32Array) -> float:
    """Return the largest difference beyond `ROUNDING` in standard deviations of `of`, all (.., H).

    An output that never moves is taken to move by a millionth.
    """
    spread = np.maximum(of.std(axis=0), 1e-6)  # (H,)
    rounding = ROUNDING * np.abs(of).max(axis=0)  # (H,)
    return float((np.maximum(np.abs(ours - theirs) - rounding, 0.0) / spread).max())


def measure_streaming(
    onnx: bytes,
    features: Float32Array,
    run: Span,
    context: int,
    seed: int = 0,
    present: BoolArray | None = None,
) -> dict[str, Any]:
    """Carry the past from candle to candle, and compare with the context's answers on the way.

    Parameters
    ----------
    features
        (N, F) rows as the graph is fed them; `run` marks gap-free held-out rows in it.
    context
        Candles of the path that is compared with, and that a past is first made of.

    Returns
    -------
    dict
        ``candles``: how far the past may be carried live, as far as it was measured here, or 0
        where it must not be; ``gap_sd``: largest difference in standard deviations of each output
        in the four quarters of that way, so that a drift shows; ``why``, where ``candles`` is 0.
    """
    session = Session(onnx)
    if not session.carries_past:
        return {"candles": 0, "gap_sd": [], "why": "the network carries no past"}
    x = features[run.start : run.stop][: context + _FURTHEST]
    _, past = session.step(x[None, :context], session.beginning())
    rows = []
    for row in range(context, len(x)):
        y, past = session.step(x[None, row : row + 1], past)
        rows.append(y[0, 0])
    carried = only_present(np.stack(rows), present)  # (T - context, H)
    rng, gaps = np.random.default_rng(seed), []
    for quarter in np.array_split(np.arange(len(carried)), 4):
        ends = rng.choice(quarter, size=min(32, len(quarter)), replace=False)
        ends[0] = quarter[-1]  # the last is the furthest
        windows = np.stack([x[e + 1 : e + 1 + context] for e in ends])  # end at context + e
        last = only_present(session.run(windows)[:, -1], present)
        gaps.append(_gap(carried[ends], last, carried))
    if not max(gaps) <= TOLERANCE:
        why = f"carried on, it differs from its context by more than {TOLERANCE:g}"
        return {"candles": 0, "gap_sd": gaps, "why": why}
    return {"candles": len(carried), "gap_sd": gaps}
