"""One training job, end to end: arrays in, checked artifact out. Runs in a worker process."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any

import numpy as np
import torch

from models import catalog, columns
from models.calibration.fit import fit_conformal_offset, fit_temperature, tempered
from models.config import from_mapping
from models.errors import InputError
from models.export.onnx import TOLERANCE, measure_context, to_onnx
from models.heads import HeadLayout
from models.nets.base import FEATURE_CLIP, Forecaster, NetworkSpec, start_at_prior
from models.runtime.predictor import FORMAT, novelty_score
from models.runtime.session import Session
from models.training.loop import Rows, clip_runs, evaluate, fit
from models.training.loss import Targets, prior_outputs, targets
from models.training.settings import ModelSettings, TrainingSettings
from models.training.split import Split, split_rows
from models.types import Artifact, BoolArray, FloatArray, TrainingJob
from models.windows import Span, contiguous_runs

_MILLIBITS = 1000.0 / np.log(2.0)  # per nat


def check(network: str, blocks: dict[str, Any]) -> None:
    """Raise ConfigError unless `network` exists and accepts its settings."""
    settings = ModelSettings.from_blocks(blocks, where="freqai.model_training_parameters")
    spec = catalog.load(network)
    from_mapping(spec.config, settings.network, where="freqai.model_training_parameters.network")


def train(job: TrainingJob) -> Artifact:
    """Train, calibrate, export and check one forecaster.

    Raises
    ------
    InputError
        If the frame is too short, has infinite or constant feature columns, or lacks labels.
    TrainingError, ArtifactError
        If training diverges, or the exported graph fails its parity checks.
    """
    started = time.monotonic()
    settings = ModelSettings.from_blocks(job.settings, where=f"settings of {job.title}")
    torch.set_num_threads(settings.training.threads)
    spec = catalog.load(job.network)
    config = from_mapping(spec.config, settings.network, where=f"network {job.network}")
    finite = check_features(job)
    burn_in = spec.contexts[0] - 1 if spec.receptive_field(config) else spec.contexts[1] - 1
    split = split_rows(
        len(job.time_ms),
        purge=settings.labels.purge_candles,
        validation_frac=settings.training.validation_frac,
        calibration_frac=settings.training.calibration_frac,
        minimum=2 * spec.contexts[-1],
    )
    layout = HeadLayout(bin_edges=settings.labels.bin_edges)
    t = targets(job, layout)
    rows = Rows(
        features=torch.from_numpy(np.where(finite[:, None], job.features, 0.0).astype(np.float32)),
        targets=t,
        weight=torch.ones(len(job.time_ms)),
        runs=contiguous_runs(job.time_ms, job.candle_ms, finite),
    )
    inside = np.flatnonzero(finite[: split.train.stop])
    mean, std = job.features[inside].mean(axis=0), job.features[inside].std(axis=0)
    prior = prior_outputs(t, slice(split.train.start, split.train.stop), layout)
    torch.manual_seed(job.seed)
    network = spec.build(len(job.feature_names), layout.width, config)
    model = Forecaster(network, layout, torch.from_numpy(mean), torch.from_numpy(std))
    head = getattr(network, "head", None)
    if isinstance(head, torch.nn.Linear):
        start_at_prior(head, prior)
    best, history = fit(
        model, rows, split.train, split.validation, burn_in, layout,
        settings.training, job.seed, job.title,
    )  # fmt: skip
    onnx = to_onnx(best, len(job.feature_names))
    held_out = max(clip_runs(rows.runs, Span(split.validation.start, len(job.time_ms)), 0), key=len)
    context, gaps = measure_context(onnx, job.features, held_out, spec.contexts, job.seed)
    calibration, metrics = _calibrate(
        onnx, job, rows, split, layout, prior.double().numpy(), context, settings.training
    )
    metrics["validation"] = _against_prior(
        evaluate(best, rows, split.validation, burn_in, layout, settings.training).direction,
        t, split.validation, prior, layout,
    )  # fmt: skip
    z = np.clip((job.features[inside] - mean) / std, -FEATURE_CLIP * 4, FEATURE_CLIP * 4)
    manifest = {
        "format": FORMAT,
        "title": job.title,
        "network": job.network,
        "network_config": dict(settings.network),
        "parameters": sum(p.numel() for p in network.parameters()),
        "source": spec.source,
        "feature_names": list(job.feature_names),
        "candle_ms": job.candle_ms,
        "horizon_candles": settings.labels.horizon_candles,
        "cascade_horizon_candles": settings.labels.cascade_horizon_candles,
        "cost_frac": settings.labels.cost_frac,
        "hazard_bin_edges": list(layout.bin_edges),
        "outputs": layout.width,
        "context_candles": context,
        "context_gap_sd": {str(k): v for k, v in gaps.items()},
        "context_tolerance_sd": TOLERANCE,
        "calibration": calibration,
        "novelty": {
            "mean": mean.tolist(),
            "std": std.tolist(),
            "threshold": float(np.quantile(novelty_score(z.astype(np.float32)), 0.999)),
        },
        "spans_ms": {
            name: [int(job.time_ms[s.start]), int(job.time_ms[s.stop - 1])]
            for name, s in (
                ("train", split.train),
                ("validation", split.validation),
                ("calibration", split.calibration),
            )
        },
        "rows": {
            "train": len(split.train),
            "validation": len(split.validation),
            "calibration": len(split.calibration),
            "purge": settings.labels.purge_candles,
        },
        "metrics": metrics,
        "history": history.validation,
        "best_step": history.best_step,
        "seed": job.seed,
        "seconds": {"fit": round(history.seconds, 2), "all": round(time.monotonic() - started, 2)},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("breakwater", "torch", "onnx", "onnxruntime", "numpy")
        },
        "onnx_sha256": Artifact.digest(onnx),
    }
    return Artifact(onnx=onnx, manifest=manifest)


def check_features(job: TrainingJob) -> BoolArray:
    """Return which rows have every feature; raise InputError for infinite or constant columns."""
    x = job.features
    problems = []
    infinite = np.isinf(x).any(axis=0)
    problems += [f"{job.feature_names[i]} is infinite" for i in np.flatnonzero(infinite)]
    finite = np.isfinite(x).all(axis=1)
    if not finite.any():
        empty = [n for n, c in zip(job.feature_names, x.T, strict=True) if np.isnan(c).all()]
        raise InputError(
            f"no row has all {x.shape[1]} features; all-NaN columns: {empty or 'none'}",
            where=job.title,
            cure="provide more history before the training window, or remove those features",
        )
    spread = x[finite].std(axis=0)
    problems += [
        f"{job.feature_names[i]} is constant" for i in np.flatnonzero(~infinite & (spread < 1e-9))
    ]
    if problems:
        raise InputError(
            "; ".join(problems[:10]),
            where=job.title,
            cure="remove these features or repair the data they come from",
        )
    return np.asarray(finite)


def _calibrate(
    onnx: bytes,
    job: TrainingJob,
    rows: Rows,
    split: Split,
    layout: HeadLayout,
    prior: FloatArray,
    context: int,
    settings: TrainingSettings,
) -> tuple[dict[str, Any], dict[str, Any]]:
    raw = _outputs(onnx, job, rows, split.calibration, layout, context)
    direction = job.labels[columns.LABEL_DIRECTION]
    scaled = job.labels[columns.LABEL_RETURN]
    known = np.isfinite(raw[:, 0]) & np.isfinite(direction) & np.isfinite(scaled)
    logits, classes = raw[known][:, layout.classes], direction[known] + 1
    prior_logits = prior[layout.classes]
    temperature = fit_temperature(logits, classes, prior_logits)
    q = raw[known][:, layout.quantiles]
    offset = fit_conformal_offset(q[:, 0], q[:, -1], scaled[known], settings.interval_coverage)
    p = tempered(logits, prior_logits, temperature)
    metrics = {
        "calibration": {
            "rows": int(known.sum()),
            "accuracy_moving": _accuracy(p, classes),
            "log_loss": float(-np.log(p[np.arange(len(p)), classes.astype(int)]).mean()),
            "coverage_raw": float(
                ((scaled[known] >= q[:, 0]) & (scaled[known] <= q[:, -1])).mean()
            ),
        }
    }
    return (
        {
            "temperature": temperature,
            "prior_logits": prior_logits.tolist(),
            "conformal_offset": offset,
            "coverage": settings.interval_coverage,
            "rows": int(known.sum()),
            # Onsets are counted in dozens; a slope fitted on this slice alone would be noise.
            "hazard": "uncalibrated",
        },
        metrics,
    )


def _outputs(
    onnx: bytes, job: TrainingJob, rows: Rows, span: Span, layout: HeadLayout, context: int
) -> FloatArray:
    """Return raw outputs (N, H) for the rows of `span`, NaN elsewhere."""
    session = Session(onnx)
    out = np.full((len(job.time_ms), layout.width), np.nan)
    for run in clip_runs(rows.runs, span, context - 1):
        y = session.run(job.features[None, run.start : run.stop])[0]
        first = max(run.start + context - 1, span.start)
        out[first : run.stop] = y[first - run.start :]
    return out


def _accuracy(p: FloatArray, classes: FloatArray) -> float:
    """Share of right signs where the outcome moved beyond costs."""
    moved = classes != 1
    return float(((p[moved, 2] > p[moved, 0]) == (classes[moved] == 2)).mean())


def _against_prior(
    cross_entropy: torch.Tensor, t: Targets, span: Span, prior: torch.Tensor, layout: HeadLayout
) -> dict[str, float]:
    rows = slice(span.start, span.stop)
    known = t.direction_known[rows] > 0
    base = torch.nn.functional.cross_entropy(
        prior[layout.classes].expand(int(known.sum()), -1), t.direction[rows][known]
    )
    return {
        "cross_entropy": float(cross_entropy),
        "prior_cross_entropy": float(base),
        "gain_millibits": float((base - cross_entropy) * _MILLIBITS),
    }


__all__ = ["check", "check_features", "train", "NetworkSpec"]
