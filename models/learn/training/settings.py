"""Settings of a training; plain values, so they travel and hash. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.base.config import EXPECTED, from_mapping
from models.base.errors import ConfigError
from models.data.labels.settings import LabelSettings


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The one training loop. Defaults follow measurements on one hour candles."""

    segment_candles: int = 256  # supervised steps per sequence
    batch: int = 8  # segments a step
    learning_rate: float = 1e-3  # step length of the optimiser (AdamW)
    weight_decay: float = 1e-2  # pull of the weights towards 0 at each step (AdamW)
    gradient_clip: float = 1.0  # norm
    members: int = 1  # networks trained from different seeds and served as one graph
    # Blocks of time, each left out by one network (or `members` of them) of a committee, so that
    # every row trains; the left-out blocks choose checkpoints and calibrate. 1 holds out the newest
    # rows instead (validation_frac, calibration_frac), as do pool, challenge and fine_tune, and the
    # hedge's model, Prophet, GAN and agents always.
    cross_fit: int = 5
    max_steps: int = 600  # optimiser steps; optima come at 70-300
    evaluate_every: int = 20  # steps
    # Evaluations without a better validation loss. In 13 trainings of LSTM, GRU and TCN (BTC, 1 h,
    # four years) 4 would have saved 16, 7 and 23 % of the steps, at 0.03 millinats of validation
    # loss (0 to 0.11 for the LSTM); WaveNet and Transformer are not measured, so it stays 8.
    patience: int = 8
    ema: float = 0.99  # weight averaging; cuts checkpoint luck from 4-7 millibits to about 1
    quantile_weight: float = 1.0  # of the pinball loss, next to cross-entropy in nats
    hazard_weight: float = 0.5  # of the cascade's onset
    peak_weight: float = 0.2  # of the time to a cascade's peak, over the few rows inside one
    action_weight: float = 0.5  # of the hedge's step, where a model has that head
    validation_frac: float = 0.15  # of the rows: chooses the checkpoint
    calibration_frac: float = 0.15  # the newest rows: temperature and conformal offsets
    half_life_days: float = 0.0  # of a row's weight in the loss; 0 weighs all rows alike
    # What a row counts in a network's loss if the return behind it is among the largest twentieth,
    # either way, in units of sigma; 1 weighs all rows alike. Only rows that train: those that
    # choose the checkpoint, calibrate or test always count as they come.
    tail_weight: float = 1.0
    device: str = "auto"  # "auto" is the GPU where there is one; else "cpu" or "cuda"
    precision: str = "auto"  # "auto" is bfloat16 mixed precision on a GPU, float32 on a CPU
    tensorboard_dir: str = ""  # where the training worker writes its curves; empty: nowhere
    threads: int = 1  # next to one busy core two torch threads slow down 5-8x
    # Where trainings run: "process", a worker of this machine, or "ray", an existing Ray cluster.
    # Neither changes a number; user_data/docs/growing.md.
    executor: str = "process"
    ray_address: str = ""  # of the cluster, host:6379; empty: RAY_ADDRESS of the environment
    interval_coverage: float = 0.9  # of the conformal interval
    # Other pairs whose rows networks learn from beside their own; `freqaimodels.base.pool`.
    pool: Sequence[str] = field(default=(), metadata={EXPECTED: "a list of different pairs"})
    # Live: a retrained model serves only if it is not clearly worse than the serving one on the
    # newest candles neither was trained on; see models/serve/challenge.py.
    challenge: bool = False
    # Live: once a cascade of the pair is over, go on training the serving network with it at once,
    # whatever the schedule, behind a challenge; see freqaimodels/base/learning_on.py.
    fine_tune: bool = False
    fine_tune_lr_frac: float = 0.1  # of learning_rate: the weights are near an optimum already
    fine_tune_max_steps: int = 100  # optima of whole trainings come at 70-300

    def __post_init__(self) -> None:
        counts = (
            "segment_candles", "batch", "members", "cross_fit", "max_steps", "evaluate_every",
            "patience", "threads", "fine_tune_max_steps",
        )  # fmt: skip
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not (0 < self.validation_frac < 0.5 and 0 < self.calibration_frac < 0.5):
            raise ValueError("expected validation_frac and calibration_frac between 0 and 0.5")
        for name in ("learning_rate", "gradient_clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and > 0, got {getattr(self, name)}")
        for name in (
            "weight_decay",
            "quantile_weight",
            "hazard_weight",
            "peak_weight",
            "action_weight",
            "half_life_days",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} finite and >= 0, got {getattr(self, name)}")
        if not 1 <= self.tail_weight < math.inf:
            raise ValueError(f"expected tail_weight finite and >= 1, got {self.tail_weight}")
        if not 0 < self.interval_coverage < 1:
            raise ValueError(f"expected 0 < interval_coverage < 1, got {self.interval_coverage}")
        for name, allowed in (
            ("device", ("auto", "cpu", "cuda")),
            ("precision", ("auto", "float32", "bfloat16")),
            ("executor", ("process", "ray")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"expected {name} to be one of {', '.join(allowed)}, got {getattr(self, name)}"
                )
        if isinstance(self.pool, str) or len(set(self.pool)) != len(self.pool):
            raise ValueError(f"expected pool to be a list of different pairs, got {self.pool!r}")
        if not 0 < self.fine_tune_lr_frac <= 1:
            raise ValueError(f"expected 0 < fine_tune_lr_frac <= 1, got {self.fine_tune_lr_frac}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"expected 0 <= ema < 1, got {self.ema}")


_PLACES = ("executor", "ray_address")  # settings that say where a training runs, not what it does


def without_places(blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Return blocks of `ModelSettings` without what says where a training runs.

    Wherever it has run, a model is the same one: it is found again, and not trained anew.

    Examples
    --------
    >>> without_places({"training": {"threads": 1, "executor": "ray"}, "labels": {}})
    {'training': {'threads': 1}, 'labels': {}}
    """
    training = blocks.get("training")
    if not isinstance(training, Mapping) or not any(name in training for name in _PLACES):
        return dict(blocks)
    return {**blocks, "training": {k: v for k, v in training.items() if k not in _PLACES}}


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The three blocks a training job carries."""

    labels: LabelSettings = field(default_factory=LabelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    network: Mapping[str, Any] = field(default_factory=dict)  # for the network's own config

    @classmethod
    def from_blocks(cls, blocks: Mapping[str, Any], *, where: str) -> ModelSettings:
        """Build from plain nested mappings; unknown keys anywhere raise ConfigError."""
        cure = "a model of the pack takes the blocks labels, training and network, and no others"
        if not isinstance(blocks, Mapping):
            raise ConfigError(
                f"expected a block of settings, got {blocks!r}", where=where, cure=cure
            )
        raw = {key: {} if block is None else block for key, block in blocks.items()}
        for key, block in raw.items():
            if not isinstance(block, Mapping):
                raise ConfigError(
                    f"expected a block of settings, got {block!r}",
                    where=f"{where}.{key}",
                    cure=cure,
                )
        return from_mapping(cls, raw, where=where)
