"""The one loss: cross-entropy + pinball + discrete-time hazard, each masked by its own labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.base.columns import (
    LABEL_ACTION,
    LABEL_CASCADE_DOWN,
    LABEL_CASCADE_UP,
    LABEL_DIRECTION,
    LABEL_PEAK,
    LABEL_RETURN,
    QUANTILES,
)
from models.base.heads import HeadLayout, hazard_targets
from models.base.types import FloatArray, TrainingJob
from models.learn.training.settings import TrainingSettings


@dataclass(frozen=True)
class Targets:
    """Label tensors over the rows of one frame; masks are 0 where a label is unknown."""

    direction: Tensor  # (N,) int64 class index
    direction_known: Tensor  # (N,) float32
    scaled_return: Tensor  # (N,) float32, units of sigma
    return_known: Tensor  # (N,) float32
    event: Tensor  # (N, 2, K) float32, sides down, up
    at_risk: Tensor  # (N, 2, K) float32
    peak: Tensor  # (N, J) float32, J may be 0
    peak_risk: Tensor  # (N, J) float32
    action: Tensor  # (N,) int64 class index
    action_known: Tensor  # (N,) float32

    def to(self, device: torch.device) -> Targets:
        """Return the same targets on `device`."""
        return Targets(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def rows(self, index: Tensor) -> Targets:
        """Return the targets of the rows `index` (any shape), leading shape as `index`."""
        return Targets(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def targets(job: TrainingJob, layout: HeadLayout, competing: bool = False) -> Targets:
    """Turn a job's label columns into tensors and masks; the sides may be competing risks."""
    direction, scaled = job.labels[LABEL_DIRECTION], job.labels[LABEL_RETURN]
    steps = [job.labels[name] for name in (LABEL_CASCADE_DOWN, LABEL_CASCADE_UP)]
    sides = [
        hazard_targets(own, layout.bin_edges, other if competing else None)
        for own, other in (steps, steps[::-1])
    ]
    unknown = np.full(len(job.time_ms), np.nan)
    action = job.labels[LABEL_ACTION] if layout.action else unknown
    peak = job.labels[LABEL_PEAK] if layout.peak_edges else unknown
    reached, inside = hazard_targets(peak, layout.peak_edges)
    return Targets(
        direction=torch.from_numpy(_or_zero(direction + 1).astype(np.int64)),
        direction_known=torch.from_numpy(np.isfinite(direction).astype(np.float32)),
        scaled_return=torch.from_numpy(_or_zero(scaled).astype(np.float32)),
        return_known=torch.from_numpy(np.isfinite(scaled).astype(np.float32)),
        event=torch.from_numpy(np.stack([e for e, _ in sides], axis=1)),
        at_risk=torch.from_numpy(np.stack([r for _, r in sides], axis=1)),
        peak=torch.from_numpy(reached),
        peak_risk=torch.from_numpy(inside),
        action=torch.from_numpy(_or_zero(action + 1).astype(np.int64)),
        action_known=torch.from_numpy(np.isfinite(action).astype(np.float32)),
    )


