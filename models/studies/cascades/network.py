"""A network of the catalogue on the same folds: training jobs, and hazards of the tested rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from models.base import columns
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, TrainingJob
from models.base.units import HOUR_MS
from models.data.feeds.point_in_time import Joined
from models.data.labels.action import best_action
from models.data.labels.returns import cost_aware_class, forward_log_return
from models.data.labels.settings import LabelSettings
from models.learn import catalog
from models.learn.jobs.job import MarketRows
from models.learn.training.settings import ModelSettings
from models.serve.predictor import Predictor
from models.studies.cascades.folds import CascadeFold
from models.studies.cascades.panel import Coin

Train = Callable[[TrainingJob], Artifact]


def feed_columns(name: str, joined: Joined) -> dict[str, FloatArray]:
    """Return a feed's value and log age in hours as features that may be missing."""
    return {
        f"{columns.FEED}{name}": joined.value,
        f"{columns.FEED}{name}_age": np.log1p(joined.age_ms / HOUR_MS),
    }


def features_of(coin: Coin, *, feeds: bool) -> tuple[Float32Array, tuple[str, ...]]:
    """Return the rows a network is fed, (N, F + D), and their names: candles, then feeds if any."""
    if not feeds:
        return coin.features, coin.names
    names = (*coin.names, *(f"{columns.FEED}{name}" for name in coin.feed_names))
    return np.column_stack((coin.features, coin.feeds)).astype(np.float32), names


def labels_of(coin: Coin, settings: LabelSettings) -> dict[str, FloatArray]:
    """Return the label columns of one coin, from the panel's own cascade labels."""
    close = coin.candles.close
    r = forward_log_return(close, settings.horizon_candles)
    sigma = coin.features[:, coin.names.index(columns.FEATURE_SIGMA)].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = r / (sigma * np.sqrt(settings.horizon_candles))
    down, up = coin.to_peak.T
    return {
        columns.LABEL_RETURN: np.where(np.isfinite(scaled), scaled, np.nan),
        columns.LABEL_DIRECTION: cost_aware_class(r, settings.cost_frac),
        columns.LABEL_CASCADE_DOWN: coin.steps[:, 0],
        columns.LABEL_CASCADE_UP: coin.steps[:, 1],
        columns.LABEL_PEAK: np.where(np.isfinite(down), down, up),
        columns.LABEL_ACTION: best_action(
            close, settings.cascade_horizon_candles, settings.cost_frac
        ),
    }


def _rows_of(coin: Coin, labels: LabelSettings, *, feeds: bool) -> MarketRows:
    x, names = features_of(coin, feeds=feeds)
    return MarketRows(
        features=x,
        feature_names=names,
        labels=labels_of(coin, labels),
        time_ms=coin.time_ms,
        candle_ms=coin.candle_ms,
    )


def cascade_job(
    network: str,
    main: str,
    coins: list[Coin],
    fold: CascadeFold,
    settings: Mapping[str, Any],
    seed: int,
) -> TrainingJob:
    """Return the job of one fold: `main`'s training rows, the other coins' as peers.

    Rows that are not fitted on have no features and no labels; those behind the last one are cut
    off. A fold that leaves out the middle keeps the frame, with a hole in it.
    """
    labels = ModelSettings.from_blocks(settings, where="settings").labels
    jobs = {}
    for coin in coins:
        keep = fold.train[coin.name]
        if not keep.any():
            continue
        rows = _rows_of(coin, labels, feeds=catalog.load(network).reads_feeds)
        title = f"{network} on {coin.name}, {fold.name}, seed {seed}"
        jobs[coin.name] = rows.only(keep).job(network, settings=settings, seed=seed, title=title)
    own = jobs.pop(main)
    return replace(own, peers=tuple(jobs.values()))


def _asked_of(artifact: Artifact, coin: Coin) -> tuple[Float32Array, tuple[str, ...]]:
    return features_of(coin, feeds=catalog.load(artifact.manifest["network"]).reads_feeds)


def answers(artifact: Artifact, coin: Coin) -> dict[str, FloatArray]:
    """Return the forecast columns of all the coin's rows."""
    x, names = _asked_of(artifact, coin)
    return Predictor(artifact).predict(x, coin.time_ms, names)


def rates(artifact: Artifact, coin: Coin) -> FloatArray:
    """Return the served false alarms a week at the hazards of all the coin's rows, (N, 2)."""
    said = answers(artifact, coin)
    return np.column_stack([said[columns.FALSE_ALARMS_DOWN], said[columns.FALSE_ALARMS_UP]])


def hazards(artifact: Artifact, coin: Coin) -> FloatArray:
    """Return the served hazards (N, 2, K) of all the coin's rows."""
    x, names = _asked_of(artifact, coin)
    return Predictor(artifact).hazards(x, coin.time_ms, names)


def main_coin(fold: CascadeFold, preferred: str) -> str:
    """Return the coin whose rows choose checkpoint and calibration: `preferred` if fitted on."""
    fitted = [name for name, keep in fold.train.items() if keep.any()]
    return preferred if preferred in fitted else fitted[0]


def peak_errors(
    coin: Coin, expected: FloatArray, test: BoolArray, guess: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return |forecast - actual| candles to the peak at onsets (E,): the network's and a guess's.

    Parameters
    ----------
    expected
        (N,) expected candles to the peak.
    guess
        (2,) by side: the median over the training legs.
    """
    own, plain = [], []
    for side in (0, 1):
        rows = np.flatnonzero(
            coin.onset[:, side] & test & np.isfinite(coin.to_peak[:, side]) & np.isfinite(expected)
        )
        actual = coin.to_peak[rows, side] - 1
        own.append(np.abs(expected[rows] - actual))
        plain.append(np.abs(guess[side] - actual))
    return np.concatenate(own), np.concatenate(plain)


def peak_guess(coins: list[Coin], fold: CascadeFold) -> FloatArray:
    """Return the median candles from onset to peak of the training onsets, (2,) by side."""
    out = []
    for side in (0, 1):
        found = [c.to_peak[c.onset[:, side] & fold.train[c.name], side] - 1 for c in coins]
        known = np.concatenate(found)
        known = known[np.isfinite(known)]
        out.append(float(np.median(known)) if len(known) else 0.0)
    return np.array(out)
