"""GRU: a gated recurrent network with three quarters of the LSTM's weights per unit.

Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
# DIFF: the reset gate is applied after the matrix product (cuDNN's and ONNX's
# linear_before_reset form), which is what torch trains.
"""

from __future__ import annotations

from functools import partial

from models.base.windows import CONTEXTS
from models.learn.layers.gru import FastGRU
from models.learn.nets.base import NetworkSpec
from models.learn.nets.lstm import Recurrent, RecurrentConfig

SPEC = NetworkSpec(
    name="gru",
    title="GRU",
    forecaster="GRUForecaster",
    config=RecurrentConfig,
    build=partial(Recurrent, cell=FastGRU),
    carries_past=True,
    contexts=CONTEXTS,
    receptive_field=lambda config: None,
    description=(
        "A recurrent network with two gates per unit: each candle updates a hidden state that "
        "is carried from candle to candle, and the forecast is read off that state. A quarter "
        "fewer weights than an LSTM of the same width."
    ),
    failure_modes=(
        "forgets what lies further back than its context",
        "reads a regime it has never seen as the nearest one it knows",
    ),
    useful_rows=6_000,
    natural_use="scalping, intraday",
    source="Cho et al. 2014",
)
