"""FreqAI's TensorBoard writer, whose package imports torch even where it is switched off."""

from __future__ import annotations

from typing import Any

from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.freqai_interface import IFreqaiModel

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems


class _NoTensorboard:
    """Stands in for the writer."""

    def __init__(self, *_: Any) -> None: ...

    def close(self) -> None: ...


def leave_tensorboard_out() -> None:
    """Have FreqAI write nothing for TensorBoard, and import nothing for it."""
    freqai_interface.get_tb_logger = _NoTensorboard


def _probe() -> str:
    return problems(
        lacks_method(freqai_interface, "get_tb_logger"),
        lacks_text(IFreqaiModel, "extract_data_and_train_model", "get_tb_logger("),
    )


TENSORBOARD = Seam(
    name="freqai_interface.get_tb_logger",
    what="replaced",
    why="a bot that only trades needs no torch",
    since="freqtrade 2023.10",
    without="the bot imports torch, or fails without it",
    probe=_probe,
    library=Library.FREQAI,
)
