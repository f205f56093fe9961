"""One training job, end to end: arrays in, checked artifact out. Runs in a worker process."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any

import numpy as np

from models.base import columns
from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.base.heads import chained, relative_volatility, softmax
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, TrainingJob
from models.base.windows import Span
from models.learn import catalog
from models.learn.calibration import (
    fit_conformal_offset,
    fit_direction_slope,
    fit_hazard_scale,
)
from models.learn.edge import calibrated_edge
from models.learn.export.onnx import TOLERANCE, measure_context, measure_streaming
from models.learn.false_alarms import calibrated_alarms
from models.learn.jobs.fitters import fit_architecture
from models.learn.moves import fit_moves
from models.learn.reference import left_out_reference
from models.learn.stretch import fit_stretch
from models.learn.training.loop import fill_span
from models.learn.training.prepare import Prepared, prepare
from models.learn.training.settings import ModelSettings
from models.learn.volatility.ahead import fit_ahead
from models.serve.conditions import ConditionTerm, MoveInputs
from models.serve.drift import LEAST
from models.serve.manifest import MANIFEST_FORMAT
from models.serve.session import Session, graph_input
from models.serve.stretch import Stretch, StretchInputs

_MILLIBITS = 1000.0 / np.log(2.0)  # per nat


def check(network: str, blocks: dict[str, Any]) -> None:
    """Raise ConfigError unless `network` exists and accepts its settings."""
    settings = ModelSettings.from_blocks(blocks, where="freqai.model_training_parameters")
    spec = catalog.load(network)
    if settings.training.pool and not spec.learns_from_others:
        raise ConfigError(
            f"{spec.title} learns from its own pair only, got {list(settings.training.pool)}",
            where="freqai.model_training_parameters.training.pool",
            cure="leave it empty, or use a network, for example HedgeForecaster",
        )
    if settings.training.tail_weight != 1 and not spec.family.startswith("network"):
        raise ConfigError(
            f"only networks weigh the tails of their rows, {spec.title} does not",
            where="freqai.model_training_parameters.training.tail_weight",
            cure="leave it at 1, or use a network, for example LSTMForecaster",
        )
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
    data = prepare(job, catalog.load(job.network))
    fitted = fit_architecture(data)
    onnx = fitted.onnx
    known = {**_identity(data), **fitted.facts}
    x = graph_input(job.features, job.time_ms, known)
    present = data.layout.present(data.spec.absent)
    context, gaps = measure_context(onnx, x, data.held_out, data.spec.contexts, job.seed, present)
    streaming = measure_streaming(onnx, x, data.held_out, context, job.seed, present)
    calibrating = _outputs(onnx, x, data, data.split.calibration, context)
    unseen = judged = fitted.left_out
    if unseen is None or judged is None:
        unseen = calibrating
        judged = _outputs(onnx, x, data, data.split.validation, context)
    ahead = fit_ahead(data)
    # Rows without a forecast of volatility are not answered, see `models.serve.predictor`.
    every = [unseen + 0.0 * ahead.unseen[:, None], *_peers_outputs(onnx, data, context)]
    known["log_volatility"] = ahead.fitted
    calibration, calibrated = _calibrate(every, ahead.unseen, MoveInputs.of(known), data)
    calibration["false_alarms"] = calibrated_alarms(
        every, data, calibration, None if unseen is calibrating else calibrating
    )
    known["card"]["warnings"] += _unfitted(calibration["false_alarms"])
    if ahead.why:
        known["card"]["warnings"].append(
            f"odds of a move without the volatility ahead: {ahead.why}"
        )
    manifest = {
        **known,
        "context_candles": context,
        "context_gap_sd": {str(k): v for k, v in gaps.items()},
        "streaming": streaming,
        "tolerance_sd": TOLERANCE,
        "calibration": calibration,
        "latency_us": _latency(onnx, x[-context:], streams=streaming["candles"] > 0),
        "metrics": {"calibration": calibrated, "validation": _validation(judged, data)},
        "seconds": {
            "fit": round(fitted.seconds, 2),
            "all": round(time.monotonic() - started, 2),
        },
        "onnx_sha256": Artifact.digest(onnx),
    }
    manifest["reference"] = left_out_reference(every[0], ahead.unseen, data, manifest)
    return Artifact(onnx=onnx, manifest=manifest, weights=fitted.weights)


def _identity(data: Prepared) -> dict[str, Any]:
    """Return the part of the manifest that is known before training."""
    job, labels, split = data.job, data.settings.labels, data.split
    spans = {
        "train": split.train,
        "validation": split.validation,
        "calibration": split.calibration,
    }
    return {
        "format": MANIFEST_FORMAT,
        "title": job.title,
        "network": job.network,
        "network_config": dict(data.settings.network),
        "source": data.spec.source,
        "card": _card(data),
        "feature_names": list(job.feature_names),
        "candle_ms": job.candle_ms,
        "horizon_candles": labels.horizon_candles,
        "cascade_horizon_candles": labels.cascade_horizon_candles,
        "cost_frac": labels.cost_frac,
        "hazard_bin_edges": list(data.layout.bin_edges),
        "absent_heads": list(data.spec.absent),
        **_extras(data),
        "outputs": data.layout.width,
        "novelty": {
            "mean": data.mean.tolist(),
            "std": data.std.tolist(),
            "threshold": data.novelty_threshold,
        },
        "drift": data.drift,
        "spans_ms": {
            name: [int(job.time_ms[s.start]), int(job.time_ms[s.stop - 1])]
            for name, s in spans.items()
        },
        "blocks": len(data.blocks),  # left out in turn; then each span is all of them
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


def _extras(data: Prepared) -> dict[str, Any]:
    """Return what only models with extra heads, feeds or peers have to tell."""
    out: dict[str, Any] = {}
    if data.layout.peak_edges:
        out["peak_edges"] = list(data.layout.peak_edges)
    if data.layout.action:
        out["action_head"] = True
    if data.layout.volatility:
        out["volatility_head"] = True
    if data.layout.policy:
        out["policy_head"] = data.layout.policy
    if data.spec.competing:
        out["competing_sides"] = True
    if data.optional.any():
        names = data.job.feature_names
        out["optional_features"] = [names[i] for i in np.flatnonzero(data.optional)]
    if data.lessons:
        t = data.job.time_ms
        out["lessons_ms"] = [[int(t[s.start]), int(t[s.stop - 1])] for s in data.lessons]
    if data.peers:
        out["pool"] = [_share(job, data) for job in (data.job, *data.job.peers)]
    return out


def _share(job: TrainingJob, data: Prepared) -> dict[str, Any]:
    """Return how many training rows a market gives, and cascades that start in them."""
    last_ms = data.job.time_ms[data.split.train.stop - 1]
    whole = np.isfinite(job.features[:, ~data.optional]).all(axis=1)
    rows = whole & (job.time_ms <= last_ms)
    down, up = (
        int((job.labels[name][rows] == 1).sum())  # one candle before the onset
        for name in (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP)
    )
    return {"title": job.title, "rows": int(rows.sum()), "falls": down, "squeezes": up}


def _latency(
    onnx: bytes, window: Float32Array, *, streams: bool, calls: int = 100
) -> dict[str, float]:
    """Return microseconds of one forecast as it is served, here and now.

    Of one new row behind a past if the model `streams`, else of its whole context (C, F).
    """
    session, spent = Session(onnx), []
    past = session.beginning()
    for _ in range(calls + 10):
        started = time.perf_counter()
        if streams:
            _, past = session.step(window[None, -1:], past)
        else:
            session.run(window[None])
        spent.append(1e6 * (time.perf_counter() - started))
    p50, p99 = np.percentile(spent[10:], (50, 99))
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}


def _card(data: Prepared) -> dict[str, Any]:
    """Return what a model card tells of the architecture, and what to be warned of."""
    spec, rows = data.spec, len(data.split.train)
    warnings = []
    if rows < spec.useful_rows:
        warnings.append(
            f"trained on {rows} rows; {spec.title} needs about {spec.useful_rows} to learn anything"
        )
    if data.drift["threshold"] is None:
        warnings.append(
            f"trained on {rows} rows; below {LEAST} nobody knows which drift is usual: not watched"
        )
    return {
        "title": spec.title,
        "description": spec.description,
        "failure_modes": list(spec.failure_modes),
        "natural_use": spec.natural_use,
        "useful_rows": spec.useful_rows,
        "receptive_field": spec.candles_read(data.config),
        "warnings": warnings,
    }


def _unfitted(alarms: dict[str, Any] | None) -> list[str]:
    """Return a warning for each side whose false alarms nobody can count."""
    return [
        f"no level of the {side} hazard is an alarm: {found['unfitted']}"
        for side, found in (alarms or {}).items()
        if found["unfitted"]
    ]


def _calibrate(
    every: list[FloatArray], log_volatility: FloatArray, inputs: MoveInputs, data: Prepared
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the calibration block, but for alarms, and the metrics of the rows it was fitted on.

    Parameters
    ----------
    every
        Outputs (N, H) of the job's rows and of each peer's. None may be of a network that was
        trained on its row; rows without one are NaN.
    log_volatility
        (N,) ahead of the job's rows, `models.learn.volatility.ahead.VolatilityAhead.unseen`.
    """
    raw = every[0]
    job, layout = data.job, data.layout
    prior = data.prior.double().numpy()
    direction = job.labels[columns.LABEL_DIRECTION]
    scaled = job.labels[columns.LABEL_RETURN]
    known = np.isfinite(raw[:, 0]) & np.isfinite(direction) & np.isfinite(scaled)
    logits, classes = raw[known][:, layout.classes], direction[known] + 1
    prior_logits = prior[layout.classes]
    at = inputs(log_volatility[known], job.features[known])  # (R, W)
    clock = inputs.clock(job.time_ms[known])
    moves_slope, moves = fit_moves(logits, classes, prior_logits, at, clock, inputs.forecasts)
    direction_slope = fit_direction_slope(logits, classes, prior_logits)
    calm = ConditionTerm(moves)(at, clock)
    p = chained(logits, prior_logits, moves_slope, direction_slope, calm)
    served, spread, inside = _spread(raw, known, data)
    metrics = {
        "rows": int(known.sum()),
        "accuracy_moving": _accuracy(p, classes),
        "log_loss": float(-np.log(p[np.arange(len(p)), classes.astype(int)]).mean()),
        "coverage_raw": inside,
    }
    fitted = {
        "moves_slope": moves_slope,
        "moves": moves,
        "direction_slope": direction_slope,
        "prior_logits": prior_logits.tolist(),
        **spread,
        "coverage": data.settings.training.interval_coverage,
        "edge": calibrated_edge(served, data),
        "rows": int(known.sum()),
        # Onsets are counted in dozens: a scale is fitted only for the model that is asked about
        # them, and is held near none by a penalty that few onsets do not outweigh.
        "hazard": _hazard_scale(every, data) if data.spec.competing else "uncalibrated",
    }
    return fitted, metrics


