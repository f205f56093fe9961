"""One measurement in a process of its own: `python -m tests.benchmarks.worker PHASE WHO FOLDER`.

Phases: `data` writes the rows all share; `train`, `backtest` and `live` measure one contestant on
them. The last line printed is a JSON object. Peak memory is the kernel's high-water mark of the
process; "idle" is what the process held with the rows loaded and Freqtrade's FreqAI imported,
which every FreqAI bot has, before anything of the contestant was.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from freqtrade.configuration import TimeRange  # noqa: F401 - loads freqtrade before FreqAI
from freqtrade.freqai import freqai_interface  # noqa: F401 - part of the idle process
from pandas import DataFrame, to_datetime

from models.base import columns
from models.base.types import Candles, TrainingJob
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.features import candles as features
from models.data.features.frame import market_features
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import label_columns
from models.learn import catalog

STOCK = "stock"
PAIR = "BTC/USDT:USDT"
MIB = 2**20
WARM_CALLS = 20  # before live steps are timed


def resident() -> float:
    """Return the MiB the process holds now."""
    return psutil.Process().memory_info().rss / MIB


def peak() -> float:
    """Return the most MiB the process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


# -- the rows all contestants share -----------------------------------------------------------


def candles(options: dict[str, Any]) -> Candles:
    """Return real candles where a data directory is given, else the simulated market's."""
    rows = options["rows"] + features.LOOKBACK
    if options["data"]:
        from strategies.desk.backtests.data import load_checked

        timeframe = options.get("timeframe", "1h")
        found = load_checked(Path(options["data"]), PAIR, timeframe)
        if len(found) < rows:
            raise SystemExit(
                f"expected at least {rows} candles of {PAIR} {timeframe}, got {len(found)}"
            )
        return Candles(**{name: getattr(found, name)[-rows:] for name in Candles.__annotations__})
    from models.simulate.simulated_market import SimulatedMarketConfig, simulate_market

    return simulate_market(SimulatedMarketConfig(candles=rows)).pairs[PAIR].candles


