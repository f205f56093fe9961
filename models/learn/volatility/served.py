"""The fitted regression as a module: rows of features and the time to head outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.heads import HeadLayout
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.base.windows import WEEK_HOURS
from models.learn.hazard.proportional import COVARIATE_CLIP, ProportionalHazard
from models.learn.nets.base import Past
from models.serve.ranges import LARGEST_RANGE, PARKINSON, SMALLEST_VARIANCE
from models.serve.volatility import LOG_RANGE_CLIP, LogVolatility

_SMALLEST_SIGMA = 1e-8  # a candle that did not trade: the forecast abstains, and stays finite
_FURTHEST = 10.0  # |log| of volatility over sigma


@dataclass(frozen=True, kw_only=True)
class VolatilityHeads:
    """What log v is turned into; none of it depends on anything else.

    Attributes
    ----------
    moves
        P(the price moves beyond costs), a hazard of one bin with the covariate log v.
    sides
        Hazards of a fall and of a squeeze.
    quantiles
        (5,) of the return over the horizon in units of v, symmetric.
    prior
        (H,) constant outputs; of the classes, the frequencies up and down are shared by.
    """

    moves: ProportionalHazard
    sides: tuple[ProportionalHazard, ProportionalHazard]
    quantiles: FloatArray
    prior: FloatArray


class ServedVolatility(nn.Module):
    """x (B, T, F + 1) raw features and the candle's number since an origin -> y (B, T, H)."""

    kernel: Tensor
    mean: Tensor
    std: Tensor
    slope: Tensor
    clock: Tensor
    quantiles: Tensor

    def __init__(
        self,
        regression: LogVolatility,
        heads: VolatilityHeads,
        layout: HeadLayout,
        *,
        columns: tuple[int, int],
        horizon: int,
        candle_ms: int,
        origin_ms: int,
    ) -> None:
        super().__init__()
        self.range_column, self.sigma_column = columns
        self.root = float(np.sqrt(horizon))
        self.candle_ms, self.first_close_ms = candle_ms, origin_ms + candle_ms
        self.intercept = regression.intercept
        self.layout, self.prior = layout, heads.prior
        self._keep("kernel", regression.inputs.kernel[:, None])  # (W, 1, R)
        for name in ("mean", "std", "slope"):
            self._keep(name, getattr(regression, name)[:, None])  # (W, 1)
        self._keep("clock", regression.clock)
        self._keep("quantiles", heads.quantiles)
        self.hazards = (heads.moves, *heads.sides)
        for i, hazard in enumerate(self.hazards):
            self._keep(f"start_{i}", hazard.start)

    def _keep(self, name: str, values: FloatArray) -> None:
        self.register_buffer(name, torch.from_numpy(np.array(values)).to(torch.float32))

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        log_v = self._log_volatility(x, past or Past())[..., None]  # (B, T, 1)
        sigma = x[..., self.sigma_column, None].clamp_min(_SMALLEST_SIGMA) * self.root
        relative = (log_v - torch.log(sigma)).clamp(-_FURTHEST, _FURTHEST)
        moves, down, up = (self._logits(i, log_v) for i in range(3))
        lowest, _, highest = self.prior[self.layout.classes]
        still = float(np.logaddexp(lowest, highest)) - moves  # P(flat) = 1 / (1 + exp(moves))
        same, returns = torch.zeros_like(moves), torch.exp(relative) * self.quantiles
        heads = (same + lowest, still, same + highest, returns, down, up, relative)
        return torch.cat(heads, dim=-1)

    def _log_volatility(self, x: Tensor, past: Past) -> Tensor:
        """Return log v, (B, T, F + 1) -> (B, T)."""
        log_range = x[..., self.range_column] * x[..., self.sigma_column]
        log_range = log_range.clamp(-LARGEST_RANGE, LARGEST_RANGE)[:, None]  # (B, 1, T)
        squared = past.behind(log_range, self.kernel.shape[2] - 1, dim=2).square()
        means = functional.conv1d(squared, self.kernel)  # (B, W, T)
        z = (torch.log(means / PARKINSON + SMALLEST_VARIANCE) - self.mean) / self.std  # (B, W, T)
        weighed = (z.clamp(-LOG_RANGE_CLIP, LOG_RANGE_CLIP) * self.slope).sum(dim=1)
        # Whole milliseconds: float64 holds them, and what is exact may be rounded down.
        hour = torch.floor((x[..., -1].double() * self.candle_ms + self.first_close_ms) / HOUR_MS)
        of_week = (hour - WEEK_HOURS * torch.floor(hour / WEEK_HOURS)).long()
        return self.intercept + weighed + self.clock[of_week]

    def _logits(self, which: int, log_v: Tensor) -> Tensor:
        """Return the logits (B, T, K) of one of the hazards."""
        hazard, start = self.hazards[which], getattr(self, f"start_{which}")
        z = (log_v - float(hazard.mean[0])) / float(hazard.std[0])
        y: Tensor = z.clamp(-COVARIATE_CLIP, COVARIATE_CLIP) * float(hazard.slope[0]) + start
        return y
