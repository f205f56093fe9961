"""Linear: the reference every network has to beat, a linear map of the last candles.

Source: Zeng et al., "Are transformers effective for time series forecasting?" (DLinear), AAAI 2023:
the series is split into a moving average and the remainder, each with its own linear layer.
# DIFF: the moving average looks back only, and the layers map all features to the pack's heads
# rather than each series to its own future.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.learn.nets.base import NetworkSpec, Past

_LONGEST = 128


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """Size of the map."""

    window: int = 8  # candles each layer sees; the features reach back further by themselves
    average: int = 24  # candles of the moving average

    def __post_init__(self) -> None:
        if self.window < 1 or self.average < 1:
            raise ValueError("expected window, average >= 1")
        if linear_receptive_field(self) > _LONGEST:
            raise ValueError(
                f"expected window + average <= {_LONGEST + 1}, got {self.window + self.average}"
            )


def linear_receptive_field(config: LinearConfig) -> int:
    """Return the candles that can change one output row.

    Examples
    --------
    >>> linear_receptive_field(LinearConfig())
    31
    """
    return config.window + config.average - 1


class Linear(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on the last `linear_receptive_field` rows."""

    def __init__(self, n_features: int, n_outputs: int, config: LinearConfig) -> None:
        super().__init__()
        self.average = config.average
        self.reach = config.window - 1
        self.head = nn.Conv1d(2 * n_features, n_outputs, config.window)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        z = x.transpose(1, 2)  # (B, F, T)
        slow = functional.avg_pool1d(past.behind(z, self.average - 1, dim=2), self.average, 1)
        parts = torch.cat((slow, z - slow), dim=1)  # (B, 2 F, T)
        y: Tensor = self.head(past.behind(parts, self.reach, dim=2)).transpose(1, 2)
        return y


SPEC = NetworkSpec(
    name="linear",
    title="Linear",
    forecaster="LinearForecaster",
    config=LinearConfig,
    build=Linear,
    carries_past=True,
    contexts=(64, 128),
    receptive_field=linear_receptive_field,
    description=(
        "A weighted sum of the last candles' features and of their moving average. The "
        "reference: a network that does not beat it is not worth its trouble."
    ),
    failure_modes=("cannot see that a feature means different things in different regimes",),
    useful_rows=3_000,
    natural_use="reference",
    source="Zeng et al. 2023",
)
