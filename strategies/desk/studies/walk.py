"""Walking forward: what is known before a span trains a model, which forecasts that span.

What a study of many trainings is made of; none of it sees a candle of the span it forecasts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.pool import AsyncResult, ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from models.base import columns
from models.base.fingerprint import code_digest
from models.base.types import (
    Artifact,
    Candles,
    Float32Array,
    FloatArray,
    IntArray,
    TrainingJob,
)
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.features.candles import sigma_per_candle
from models.data.labels.targets import label_columns
from models.learn.jobs.executor import Executor, end_workers
from models.learn.jobs.job import MarketRows, feature_matrix
from models.learn.training.settings import ModelSettings
from models.serve.predictor import Predictor
from models.studies.compare.records import Truth


@dataclass(frozen=True)
class WalkForwardFold:
    """Rows of the frame: training [start, split), test [split, stop)."""

    start: int
    split: int
    stop: int


def walk_forward_job(
    market: Candles,
    features: Mapping[str, FloatArray],
    fold: WalkForwardFold,
    name: str,
    seed: int,
    candle_ms: int,
    blocks: Mapping[str, Any],
) -> TrainingJob:
    """Return the training job of one fold; it holds no candle of the test window.

    `blocks` are those of `models.learn.training.settings.ModelSettings`.
    """
    settings = ModelSettings.from_blocks(blocks, where="settings")
    before = slice(0, fold.split)
    known = market.cut(before)
    rows = MarketRows(
        features=feature_matrix([column[before] for column in features.values()]),
        feature_names=tuple(features),
        labels=label_columns(known, candle_ms, settings.labels),
        time_ms=known.time_ms,
        candle_ms=candle_ms,
    ).cut(slice(fold.start, fold.split))
    day = datetime.fromtimestamp(market.time_ms[fold.split] / 1000, tz=UTC)
    title = f"{name} seed {seed} until {day:%Y-%m-%d}"
    return rows.job(name, settings=blocks, seed=seed, title=title)


def kept_artifact(userdir: Path, job: TrainingJob, executor: Executor) -> Artifact:
    """Return the job's artifact; a comparison that was stopped goes on where it was."""
    digest = hashlib.sha256(f"{code_digest()} {job.network} {job.seed}".encode())
    digest.update(json.dumps(job.settings, sort_keys=True).encode())
    for part in (job, *job.peers):
        arrays: tuple[FloatArray | Float32Array | IntArray, ...] = (
            part.features,
            part.time_ms,
            *part.labels.values(),
        )
        for array in arrays:
            digest.update(array.tobytes())
    folder = userdir / "models" / "compare" / digest.hexdigest()[:24]
    if not folder.is_dir():
        artifact = executor.run(job)
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
        (work / "network.onnx").write_bytes(artifact.onnx)
        (work / "manifest.json").write_text(json.dumps(artifact.manifest), encoding="utf-8")
        try:
            os.replace(work, folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(work)  # another process was first with the same
    return Artifact(
        onnx=(folder / "network.onnx").read_bytes(),
        manifest=json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
    )


def kept_artifacts(
    userdir: Path, jobs: Iterable[TrainingJob], executor: Executor, at_once: int
) -> Generator[tuple[TrainingJob, Artifact]]:
    """Yield each job, in order, with its artifact; so many are trained side by side.

    The order in which trainings end changes nothing. A job is made when its turn comes, as it holds
    its candles.

    Raises
    ------
    PackError
        Of the first job, in order, that has none; those after it are not begun.
    """
    begun: deque[tuple[TrainingJob, AsyncResult[Artifact]]] = deque()
    with ThreadPool(at_once) as threads:
        try:
            for job in jobs:
                begun.append((job, threads.apply_async(kept_artifact, (userdir, job, executor))))
                if len(begun) >= at_once:
                    first, trained = begun.popleft()
                    yield first, trained.get()
            for last, trained in begun:
                yield last, trained.get()
        except (KeyboardInterrupt, GeneratorExit):  # a person has stopped it, here or further on
            end_workers()
            raise


def fold_forecast(
    artifact: Artifact, market: Candles, features: Mapping[str, FloatArray], fold: WalkForwardFold
) -> dict[str, FloatArray]:
    """Return the forecast columns of the test window, served as after a training in the bot."""
    rows, tail = (
        slice(fold.split, fold.stop),
        slice(max(fold.split - MAX_CONTEXT_CANDLES, 0), fold.split),
    )
    matrix = feature_matrix(list(features.values()))
    predictor = Predictor(artifact, matrix[tail], market.time_ms[tail])
    return predictor.predict(matrix[rows], market.time_ms[rows], tuple(features))


def truth(
    market: Candles, made: list[WalkForwardFold], settings: ModelSettings, candle_ms: int
) -> Truth:
    """Return the outcomes of the tested rows; labels here may look as far ahead as they need."""
    labels = label_columns(market, candle_ms, settings.labels)
    horizon = settings.labels.horizon_candles
    realised = labels[columns.LABEL_RETURN] * sigma_per_candle(market.close) * np.sqrt(horizon)
    rows = np.concatenate([np.arange(fold.split, fold.stop) for fold in made])
    return Truth(
        time_ms=market.time_ms[rows],
        outcome_class=labels[columns.LABEL_DIRECTION][rows],
        outcome_return=realised[rows],
        open=market.open[rows],
        horizon_candles=horizon,
        candle_ms=candle_ms,
    )