def _spread(
    raw: FloatArray, known: BoolArray, data: Prepared
) -> tuple[FloatArray, dict[str, Any], float | None]:
    """Return outputs (N, H) as they are served, what makes them so, and the coverage before it.

    `known` are the rows to fit on, (N,).
    """
    if columns.HEAD_QUANTILES in data.spec.absent:
        return raw, {"stretch": None, "conformal_offset": None}, None
    job, layout, coverage = data.job, data.layout, data.settings.training.interval_coverage
    inputs, q = StretchInputs(job.feature_names, job.candle_ms), raw[known][:, layout.quantiles]
    y = job.labels[columns.LABEL_RETURN][known]
    fitted = fit_stretch(
        q, y, inputs(q, job.features[known]), inputs.clock(job.time_ms[known]),
        data.settings.labels.horizon_candles,
    )  # fmt: skip
    served = Stretch(fitted, job.feature_names, job.candle_ms, layout)(
        raw, job.features, job.time_ms
    )
    unit = relative_volatility(raw[known], layout)  # of the scores; what it is served in
    low, high = served[known][:, layout.quantiles][:, [0, -1]].T
    offset = fit_conformal_offset(low / unit, high / unit, y / unit, coverage)
    inside = float(((y >= q[:, 0]) & (y <= q[:, -1])).mean())
    return served, {"stretch": fitted, "conformal_offset": offset}, inside


