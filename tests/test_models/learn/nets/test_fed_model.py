"""The Hedge network, really trained on collected feeds, whatever of them is missing."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.base import columns
from models.data.feeds.collected import Collected
from models.data.feeds.store import FeedRecord, Origin, Writer
from models.learn.jobs.pipeline import train
from models.serve.predictor import Predictor
from tests.test_contract import planted


def test_hedge_when_trained_on_collected_feeds_then_it_forecasts_with_and_without_them(tmp_path):
    settings = {**planted.SETTINGS, "training": {**planted.SETTINGS["training"]}}
    settings["training"] |= {"max_steps": 10, "evaluate_every": 10}
    job = planted.planted_job("hedge", settings=settings)
    close_ms = job.time_ms + job.candle_ms
    dice, writer = np.random.default_rng(0), Writer(tmp_path, Origin("votes", "LTC", "coingecko"))
    writer.append([  # the collector was started a quarter into the training span
        FeedRecord(int(t) - 60_000, int(t) - 60_000, {"up_frac": float(dice.random())})
        for t in close_ms[len(close_ms) // 4 :: 4]
    ])  # fmt: skip
    fed = Collected(tmp_path).features("LTC", close_ms)
    names = tuple(f"{columns.FEED}{name}" for name in fed)
    features = np.column_stack((job.features, *fed.values())).astype(np.float32)
    job = dataclasses.replace(job, features=features, feature_names=(*job.feature_names, *names))
    model = Predictor(train(job), history=features[:0], history_time_ms=job.time_ms[:0])
    seen = model.predict(features, job.time_ms, job.feature_names)[columns.P_UP]
    blind = features.copy()
    blind[:, -len(names) :] = np.nan  # every feed dies
    missing = model.predict(blind, job.time_ms, job.feature_names)[columns.P_UP]
    rows = slice(len(seen) // 2, None)
    assert np.isfinite(seen[rows]).all()
    assert np.isfinite(missing[rows]).all()
    assert np.abs(seen[rows] - missing[rows]).max() > 0
