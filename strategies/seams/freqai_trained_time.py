"""When a model was trained, as FreqAI's training thread is told.

Replaced on FreqAI's drawer: a pair that is due for fine-tuning was "never" trained, for the thread
that asks who is due and for nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

if TYPE_CHECKING:  # a strategy without a model asks, too, and loads no FreqAI for it
    from freqtrade.freqai.data_drawer import FreqaiDataDrawer


class TrainedTime(Protocol):
    """Returns FreqAI's entry of a pair: file, and when it was trained, UTC seconds."""

    def __call__(self, pair: str) -> tuple[str, int]: ...


def replace_trained_time(drawer: FreqaiDataDrawer, told: TrainedTime) -> None:
    """Have FreqAI ask `told` when the model of a pair was trained."""
    drawer.get_pair_dict_info = told


def true_trained_time(drawer: FreqaiDataDrawer, pair: str) -> tuple[str, int]:
    """Return FreqAI's own answer, whatever stands in its place."""
    name, trained_s = type(drawer).get_pair_dict_info(drawer, pair)
    return str(name), int(trained_s)


def _probe() -> str:
    from freqtrade.freqai.data_drawer import FreqaiDataDrawer
    from freqtrade.freqai.freqai_interface import IFreqaiModel

    return problems(
        lacks_method(FreqaiDataDrawer, "get_pair_dict_info", "pair"),
        lacks_text(IFreqaiModel, "_start_scanning", "self.dd.get_pair_dict_info(pair)"),
    )


TRAINED_TIME = Seam(
    name="FreqaiDataDrawer.get_pair_dict_info",
    what="replaced on the object",
    why="learning goes on at once after a cascade, whatever the schedule",
    since="freqtrade 2022.8",
    without="a cascade is learned at the next scheduled training",
    probe=_probe,
    library=Library.FREQAI,
)
