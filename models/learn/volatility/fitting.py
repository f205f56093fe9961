"""From a job's data to the heads that hang on the regression, and the graph."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
from torch import Tensor

from models.base import columns
from models.base.types import FloatArray
from models.base.windows import Span, clock_flags
from models.learn.export.onnx import to_onnx
from models.learn.hazard.proportional import ProportionalHazard, fit_proportional
from models.learn.training.fitted import Fitted
from models.learn.training.loop import fill_span
from models.learn.training.prepare import Prepared
from models.learn.volatility.ahead import (
    RangeRows,
    fit_log_volatility,
    outcomes,
    range_rows,
    rows_of_blocks,
)
from models.learn.volatility.served import ServedVolatility, VolatilityHeads
from models.serve.ranges import SMALLEST_VARIANCE, range_columns, range_inputs
from models.serve.session import graph_input
from models.serve.volatility import LogVolatility


def fit_volatility(data: Prepared) -> Fitted:
    """Regress the coming range on the training rows, hang the heads on it, and export.

    Raises
    ------
    InputError
        If the frame has no range, or no training row a whole context before it.
    ArtifactError
        If the exported graph does not answer as the module.
    """
    started = time.monotonic()
    job = data.job
    parts = fit_parts(data)
    left_out = _left_out(data, parts.without) if data.blocks else None
    seconds = time.monotonic() - started
    return Fitted(
        onnx=to_onnx(
            _served(parts.regression, parts.heads, data), len(job.feature_names) + 1, carries=True
        ),
        seconds=seconds,
        left_out=left_out,
        facts={
            "time_origin_ms": int(job.time_ms[0]),
            "parameters": len(parts.regression.slope) + clock_flags().shape[1] + 1,
            "volatility": parts.facts,
            "libraries": {"scikit-learn": sklearn.__version__},
        },
    )


def _served(regression: LogVolatility, heads: VolatilityHeads, data: Prepared) -> ServedVolatility:
    job = data.job
    return ServedVolatility(
        regression, heads, data.layout,
        columns=range_columns(job.feature_names, job.candle_ms),
        horizon=data.settings.labels.horizon_candles,
        candle_ms=job.candle_ms,
        origin_ms=int(job.time_ms[0]),
    )  # fmt: skip


@dataclass(frozen=True)
class FittedRanges:
    """The regression, what hangs on it, and what the manifest tells of both.

    `without` are the same two without each block that is left out in turn.
    """

    regression: LogVolatility
    heads: VolatilityHeads
    facts: dict[str, Any]
    without: tuple[tuple[LogVolatility, VolatilityHeads], ...]


def fit_parts(data: Prepared) -> FittedRanges:
    """Fit on all training rows and, where blocks are left out in turn, without each of them."""
    job, horizon = data.job, data.settings.labels.horizon_candles
    inputs = range_inputs(data.config.windows, data.config.same_hour, horizon, job.candle_ms)
    at = range_columns(job.feature_names, job.candle_ms)
    rows = range_rows(data, inputs, data.split.train, at)

    def fitted(on: RangeRows) -> tuple[LogVolatility, VolatilityHeads]:
        regression = fit_log_volatility(data, on, inputs, data.config.ridge)
        return regression, _heads(data, on, regression)

    regression, heads = fitted(rows)
    cut = rows_of_blocks(rows, data)
    without = tuple(fitted(rest) for rest, _ in cut)
    held = [(by, block) for (by, _), (_, block) in zip(without, cut, strict=True)] or [
        (regression, range_rows(data, inputs, data.split.validation, at))
    ]
    return FittedRanges(regression, heads, _facts(regression, heads, rows, held), without)


@torch.no_grad()
def _left_out(
    data: Prepared, without: Sequence[tuple[LogVolatility, VolatilityHeads]]
) -> FloatArray:
    """Return the outputs (N, H) on each block of what was fitted without it, NaN elsewhere."""
    job, out = data.job, np.full((len(data.job.time_ms), data.layout.width), np.nan)
    x = torch.from_numpy(
        graph_input(
            job.features, job.time_ms,
            {"time_origin_ms": int(job.time_ms[0]), "candle_ms": job.candle_ms},
        )
    )  # fmt: skip
    for fitted, block in zip(without, data.blocks, strict=True):
        served = _served(*fitted, data).eval()

        def answer(run: Span, served: ServedVolatility = served) -> Tensor:
            y: Tensor = served(x[None, run.start : run.stop])[0]
            return y

        fill_span(out, data.rows.runs, block, fitted[0].inputs.reach - 1, answer)
    return out


def _heads(data: Prepared, rows: RangeRows, regression: LogVolatility) -> VolatilityHeads:
    """Return what is made of the forecast volatility."""
    job, layout = data.job, data.layout
    log_v = regression(rows.logs, rows.hour)
    outcome = outcomes(data, rows)
    known = np.isfinite(outcome)
    z, weight = np.abs(outcome[known]) * np.exp(-log_v[known]), rows.weight[known]
    half = np.quantile(z, (0.5, 0.9), weights=weight, method="inverted_cdf")
    prior = data.prior.double().numpy()
    down, flat, up = prior[layout.classes]
    direction = job.labels[columns.LABEL_DIRECTION][rows.row]
    moved, judged = np.nan_to_num(np.abs(direction)), np.isfinite(direction)
    covariate, t = log_v[:, None], data.rows.targets

    def hazard(event: FloatArray, at_risk: FloatArray, base: FloatArray) -> ProportionalHazard:
        return _on_volatility(covariate, event, at_risk * rows.weight[:, None], base)

    fall, squeeze = (
        hazard(
            t.event[rows.row, side].double().numpy(),
            t.at_risk[rows.row, side].double().numpy(),
            prior[layout.hazard(sign)],
        )
        for side, sign in ((0, -1), (1, 1))
    )
    odds = np.array([np.logaddexp(down, up) - flat])
    return VolatilityHeads(
        moves=hazard(moved[:, None], judged[:, None].astype(np.float64), odds),
        sides=(fall, squeeze),
        quantiles=np.array([-half[1], -half[0], 0.0, half[0], half[1]]),
        prior=prior,
    )


def _on_volatility(
    covariate: FloatArray, event: FloatArray, at_risk: FloatArray, prior: FloatArray
) -> ProportionalHazard:
    """Return the hazard of K bins on log v (R, 1); rows count as much as they are `at_risk`.

    Where it never happened, or always, no slope can be told: the constant `prior` (K,).
    """
    happened = float((event * at_risk).sum())
    if not 0 < happened < float(at_risk.sum()):
        return ProportionalHazard(prior, np.zeros(1), covariate.mean(axis=0), np.ones(1))
    return fit_proportional(covariate, event, at_risk)


def _facts(
    regression: LogVolatility,
    heads: VolatilityHeads,
    rows: RangeRows,
    held: Sequence[tuple[LogVolatility, RangeRows]],
) -> dict[str, Any]:
    """Return what the manifest tells: coefficients, and the variance of log ranges explained.

    `held` are rows with regressions that were not fitted on them.
    """

    def explained(by: LogVolatility, of: RangeRows) -> float:
        error = of.realised - by(of.logs, of.hour)
        return float(1.0 - error.var() / max(of.realised.var(), SMALLEST_VARIANCE))

    names = regression.inputs.names
    return {
        "rows": len(rows.row),
        "slopes": dict(zip(names, regression.slope.tolist(), strict=True)),
        "clock_sd": float(regression.clock.std()),
        "explained_frac": {
            "train": explained(regression, rows),
            "validation": float(np.mean([explained(*pair) for pair in held])),
        },
        "moves_slope": float(heads.moves.slope[0]),
        "hazard_slopes": [float(side.slope[0]) for side in heads.sides],
        "quantiles": heads.quantiles.tolist(),
    }
