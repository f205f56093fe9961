"""How Freqtrade reads candle files: through Arrow's datasets, which filter while they read.

A bot that trades reads each of its files once, at its start, and nearly whole. Freqtrade has
another way for files Arrow cannot filter: it reads all of one and trims it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from freqtrade.configuration import TimeRange
from pandas import DataFrame

from strategies.seams.later import misused, standing_in
from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

if TYPE_CHECKING:
    from freqtrade.data.history.datahandlers.arrowdatahandler import ArrowDataHandler

_HANDLER: Final = "freqtrade.data.history.datahandlers.arrowdatahandler"
_LATER: Final = ("pyarrow.dataset",)


def read_candle_files_whole() -> None:
    """Have Freqtrade read candle files whole and trim them, and load no datasets of Arrow's."""
    if CANDLE_READING.missing():
        return
    _handler()._load_ohlcv_dataframe = _whole


def _whole(
    handler: ArrowDataHandler, filename: Path, timeframe: str, timerange: TimeRange | None
) -> DataFrame:
    frame: DataFrame = handler._load_dataframe(filename)
    return frame


def _handler() -> Any:
    with standing_in(_LATER):
        return importlib.import_module(_HANDLER).ArrowDataHandler


def _probe() -> str:
    if problem := misused([_HANDLER], _LATER):
        return problem
    handler = _handler()
    return problems(
        lacks_method(handler, "_load_ohlcv_dataframe", "filename", "timeframe", "timerange"),
        lacks_method(handler, "_load_dataframe", "filename"),
        lacks_text(handler, "_ohlcv_load", "self._load_ohlcv_dataframe("),
    )


CANDLE_READING = Seam(
    name="ArrowDataHandler._load_ohlcv_dataframe, _load_dataframe",
    what="replaced by Freqtrade's own way for files that cannot be filtered",
    why="a bot that reads a few files once does not hold Arrow's datasets for it",
    since="freqtrade 2026.9",
    without="a bot holds Arrow's datasets, file formats and clouds, 12 MB",
    probe=_probe,
    library=Library.FREQAI,
)
