"""From a job's data to the trained generator, its graph and the verdict on its paths."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.learn.export.onnx import to_onnx
from models.learn.gan.adversarial import FitRecord, Material, fit_adversarially, row_conditions
from models.learn.gan.evidence import gather
from models.learn.gan.export import with_paths
from models.learn.gan.generator import Condition, Generator, Shocks
from models.learn.gan.noise import profile
from models.learn.gan.observed import Observed, paths_after, paths_before, return_columns
from models.learn.gan.served import Rules, Served, representative
from models.learn.gan.trained import Trained
from models.learn.gan.verdict import judge
from models.learn.nets.tcn import tcn_receptive_field
from models.learn.training.fitted import Fitted
from models.learn.training.loop import clip_runs, evaluate
from models.learn.training.prepare import Prepared

_USUAL_ROWS = 512  # on which the usual share of paths beyond the floor is measured


def fit_gan(data: Prepared) -> Fitted:
    """Train on the training rows, choose on the validation rows, judge, export.

    Raises
    ------
    InputError
        If the frame has no one-candle return.
    TrainingError, ArtifactError
        If training diverges, or the exported graph is not the network.
    """
    started = time.monotonic()
    trained = train_generator(data)
    model = serve(trained.generator, trained, data)
    evidence = gather(
        trained, data.rows.features, data.split.train, data.split.validation, trained.steps,
        data.job.seed,
    )  # fmt: skip
    onnx = with_paths(to_onnx(model, len(data.job.feature_names)), trained)
    return Fitted(
        onnx=onnx,
        seconds=time.monotonic() - started,
        facts={
            "parameters": sum(p.numel() for p in trained.generator.parameters()),
            "steps": trained.steps,
            "assets": list(trained.observed.assets),
            "paths": data.config.paths,
            "history": [trained.record.validation],
            "critic_distance": trained.record.distance,
            "best_step": [trained.record.best_step],
            # Measured on the rows the checkpoint was chosen on: no better than it says.
            "scenario": judge(evidence, data.job.seed),
        },
    )


def observe_returns(data: Prepared) -> Observed:
    """Return the returns in the frame of `data`.

    Raises
    ------
    InputError
        If it has none.
    """
    job = data.job
    found = return_columns(job.feature_names)
    if not found:
        raise InputError(
            "expected the one-candle return among the features, got "
            f"{list(job.feature_names[:5])} ...",
            where=job.title,
            cure="use the pack's strategy, or name the column %-return_1",
        )
    x = data.rows.features.numpy().astype(np.float64)  # NaN is zero; no run contains those rows
    return Observed(
        assets=tuple(found),
        scaled=x[:, list(found.values())],
        sigma=x[:, job.feature_names.index(columns.FEATURE_SIGMA)],
        label=job.labels[columns.LABEL_RETURN],
        horizon=data.settings.labels.horizon_candles,
        runs=data.rows.runs,
    )


def train_generator(data: Prepared) -> Trained:
    """Return the generator fitted to the training rows, chosen on the validation rows."""
    job, config, settings = data.job, data.config, data.settings
    observed, steps = observe_returns(data), settings.labels.purge_candles
    burn_in = tcn_receptive_field(config.tcn) - 1
    basis = torch.from_numpy(profile(steps, job.candle_ms)).float()
    path, known = paths_after(observed, data.split.train, steps)
    past = paths_before(observed, min(steps, burn_in))
    torch.manual_seed(job.seed)
    generator = Generator(
        Condition(
            torch.from_numpy(data.mean), torch.from_numpy(data.std), len(observed.assets),
            basis.shape[1], config.tcn,
        ),
        Shocks(correlation(path[known][:, 0]), heaviness(path[known][:, 0])),
    )  # fmt: skip
    material = Material(
        features=data.rows.features,
        weight=data.rows.weight,
        past=torch.from_numpy(past).float(),
        path=torch.from_numpy(path).float(),
        known=torch.from_numpy(known),
        runs=clip_runs(data.rows.runs, data.split.train, burn_in),
        burn_in=burn_in,
        basis=basis,
    )
    trained = Trained(
        generator=generator, record=FitRecord(), observed=observed, basis=basis, burn_in=burn_in,
        candle_ms=job.candle_ms,
    )  # fmt: skip

    def score(candidate: Generator) -> float:
        model = serve(candidate, trained, data)
        parts = evaluate(model, data.rows, data.split.validation, burn_in, data.layout)
        return float(parts.total(settings.training))

    best, record = fit_adversarially(
        generator, material, config, settings.training, score, job.seed, job.title
    )
    return replace(trained, generator=best, record=record)


def serve(generator: Generator, trained: Trained, data: Prepared) -> Served:
    """Return the forecaster made of `generator`, its usual hazard measured on training rows."""
    job, labels = data.job, data.settings.labels
    model = Served(
        generator,
        representative(
            generator, trained.basis, labels.horizon_candles, data.config.paths, job.seed
        ),
        trained.basis,
        data.prior,
        Rules(
            layout=data.layout,
            horizon=labels.horizon_candles,
            cost_frac=labels.cost_frac,
            cascade_floor_frac=labels.cascade_floor_frac,
            move_candles=max(1, HOUR_MS // job.candle_ms),
            sigma_column=job.feature_names.index(columns.FEATURE_SIGMA),
        ),
    ).eval()
    rows, y = row_conditions(
        generator, data.rows.features, data.rows.runs, data.split.train, trained.burn_in
    )
    some = np.linspace(0, len(rows) - 1, min(_USUAL_ROWS, len(rows))).astype(np.int64)
    sigma = torch.from_numpy(trained.observed.sigma[rows[some]]).float()
    model.settle(y[torch.from_numpy(some)], sigma)
    return model


def correlation(returns: FloatArray) -> FloatArray:
    """Return the correlation (A, A) of returns (R, A), crashes damped by asinh; never singular."""
    count = returns.shape[1]
    if len(returns) < 2:
        return np.eye(count)
    found = np.corrcoef(np.arcsinh(returns).T).reshape(count, count)
    return np.asarray(0.99 * np.nan_to_num(found) * (1 - np.eye(count)) + np.eye(count))


def heaviness(returns: FloatArray) -> FloatArray:
    """Return start values (2, A) of the tails' d below and above zero, of returns (R, A).

    From how much further the 99 % quantile of a side's sizes lies than the median, beside a
    Gaussian's 2.576 and 0.674. A kurtosis would go by the one worst candle. Half of it: the
    conditions and the wandering volatility make the rest.
    """
    far, near = 2.576, 0.674
    out = np.zeros((2, returns.shape[1]))
    for index, side in enumerate((-1.0, 1.0)):
        for asset, x in enumerate(returns.T):
            sizes = side * x[side * x > 0]
            if len(sizes):
                a, b = np.quantile(sizes, (0.5, 0.99))
                ratio = max(b / max(a, 1e-12), 1e-12) * near / far
                out[index, asset] = np.log(ratio) / (far**2 - near**2)
    return out.clip(0.01, 0.25)
