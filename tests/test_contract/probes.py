"""Probes that find out what a module's rows depend on, and modules they must convict.

The convicts stay here beside the probes: a probe nobody has seen fail proves nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


@torch.no_grad()
def rows_changed(module: nn.Module, x: Tensor, after: int, seed: int = 0) -> Tensor:
    """Return (T,) booleans: output rows that move when every row later than `after` is replaced."""
    generator = torch.Generator().manual_seed(seed)
    other = x.clone()
    other[:, after + 1 :] = 3.0 * torch.randn(
        other[:, after + 1 :].shape, generator=generator, dtype=x.dtype
    )
    gap = (module(other) - module(x)).abs()  # (B, T, H)
    return gap.amax(dim=(0, 2)) > 1e-6


def rows_used(module: nn.Module, n_features: int, row: int, steps: int, draws: int = 4) -> Tensor:
    """Return (T,) booleans: input rows with a gradient on output row `row`, in double precision."""
    used = torch.zeros(steps, dtype=torch.bool)
    exact = module.double()
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(1, steps, n_features, generator=generator, dtype=torch.float64)
        x.requires_grad_(True)
        y = exact(x)[0, row]  # (H,)
        direction = torch.randn(y.shape, generator=generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((y * direction).sum(), x)
        used |= gradient[0].abs().amax(dim=1) > 0
    return used


class CausalConvolutions(nn.Module):
    """Kernel 3, dilations 1 and 2, padded on the left: receptive field 1 + 2 * (1 + 2) = 7."""

    RECEPTIVE_FIELD = 7

    def __init__(self, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(n_features, 8, 3)
        self.second = nn.Conv1d(8, n_outputs, 3, dilation=2)

    def pad(self, x: Tensor, rows: int) -> Tensor:
        return functional.pad(x, (rows, 0))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(self.pad(x.transpose(1, 2), 2)))  # (B, 8, T)
        out: Tensor = self.second(self.pad(hidden, 4)).transpose(1, 2)  # (B, T, H)
        return out


class SymmetricConvolutions(CausalConvolutions):
    """The classic mistake: padding on both sides, so that row t sees t + 3."""

    def pad(self, x: Tensor, rows: int) -> Tensor:
        return functional.pad(x, (rows // 2, rows // 2))


class InstanceNormalised(nn.Module):
    """The subtle mistake: each row is scaled by the mean and spread of the whole window."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True)
        out: Tensor = self.inner(scaled)
        return out
