"""Other coins' rows to learn from beside the pair's own (`training.pool`).

A cascade is rare: one coin shows a model dozens of them, five coins hundreds. FreqAI itself builds
each coin's features from that coin's own candles, and they stand in the columns of the pair's; the
columns other markets lend are the same for all coins at a time. Nothing later than the pair's
newest training candle is read, so every row is known at its close, and every label within the
training window.

How they are learned from, `models.learn.training` says: all coins are cut at the pair's own
moments, and scaled as the pair is; network, trees, base rate, the choice between them and the scale
of the hazard use all coins (one coin's newest months hold a handful of onsets); temperature,
interval, novelty, drift and a challenge use the pair alone, which is the one that is served.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.data.history import load_pair_history
from freqtrade.exceptions import FreqtradeException
from freqtrade.exchange import Exchange, timeframe_to_msecs
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.strategy import IStrategy
from pandas import DataFrame

from freqaimodels.base.history import unify_dates
from models.base import columns
from models.base.errors import AlignmentError, InputError
from models.base.types import Float32Array, TrainingJob
from models.data.features.candles import LOOKBACK
from models.data.labels.cascade import CascadeConfig, coin_floor
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from models.learn.jobs.job import MarketRows, peer_of
from models.learn.training.settings import TrainingSettings
from strategies.seams.data_provider import exchange_of
from strategies.seams.frames import candles, time_ms

logger = logging.getLogger(__name__)


class Pool:
    """The coins of `training.pool`, by pair.

    Parameters
    ----------
    drawer
        FreqAI's, whose candle history a running bot learns from.
    """

    def __init__(
        self,
        config: dict[str, Any],
        labels: LabelSettings,
        training: TrainingSettings,
        drawer: FreqaiDataDrawer,
    ) -> None:
        self.pairs = tuple(training.pool)
        self._config, self._labels, self._drawer = config, labels, drawer

    def peers(
        self, job: TrainingJob, own: DataFrame, pair: str, strategy: IStrategy, live: bool
    ) -> tuple[tuple[TrainingJob, ...], dict[str, str]]:
        """Return the other coins' jobs, and by pair why one is left out.

        Parameters
        ----------
        job, own
            The pair's training job, and FreqAI's frame it was made from.
        """
        found, left_out = [], {}
        for other in self.pairs:
            if other == pair:
                continue
            try:
                built = self._built(job, other, strategy, live)
                found.append(peer_job(job, own, built, pair, other, self._labels))
            except InputError as error:
                left_out[other] = error.problem
        return tuple(found), left_out

    def _built(self, job: TrainingJob, other: str, strategy: IStrategy, live: bool) -> DataFrame:
        """Return FreqAI's frame of a coin: its candles up to the job's last one, and features."""
        kitchen = FreqaiDataKitchen(self._config, live, other)
        frames = {}
        for timeframe in self._config["freqai"]["feature_parameters"]["include_timeframes"]:
            history = self._history(other, timeframe, strategy, kitchen)
            # Labels look back for a month, and to the onset before.
            reach = 2 * CascadeConfig().history_ms + LOOKBACK * timeframe_to_msecs(timeframe)
            times = time_ms(history) if len(history) else np.array([], dtype=np.int64)
            keep = (times >= job.time_ms[0] - reach) & (times <= job.time_ms[-1])
            frames[timeframe] = history[keep].reset_index(drop=True)
            if frames[timeframe].empty:
                raise InputError(
                    f"no {timeframe} candles of the training window; freqtrade download-data "
                    f"--trading-mode futures --pairs {other} --timeframes {timeframe}"
                )
        kitchen.live = False  # else the strategy computes labels, by the pair's rule
        built: DataFrame = kitchen.use_strategy_to_populate_indicators(
            strategy, base_dataframes=frames, pair=other, do_corr_pairs=False
        )
        named: DataFrame = kitchen.remove_special_chars_from_feature_names(built)
        return named

    def _history(
        self, other: str, timeframe: str, strategy: IStrategy, kitchen: FreqaiDataKitchen
    ) -> DataFrame:
        """Return a coin's candles: a backtest's files, else FreqAI's history."""
        if not kitchen.live:
            files: DataFrame = strategy.dp.get_pair_dataframe(other, timeframe)
            return files
        with self._drawer.history_lock:
            known: DataFrame | None = self._drawer.historic_data.get(other, {}).get(timeframe)
        if known is not None and other in kitchen.all_pairs:
            return known  # FreqAI appends each candle
        return self._topped_up(other, timeframe, known, exchange_of(strategy.dp))

    def _topped_up(
        self, other: str, timeframe: str, known: DataFrame | None, exchange: Exchange
    ) -> DataFrame:
        """Return the candles of a coin the bot does not follow, after asking for the newest.

        One request before each training, in FreqAI's training thread: no candle waits for it.
        """
        kind = self._config["candle_type_def"]
        if known is None:
            known = load_pair_history(
                pair=other, timeframe=timeframe, datadir=self._config["datadir"],
                data_format=self._config.get("dataformat_ohlcv", "feather"), candle_type=kind,
            )  # fmt: skip
        if known.empty:
            return known
        following = int(time_ms(known)[-1]) + timeframe_to_msecs(timeframe)
        try:
            newer = exchange.get_historic_ohlcv(other, timeframe, following, kind)
        except FreqtradeException as error:
            logger.warning("The newest candles of %s are not learned from: %s", other, error)
            return known
        newer = newer[newer["date"] > known["date"].iloc[-1]]
        whole = pd.concat((known, newer), ignore_index=True) if len(newer) else known
        frames = {other: {timeframe: whole}}
        unify_dates(frames)
        with self._drawer.history_lock:
            self._drawer.historic_data.setdefault(other, {})[timeframe] = frames[other][timeframe]
        return frames[other][timeframe]


