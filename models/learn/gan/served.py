"""The generator as a forecaster: fixed paths under every row's condition, counted in the graph.

Shape letters as in `models.learn.gan.generator`; M is the number of served paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from models.base.columns import QUANTILES
from models.base.heads import HeadLayout
from models.learn.gan.generator import VOLATILITY, Generator, bounded
from models.learn.gan.noise import standard_noise

CANDIDATES: Final = 20  # noise draws per served one
_EDGE: Final = 0.1  # width of the counting kernel, in sigma, or in floor and sigma for cascades
_FLOOR: Final = 1e-3  # smallest share of paths a class is given
_RARE: Final = 1e-4  # share of paths at which a cascade is as good as not seen
_LEFT: Final = 0.01  # share of paths below which those not yet hit are too few to count
_SMALLEST_SIGMA: Final = 1e-8


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the outputs count."""

    layout: HeadLayout
    horizon: int
    cost_frac: float
    cascade_floor_frac: float
    move_candles: int  # a cascade's move is measured over as many
    sigma_column: int


def _counted(beyond: Tensor) -> Tensor:
    """Return how much of a path counts: 0 below -1, 1 above 1, a straight line between.

    Exact in float32; the last bits of a logistic curve differ between torch and ONNX Runtime.
    """
    return (0.5 + 0.5 * beyond).clamp(0.0, 1.0)


