"""The generator of return paths, and the critic that tells them from real ones.

A path of returns in units of sigma, for asset a and step k, is (Wiese et al. 2019, eq. 12, made
conditional)

    r[k, a] = mu[k, a] + exp(s[k, a] + sum_j b[a, j] g[j, k]) w(u[k, a]).

`mu`, `s` and `b` are a causal TCN's answers to the rows known so far. `g` are the answers of a
second TCN to the noise *before* step k, and one draw for the whole path: volatility clusters
within a path, and reacts to the sign of shocks. `u` are correlated Gaussian shocks, and
``w(u) = u exp(d u^2 / 2)`` is Lambert's W transform (Goerg 2015): its tails are Pareto with index
1 / d, one d for each side and asset, which no network of bounded slope makes of Gaussian noise.

`mu` and `s` are smooth in k (`profile`), so a path may run longer than those trained on.

Letters: N paths, S steps, A assets, Z noise channels, R rows, Q profile terms, J volatility
channels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.types import FloatArray
from models.learn.gan.noise import DILATIONS, REACH, noise_channels
from models.learn.nets.base import FEATURE_CLIP
from models.learn.nets.tcn import TCN, TCNConfig

VOLATILITY: Final = 4  # J
_CHANNELS: Final = 16


class Shocks(nn.Module):
    """Noise (N, REACH + S, Z) -> w (N, S, A) and g (N, S, J); knows nothing of the market."""

    def __init__(self, correlation: FloatArray, tails: FloatArray) -> None:
        super().__init__()
        self.assets = assets = len(correlation)
        # The forecast's score sees the traded pair alone: how pairs hang together starts right.
        self.mix = nn.Parameter(torch.from_numpy(np.linalg.cholesky(correlation)).float())
        # `tails` (2, A) are start values of d below and above zero; softplus keeps d >= 0.
        start = torch.from_numpy(np.log(np.expm1(np.maximum(tails, 0.01)))).float()
        self.tails = nn.Parameter(start)
        widths = (noise_channels(assets), *(_CHANNELS for _ in DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 2, dilation=d)
            for a, b, d in zip(widths[:-1], widths[1:], DILATIONS, strict=True)
        )
        self.head = nn.Conv1d(_CHANNELS, VOLATILITY - 1, 1)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        u = noise[:, REACH:, : self.assets] @ self.mix.T  # (N, S, A)
        # Unit length: how large a shock is, `s` says.
        u = u / self.mix.square().sum(dim=1).sqrt()
        low, high = functional.softplus(self.tails)
        heavy = u * torch.exp(0.5 * torch.where(u < 0, low, high) * u * u)
        x = noise[:, :-1].transpose(1, 2)  # (N, Z, REACH + S - 1)
        for layer in self.layers:
            y = functional.leaky_relu(layer(x), 0.1)
            x = y + x[..., -y.shape[-1] :] if x.shape[1] == y.shape[1] else y
        wander = torch.tanh(self.head(x)).transpose(1, 2)  # (N, S, J - 1)
        # One draw for the whole path: how loud the coming day is beyond what the rows tell.
        level = noise[:, :1, -1:].expand(-1, wander.shape[1], -1)
        return heavy, torch.cat((wander, level), dim=2)


class Condition(nn.Module):
    """Raw features (B, T, F) -> mu and s profiles (.., A, Q) and b (.., A, J), causal."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self, mean: Tensor, std: Tensor, assets: int, terms: int, config: TCNConfig
    ) -> None:
        super().__init__()
        self.shape = (assets, terms)
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", (1.0 / std).float())
        self.network = TCN(len(mean), assets * (2 * terms + VOLATILITY), config)
        with torch.no_grad():
            self.network.head.weight.mul_(0.1)
            self.network.head.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        y: Tensor = self.network(self.standardised(features))  # (B, T, A (2 Q + J))
        return y

    def standardised(self, features: Tensor) -> Tensor:
        return ((features - self.mean) * self.scale).clamp(-FEATURE_CLIP, FEATURE_CLIP)

    def split(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        assets, terms = self.shape
        y = y.reshape(*y.shape[:-1], assets, 2 * terms + VOLATILITY)
        return y[..., :terms], y[..., terms : 2 * terms], y[..., 2 * terms :]


class Generator(nn.Module):
    """Condition and noise to paths."""

    def __init__(self, condition: Condition, shocks: Shocks) -> None:
        super().__init__()
        self.condition = condition
        self.shocks = shocks
        self.loading = nn.Parameter(torch.full((condition.shape[0], VOLATILITY), 0.3))

    def profiles(self, y: Tensor, basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mu (.., S, A), s (.., S, A) and b (.., A, J) of conditions, `basis` (S, Q)."""
        drift, level, loading = self.condition.split(y)
        mu = basis @ drift.transpose(-1, -2)
        s = bounded(basis @ level.transpose(-1, -2))
        return mu, s, bounded(self.loading + loading)

    def forward(self, y: Tensor, noise: Tensor, basis: Tensor) -> Tensor:
        """Return paths (R, N, S, A): all N noises under each of R conditions (R, P)."""
        mu, s, b = self.profiles(y, basis)
        heavy, g = self.shocks(noise)  # (N, S, A), (N, S, J)
        wander = g.flatten(0, 1) @ b.transpose(-1, -2)  # (R, N S, A)
        log_scale = s[:, None] + wander.reshape(len(y), *g.shape[:2], -1)
        paths: Tensor = mu[:, None] + torch.exp(log_scale) * heavy
        return paths

    def one_each(self, y: Tensor, noise: Tensor, basis: Tensor) -> Tensor:
        """Return paths (R, S, A): noise i under condition i."""
        mu, s, b = self.profiles(y, basis)
        heavy, g = self.shocks(noise)
        log_scale = s + g @ b.transpose(-1, -2)
        paths: Tensor = mu + torch.exp(log_scale) * heavy
        return paths


def bounded(x: Tensor) -> Tensor:
    """Return `x` within -3..3: mad input must not make infinite volatility."""
    return x.clamp(-3.0, 3.0)


class Critic(nn.Module):
    """Past (R, L, A), path (R, S, A), standardised row (R, F) -> score (R,), high for real.

    It sees the real past go on into the path, and the features of the row between them.
    Returns pass through asinh: one crash must not own the gradient penalty.
    """

    def __init__(self, features: int, assets: int, length: int, channels: int) -> None:
        super().__init__()
        self.row = nn.Linear(features, channels)
        self.first = nn.Conv1d(assets + 1, channels, 5, padding=2)
        self.second = nn.Conv1d(channels, channels, 5, stride=2, padding=2)
        self.third = nn.Conv1d(channels, channels, 5, stride=2, padding=2)
        left = (length + 3) // 4  # steps after halving twice, rounded up
        self.head = nn.Linear(channels * (left + 1), 1)

    def forward(self, past: Tensor, path: Tensor, row: Tensor) -> Tensor:
        x = torch.asinh(torch.cat((past, path), dim=1)).transpose(1, 2)  # (R, A, L + S)
        flag = torch.zeros_like(x[:, :1])
        flag[..., past.shape[1] :] = 1.0
        known = self.row(row)  # (R, C)
        x = self.first(torch.cat((x, flag), dim=1)) + known[..., None]
        x = self.second(functional.leaky_relu(x, 0.2))
        x = self.third(functional.leaky_relu(x, 0.2))
        x = functional.leaky_relu(torch.cat((x.flatten(1), known), dim=1), 0.2)
        score: Tensor = self.head(x)[:, 0]
        return score
