"""Live answers from the fast lane, one pair's newest candle at a time, booked with FreqAI later.

FreqAI's own way answers wherever the lane does not: before a pair's first answer, after a skipped
candle, with an expired model, with features that are not the pack's, when `breakwater.fast` is off,
and after whatever error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from freqaimodels.base.fast_lane import FastLane, agrees
from freqaimodels.base.live_rows import LiveRows
from models.base import columns
from models.base.errors import PackError
from models.base.protocols import TimedHost
from models.base.types import Candles, FloatArray
from models.data.features.incremental import NewestRows
from strategies.seams.fast_mode import fast_lane_runs
from strategies.seams.frames import candles
from strategies.seams.freqai_booking import ANSWER_BOOKING, answers_kept, book_answer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    """An answer FreqAI has not booked yet."""

    strategy: IStrategy
    pair: str
    forecast: Mapping[str, FloatArray]
    dk: FreqaiDataKitchen
    candles: DataFrame


class FastAnswers:
    """The lanes of one FreqAI model.

    Parameters
    ----------
    model
        FreqAI's, whose drawer holds the models in service.
    config
        Freqtrade's.
    candle_ms, context_candles
        Length of a candle, and candles a network may look back on.
    runs
        False leaves every answer to FreqAI.
    """

    def __init__(
        self,
        model: IFreqaiModel,
        config: Mapping[str, Any],
        candle_ms: int,
        context_candles: int,
        *,
        runs: bool,
    ) -> None:
        self.lanes: dict[str, FastLane] = {}  # by pair
        self._model, self._drawer = model, model.dd
        self._timeframe, self._candle_ms = str(config["timeframe"]), candle_ms
        self._others = tuple(
            config["freqai"]["feature_parameters"].get("include_corr_pairlist", ())
        )
        self._context = context_candles
        self._markets: dict[str, NewestRows] = {}  # by pair, of all pairs' features
        self._unbooked: list[_Answer] = []
        self._told: set[str] = set()
        self._runs = runs

    def waits_for_booking(self, pair: str) -> bool:
        """Return whether an answer for `pair` is not booked yet."""
        return any(pair == answer.pair for answer in self._unbooked)

    def close(self, pair: str) -> None:
        """Leave the next answer for `pair` to FreqAI."""
        self.lanes.pop(pair, None)

    def open(self, pair: str, strategy: IStrategy, dk: FreqaiDataKitchen) -> None:
        """Serve the next candles of `pair` from its lane, if the lane has FreqAI's features.

        Parameters
        ----------
        dk
            With FreqAI's own answer for this candle.
        """
        names = tuple(dk.training_features_list)
        if not self._runs or not answers_kept(self._drawer, pair) or not names:
            return  # switched off, or no model yet
        rows = LiveRows(
            pair, names, self._timeframe, self._candle_ms, self._markets, self._context
        )  # fmt: skip
        try:
            _, computed = rows.update(lambda p: self._candles(p, strategy), self._others)
            reason = ""
            if not agrees(dk.return_dataframe, names, computed):
                reason = "the strategy computes them differently"
            else:
                self.lanes[pair] = FastLane(rows, dk.return_dataframe)
        except PackError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, FreqAI's own way answers
            reason = f"{type(error).__name__}: {error}"
        if reason:
            self._tell_once(f"{pair} takes FreqAI's slower way to its features: {reason}")

    def answer(
        self, pair: str, dataframe: DataFrame, strategy: IStrategy, dk: FreqaiDataKitchen
    ) -> bool:
        """Answer for the newest candle only; False where FreqAI's own way is needed."""
        lane, model = self.lanes.get(pair), self._drawer.model_dictionary.get(pair)
        if lane is None or model is None:
            return False
        try:
            trained_s = self._drawer.pair_dict[pair]["trained_timestamp"]
            if not lane.follows(dataframe) or dk.check_if_model_expired(trained_s):
                return False
            with _stage(strategy, pair, "features"):
                times, rows = lane.rows.update(lambda p: self._candles(p, strategy), self._others)
            with _stage(strategy, pair, "inference"):
                forecast = model.latest(rows, times, lane.rows.names, series=pair)
            dk.return_dataframe = lane.append(dataframe, forecast)
        except PackError as error:
            logger.warning("%s takes FreqAI's slower way for this candle: %s", pair, error)
            return False
        except Exception:
            logger.exception("The fast lane of %s failed; FreqAI answers for this candle", pair)
            return False
        self._unbooked.append(_Answer(strategy, pair, forecast, dk, dataframe))
        return True

    def book(self) -> None:
        """Book the answers given since the last call with FreqAI, which keeps them for restarts."""
        unbooked, self._unbooked = self._unbooked, []
        for answer in unbooked:
            try:
                newest = DataFrame({n: answer.forecast[n][-1:] for n in columns.FORECAST})
                known = np.isfinite(newest[columns.P_UP].to_numpy()).astype(np.int_)
                book_answer(
                    self._model, answer.strategy, answer.dk, answer.candles, newest, known
                )  # fmt: skip
            except Exception:
                logger.exception("FreqAI did not book the forecast of %s", answer.pair)
                self.close(answer.pair)

    def _candles(self, pair: str, strategy: IStrategy) -> Candles:
        return candles(strategy.dp.get_pair_dataframe(pair, self._timeframe))

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            logger.info(message)


def fast_answers_run(config: Mapping[str, Any]) -> bool:
    """Return whether a bot of this config may answer from lanes; raise for an unknown switch."""
    what = "the features of the newest candle alone are computed"
    return fast_lane_runs(config, what, [ANSWER_BOOKING])


def _stage(strategy: IStrategy, pair: str, name: str) -> AbstractContextManager[None]:
    """Time a stage where the strategy takes times; another's need not."""
    return strategy.lane.stage(pair, name) if isinstance(strategy, TimedHost) else nullcontext()
