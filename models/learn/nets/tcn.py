"""TCN: residual blocks of dilated causal convolutions.

Source: Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent
networks for sequence modeling", arXiv 1803.01271, 2018. Receptive field with n blocks of two
convolutions of width k and dilations 1, 2, 4, ...: R = 1 + 2 (k - 1) (2^n - 1).
# DIFF: no weight normalisation; AdamW with gradient clipping trains as well, and the exported
# graph stays plain convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from models.base.windows import CONTEXTS, MAX_CONTEXT_CANDLES
from models.learn.layers.dropout import BitDropout
from models.learn.nets.base import NetworkSpec, Past


@dataclass(frozen=True, kw_only=True)
class TCNConfig:
    """Size of the network."""

    channels: int = 48  # of every convolution
    blocks: int = 5  # with kernel 3: 125 candles of receptive field
    kernel: int = 3  # candles a convolution sees, apart by its dilation
    dropout: float = 0.1  # after each convolution

    def __post_init__(self) -> None:
        if self.channels < 1 or self.blocks < 1 or self.kernel < 2:
            raise ValueError("expected channels, blocks >= 1 and kernel >= 2")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")
        if tcn_receptive_field(self) > MAX_CONTEXT_CANDLES:
            raise ValueError(
                f"expected a receptive field of at most {MAX_CONTEXT_CANDLES} candles, got "
                f"{tcn_receptive_field(self)}"
            )


def tcn_receptive_field(config: TCNConfig) -> int:
    """Return the candles that can change one output row.

    Examples
    --------
    >>> tcn_receptive_field(TCNConfig())
    125
    """
    return 1 + 2 * (config.kernel - 1) * ((1 << config.blocks) - 1)


class CausalConv(nn.Module):
    """Convolution over time that sees row t and earlier: x (B, C, T) -> (B, C', T)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.convolution = nn.Conv1d(n_in, n_out, kernel, dilation=dilation)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        y: Tensor = self.convolution(past.behind(x, self.reach, dim=2))  # nothing on the right
        return y


class ResidualBlock(nn.Module):
    """Two causal convolutions with a residual path, x (B, C, T) -> (B, C', T)."""

    def __init__(self, n_in: int, config: TCNConfig, dilation: int) -> None:
        super().__init__()
        n_out = config.channels
        self.first = CausalConv(n_in, n_out, config.kernel, dilation)
        self.second = CausalConv(n_out, n_out, config.kernel, dilation)
        self.dropout = BitDropout(config.dropout)
        self.match = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, past: Past) -> Tensor:
        y = self.dropout(functional.relu(self.first(x, past)))
        y = self.dropout(functional.relu(self.second(y, past)))
        return functional.relu(y + self.match(x))


class TCN(nn.Module):
    """x (B, T, F) -> y (B, T, H); row t depends on the last `tcn_receptive_field` rows."""

    def __init__(self, n_features: int, n_outputs: int, config: TCNConfig) -> None:
        super().__init__()
        widths = [n_features] + [config.channels] * (config.blocks - 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, config, 2**i) for i, width in enumerate(widths)
        )
        self.head = nn.Linear(config.channels, n_outputs)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        z = x.transpose(1, 2)  # (B, F, T)
        for block in self.blocks:
            z = block(z, past)  # (B, C, T)
        y: Tensor = self.head(z.transpose(1, 2))  # (B, T, H)
        return y


SPEC = NetworkSpec(
    name="tcn",
    title="TCN",
    forecaster="TCNForecaster",
    config=TCNConfig,
    build=TCN,
    carries_past=True,
    contexts=CONTEXTS[1:],
    receptive_field=tcn_receptive_field,
    description=(
        "Stacked convolutions that look back only, each layer twice as far as the one before, "
        "with shortcuts around them. Sees a fixed number of past candles and nothing older."
    ),
    failure_modes=(
        "blind beyond its receptive field",
        "sharp patterns of one year rarely come back in the next",
    ),
    useful_rows=6_000,
    natural_use="multi-day",
    source="Bai, Kolter & Koltun 2018",
)
