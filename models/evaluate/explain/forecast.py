"""One forecast taken apart: what each feature, at each age of candle, moved it by.

The forecast is compared with what the same model says of an average market: every feature at its
training mean throughout the window. Random past windows would be the other common baseline; their
choice alone then is most of the error, while this one needs no choice and lies in the artifact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.errors import InputError
from models.base.types import Float32Array, FloatArray, IntArray
from models.evaluate.explain.shapley import Function, ShareDone, mean_and_error, shapley
from models.serve.predictor import Predictor
from models.serve.session import graph_input

# What can be explained -> forecast column.
TARGETS: Final = {
    "advantage": columns.LABEL_DIRECTION,  # p_up - p_down
    "return": columns.LABEL_RETURN,  # median log return over the horizon
    "cascade_down": columns.LABEL_CASCADE_DOWN,
    "cascade_up": columns.LABEL_CASCADE_UP,
}
# Blocks of candles by age, youngest first: first age of the block, candles before the last one.
AGES: Final = {"last": 0, "2–4": 1, "5–12": 4, "13–48": 12, "older": 48}
TIME: Final = "open time"  # the input of a graph that reads the time, beside its features
EVALUATIONS: Final = 4_000  # of the graph for one forecast, about; a second or two

_ROUNDING = 1e-6  # of float32 outputs; smaller moves are none
_TIMES = 16  # reference times of a graph that reads the time
_GOLDEN = 0.5 * (5**0.5 - 1)
_NAME = re.compile(r"^%-(.+)_([^_/]+)/[^_]+_(\w+)$")  # what FreqAI makes of a pair's feature


class WindowForecaster(Predictor):
    """Forecasts for windows that never were, one for each, by the rules of the predictor."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns of a window, as people read them."""
        names = short_names(self.manifest["feature_names"])
        return (*names, TIME) if self._reads_time else names

    @property
    def _reads_time(self) -> bool:
        return self.manifest.get("time_origin_ms") is not None

    def window(self, rows: Float32Array, time_ms: IntArray) -> Float32Array:
        """Return the last `context` of the feature rows (N, F) as a window (T, F').

        Raises
        ------
        InputError
            If there are fewer, one is not finite, or a candle is missing between them.
        """
        rows, time_ms = rows[-self.context :], time_ms[-self.context :]
        complete = len(rows) == self.context and bool(np.isfinite(rows).all())
        if not complete or (np.diff(time_ms) != self.manifest["candle_ms"]).any():
            raise InputError(f"expected {self.context} complete candles in a row for a forecast")
        return graph_input(rows, time_ms, self.manifest)

    def baselines(self) -> Float32Array:
        """Return windows (K, T, F') of an average market; K > 1 only if the graph reads the time.

        No time is an average one: its windows end at times spread over the training rows so that
        they meet every hour and weekday alike.
        """
        mean = np.tile(np.float32(self.manifest["novelty"]["mean"]), (self.context, 1))  # (T, F)
        step = self.manifest["candle_ms"]
        age_ms = step * np.arange(self.context)[::-1]
        if not self._reads_time:
            return graph_input(mean, -age_ms, self.manifest)[None]
        first, last = self.manifest["spans_ms"]["train"]
        candles = np.floor(np.mod(_GOLDEN * np.arange(1, _TIMES + 1), 1.0) * (last - first) / step)
        ends = (first + step * candles).astype(np.int64)
        return np.stack([graph_input(mean, end - age_ms, self.manifest) for end in ends])

    def forecast(self, windows: Float32Array) -> dict[str, FloatArray]:
        """Return the columns (B,) that can be explained, of windows (B, T, F')."""
        raw = self._session.run(windows[:, -self.graph_context :])[:, -1]  # (B, H)
        rows = windows[..., : len(self.manifest["feature_names"])]
        # A window that never was has no hour; only calibration depends on it.
        times = int(self.manifest["candle_ms"]) * np.arange(-rows.shape[1] + 1, 1)
        ahead = np.array([self._ahead(window, times)[-1] for window in rows])  # (B,)
        no_time = np.zeros(len(raw), dtype=np.int64)
        out = self._decoder(raw.astype(np.float64), rows[:, -1], no_time, ahead)
        return {name: out[name] for name in TARGETS.values()}

    def function(self, target: str) -> Function:
        """Return windows (B, T, F') -> (B,) of one of `TARGETS`.

        Raises
        ------
        InputError
            If the model does not have that head.
        """
        column = TARGETS[target]
        for head in self.manifest.get("absent_heads", ()):
            if column in columns.OF_HEAD[head]:
                raise InputError(
                    f"{self.manifest.get('network')} has no {head}, so no {target} to explain",
                    cure="explain its advantage",
                )
        return lambda windows: self.forecast(windows)[column]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One forecast and what drove it.

    Attributes
    ----------
    inputs
        F' names of a window's columns.
    samples
        (S, A, F') estimates of what each moved the target by, A blocks of `AGES`; every one sums
        to `total - base`.
    """

    target: str
    time_ms: int  # open time of the forecast's candle
    total: float  # the forecast
    base: float  # of an average market
    inputs: tuple[str, ...]
    samples: FloatArray

    def by_driver(self, top: int) -> dict[str, Any]:
        """Return the strongest pairs of feature and age that stand out of the noise, and the rest.

        Returns
        -------
        dict
            ``drivers``, each with feature, age, value and error; ``rest`` with the value and
            error of the sum of all others, and how many they are. The values add up to
            `total - base`.
        """
        value, error = mean_and_error(self.samples)
        order = np.argsort(-np.abs(value), axis=None, kind="stable")
        order = order[(np.abs(value) > np.maximum(2 * error, _ROUNDING)).ravel()[order]][:top]
        ages = list(AGES)
        drivers = [
            {"feature": self.inputs[g], "age": ages[a], "value": float(value[a, g]),
             "error": float(error[a, g])}
            for a, g in zip(*np.unravel_index(order, value.shape), strict=True)
        ]  # fmt: skip
        others = np.delete(self.samples.reshape(len(self.samples), -1), order, axis=1)
        rest, rest_error = mean_and_error(others.sum(axis=1))
        return {
            "drivers": drivers,
            "rest": {"value": float(rest), "error": float(rest_error), "count": others.shape[1]},
        }

    def by_age(self) -> list[dict[str, Any]]:
        """Return what each block of candles moved the target by, youngest first."""
        value, error = mean_and_error(self.samples.sum(axis=2))
        return [
            {"age": age, "value": float(v), "error": float(e)}
            for age, v, e in zip(AGES, value, error, strict=False)
        ]


def explain(
    forecaster: WindowForecaster,
    rows: Float32Array,
    time_ms: IntArray,
    target: str = "advantage",
    *,
    seed: int = 0,
    evaluations: int = EVALUATIONS,
    told: ShareDone | None = None,
) -> Explanation:
    """Return what drove the forecast of the last of the feature rows (N, F).

    Parameters
    ----------
    evaluations
        Of the graph, about; the error falls with their root. Never fewer than two pairs of walks.

    Raises
    ------
    InputError
        If the rows make no complete window, or the model does not have the target's head.
    """
    window, baselines = forecaster.window(rows, time_ms), forecaster.baselines()
    block = age_blocks(len(window))
    blocks, inputs = int(block.max()) + 1, window.shape[1]
    players = block[:, None] * inputs + np.arange(inputs)  # (T, F')
    pairs = max(2, round(evaluations / (2 * blocks * inputs * len(baselines))))
    found = shapley(
        forecaster.function(target), window, baselines, players, pairs=pairs, seed=seed, told=told
    )
    return Explanation(
        target=target,
        time_ms=int(time_ms[-1]),
        total=found.total,
        base=found.base,
        inputs=forecaster.inputs,
        samples=found.samples.reshape(-1, blocks, inputs),
    )


def age_blocks(candles: int) -> IntArray:
    """Return the block of `AGES` each row of a window belongs to, (T,); row T - 1 is the last.

    Examples
    --------
    >>> age_blocks(6)
    array([2, 2, 1, 1, 1, 0])
    """
    age = np.arange(candles)[::-1]
    return np.searchsorted(list(AGES.values()), age, side="right") - 1


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return features without what FreqAI adds; the timeframe stays where there are several.

    Examples
    --------
    >>> short_names(("%-rsi_14_gen_BTC/USDTUSDT_1h", "%-day_sin"))
    ('BTC rsi_14', 'day_sin')
    """
    found = [_NAME.match(name) for name in names]
    several = len({m[3] for m in found if m}) > 1
    return tuple(
        f"{m[2]} {m[1].removesuffix('_gen')}{' ' + m[3] if several else ''}"
        if m
        else name.removeprefix("%-")
        for name, m in zip(names, found, strict=True)
    )
