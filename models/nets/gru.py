"""GRU: a gated recurrent network with three quarters of the LSTM's weights per unit.

Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
# DIFF: the reset gate is applied after the matrix product (cuDNN's and ONNX's
# linear_before_reset form), which is what torch trains.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from models.nets.base import NetworkSpec


@dataclass(frozen=True, kw_only=True)
class GRUConfig:
    """Size of the network."""

    hidden: int = 64
    layers: int = 2
    dropout: float = 0.1  # between layers and before the head

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.layers < 1:
            raise ValueError(f"expected hidden, layers >= 1, got {self.hidden}, {self.layers}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")


class GRU(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on rows <= t."""

    def __init__(self, n_features: int, n_outputs: int, config: GRUConfig) -> None:
        super().__init__()
        self.recurrent = nn.GRU(
            n_features,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        state, _ = self.recurrent(x)  # (B, T, hidden); starts from zero state
        y: Tensor = self.head(self.dropout(state))  # (B, T, H)
        return y


SPEC = NetworkSpec(
    name="gru",
    title="GRU",
    forecaster="GRUForecaster",
    config=GRUConfig,
    build=GRU,
    contexts=(64, 128, 256),
    receptive_field=lambda config: None,
    description=(
        "A recurrent network with two gates per unit: each candle updates a hidden state that "
        "is carried from candle to candle, and the forecast is read off that state. A quarter "
        "fewer weights than an LSTM of the same width."
    ),
    failure_modes=(
        "forgets what lies further back than its context",
        "slow to train on one core",
        "reads a regime it has never seen as the nearest one it knows",
    ),
    useful_rows=6_000,
    natural_use="scalping, intraday",
    source="Cho et al. 2014",
)
