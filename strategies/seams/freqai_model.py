"""FreqAI's model class, with public places for what the pack does otherwise.

FreqAI calls three private methods of its own that the pack needs otherwise: the queue it trains
from, what a backtest does without a model, and its training thread. They are overridden here and
hand over to methods a subclass fills. A fourth, what is saved at the end, is kept from failing.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from pandas import DataFrame

from models.base.errors import PackError
from strategies.seams.freqai_drawer import ModelFiles, plain_drawer
from strategies.seams.record import (
    Library,
    Seam,
    lacks_attributes,
    lacks_method,
    lacks_text,
    problems,
)

logger = logging.getLogger(__name__)


class SeamedModel(IFreqaiModel):  # type: ignore[misc]  # freqtrade has no types
    """FreqAI's model; a subclass says what is trained first and what a failure means."""

    train_queue: deque[str]
    scanning: bool

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            with plain_drawer(self.model_files()):
                super().__init__(config)
        except PackError as error:
            raise OperationalException(str(error)) from error

    @abstractmethod
    def model_files(self) -> ModelFiles:
        """Return how a model becomes a file."""

    def model_exists(self, dk: FreqaiDataKitchen) -> bool:
        """Return whether a training's model is kept."""
        return self.model_files().path(Path(dk.data_path), dk.model_filename).is_file()

    @abstractmethod
    def first_to_train(self) -> Iterable[str]:
        """Return the pairs to train before anybody has asked for a forecast."""

    @abstractmethod
    def without_model(self, dk: FreqaiDataKitchen) -> None:
        """Say what a backtest does for a window whose training failed."""

    @abstractmethod
    def in_training_thread(self, train: Callable[[], None]) -> None:
        """Run `train`, which retrains until the bot ends, in FreqAI's thread."""

    def training_thread_alive(self) -> bool:
        """Return whether FreqAI's training thread runs."""
        return any(thread.is_alive() for thread in self._threads)

    def wait_unless_stopped(self, seconds: float) -> None:
        """Wait in the training thread; the end of the bot ends the wait."""
        self._stop_event.wait(seconds)

    def _set_train_queue(self) -> deque[str]:
        return deque(self.first_to_train())

    def _append_null_backtesting_predictions(
        self, dk: FreqaiDataKitchen, dataframe_backtest: DataFrame
    ) -> None:
        self.without_model(dk)

    def _start_scanning(self, *args: Any, **kwargs: Any) -> None:
        own = super()._start_scanning
        self.in_training_thread(lambda: own(*args, **kwargs))

    def _on_stop(self) -> None:
        try:
            super()._on_stop()
        except Exception:  # of any kind: Freqtrade would leave its other threads running, for ever
            logger.exception("what FreqAI has answered cannot be saved; the bot ends without")


def _queue_probe() -> str:
    return problems(
        lacks_method(IFreqaiModel, "_set_train_queue"),
        lacks_text(IFreqaiModel, "__init__", "self.train_queue = self._set_train_queue()"),
        lacks_text(IFreqaiModel, "_start_scanning", "self.train_queue[0]"),
    )


def _failure_probe() -> str:
    return problems(
        lacks_method(
            IFreqaiModel, "_append_null_backtesting_predictions", "dk", "dataframe_backtest"
        ),
        lacks_text(IFreqaiModel, "start_backtesting", "self._append_null_backtesting_predictions("),
    )


def _thread_probe() -> str:
    return problems(
        lacks_attributes(IFreqaiModel, "_threads", "_stop_event", "scanning"),
        lacks_text(IFreqaiModel, "start_scanning", "self._start_scanning", "self._threads.append"),
        lacks_text(IFreqaiModel, "_start_scanning", "get_pair_dict_info"),
        lacks_text(IFreqaiModel, "start_live", "if not self.scanning"),
    )


def _last_save_probe() -> str:
    return problems(
        lacks_method(IFreqaiModel, "_on_stop"),
        lacks_text(IFreqaiModel, "shutdown", "self._on_stop()"),
    )


TRAIN_QUEUE = Seam(
    name="IFreqaiModel._set_train_queue, train_queue",
    what="overridden",
    why="a hedge asks about one pair of three; FreqAI would train all",
    since="freqtrade 2022.12",
    without="models are trained that nobody asks",
    probe=_queue_probe,
    library=Library.FREQAI,
)
BACKTEST_FAILURE = Seam(
    name="IFreqaiModel._append_null_backtesting_predictions",
    what="overridden",
    why="a backtest whose training fails stops; FreqAI would go on with zeros and succeed",
    since="freqtrade 2026.9",
    without="a failed training looks like a market without signals",
    probe=_failure_probe,
    library=Library.FREQAI,
)
TRAINING_THREAD = Seam(
    name="IFreqaiModel._start_scanning, _threads, _stop_event",
    what="overridden; read",
    why="a training thread that has ended is started again, and its error logged",
    since="freqtrade 2022.12",
    without="a dead training thread goes unnoticed until the models expire",
    probe=_thread_probe,
    library=Library.FREQAI,
)
LAST_SAVE = Seam(
    name="IFreqaiModel._on_stop",
    what="overridden",
    why="a bot whose folder of models is gone, or whose disk is full, ends when it is told to",
    since="freqtrade 2022.12",
    without="a bot that cannot save hangs at its end until it is told to end once more",
    probe=_last_save_probe,
    library=Library.FREQAI,
)
