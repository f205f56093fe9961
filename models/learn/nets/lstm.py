"""LSTM: a stacked recurrent network trained on long segments.

Source: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, with the
forget gate of Gers et al. (2000); for returns: Fischer & Krauss (2018).
# DIFF: every step of the segment is supervised, not the last one only, so one pass trains all.
# DIFF: forget-gate bias stays at its default. A bias of +1 or more makes the state remember past
# the context that is served live (measured: parity fails at +3), for no gain in loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from models.base.windows import CONTEXTS
from models.learn.layers.dropout import BitDropout
from models.learn.nets.base import NetworkSpec, Past


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """Size of the network, LSTM and GRU alike."""

    # On blocks left out, one hour candles, one layer of 32 with strong dropout gained 5 millibits
    # more than two of 64 with 0.1, four trainings of four.
    hidden: int = 32  # units per layer
    layers: int = 1  # recurrent layers, one on the other
    dropout: float = 0.3  # between layers and before the head

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.layers < 1:
            raise ValueError(f"expected hidden, layers >= 1, got {self.hidden}, {self.layers}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")


def recur(cell: nn.LSTM | nn.GRU, x: Tensor, past: Past) -> Tensor:
    """Return the last layer's states (B, T, hidden) over x (B, T, F), carrying on from `past`."""
    shape = (len(x), cell.num_layers, cell.hidden_size)

    def part() -> Tensor:
        return past.take(x, shape).transpose(0, 1).contiguous()  # (layers, B, hidden)

    # Two calls, two tensors: the exporter cross-wires an LSTM whose states are one object.
    y, end = cell(x, (part(), part()) if isinstance(cell, nn.LSTM) else part())
    for state in end if isinstance(cell, nn.LSTM) else (end,):
        past.leave(state.transpose(0, 1))
    return y  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """x (B, T, F) -> y (B, T, H) through a stack of `cell`; row t depends on rows <= t."""

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        config: RecurrentConfig,
        cell: type[nn.LSTM] | type[nn.GRU] = nn.LSTM,
    ) -> None:
        super().__init__()
        self.recurrent = cell(
            n_features,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.dropout = BitDropout(config.dropout)
        self.head = nn.Linear(config.hidden, n_outputs)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        past = past or Past()
        state = past.needed(recur(self.recurrent, x, past))  # (B, T, hidden)
        y: Tensor = self.head(self.dropout(state))  # (B, T, H)
        return y


SPEC = NetworkSpec(
    name="lstm",
    title="LSTM",
    forecaster="LSTMForecaster",
    config=RecurrentConfig,
    build=Recurrent,
    carries_past=True,
    contexts=CONTEXTS,
    receptive_field=lambda config: None,
    description=(
        "A recurrent network with a protected memory cell: gates decide what each candle writes "
        "to it, what is kept and what is read. The forecast is read off the state after every "
        "candle."
    ),
    failure_modes=(
        "forgets what lies further back than its context",
        "over-trained it remembers past the context it is served with, and is refused at export",
        "reads a regime it has never seen as the nearest one it knows",
    ),
    useful_rows=6_000,
    natural_use="scalping, intraday",
    source="Hochreiter & Schmidhuber 1997",
)
