"""Averaged weights: an exponential moving average over the optimiser's steps, buffers included."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged_weights(model: nn.Module, ema: float) -> AveragedModel:
    """Return the running average of `model`, in evaluation mode; its first weights are the start.

    After step n (1, 2, ...) `update_parameters(model)` keeps min(ema, (1 + n) / (10 + n)) of the
    average: the random start is soon forgotten. Statistics a layer keeps in a buffer (batch
    normalisation) belong to the weights they were taken with, so they are averaged alike; counts
    and indices are copied.
    """

    @torch.no_grad()
    def towards(average: Sequence[Tensor], current: Sequence[Tensor], step: Tensor | int) -> None:
        decay = min(ema, (1 + int(step)) / (10 + int(step)))
        for a, p in zip(average, current, strict=True):
            if a.is_floating_point():
                a.lerp_(p, 1.0 - decay)
            else:
                a.copy_(p)

    # DIFF: torch's `get_ema_multi_avg_fn` has one decay for all steps, and rounds whole numbers.
    average = AveragedModel(model, multi_avg_fn=towards, use_buffers=True)
    average.n_averaged.fill_(1)  # else the first step would replace the start instead
    return average.eval()
