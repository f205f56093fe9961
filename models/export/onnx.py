"""A trained forecaster to ONNX bytes, checked against torch and against itself.

Opset 20, dynamic batch and time. Checked at export: equal outputs at several (batch, time) shapes
with random distinct inputs, and the context whose windowed outputs equal the whole pass on real
held-out rows.

Exporter: TorchScript. With torch 2.13 the torch.export-based one fixes an LSTM's time axis to the
example's from the second export of a process on (the first is right), and takes 3-5 s against
0.1 s. Whatever the exporter says, the checks below decide.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from torch import nn

from models.errors import ArtifactError
from models.runtime.session import Session
from models.types import BoolArray, Float32Array
from models.windows import Span

OPSET = 20
SHAPES = ((1, 1), (1, 7), (2, 64), (5, 33))  # (batch, time) at which torch and ONNX must agree
TOLERANCE = 1e-4  # of the outputs' standard deviation
# Of an output's largest value: what float32 sums in another order may differ by. Without it, an
# output that hardly moves (a hazard of a model that learnt nothing) fails on its last place.
ROUNDING = 16 * float(np.finfo(np.float32).eps)


def to_onnx(model: nn.Module, n_features: int, present: BoolArray | None = None) -> bytes:
    """Return ONNX bytes for `model`: ``features (B, T, F) -> outputs (B, T, H)``.

    `present` (H,) marks the outputs it has; the others must be NaN. None means all.

    Raises
    ------
    ArtifactError
        If ONNX Runtime and torch disagree by more than `TOLERANCE` at any shape.
    """
    model = model.eval()
    example = torch.randn(2, 16, n_features, generator=torch.Generator().manual_seed(0))
    dynamic = {0: "batch", 1: "time"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation, and doubts the check below settles
        torch.onnx.export(
            model,
            (example,),
            buffer,  # type: ignore[arg-type] # the TorchScript exporter takes a stream
            dynamo=False,
            opset_version=OPSET,
            input_names=["features"],
            output_names=["outputs"],
            dynamic_axes={"features": dynamic, "outputs": dynamic},
        )
    onnx = buffer.getvalue()
    _check_against_torch(model, onnx, n_features, present)
    return onnx


@torch.no_grad()
def _check_against_torch(
    model: nn.Module, onnx: bytes, n_features: int, present: BoolArray | None
) -> None:
    session = Session(onnx)
    generator = torch.Generator().manual_seed(1)
    for batch, steps in SHAPES:
        x = torch.randn(batch, steps, n_features, generator=generator)
        expected = only_present(model(x).numpy(), present)
        gap = float(np.abs(only_present(session.run(x.numpy()), present) - expected).max())
        limit = TOLERANCE * float(expected.std() + 1e-3) + ROUNDING * float(np.abs(expected).max())
        if not gap <= limit:
            raise ArtifactError(
                f"ONNX and torch differ by {gap:.2e} (allowed {limit:.2e})",
                where=f"export check at batch {batch}, time {steps}",
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
    spread = np.maximum(whole[longest:].std(axis=0), 1e-6)  # (H,)
    rounding = ROUNDING * np.abs(whole[longest:]).max(axis=0)  # (H,)
    rng = np.random.default_rng(seed)
    ends = rng.choice(np.arange(longest, len(x)), size=min(64, len(x) - longest), replace=False)
    gaps: dict[int, float] = {}
    for context in candidates:
        windows = np.stack([x[e + 1 - context : e + 1] for e in ends])  # (64, context, F)
        last = only_present(session.run(windows)[:, -1], present)  # (64, H)
        apart = np.abs(last - whole[ends])
        gaps[context] = float((np.maximum(apart - rounding, 0.0) / spread).max())
        if gaps[context] <= TOLERANCE:
            return context, gaps
    raise ArtifactError(
        f"no context reproduces the whole pass within {TOLERANCE:g} standard deviations: {gaps}",
        where="parity of the live path on the trained weights",
        cure="train with a smaller learning rate or fewer steps, or allow a longer context",
    )
