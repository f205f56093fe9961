"""WaveNet: gated dilated causal convolutions with skip connections, on raw candles.

Source: van den Oord et al., "WaveNet: a generative model for raw audio", arXiv 1609.03499, 2016;
for financial series: Borovykh, Bohte & Oosterlee, arXiv 1703.04691. Kernel 2, dilations 1, 2, 4,
..., 2^(n-1): R = 2^n.
# DIFF: forecasts the pack's heads, not a softmax over quantised levels.
# DIFF: reads the candle (open, high, low, close, volume) in units of its own volatility and usual
# volume, and that volatility, for what is asked is whether a move exceeds a cost that is none of
# these units. None of the pack's indicators: those columns of the frame are left out by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.columns import FEATURE_SIGMA, feature_name
from models.base.windows import CONTEXTS, MAX_CONTEXT_CANDLES
from models.learn.layers.dropout import BitDropout
from models.learn.nets.base import NetworkSpec, Past
from models.learn.nets.tcn import CausalConv

# Together they are one candle: close against the last close and high against low, in sigma; close
# and both wicks within the candle, so the open as well; volume against the day's.
CANDLE = ("return_1", "range", "close_in_candle", "upper_wick", "lower_wick", "volume_fast")


@dataclass(frozen=True, kw_only=True)
class WaveNetConfig:
    """Size of the network."""

    channels: int = 32  # of the residual path
    skip: int = 32  # channels of the sum that the answer is made of
    layers: int = 7  # receptive field 128
    dropout: float = 0.1  # share of channels left out at a step of training

    def __post_init__(self) -> None:
        for name in ("channels", "skip", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")
        if wavenet_receptive_field(self) > MAX_CONTEXT_CANDLES:
            raise ValueError(
                f"expected a receptive field of at most {MAX_CONTEXT_CANDLES} candles, got "
                f"{wavenet_receptive_field(self)}"
            )


def wavenet_receptive_field(config: WaveNetConfig) -> int:
    """Return the candles that can change one output row.

    Examples
    --------
    >>> wavenet_receptive_field(WaveNetConfig())
    128
    """
    return 1 << config.layers


def reads(name: str) -> bool:
    """Return whether a feature column is of the raw candle, of any pair and timeframe, or its unit.

    Examples
    --------
    >>> [reads(n) for n in ("%-range_gen_BTC/USDTUSDT_1h", "%-range_mid_gen_BTC/USDTUSDT_1h")]
    [True, False]
    """
    return feature_name(name) in CANDLE or name == FEATURE_SIGMA


class GatedLayer(nn.Module):
    """x (B, C, T) -> the residual path (B, C, T) and this layer's skip (B, S, T)."""

    def __init__(self, config: WaveNetConfig, dilation: int) -> None:
        super().__init__()
        self.gates = CausalConv(config.channels, 2 * config.channels, 2, dilation)
        self.residual = nn.Conv1d(config.channels, config.channels, 1)
        self.skip = nn.Conv1d(config.channels, config.skip, 1)
        self.dropout = BitDropout(config.dropout)

    def forward(self, x: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        signal, gate = self.gates(x, past).chunk(2, dim=1)
        z = self.dropout(torch.tanh(signal) * torch.sigmoid(gate))
        return x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on the last `wavenet_receptive_field` rows."""

    def __init__(self, n_features: int, n_outputs: int, config: WaveNetConfig) -> None:
        super().__init__()
        self.embed = nn.Conv1d(n_features, config.channels, 1)
        self.layers = nn.ModuleList(GatedLayer(config, 2**i) for i in range(config.layers))
        self.mix = nn.Conv1d(config.skip, config.skip, 1)
        self.head = nn.Linear(config.skip, n_outputs)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        z = self.embed(x.transpose(1, 2))  # (B, F, T) -> (B, C, T)
        skips = []
        for layer in self.layers:
            z, skip = layer(z, past)
            skips.append(skip)
        total = functional.relu(torch.stack(skips).sum(dim=0))  # (B, S, T)
        y: Tensor = self.head(functional.relu(self.mix(total)).transpose(1, 2))
        return y


SPEC = NetworkSpec(
    name="wavenet",
    title="WaveNet",
    forecaster="WaveNetForecaster",
    config=WaveNetConfig,
    build=WaveNet,
    carries_past=True,
    contexts=CONTEXTS[1:],
    receptive_field=wavenet_receptive_field,
    reads=reads,
    description=(
        "Gated convolutions that look back only, each layer twice as far as the one before, "
        "read together. It is given raw candles in units of their own volatility and no "
        "indicator."
    ),
    failure_modes=(
        "without indicators it does not see volatility regimes and learns little from hours",
        "blind beyond its receptive field",
    ),
    useful_rows=12_000,
    natural_use="up to 15 minutes",
    source="van den Oord et al. 2016",
)
