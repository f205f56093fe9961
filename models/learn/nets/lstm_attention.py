"""LSTM + attention: a recurrent network whose last states are looked back at.

Source: Bahdanau, Cho & Bengio (2015) for attention over recurrent states; the temporal part of Lim,
Arik, Loeff & Pfister, "Temporal fusion transformers", 2021: LSTM, then masked multi-head attention,
each with a gated residual connection.
# DIFF: attention reaches `window` candles back and no further, with learned relative positions, so
that a row's answer does not depend on where its sequence began.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.base.windows import CONTEXTS
from models.learn.layers.dropout import BitDropout
from models.learn.nets.base import NetworkSpec, Past
from models.learn.nets.lstm import recur
from models.learn.nets.transformer import LocalAttention, TransformerConfig


@dataclass(frozen=True, kw_only=True)
class LSTMAttentionConfig:
    """Size of the network."""

    hidden: int = 48  # units of the LSTM, and width of the attention
    heads: int = 4  # of the attention; they share the hidden units
    window: int = 48  # candles attended to
    dropout: float = 0.1  # share of units left out at a step of training

    def __post_init__(self) -> None:
        check_size(self.hidden, self.heads, self.window, self.dropout)


def check_size(hidden: int, heads: int, window: int, dropout: float) -> None:
    """Raise ValueError for a size no such network can have."""
    if hidden < 1 or heads < 1 or hidden % heads:
        raise ValueError(f"expected hidden a multiple of heads, got {hidden} and {heads}")
    if not 2 <= window <= 128:
        raise ValueError(f"expected window from 2 to 128, got {window}")
    if not 0 <= dropout < 1:
        raise ValueError(f"expected 0 <= dropout < 1, got {dropout}")


class GatedResidual(nn.Module):
    """x + sigmoid(g) * v after a normalisation within the candle, (B, T, W) -> (B, T, W)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.both = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)
        self.dropout = BitDropout(dropout)

    def forward(self, x: Tensor, new: Tensor) -> Tensor:
        value, gate = self.both(self.dropout(new)).chunk(2, dim=-1)
        y: Tensor = self.norm(x + value * torch.sigmoid(gate))
        return y


class LSTMAttention(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on rows <= t."""

    def __init__(self, n_features: int, n_outputs: int, config: LSTMAttentionConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(n_features, config.hidden)
        self.recurrent = nn.LSTM(config.hidden, config.hidden, batch_first=True)
        self.after_recurrent = GatedResidual(config.hidden, config.dropout)
        self.attention = LocalAttention(
            TransformerConfig(
                width=config.hidden, heads=config.heads, layers=1, window=config.window
            )
        )
        self.after_attention = GatedResidual(config.hidden, config.dropout)
        self.head = nn.Linear(config.hidden, n_outputs)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        z = self.embed(x)  # (B, T, hidden)
        state, back = recur(self.recurrent, z, past), self.attention.window - 1
        z = self.after_recurrent(past.needed(z, back), past.needed(state, back))
        z = self.after_attention(past.needed(z), self.attention(z, past))
        y: Tensor = self.head(z)
        return y


SPEC = NetworkSpec(
    name="lstm_attention",
    title="LSTMAttention",
    forecaster="LSTMAttentionForecaster",
    config=LSTMAttentionConfig,
    build=LSTMAttention,
    carries_past=True,
    contexts=CONTEXTS,
    receptive_field=lambda config: None,
    description=(
        "An LSTM reads the candles one by one; attention then looks back over its last states and "
        "mixes in those that matter. The neural part of the Hybrid, on its own."
    ),
    failure_modes=(
        "forgets what lies further back than its context",
        "attention weights are no explanation",
        "reads a regime it has never seen as the nearest one it knows",
    ),
    useful_rows=8_000,
    natural_use="part of the Hybrid",
    source="Lim et al. 2021",
)