class Served(nn.Module):
    """features (B, T, F) -> outputs (B, T, H), the empirical distribution of M paths a row.

    Quantiles are order statistics, so they cannot cross: of M = 20 n - 1 paths, the level p is
    the path of rank p (M + 1). Shares are counted with a soft edge, since a hard one would jump
    by 1 / M when the last bit of a return changes.

    # DIFF: a path of returns cannot tell a cascade from any other move beyond the floor: the label
    asks for volume, for four sigma of the last month, and for the first of a day. So the hazard
    is the training rows' onset rate, times how much likelier than on the average training row a
    first move beyond the floor is on this row's paths (the label then thins all moves alike).
    """

    ranks: Tensor
    heavy: Tensor
    wander: Tensor
    loading: Tensor
    basis: Tensor
    span: Tensor
    prior: Tensor
    usual: Tensor

    def __init__(
        self, generator: Generator, noise: Tensor, basis: Tensor, prior: Tensor, rules: Rules
    ) -> None:
        super().__init__()
        self.condition, self.rules = generator.condition, rules
        steps = len(basis)
        self.shape = (steps, len(noise))
        with torch.no_grad():
            heavy, wander = generator.shocks(noise)
        ranks = [round(level * (len(noise) + 1)) - 1 for level in QUANTILES]
        self.register_buffer("ranks", torch.tensor(ranks))
        self.register_buffer("heavy", heavy[..., 0].T.clone())  # (S, M) of the traded pair
        # Paths are the last axis: what is reduced over steps then runs along memory.
        self.register_buffer("wander", wander.permute(2, 1, 0).flatten(1).clone())  # (J, S M)
        self.register_buffer("basis", basis.clone())
        self.register_buffer("loading", generator.loading.detach()[0].clone())
        k = torch.arange(steps)
        apart = k[:, None] - k[None, :]  # (to, from): step `from` is part of the move to `to`
        self.register_buffer("span", ((apart >= 0) & (apart < rules.move_candles)).float())
        self.register_buffer("prior", prior[rules.layout.quantiles.stop :].clone().float())
        self.register_buffer("usual", torch.zeros_like(self.prior))

    def paths(self, y: Tensor) -> Tensor:
        """Return the M paths under conditions (.., P) in units of each row's sigma, (.., S, M)."""
        drift, level, loading = self.condition.split(y)
        mu = drift[..., 0, :] @ self.basis.T  # (.., S)
        s = bounded(level[..., 0, :] @ self.basis.T)
        wander = bounded(self.loading + loading[..., 0, :]) @ self.wander  # (.., S M)
        log_scale = wander.reshape(*y.shape[:-1], *self.shape) + s.unsqueeze(-1)
        return mu.unsqueeze(-1) + torch.exp(log_scale) * self.heavy

    def forward(self, features: Tensor) -> Tensor:
        rules = self.rules
        sigma = features[..., rules.sigma_column : rules.sigma_column + 1]
        sigma = sigma.clamp_min(_SMALLEST_SIGMA)  # (B, T, 1)
        paths = self.paths(self.condition(features))  # (B, T, S, M)
        total = paths[..., : rules.horizon, :].sum(dim=-2) / rules.horizon**0.5  # (B, T, M)
        cost = rules.cost_frac / (sigma * rules.horizon**0.5)
        down, up = (_counted((side * total - cost) / _EDGE) for side in (-1.0, 1.0))
        share = torch.stack([x.mean(dim=-1) for x in (down, 1 - down - up, up)], dim=-1)
        classes = torch.log((share + _FLOOR) / (1 + 3 * _FLOOR))
        quantiles = total.sort(dim=-1).values.index_select(-1, self.ranks)
        hazard = self.prior + torch.log(self.shares(paths, sigma) + _RARE) - self.usual
        return torch.cat((classes, quantiles, hazard), dim=-1)

    def shares(self, paths: Tensor, sigma: Tensor) -> Tensor:
        """Return per side and bin the share of paths that first move beyond the floor there.

        Of those that did not before, (.., 2 K); down first, as `HeadLayout`.
        """
        moved = paths if self.rules.move_candles == 1 else self.span @ paths
        edges = (0, *self.rules.layout.bin_edges)
        unit = sigma / self.rules.cascade_floor_frac  # (.., 1)
        edge = 1 / (_EDGE * (1 + unit))
        out = []
        for side in (-1.0, 1.0):
            worst: Tensor | None = None
            for first, last in pairwise(edges):
                inside = moved[..., first:last, :]
                inside = -inside.amin(dim=-2) if side < 0 else inside.amax(dim=-2)  # (.., M)
                hit = _counted((inside * unit - 1) * edge)  # (.., M)
                if worst is None:
                    worst, share = inside, hit.mean(dim=-1)
                else:
                    # Not one minus the hits so far: for rare ones that is all rounding.
                    calm = _counted((1 - worst * unit) * edge)
                    share = (calm * hit).mean(dim=-1) / calm.mean(dim=-1).clamp_min(_LEFT)
                    worst = torch.maximum(worst, inside)
                out.append(share)
        return torch.stack(out, dim=-1)

    @torch.no_grad()
    def settle(self, y: Tensor, sigma: Tensor) -> None:
        """Take the conditions (R, P) of rows of volatility `sigma` (R,) for the usual ones."""
        shares = self.shares(self.paths(y), sigma[:, None])  # (R, 2 K)
        self.usual.copy_(torch.log(shares.mean(dim=0) + _RARE))


@torch.no_grad()
def representative(
    generator: Generator, basis: Tensor, horizon: int, count: int, seed: int
) -> Tensor:
    """Return `count` noises (M, REACH + S, Z) that stand for many: every n-th by their return.

    Systematic sampling: of `CANDIDATES` times as many draws, ordered by the return over the
    horizon they lead to, where nothing is known.
    """
    pool = CANDIDATES * count
    noise = torch.from_numpy(standard_noise(pool, len(basis), generator.shocks.assets, seed))
    assets, terms = generator.condition.shape
    neutral = torch.zeros(1, assets * (2 * terms + VOLATILITY))
    total = generator(neutral, noise, basis)[0, :, :horizon, 0].sum(dim=-1)  # (20 M,)
    order = torch.argsort(total, stable=True)
    chosen: Tensor = noise[order[CANDIDATES // 2 :: CANDIDATES]]
    return chosen
