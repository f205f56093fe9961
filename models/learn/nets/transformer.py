"""Transformer: causal attention to the last candles, with learned relative positions.

Source: Vaswani et al., "Attention is all you need", 2017; pre-layer normalisation after Xiong et
al. (2020); sliding-window attention after Beltagy, Peters & Cohan, "Longformer", 2020.
# DIFF: positions are a learned bias per head and distance (Raffel et al., 2020; Press et al., 2022)
# instead of added sinusoids. A row then answers the same wherever a chunk starts, so the backtest's
# long pass and the live window agree exactly.
# DIFF: each layer sees `window` candles and no more; with n layers R = 1 + n (window - 1). Carried
keys and values of the last `window - 1` candles are therefore all it needs of the past.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.windows import CONTEXTS, MAX_CONTEXT_CANDLES
from models.learn.layers.dropout import BitDropout
from models.learn.nets.base import NetworkSpec, Past

_MASKED = -1e9
_ROWS = 16  # of a block; of 8 to 64 what is fastest on one core, at any window


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Size of the network."""

    width: int = 64  # numbers that stand for one candle
    heads: int = 4  # of the attention; they share the width
    layers: int = 3  # attention layers, one on the other
    window: int = 32  # candles one layer attends to; with 3 layers 94 of receptive field
    feedforward: int = 128  # units between the two maps of a layer
    dropout: float = 0.2  # share of units left out at a step of training

    def __post_init__(self) -> None:
        for name in ("width", "heads", "layers", "feedforward"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"expected width a multiple of {self.heads} heads, got {self.width}")
        if self.window < 2:
            raise ValueError(f"expected window >= 2, got {self.window}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")
        if transformer_receptive_field(self) > MAX_CONTEXT_CANDLES:
            raise ValueError(
                f"expected a receptive field of at most {MAX_CONTEXT_CANDLES} candles, got "
                f"{transformer_receptive_field(self)}"
            )


def transformer_receptive_field(config: TransformerConfig) -> int:
    """Return the candles that can change one output row.

    Examples
    --------
    >>> transformer_receptive_field(TransformerConfig())
    94
    """
    return 1 + config.layers * (config.window - 1)


