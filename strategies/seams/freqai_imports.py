"""What FreqAI's own data pipeline is made of, imported when somebody makes one.

FreqAI imports scikit-learn for scalers and outlier detectors that the pack's models do not have. A
stock FreqAI model that makes its pipeline gets all of it.
"""

from __future__ import annotations

import importlib
from typing import Final

from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI

from strategies.seams.later import misused, standing_in
from strategies.seams.record import Library, Seam

_FREQAI: Final = ("freqtrade.freqai.data_kitchen", "freqtrade.freqai.freqai_interface")
_LATER: Final = ("sklearn.model_selection", "sklearn.preprocessing", "datasieve.transforms")


def import_freqai_alone() -> None:
    """Load FreqAI without the libraries of a pipeline that may never be made.

    Nothing is done where it is loaded already, or does more with them than call them.
    """
    if PIPELINE_LIBRARIES.missing():
        return
    with standing_in(_LATER):
        for name in _FREQAI:
            importlib.import_module(name)


def _probe() -> str:
    return misused(_FREQAI, _LATER)


PIPELINE_LIBRARIES = Seam(
    name="freqai_interface.ds, SKLearnWrapper, MinMaxScaler, data_kitchen.train_test_split",
    what="stand-ins for scikit-learn and datasieve's transforms, while FreqAI is imported",
    why="a bot whose models have no such pipeline does not hold the libraries of one",
    since="freqtrade 2026.9",
    without="a bot holds scikit-learn, 23 MB, and does not use it",
    probe=_probe,
    library=Library.FREQAI,
)