def peer_job(
    job: TrainingJob,
    own: DataFrame,
    built: DataFrame,
    pair: str,
    other: str,
    labels: LabelSettings,
) -> TrainingJob:
    """Return the rows of `other` within the span of `job`, in its columns.

    Parameters
    ----------
    own, built
        FreqAI's frames of the pair and of the other coin; the latter may begin earlier.

    Raises
    ------
    AlignmentError
        If a feature is neither the coin's own nor lent by another market.
    InputError
        If too few rows are usable, or a label is never known: `models.learn.jobs.job`.
    """
    rule = replace(labels, cascade_floor_frac=coin_floor(other.split("/")[0]))
    rows = MarketRows(
        features=_features(job, own, built, pair, other),
        feature_names=job.feature_names,
        labels=label_columns(candles(built), job.candle_ms, rule),
        time_ms=time_ms(built),
        candle_ms=job.candle_ms,
    )
    return peer_of(job, rows, title=job.title.replace(pair, other))


def _features(
    job: TrainingJob, own: DataFrame, built: DataFrame, pair: str, other: str
) -> Float32Array:
    here, there = (f"_{name.replace(':', '')}_" for name in (pair, other))
    lent = own.set_index(time_ms(own)).reindex(time_ms(built))  # NaN where the pair has no candle
    values, strange = [], []
    for name in job.feature_names:
        theirs = name.replace(here, there)
        if theirs in built:
            values.append(built[theirs].to_numpy(np.float32))
        elif here not in name and "/" in name:  # another market's
            values.append(lent[name].to_numpy(np.float32))
        elif name.startswith(columns.FEED):
            values.append(np.full(len(built), np.nan, np.float32))
        else:
            strange.append(theirs)
    if strange:
        raise AlignmentError(f"{other} has no features {strange[:5]}", where=job.title)
    return np.column_stack(values)


def noted(manifest: Mapping[str, Any], left_out: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest with the coins that were left out, and why; a log line for each."""
    for other, why in left_out.items():
        logger.warning("%s learns without %s: %s", manifest["title"], other, why)
    return {**manifest, "pool_left_out": dict(left_out)}