class LocalAttention(nn.Module):
    """Multi-head attention of row t to rows t - window + 1 .. t, (B, T, W) -> (B, T, W).

    The rows that are needed answer, and the `reach` rows before them that layers further up need.
    Keys and values before the first candle are zeros, like every other past.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.window = config.heads, config.window
        self.scale = 1.0 / math.sqrt(config.width // config.heads)
        self.project = nn.Linear(config.width, 3 * config.width)
        self.merge = nn.Linear(config.width, config.width)
        self.distance = nn.Parameter(torch.zeros(config.heads, config.window))  # bias
        nn.init.normal_(self.distance, std=0.02)

    def forward(self, x: Tensor, past: Past, reach: int = 0) -> Tensor:
        new, pairs = self.project(x).split((x.shape[-1], 2 * x.shape[-1]), dim=-1)
        pairs = past.behind(pairs, self.window - 1, dim=1)  # (B, window - 1 + T, 2 W)
        new, pairs = past.needed(new, reach), past.needed(pairs, reach + self.window - 1)
        # A long pass meets far more pairs than a layer may see; a graph is asked row by row.
        blocks = new.shape[1] > 2 * self.window and not torch.onnx.is_in_onnx_export()
        y: Tensor = self.merge(self._in_blocks(new, pairs) if blocks else self._mixed(new, pairs))
        return y

    def _in_blocks(self, new: Tensor, pairs: Tensor) -> Tensor:
        """Return what `_mixed` does, a few rows and those before them by themselves."""
        batch, time, width = new.shape
        count, before = -(-time // _ROWS), -(-(self.window - 1) // _ROWS)  # blocks, and behind one
        after = count * _ROWS - time  # the last block is whole, too
        front = before * _ROWS - (self.window - 1)  # as is the first before it
        q = functional.pad(new * self.scale, (0, 0, 0, after))
        q = q.view(batch, count, _ROWS, self.heads, -1).transpose(2, 3)
        both = functional.pad(pairs, (0, 0, front, after))
        both = both.view(batch, before + count, _ROWS, 2, self.heads, width // self.heads)
        k, v = both.permute(3, 0, 1, 4, 2, 5)  # (B, before + count, heads, _ROWS, W / heads)
        k, v = (
            torch.cat([part[:, i : i + count] for i in range(before + 1)], dim=3).flatten(0, 2)
            for part in (k, v)
        )  # (B count heads, (before + 1) _ROWS, W / heads)
        bias, seen = self._biases(_ROWS, k.shape[1], before * _ROWS, new.device)
        bias = bias.masked_fill(~seen, _MASKED).expand(batch * count, *bias.shape).flatten(0, 1)
        score = torch.baddbmm(bias, q.flatten(0, 2), k.transpose(1, 2))
        mixed = (functional.softmax(score, dim=-1) @ v).view(batch, count, self.heads, _ROWS, -1)
        return mixed.transpose(2, 3).reshape(batch, count * _ROWS, width)[:, :time]

    def _mixed(self, new: Tensor, pairs: Tensor) -> Tensor:
        """Return the mixed values (B, T, W) of queries (B, T, W), keys and values (B, P + T, 2 W).

        P, the rows before the first query, is `window` - 1.
        """
        batch, time, width = new.shape
        q, k, v = (
            part.reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for part in (new, *pairs.chunk(2, dim=-1))
        )  # (B, heads, T or P + T, W / heads)
        bias, seen = self._biases(time, pairs.shape[1], self.window - 1, new.device)
        score = q @ k.transpose(-1, -2) * self.scale + bias
        weight = functional.softmax(score.masked_fill(~seen, _MASKED), dim=-1)
        return (weight @ v).transpose(1, 2).reshape(batch, time, width)

    def _biases(
        self, rows: int, others: int, first: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Return each row's bias to the others (heads, T, U), and which of them (T, U) it sees.

        `first` is the first row's place among the others.
        """
        row = torch.arange(rows, device=device)
        other = torch.arange(others, device=device)
        back = row[:, None] + first - other  # (T, U) candles back to the other
        seen = (back >= 0) & (back < self.window)
        return self.distance[:, back.clamp(0, self.window - 1)], seen


class Layer(nn.Module):
    """Attention and a feed-forward step, each after a normalisation and beside a residual path."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(config.width)  # within one candle, never over time
        self.attention = LocalAttention(config)
        self.before_step = nn.LayerNorm(config.width)
        self.step = nn.Sequential(
            nn.Linear(config.width, config.feedforward),
            nn.GELU(),
            nn.Linear(config.feedforward, config.width),
        )
        self.dropout = BitDropout(config.dropout)

    def forward(self, x: Tensor, past: Past, reach: int) -> Tensor:
        new = self.attention(self.before_attention(x), past, reach)
        x = past.needed(x, reach) + self.dropout(new)
        y: Tensor = x + self.dropout(self.step(self.before_step(x)))
        return y


class Transformer(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on the last `transformer_receptive_field` rows."""

    def __init__(self, n_features: int, n_outputs: int, config: TransformerConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(n_features, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        # Of the layers behind each: what they look back to must be answered.
        self.reaches = [i * (config.window - 1) for i in reversed(range(config.layers))]
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, n_outputs)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        x = self.embed(x)  # (B, T, W)
        for after, layer in zip(self.reaches, self.layers, strict=True):
            x = layer(x, past, after)
        y: Tensor = self.head(self.norm(x))
        return y


SPEC = NetworkSpec(
    name="transformer",
    title="Transformer",
    forecaster="TransformerForecaster",
    config=TransformerConfig,
    build=Transformer,
    carries_past=True,
    contexts=CONTEXTS[1:],
    receptive_field=transformer_receptive_field,
    description=(
        "Every candle asks the last candles which of them matter to it, in several layers, and "
        "mixes what they answer. Distances in time are learnt; candles outside the window are "
        "not seen."
    ),
    failure_modes=(
        "needs the most data of the networks, a linear model beats it on little",
        "attention weights are no explanation",
        "slow to train on one core",
    ),
    useful_rows=12_000,
    natural_use="swing; needs data",
    source="Vaswani et al. 2017",
)
