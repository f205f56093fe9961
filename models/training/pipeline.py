"""One training job, end to end: arrays in, checked artifact out. Runs in a worker process."""

from __future__ import annotations

import importlib.metadata
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models import catalog, columns
from models.calibration.fit import fit_conformal_offset, fit_temperature, tempered
from models.config import from_mapping
from models.export.onnx import TOLERANCE, measure_context, to_onnx
from models.heads import HeadLayout
from models.nets.base import Forecaster, NetworkSpec, start_at_prior
from models.runtime.predictor import FORMAT, novelty_score
from models.runtime.session import Session
from models.training.checks import check_job, check_training_rows
from models.training.loop import Rows, clip_runs, evaluate, fit
from models.training.loss import prior_outputs, targets
from models.training.settings import ModelSettings
from models.training.split import Split, split_rows
from models.types import Artifact, Float32Array, FloatArray, TrainingJob
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
    ConfigError, InputError, AlignmentError
        If a setting is wrong, the frame is too short, or its columns, rows or labels do not fit.
    TrainingError, ArtifactError
        If training diverges, or the exported graph fails its parity checks.
    """
    started = time.monotonic()
    data = prepare(job)
    best, history = fit(
        data.model, data.rows, data.split.train, data.split.validation, data.burn_in,
        data.layout, data.settings.training, job.seed, job.title,
    )  # fmt: skip
    onnx = to_onnx(best, len(job.feature_names))
    context, gaps = measure_context(onnx, job.features, data.held_out, data.spec.contexts, job.seed)
    calibration, calibrated = _calibrate(onnx, data, context)
    manifest = {
        **_identity(data),
        "context_candles": context,
        "context_gap_sd": {str(k): v for k, v in gaps.items()},
        "context_tolerance_sd": TOLERANCE,
        "calibration": calibration,
        "metrics": {"calibration": calibrated, "validation": _validation(best, data)},
        "history": history.validation,
        "best_step": history.best_step,
        "seconds": {"fit": round(history.seconds, 2), "all": round(time.monotonic() - started, 2)},
        "onnx_sha256": Artifact.digest(onnx),
    }
    return Artifact(onnx=onnx, manifest=manifest)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One job's data, cut and scaled, and its untrained model."""

    job: TrainingJob
    settings: ModelSettings
    spec: NetworkSpec
    layout: HeadLayout
    split: Split
    rows: Rows
    burn_in: int  # rows at the head of a sequence whose outputs do not count
    prior: torch.Tensor  # (H,) best constant raw output on the training rows
    mean: Float32Array  # (F,) of the training rows
    std: Float32Array
    novelty_threshold: float  # 99.9 % of the training rows are below
    model: Forecaster

    @property
    def held_out(self) -> Span:
        """The longest gap-free run after the training rows."""
        after = Span(self.split.validation.start, len(self.job.time_ms))
        return max(clip_runs(self.rows.runs, after, 0), key=len)


def prepare(job: TrainingJob) -> Prepared:
    """Check, split and scale a job and build its seeded model; statistics from train rows only."""
    settings = ModelSettings.from_blocks(job.settings, where=f"settings of {job.title}")
    torch.set_num_threads(settings.training.threads)
    spec = catalog.load(job.network)
    config = from_mapping(spec.config, settings.network, where=f"network {job.network}")
    finite = check_job(job)
    split = split_rows(
        len(job.time_ms),
        purge=settings.labels.purge_candles,
        validation_frac=settings.training.validation_frac,
        calibration_frac=settings.training.calibration_frac,
        minimum=2 * spec.contexts[-1],
    )
    layout = HeadLayout(bin_edges=settings.labels.bin_edges)
    rows = Rows(
        features=torch.from_numpy(np.where(finite[:, None], job.features, 0.0).astype(np.float32)),
        targets=targets(job, layout),
        weight=torch.ones(len(job.time_ms)),
        runs=contiguous_runs(job.time_ms, job.candle_ms, finite),
    )
    known, mean, std = check_training_rows(job, finite, split.train)
    prior = prior_outputs(rows.targets, slice(split.train.start, split.train.stop), layout)
    torch.manual_seed(job.seed)
    network = spec.build(len(job.feature_names), layout.width, config)
    if isinstance(getattr(network, "head", None), torch.nn.Linear):
        start_at_prior(network.head, prior)  # type: ignore[arg-type]
    receptive_field = spec.receptive_field(config)
    return Prepared(
        job=job,
        settings=settings,
        spec=spec,
        layout=layout,
        split=split,
        rows=rows,
        burn_in=(receptive_field or spec.contexts[min(1, len(spec.contexts) - 1)]) - 1,
        prior=prior,
        mean=mean,
        std=std,
        novelty_threshold=float(np.quantile(novelty_score((known - mean) / std), 0.999)),
        model=Forecaster(network, layout, torch.from_numpy(mean), torch.from_numpy(std)),
    )


