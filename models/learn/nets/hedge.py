"""The hedge's network: LSTM + attention over price and feeds, with the hedge's heads.

Source: `models.learn.nets.lstm_attention` (Lim et al. 2021) for the encoder; Gensheimer &
Narasimhan 2019 for the discrete-time hazards of onset per side, as competing risks, and of the peak
once inside. A missing feed is told to the network as missing (Che et al. 2018 for masks and ages).
# DIFF: Che et al. let a missing value decay to the mean; here it stands at the mean at once, with
the flag and the age beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.base.columns import HEAD_ACTION, HEAD_PEAK
from models.base.windows import CONTEXTS
from models.learn.nets.base import NetworkSpec
from models.learn.nets.lstm_attention import LSTMAttention, LSTMAttentionConfig


@dataclass(frozen=True, kw_only=True)
class HedgeSpec(NetworkSpec):
    """A network whose hazard is served only where it beats simpler ones."""

    family: ClassVar[str] = "network or simpler hazard"


SPEC = HedgeSpec(
    name="hedge",
    title="Hedge",
    forecaster="HedgeForecaster",
    config=LSTMAttentionConfig,
    build=LSTMAttention,
    carries_past=True,
    contexts=CONTEXTS,
    receptive_field=lambda config: None,
    extra=(HEAD_PEAK, HEAD_ACTION),
    competing=True,
    cross_fits=False,
    reads_feeds=True,
    description=(
        "The LSTM with attention, taught what a hedge asks: when a cascade starts, on which side, "
        "how far its peak is once inside, and whether a tenth more or less hedge will have paid. "
        "Its hazard is served only if it beat boosted trees and the base rate on later candles."
    ),
    failure_modes=(
        "cascades are counted in dozens: most are missed, most alarms are false",
        "the step of the hedge is close to a question of direction, which is close to a coin toss",
        "reads a regime it has never seen as the nearest one it knows",
    ),
    useful_rows=12_000,
    natural_use="Litecoin hedge",
    source="Lim et al. 2021; Gensheimer & Narasimhan 2019",
)
