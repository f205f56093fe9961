"""From a job's data to the regression, the heads that hang on it, and the graph."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from models.base import columns
from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray, IntArray
from models.base.windows import Span, clock_flags, hour_of_week
from models.learn.export.onnx import to_onnx
from models.learn.hazard.proportional import (
    COVARIATE_CLIP,
    ProportionalHazard,
    fit_proportional,
)
from models.learn.training.fitted import Fitted
from models.learn.training.loop import clip_runs, fill_span
from models.learn.training.prepare import Prepared
from models.learn.volatility.inputs import (
    PARKINSON,
    SMALLEST_VARIANCE,
    RangeInputs,
    range_columns,
    range_inputs,
    squared_ranges,
)
from models.learn.volatility.served import LogVolatility, ServedVolatility, VolatilityHeads
from models.serve.session import graph_input


@dataclass(frozen=True)
class RangeRows:
    """Rows with a whole context, and the range that followed each."""

    row: IntArray  # (R,) position in the job's frame, increasing
    logs: FloatArray  # (R, W) of `RangeInputs`
    hour: IntArray  # (R,) of the week
    realised: FloatArray  # (R,) log volatility over the horizon, from the ranges within it
    weight: FloatArray  # (R,)

    def take(self, keep: BoolArray) -> RangeRows:
        """Return the rows that are to be kept, (R,)."""
        return RangeRows(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


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
    inputs = range_inputs(data.config, horizon, job.candle_ms)
    at = range_columns(job.feature_names, job.candle_ms)
    rows = range_rows(data, inputs, data.split.train, at)

    def fitted(on: RangeRows) -> tuple[LogVolatility, VolatilityHeads]:
        return _heads(data, on, fit_regression(on, inputs, data.config.ridge))

    regression, heads = fitted(rows)
    cut = _blocks(rows, data)
    without = tuple(fitted(rest) for rest, _ in cut)
    held = [(by, block) for (by, _), (_, block) in zip(without, cut, strict=True)] or [
        (regression, range_rows(data, inputs, data.split.validation, at))
    ]
    return FittedRanges(regression, heads, _facts(regression, heads, rows, held), without)


def _blocks(rows: RangeRows, data: Prepared) -> list[tuple[RangeRows, RangeRows]]:
    """Return, for each block left out, the rows whose labels share no candle with it, and its own.

    Raises
    ------
    InputError
        If one of both has no row with a whole context.
    """
    purge, out = data.settings.labels.purge_candles, []
    for block in data.blocks:
        inside = (rows.row >= block.start) & (rows.row < block.stop)
        near = (rows.row >= block.start - purge) & (rows.row < block.stop + purge)
        if not inside.any() or near.all():
            raise InputError(
                f"expected rows with a whole context in the block {block} and outside it, got "
                f"{int(inside.sum())} and {int((~near).sum())}",
                where=data.job.title,
                cure="bring candles without gaps, or lower training.cross_fit",
            )
        out.append((rows.take(~near), rows.take(inside)))
    return out


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


def range_rows(data: Prepared, inputs: RangeInputs, span: Span, at: tuple[int, int]) -> RangeRows:
    """Return the rows of `span` with a whole context before and a whole horizon behind them.

    The horizon of a span's last row ends within the purge behind it.

    Raises
    ------
    InputError
        If there is none.
    """
    job, horizon = data.job, data.settings.labels.horizon_candles
    squared = squared_ranges(job.features, *at)
    row, logs, realised = [], [], []
    reach = Span(span.start, span.stop + horizon)  # ranges of the purge are labels, not inputs
    for run in clip_runs(data.rows.runs, reach, inputs.reach - 1):
        last = min(run.stop - horizon, span.stop)
        first = run.start + inputs.reach - 1
        if last <= first:
            continue
        row.append(np.arange(first, last))
        logs.append(inputs.logs(squared[run.start : last]))
        ahead = np.lib.stride_tricks.sliding_window_view(squared[first + 1 :], horizon)
        realised.append(
            0.5 * np.log(ahead[: last - first].sum(axis=1) / PARKINSON + SMALLEST_VARIANCE)
        )
    if not row:
        raise InputError(
            f"expected {inputs.reach + horizon} candles without a gap, got none so long",
            where=f"{job.title}, rows {span.start} to {span.stop}",
            cure="bring candles without gaps, or shorten network.windows",
        )
    every = np.concatenate(row)
    return RangeRows(
        every,
        np.concatenate(logs),
        hour_of_week(job.time_ms[every], job.candle_ms),
        np.concatenate(realised),
        data.rows.weight.numpy()[every].astype(np.float64),
    )


def fit_regression(rows: RangeRows, inputs: RangeInputs, ridge: float) -> LogVolatility:
    """Return the ridge regression of the range to come on past ranges, hour and weekday."""
    scaler = StandardScaler().fit(rows.logs, sample_weight=rows.weight)
    z = np.clip(scaler.transform(rows.logs), -COVARIATE_CLIP, COVARIATE_CLIP)  # (R, W)
    clock = clock_flags()  # (168, 31)
    x = np.hstack((z, clock[rows.hour]))
    model = Ridge(alpha=ridge, solver="cholesky").fit(x, rows.realised, sample_weight=rows.weight)
    of_ranges = z.shape[1]
    return LogVolatility(
        inputs=inputs,
        mean=scaler.mean_,
        std=scaler.scale_,
        slope=model.coef_[:of_ranges],
        clock=clock @ model.coef_[of_ranges:],
        intercept=float(model.intercept_),
    )


def _heads(
    data: Prepared, rows: RangeRows, regression: LogVolatility
) -> tuple[LogVolatility, VolatilityHeads]:
    """Return the regression in units of the returns' spread, and what is made of it."""
    job, layout, labels = data.job, data.layout, data.settings.labels
    sigma = job.features[rows.row, job.feature_names.index(columns.FEATURE_SIGMA)]
    outcome = job.labels[columns.LABEL_RETURN][rows.row] * sigma * np.sqrt(labels.horizon_candles)
    log_v = regression(rows.logs, rows.hour)
    known = np.isfinite(outcome)
    z, weight = np.abs(outcome[known]) * np.exp(-log_v[known]), rows.weight[known]
    # A range understates what a price that jumps goes; the spread of the outcomes is the measure.
    spread = max(float(np.sqrt(np.average(z**2, weights=weight))), SMALLEST_VARIANCE)
    half = np.quantile(z / spread, (0.5, 0.9), weights=weight, method="inverted_cdf")
    prior = data.prior.double().numpy()
    down, flat, up = prior[layout.classes]
    direction = job.labels[columns.LABEL_DIRECTION][rows.row]
    moved, judged = np.nan_to_num(np.abs(direction)), np.isfinite(direction)
    covariate, t = (log_v + np.log(spread))[:, None], data.rows.targets

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
    return replace(
        regression, intercept=regression.intercept + float(np.log(spread))
    ), VolatilityHeads(
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
