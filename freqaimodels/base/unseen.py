"""The newest candles of a pair as rows that a model can be judged by: features and outcomes.

Made as FreqAI makes the rows of a training, from its own candle history, so that they are those a
model of the bot answers live; in FreqAI's training thread, where no candle waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from freqtrade.configuration import TimeRange  # first: loads freqtrade before FreqAI
from freqtrade.exchange import timeframe_to_msecs
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from models.base.errors import InputError
from models.base.types import Candles, TrainingJob
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.features.candles import LOOKBACK
from strategies.seams.frames import candles

AsJob = Callable[[DataFrame, str, tuple[str, ...]], TrainingJob]  # frame, pair, features


class UnseenRows:
    """Rows and candles of the bot's pairs.

    Parameters
    ----------
    config
        Freqtrade's.
    drawer
        FreqAI's, with the candle history.
    as_job
        Makes a job of a frame with features and labels.
    """

    def __init__(self, config: Mapping[str, Any], drawer: FreqaiDataDrawer, as_job: AsJob) -> None:
        self._config, self._drawer, self._as_job = config, drawer, as_job
        frames = config["freqai"]["feature_parameters"]["include_timeframes"]
        self._slowest_ms = max(timeframe_to_msecs(name) for name in frames)
        self._timeframe = str(config["timeframe"])

    def candles(self, pair: str) -> Candles | None:
        """Return the closed candles of a pair, oldest first; None before there are any."""
        with self._drawer.history_lock:
            history = self._drawer.historic_data.get(pair, {}).get(self._timeframe)
        return None if history is None or history.empty else candles(history)

    def job(self, pair: str, after_ms: int, strategy: IStrategy) -> TrainingJob:
        """Return rows of `pair` that begin early enough to answer for every candle after a time.

        Raises
        ------
        InputError
            If the history has no candle after that time.
        """
        kitchen = FreqaiDataKitchen(self._config, True, pair)
        own_ms = timeframe_to_msecs(self._timeframe)
        before_ms = (LOOKBACK + 1) * self._slowest_ms + 2 * MAX_CONTEXT_CANDLES * own_ms
        own = self.candles(pair)
        if own is None or own.time_ms[-1] <= after_ms:
            raise InputError(f"expected candles of {pair} after {after_ms}, got none")
        span = TimeRange(
            "date", "date", max(0, after_ms - before_ms) // 1000, int(own.time_ms[-1]) // 1000
        )
        others, base = self._drawer.get_base_and_corr_dataframes(span, pair, kitchen)
        frame = kitchen.use_strategy_to_populate_indicators(
            strategy, corr_dataframes=others, base_dataframes=base, pair=pair
        )
        kitchen.find_features(frame)
        return self._as_job(frame, pair, tuple(kitchen.training_features_list))