def _identity(data: Prepared) -> dict[str, Any]:
    """Return the part of the manifest that is known before training."""
    job, labels, split = data.job, data.settings.labels, data.split
    spans = {
        "train": split.train,
        "validation": split.validation,
        "calibration": split.calibration,
    }
    return {
        "format": FORMAT,
        "title": job.title,
        "network": job.network,
        "network_config": dict(data.settings.network),
        "parameters": sum(p.numel() for p in data.model.network.parameters()),
        "source": data.spec.source,
        "feature_names": list(job.feature_names),
        "candle_ms": job.candle_ms,
        "horizon_candles": labels.horizon_candles,
        "cascade_horizon_candles": labels.cascade_horizon_candles,
        "cost_frac": labels.cost_frac,
        "hazard_bin_edges": list(data.layout.bin_edges),
        "outputs": data.layout.width,
        "novelty": {
            "mean": data.mean.tolist(),
            "std": data.std.tolist(),
            "threshold": data.novelty_threshold,
        },
        "spans_ms": {
            name: [int(job.time_ms[s.start]), int(job.time_ms[s.stop - 1])]
            for name, s in spans.items()
        },
        "rows": {
            **{name: len(s) for name, s in spans.items()},
            "purge": labels.purge_candles,
        },
        "seed": job.seed,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("breakwater", "torch", "onnx", "onnxruntime", "numpy")
        },
    }


def _calibrate(onnx: bytes, data: Prepared, context: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the calibration block and the metrics of the calibration rows."""
    job, layout, settings = data.job, data.layout, data.settings.training
    prior = data.prior.double().numpy()
    raw = _outputs(onnx, data, data.split.calibration, context)
    direction = job.labels[columns.LABEL_DIRECTION]
    scaled = job.labels[columns.LABEL_RETURN]
    known = np.isfinite(raw[:, 0]) & np.isfinite(direction) & np.isfinite(scaled)
    logits, classes = raw[known][:, layout.classes], direction[known] + 1
    prior_logits = prior[layout.classes]
    temperature = fit_temperature(logits, classes, prior_logits)
    q = raw[known][:, layout.quantiles]
    offset = fit_conformal_offset(q[:, 0], q[:, -1], scaled[known], settings.interval_coverage)
    p = tempered(logits, prior_logits, temperature)
    inside = (scaled[known] >= q[:, 0]) & (scaled[known] <= q[:, -1])
    metrics = {
        "rows": int(known.sum()),
        "accuracy_moving": _accuracy(p, classes),
        "log_loss": float(-np.log(p[np.arange(len(p)), classes.astype(int)]).mean()),
        "coverage_raw": float(inside.mean()),
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


def _outputs(onnx: bytes, data: Prepared, span: Span, context: int) -> FloatArray:
    """Return raw outputs (N, H) for the rows of `span`, NaN elsewhere."""
    session = Session(onnx)
    out = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    for run in clip_runs(data.rows.runs, span, context - 1):
        y = session.run(data.job.features[None, run.start : run.stop])[0]
        first = max(run.start + context - 1, span.start)
        out[first : run.stop] = y[first - run.start :]
    return out


def _accuracy(p: FloatArray, classes: FloatArray) -> float:
    """Share of right signs where the outcome moved beyond costs."""
    moved = classes != 1
    return float(((p[moved, 2] > p[moved, 0]) == (classes[moved] == 2)).mean())


def _validation(best: torch.nn.Module, data: Prepared) -> dict[str, float]:
    """Return the direction loss on the validation rows, against the constant prior's."""
    span, t = data.split.validation, data.rows.targets
    parts = evaluate(best, data.rows, span, data.burn_in, data.layout)
    rows = slice(span.start, span.stop)
    known = t.direction_known[rows] > 0
    base = torch.nn.functional.cross_entropy(
        data.prior[data.layout.classes].expand(int(known.sum()), -1), t.direction[rows][known]
    )
    return {
        "cross_entropy": float(parts.direction),
        "prior_cross_entropy": float(base),
        "gain_millibits": float((base - parts.direction) * _MILLIBITS),
    }


__all__ = ["Prepared", "check", "prepare", "train"]
