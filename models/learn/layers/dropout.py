"""Dropout at a third of its cost on one core: sixteen random bits decide about a unit.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
2014.
# DIFF: torch draws a uniform number of 53 bits for each unit. Four units share 64 bits here, so the
# share left out is a multiple of 1 / 65536; what stays is scaled by the share that truly stays.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16


class BitDropout(nn.Dropout):
    """`torch.nn.Dropout`, from the same generator but with other draws; each unit by itself.

    Examples
    --------
    >>> x = torch.ones(2, 1000)
    >>> sorted(set(BitDropout(0.5)(x).flatten().tolist())), BitDropout(0.5).eval()(x) is x
    ([0.0, 2.0], True)
    """

    def forward(self, input: Tensor) -> Tensor:
        out = round(self.p * _LEVELS)
        quick = input.device.type == "cpu" and input.is_floating_point() and out < _LEVELS
        if not (self.training and out and quick):
            return super().forward(input)
        return input * _stays(input, out)


def _stays(x: Tensor, out: int) -> Tensor:
    """Return 0 for `out` of 65536 units on average and the same number for the others, as `x`."""
    scale = torch.empty_like(x)  # laid out as `x` is, so that the two meet in memory's order
    count = x.numel()
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(1 << 63), None)
    stays = draws.view(torch.int16)[:count] >= out - _LEVELS // 2
    torch.mul(stays, _LEVELS / (_LEVELS - out), out=scale.as_strided((count,), (1,)))
    return scale
