"""Freqtrade's own `PyTorchTransformerRegressor`, built as FreqAI builds it.

Nothing of it is copied or replaced: the class, its data kitchen, pipelines, trainer and row loop
are Freqtrade's. Only the bot around it is missing (strategy, data provider, model folders).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freqtrade.configuration import TimeRange  # noqa: F401 - loads freqtrade before FreqAI
from freqtrade.enums import RunMode
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.prediction_models.PyTorchTransformerRegressor import (
    PyTorchTransformerRegressor,
)
from freqtrade.freqai.tensorboard.base_tensorboard import BaseTensorboardLogger
from freqtrade.freqai.torch.PyTorchModelTrainer import PyTorchModelTrainer
from pandas import DataFrame

PAIR = "BTC/USDT:USDT"
# Candles. The class gives its position table as many rows as features, rounded down to a multiple
# of its eight heads, so with our 31 features it cannot take the 30 of its docstring.
WINDOW = 24


def config(folder: Path, validation_rows: int, epochs: int) -> dict[str, Any]:
    """Return the smallest config the class accepts.

    Sizes and learning rate are the example of the class's own docstring; fewer layers and units
    than its defaults.
    """
    return {
        "user_data_dir": folder,
        "config_files": [str(folder / "options.json")],  # FreqAI copies the first one
        "runmode": RunMode.BACKTEST,
        "timeframe": "1h",
        "timerange": "20240101-20240201",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR]},
        "freqai": {
            "enabled": True,
            "identifier": "benchmark",
            "conv_width": WINDOW,
            "train_period_days": 30,
            "backtest_period_days": 7,
            "save_backtest_models": False,
            "activate_tensorboard": False,
            "feature_parameters": {
                "include_timeframes": ["1h"],
                "include_corr_pairlist": [],
                "include_shifted_candles": 0,
                "shuffle_after_split": False,
            },
            "data_split_parameters": {"test_size": validation_rows, "shuffle": False},
            "model_training_parameters": {
                "learning_rate": 3e-4,
                "trainer_kwargs": {"n_epochs": epochs, "n_steps": None, "batch_size": 64},
                "model_kwargs": {"hidden_dim": 512, "dropout_percent": 0.2, "n_layer": 1},
            },
        },
    }


def build(
    folder: Path, validation_rows: int = 1, epochs: int = 1
) -> tuple[PyTorchTransformerRegressor, FreqaiDataKitchen]:
    """Return the model and a data kitchen that keeps its files in `folder`."""
    settings = config(folder, validation_rows, epochs)
    model = PyTorchTransformerRegressor(config=settings)
    model.tb_logger = BaseTensorboardLogger(folder, False)
    kitchen = FreqaiDataKitchen(settings, live=False, pair=PAIR)
    kitchen.data_path = folder / "trained"
    kitchen.model_filename = "benchmark"
    return model, kitchen


@dataclass
class Epochs:
    """When each epoch of a training began, stopped training and stopped validating."""

    began: list[float] = field(default_factory=list)
    trained: list[float] = field(default_factory=list)
    validated: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def seconds(self) -> list[float]:
        """Return what each pass over the training rows took, validation left out."""
        return [b - a for a, b in zip(self.began, self.trained, strict=False)]

    def seconds_to_best(self) -> float:
        """Return when the epoch of the least validation loss had been validated."""
        return self.validated[self.losses.index(min(self.losses))] - self.began[0]


@contextmanager
def timed_epochs() -> Iterator[Epochs]:
    """Time the trainer from outside: it validates once after every epoch."""
    epochs = Epochs()
    fit, estimate_loss = PyTorchModelTrainer.fit, PyTorchModelTrainer.estimate_loss

    def timed_fit(self: PyTorchModelTrainer, *args: Any) -> None:
        epochs.began.append(time.perf_counter())
        fit(self, *args)

    def timed_estimate(self: PyTorchModelTrainer, *args: Any) -> float | None:
        epochs.trained.append(time.perf_counter())
        loss = estimate_loss(self, *args)
        now = time.perf_counter()
        epochs.validated.append(now)
        epochs.began.append(now)
        epochs.losses.append(float("inf") if loss is None else loss)
        return loss

    with (
        patch.object(PyTorchModelTrainer, "fit", timed_fit),
        patch.object(PyTorchModelTrainer, "estimate_loss", timed_estimate),
    ):
        yield epochs


def train(
    folder: Path, frame: DataFrame, validation_rows: int, epochs: int
) -> tuple[Epochs, FreqaiDataKitchen]:
    """Train on `frame`, whose last rows are for validation, and save as FreqAI does."""
    model, kitchen = build(folder, validation_rows, epochs)
    kitchen.find_features(frame)
    kitchen.find_labels(frame)
    with timed_epochs() as times:
        trainer = model.train(frame, PAIR, kitchen)
    model.dd.pair_dict[PAIR] = dict(model.dd.empty_pair_dict)
    model.dd.save_data(trainer, PAIR, kitchen)
    return times, kitchen


def load(folder: Path) -> tuple[PyTorchTransformerRegressor, FreqaiDataKitchen]:
    """Return the model that `train` saved, read back as FreqAI does."""
    model, kitchen = build(folder)
    model.dd.pair_dict[PAIR] = {**model.dd.empty_pair_dict, "model_filename": "benchmark"}
    model.model = model.dd.load_data(PAIR, kitchen)
    return model, kitchen


def model_file(kitchen: FreqaiDataKitchen) -> Path:
    """Return the file that holds the network."""
    return kitchen.data_path / f"{kitchen.model_filename}_model.zip"
