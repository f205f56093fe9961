"""GAN: a forecast is the empirical distribution of simulated return paths.

Source: Wiese, Knobloch, Korn & Kretschmer, "Quant GANs: deep generation of financial time series",
Quantitative Finance 20, 2020 (arXiv 1907.06673): temporal convolutions, stochastic volatility,
heavy tails through Lambert's W. Trained as a Wasserstein GAN with gradient penalty (Gulrajani et
al., arXiv 1704.00028, 2017) and a proper score, see `models.learn.gan.adversarial`. Conditional on
the rows known; receptive field R = 1 + 2 (kernel - 1) (2^blocks - 1).

Of the shared training settings, `members`, `device` and `precision` mean nothing here: it is one
generator, trained on the CPU.

Whether its paths may be used for anything but illustration, `models.learn.gan.verdict` decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from models.base.spec import ModelSpec
from models.learn.nets.tcn import TCNConfig, tcn_receptive_field

_LONGEST = 128  # candles; the calibration rows must hold four times as many


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    """Size of both players and how they are set against each other."""

    channels: int = 32  # of the condition's TCN
    blocks: int = 4  # with kernel 3: 61 candles of receptive field
    kernel: int = 3  # candles a convolution of it sees
    dropout: float = 0.1  # share of its channels left out at a step
    paths: int = 199  # served per row, 20 n - 1: quantiles then are order statistics
    critic_channels: int = 32  # of the critic's convolutions
    critic_steps: int = 3  # per step of the generator
    critic_rows: int = 128  # drawn for each of them
    critic_learning_rate: float = 1e-3  # of the critic's own optimiser
    gradient_penalty: float = 10.0  # weight of the critic's slope differing from 1
    adversarial_weight: float = 0.1  # of the critic's word, beside the score in sigma
    score_rows: int = 512  # drawn for the score at each step
    score_paths: int = 16  # per row and step; the score is unbiased for any number

    def __post_init__(self) -> None:
        reach = tcn_receptive_field(self.tcn)  # which checks the first four
        if reach > _LONGEST:
            raise ValueError(f"expected a receptive field of at most {_LONGEST}, got {reach}")
        for name in ("critic_channels", "critic_steps", "critic_rows", "score_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if self.score_paths < 2:
            raise ValueError(f"expected score_paths >= 2, got {self.score_paths}")
        if self.paths < 19 or (self.paths + 1) % 20:
            raise ValueError(f"expected paths of 20 n - 1, got {self.paths}")
        for name in ("critic_learning_rate", "gradient_penalty"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        if not 0 <= self.adversarial_weight < math.inf:
            raise ValueError(
                f"expected adversarial_weight finite and >= 0, got {self.adversarial_weight}"
            )

    @property
    def tcn(self) -> TCNConfig:
        return TCNConfig(
            channels=self.channels, blocks=self.blocks, kernel=self.kernel, dropout=self.dropout
        )


@dataclass(frozen=True, kw_only=True)
class GANSpec(ModelSpec):
    """The one architecture that answers with simulated paths."""

    family: ClassVar[str] = "gan"


SPEC = GANSpec(
    name="gan",
    title="GAN",
    forecaster="GANForecaster",
    config=GANConfig,
    contexts=(64, 128),
    minimum_rows=500,
    description=(
        "Draws a few hundred possible paths of the next candles' returns and counts where they "
        "end. Convolutions that look back set how wide and which way the paths go; noise makes "
        "them differ; a second network was trained to tell them from what really happened."
    ),
    failure_modes=(
        "paths of one moment differ more in volatility than real days do: clustering is overstated",
        "the size of its worst one percent of losses is off by about a quarter on hourly BTC",
        "does not see the volume that makes a fall a cascade",
    ),
    useful_rows=6_000,
    natural_use="risk",
    source="Wiese et al. 2020",
)