def joined(parts: Sequence[Targets]) -> Targets:
    """Return the targets of several frames one after the other."""
    names = Targets.__dataclass_fields__
    return Targets(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _or_zero(values: FloatArray) -> FloatArray:
    """Return `values` with 0 where they are not finite; masks keep those from counting."""
    return np.where(np.isfinite(values), values, 0.0)


@dataclass(frozen=True)
class LossParts:
    """Mean loss of each head in nats (cross-entropy, hazard) or sigma (pinball)."""

    direction: Tensor
    quantile: Tensor
    hazard: Tensor
    peak: Tensor | None = None
    action: Tensor | None = None

    def total(self, settings: TrainingSettings) -> Tensor:
        total = (
            self.direction
            + settings.quantile_weight * self.quantile
            + settings.hazard_weight * self.hazard
        )
        if self.peak is not None:
            total = total + settings.peak_weight * self.peak
        if self.action is not None:
            total = total + settings.action_weight * self.action
        return total


def loss_parts(y: Tensor, t: Targets, weight: Tensor, layout: HeadLayout) -> LossParts:
    """Return the weighted mean losses of outputs `y` (R, H) against targets of the same R rows.

    Rows of weight zero do not matter at all.
    """
    w_class = weight * t.direction_known  # (R,)
    ce = functional.cross_entropy(y[:, layout.classes], t.direction, reduction="none")
    w_return = weight * t.return_known
    error = t.scaled_return[:, None] - y[:, layout.quantiles]  # (R, 5)
    level = torch.tensor(QUANTILES, dtype=y.dtype, device=y.device)
    pinball = torch.maximum(level * error, (level - 1) * error).mean(dim=1)
    logits = torch.stack((y[:, layout.hazard(-1)], y[:, layout.hazard(1)]), dim=1)  # (R, 2, K)
    bce = functional.binary_cross_entropy_with_logits(logits, t.event, reduction="none")
    # Negative log likelihood per row: sum over the bins at risk (Gensheimer & Narasimhan 2019).
    hazard = (bce * t.at_risk).sum(dim=(1, 2))
    w_hazard = weight * (t.at_risk[:, :, 0].amax(dim=1))
    return LossParts(
        _mean(ce, w_class),
        _mean(pinball, w_return),
        _mean(hazard, w_hazard),
        _peak_loss(y, t, weight, layout) if layout.peak_edges else None,
        _action_loss(y, t, weight, layout) if layout.action else None,
    )


def _peak_loss(y: Tensor, t: Targets, weight: Tensor, layout: HeadLayout) -> Tensor:
    """As the hazard's, over the rows inside a cascade."""
    bce = functional.binary_cross_entropy_with_logits(y[:, layout.peak], t.peak, reduction="none")
    return _mean((bce * t.peak_risk).sum(dim=1), weight * t.peak_risk[:, 0])


def _action_loss(y: Tensor, t: Targets, weight: Tensor, layout: HeadLayout) -> Tensor:
    ce = functional.cross_entropy(y[:, layout.actions], t.action, reduction="none")
    return _mean(ce, weight * t.action_known)


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp_min(1.0)


def prior_outputs(t: Targets, rows: slice | Tensor, layout: HeadLayout) -> Tensor:
    """Return the constant raw output (H,) that fits the labels of `rows` best without features.

    Used as the head's starting bias and as the baseline every gain is measured against.
    """
    out = torch.zeros(layout.width)
    known = t.direction_known[rows] > 0
    counts = torch.bincount(t.direction[rows][known], minlength=3).float() + 1.0
    out[layout.classes] = torch.log(counts / counts.sum())
    scaled = t.scaled_return[rows][t.return_known[rows] > 0]
    q = torch.quantile(scaled, torch.tensor(QUANTILES))
    steps = torch.stack((q[1] - q[0], q[2] - q[1], q[3] - q[2], q[4] - q[3])).clamp_min(1e-3)
    raw = torch.log(torch.expm1(steps))  # inverse softplus
    out[layout.quantiles] = torch.stack((raw[0], raw[1], q[2], raw[2], raw[3]))
    for side, index in ((-1, 0), (1, 1)):
        events = t.event[rows, index].sum(dim=0) + 0.5
        risk = t.at_risk[rows, index].sum(dim=0) + 1000.0  # shrinks towards 1 in 2000
        rate = events / risk
        out[layout.hazard(side)] = torch.log(rate / (1 - rate))
    rate = (t.peak[rows].sum(dim=0) + 0.5) / (t.peak_risk[rows].sum(dim=0) + 2.0)
    out[layout.peak] = torch.log(rate / (1 - rate))
    if layout.action:
        counts = torch.bincount(t.action[rows][t.action_known[rows] > 0], minlength=3).float() + 1.0
        out[layout.actions] = torch.log(counts / counts.sum())
    return out