def _peers_outputs(onnx: bytes, data: Prepared, context: int) -> list[FloatArray]:
    """Return each peer's outputs (N, H) on its calibration rows, NaN elsewhere."""
    session, out = Session(onnx), []
    start = len(data.job.time_ms)
    for peer, job in zip(data.peers, data.job.peers, strict=True):
        answers = np.full((len(job.time_ms), data.layout.width), np.nan)
        for run in peer.within(peer.split.calibration, context - 1):
            x = data.rows.features[run.start : run.stop].numpy()
            first = run.start + context - 1 - start
            answers[first : run.stop - start] = session.run(x[None])[0, context - 1 :]
        out.append(answers)
        start += len(job.time_ms)
    return out


def _hazard_scale(answers: list[FloatArray], data: Prepared) -> dict[str, Any]:
    """Return offset and slope of each side's hazard logits, own and peers' calibration rows."""
    outputs, t = np.concatenate(answers), data.rows.targets
    every = np.flatnonzero(np.isfinite(outputs[:, data.layout.hazards.start]))
    y, found = outputs[every], []
    for side, sign in ((0, -1), (1, 1)):
        event, at_risk = t.event[every, side].numpy(), t.at_risk[every, side].numpy()
        found.append(fit_hazard_scale(y[:, data.layout.hazard(sign)], event, at_risk))
    return {
        "offset": [offset for offset, _ in found],
        "slope": [slope for _, slope in found],
        "rows_before_onset": int(t.event[every].sum()),
    }


