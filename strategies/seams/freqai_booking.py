"""What FreqAI does after an answer of its own, for answers given by the fast lane.

FreqAI appends the candles to its history and the answer to what it has answered, which it keeps
over a restart. Its methods are public and its own order of calling them is not.
"""

from __future__ import annotations

from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from models.base.types import IntArray
from strategies.seams.record import Library, Seam, lacks_attributes, lacks_method, problems


def book_answer(
    model: IFreqaiModel,
    strategy: IStrategy,
    dk: FreqaiDataKitchen,
    candles: DataFrame,
    answer: DataFrame,
    known: IntArray,
) -> None:
    """Have FreqAI keep an answer it has not given itself.

    Parameters
    ----------
    dk
        Of the pair, as FreqAI made it for this candle.
    candles
        The strategy's frame.
    answer, known
        The forecast columns of the newest candle, and 1 where there is a forecast, one row each.
    """
    model.dd.update_historic_data(strategy, dk)
    model.track_current_candle()
    model.dd.load_data(dk.pair, dk)
    model.dd.append_model_predictions(dk.pair, answer, known, dk, candles)


def answers_kept(drawer: FreqaiDataDrawer, pair: str) -> bool:
    """Return whether FreqAI has answered for `pair` since its start."""
    return pair in drawer.model_return_values


def _probe() -> str:
    return problems(
        lacks_attributes(
            FreqaiDataDrawer, "model_return_values", "model_dictionary", "pair_dict",
            "historic_data", "history_lock",
        ),
        lacks_method(IFreqaiModel, "track_current_candle"),
        lacks_method(FreqaiDataDrawer, "update_historic_data", "strategy", "dk"),
        lacks_method(FreqaiDataDrawer, "load_data", "coin", "dk"),
        lacks_method(
            FreqaiDataDrawer, "append_model_predictions",
            "pair", "predictions", "do_preds", "dk", "strat_df",
        ),
        lacks_method(FreqaiDataKitchen, "check_if_model_expired", "trained_timestamp"),
    )  # fmt: skip


ANSWER_BOOKING = Seam(
    name="FreqaiDataDrawer.append_model_predictions, update_historic_data, load_data",
    what="called in FreqAI's own order",
    why="an answer given at once is booked between candles, when nobody waits for it",
    since="freqtrade 2022.12",
    without="every candle takes FreqAI's own way to its features",
    probe=_probe,
    library=Library.FREQAI,
)