def write_rows(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Compute the strategy's features and labels; rows without complete features are cut off."""
    market = candles(options)
    candle_ms = int(market.time_ms[1] - market.time_ms[0])
    computed = market_features(market, candle_ms)
    labels = label_columns(market, candle_ms, LabelSettings())
    keep = slice(features.LOOKBACK, None)
    rows = {
        "features": np.column_stack(list(computed.values()))[keep].astype(np.float32),
        "feature_names": tuple(computed),
        "labels": {name: values[keep] for name, values in labels.items()},
        "time_ms": market.time_ms[keep],
        "candle_ms": candle_ms,
    }
    (folder / "rows.pickle").write_bytes(pickle.dumps(rows))
    first, last = (
        str(to_datetime(int(rows["time_ms"][i]), unit="ms", utc=True).date()) for i in (0, -1)
    )
    return {"rows": len(rows["time_ms"]), "features": len(computed), "first": first, "last": last}


def read_job(folder: Path, network: str, options: dict[str, Any]) -> TrainingJob:
    """Return the shared rows as the training job of `network`."""
    rows = pickle.loads((folder / "rows.pickle").read_bytes())
    training = {"max_steps": options["steps"]} if options["steps"] else {}
    return TrainingJob(
        network=network,
        **rows,
        settings={"training": training},
        title=f"{network} benchmark",
    )


def frame(job: TrainingJob, rows: slice, labels: bool = False) -> DataFrame:
    """Return rows of the job as the frame a strategy hands to FreqAI."""
    out = DataFrame(job.features[rows], columns=list(job.feature_names))
    out.insert(0, "date", to_datetime(job.time_ms[rows], unit="ms", utc=True))
    if labels:
        for name in (columns.LABEL_RETURN, columns.LABEL_DIRECTION):
            out[name] = job.labels[name][rows]
    return out


# -- the pack ---------------------------------------------------------------------------------


def train_pack(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float | None]:
    """Run the whole training job; passes are counted in supervised rows."""
    from unittest.mock import patch

    import cloudpickle
    import torch

    from models.learn.jobs import pipeline
    from models.learn.training import loop
    from models.serve.predictor import Predictor

    supervised, validating = 0, 0.0
    sequence_loss, evaluate = loop.sequence_loss, loop.evaluate

    def counted(model: Any, rows: Any, pieces: Any, layout: Any) -> Any:
        nonlocal supervised
        if torch.is_grad_enabled():
            supervised += sum(span.stop - first for span, first in pieces)
        return sequence_loss(model, rows, pieces, layout)

    def timed(*args: Any) -> Any:
        nonlocal validating
        started = time.perf_counter()
        parts = evaluate(*args)
        validating += time.perf_counter() - started
        return parts

    started = time.perf_counter()
    with patch.object(loop, "sequence_loss", counted), patch.object(loop, "evaluate", timed):
        artifact = pipeline.train(job)
    job_s = time.perf_counter() - started
    manifest = artifact.manifest
    (folder / f"{job.network}.pickle").write_bytes(pickle.dumps(artifact))
    saved = cloudpickle.dumps(
        Predictor(artifact, job.features[-MAX_CONTEXT_CANDLES:], job.time_ms[-MAX_CONTEXT_CANDLES:])
    )
    fit_s, looped = manifest["seconds"]["fit"], job.network in catalog.networks()
    return {
        # Only the networks go over the rows again and again.
        "epoch_s": (fit_s - validating) * manifest["rows"]["train"] / supervised
        if looped
        else None,
        "to_best_s": fit_s * manifest["best_step"][0] / manifest["history"][0][-1][0]
        if looped
        else None,
        "job_s": job_s,
        "artifact_mib": len(saved) / MIB,
    }


def backtest_pack(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Forecast every row in one call."""
    predictor = _predictor(job, folder)

    def predict(rows: slice) -> Any:
        return predictor.predict(job.features[rows], job.time_ms[rows], job.feature_names)

    predict(slice(0, predictor.context))
    held = resident()
    seconds, n = _timed(lambda: predict(slice(None))), len(job.time_ms)
    grown = max(peak() - held, 0.0)
    return {"rows_per_s": n / seconds, "mib_per_1000_rows": 1000 * grown / n}


def live_pack(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Forecast candle after candle as a bot does, and from the context alone in between."""
    predictor = _predictor(job, folder)
    context, names = predictor.context, job.feature_names

    def rows(last: int, count: int) -> tuple[Any, Any, Any]:
        window = slice(last + 1 - count, last + 1)
        return job.features[window], job.time_ms[window], names

    steps, contexts = [], []
    for i in range(WARM_CALLS + options["calls"]):
        last = MAX_CONTEXT_CANDLES + i
        steps.append(
            _timed(lambda last=last: predictor.latest(*rows(last, MAX_CONTEXT_CANDLES), PAIR))
        )
        contexts.append(_timed(lambda last=last: predictor.predict(*rows(last, context))))
    return {
        **_live_quantiles(steps),
        "context_p50_us": _live_quantiles(contexts)["live_p50_us"],
        "context": context,
    }


def _predictor(job: TrainingJob, folder: Path) -> Any:
    from models.serve.predictor import Predictor

    return Predictor(pickle.loads((folder / f"{job.network}.pickle").read_bytes()))


# -- Freqtrade's own ----------------------------------------------------------------------------


def train_stock(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Train on the pack's training rows and validate on its validation rows."""
    from models.learn.training.settings import ModelSettings
    from models.learn.training.split import split_rows
    from tests.benchmarks import stock

    settings = ModelSettings.from_blocks(job.settings, where="benchmark")
    split = split_rows(
        len(job.time_ms),
        purge=settings.labels.purge_candles,
        validation_frac=settings.training.validation_frac,
        calibration_frac=settings.training.calibration_frac,
        minimum=1,
    )
    both = frame(job, slice(split.train.start, split.validation.stop), labels=True)
    both = both.drop(index=range(split.train.stop, split.validation.start))  # the purged rows
    started = time.perf_counter()
    epochs, kitchen = stock.train(folder, both, len(split.validation), options["epochs"])
    job_s = time.perf_counter() - started
    return {
        "epoch_s": float(np.median(epochs.seconds())),
        "to_best_s": epochs.seconds_to_best(),
        "job_s": job_s,
        "artifact_mib": stock.model_file(kitchen).stat().st_size / MIB,
    }


def backtest_stock(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Forecast a limited number of rows: time and memory grow with each."""
    from tests.benchmarks import stock

    model, kitchen = stock.load(folder)
    rows, n = frame(job, slice(0, stock.WINDOW + options["stock_rows"])), options["stock_rows"]
    model.predict(rows[: stock.WINDOW], kitchen)
    held = resident()
    seconds = _timed(lambda: model.predict(rows, kitchen))
    grown = max(peak() - held, 0.0)
    return {"rows_per_s": n / seconds, "mib_per_1000_rows": 1000 * grown / n}


def live_stock(job: TrainingJob, folder: Path, options: dict[str, Any]) -> dict[str, float | None]:
    """Forecast one new candle from as many rows as its window has."""
    from tests.benchmarks import stock

    model, kitchen = stock.load(folder)
    everything, seconds = frame(job, slice(None)), []
    for i in range(WARM_CALLS + options["calls"]):
        rows = everything[i : i + stock.WINDOW]
        seconds.append(_timed(lambda rows=rows: model.predict(rows, kitchen)))
    return {**_live_quantiles(seconds), "context_p50_us": None, "context": stock.WINDOW}


# -- timing -----------------------------------------------------------------------------------


def _timed(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _live_quantiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(seconds[WARM_CALLS:], (0.5, 0.99))
    return {"live_p50_us": 1e6 * float(p50), "live_p99_us": 1e6 * float(p99)}


PHASES = {
    ("train", False): train_pack,
    ("backtest", False): backtest_pack,
    ("live", False): live_pack,
    ("train", True): train_stock,
    ("backtest", True): backtest_stock,
    ("live", True): live_stock,
}


def main(phase: str, who: str, folder: Path) -> dict[str, Any]:
    """Run one phase and return what it measured."""
    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    if phase == "data":
        return write_rows(folder, options)
    job = read_job(folder, who, options)
    idle = resident()
    found = PHASES[phase, who == STOCK](job, folder, options)
    most = peak()
    return {**found, "peak_mib": most, "above_idle_mib": most - idle}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