def _outputs(onnx: bytes, x: Float32Array, data: Prepared, span: Span, context: int) -> FloatArray:
    """Return raw outputs (N, H) for the rows of `span` of the graph's input, NaN elsewhere."""
    session = Session(onnx)
    out = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    fill_span(
        out, data.rows.runs, span, context - 1,
        lambda run: session.run(x[None, run.start : run.stop])[0],
    )  # fmt: skip
    return out


def _accuracy(p: FloatArray, classes: FloatArray) -> float:
    """Share of right signs where the outcome moved beyond costs."""
    moved = classes != 1
    return float(((p[moved, 2] > p[moved, 0]) == (classes[moved] == 2)).mean())


def _validation(raw: FloatArray, data: Prepared) -> dict[str, float]:
    """Return the direction loss of outputs (N, H), NaN elsewhere, against the constant prior's."""
    direction = data.job.labels[columns.LABEL_DIRECTION]
    known = np.isfinite(raw[:, 0]) & np.isfinite(direction)
    classes = direction[known].astype(int) + 1
    rows = np.arange(len(classes))
    prior = softmax(data.prior[data.layout.classes].double().numpy())
    loss = float(-np.log(softmax(raw[known][:, data.layout.classes])[rows, classes]).mean())
    base = float(-np.log(prior[classes]).mean())
    return {
        "cross_entropy": loss,
        "prior_cross_entropy": base,
        "gain_millibits": (base - loss) * _MILLIBITS,
    }
