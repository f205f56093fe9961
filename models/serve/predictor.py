"""From an artifact and raw feature rows to forecast columns. NumPy and ONNX Runtime only.

The predictor is what FreqAI saves: bytes and a manifest, picklable by reference, session made on
first use. There are two ways to ask it: `predict` for many rows, which depends on nothing but those
rows, and `latest` for the newest row of a series, which gives the same answer sooner because the
network may carry on from the row before.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from models.base import columns
from models.base.errors import AlignmentError, ArtifactError, InputError
from models.base.heads import HeadLayout
from models.base.types import Artifact, BoolArray, Float32Array, FloatArray, IntArray
from models.base.windows import Span, contiguous_runs, sequences, time_steps
from models.serve.decode import Decoder, calibrated_hazards
from models.serve.drift import WINDOW, Drift
from models.serve.manifest import carried_candles, check_artifact, needed_features
from models.serve.session import Session, graph_input
from models.serve.stream import Carried, advance
from models.serve.volatility import VolatilityForecast

_STEPS = 256  # rows counted per sequence of a long pass
_BATCH = 16  # sequences per call; larger batches are slower on CPU
FULL_BATCH = _STEPS * _BATCH  # rows counted of the largest call


class Predictor:
    """Serves one artifact.

    Parameters
    ----------
    artifact
        ONNX bytes and manifest, as `models.learn.jobs.pipeline.train` makes them.
    history
        (M, F) raw feature rows just before the rows that will be asked first, and their times;
        lets a backtest window start without a warm-up. Used only where times join without a gap.

    Raises
    ------
    ArtifactError
        If the bytes do not match the manifest, or the manifest is of another format, incomplete or
        contradicts itself.
    InputError, AlignmentError
        If the history does not fit the artifact, or its rows are not one per time.
    """

    def __init__(
        self,
        artifact: Artifact,
        history: Float32Array | None = None,
        history_time_ms: IntArray | None = None,
    ) -> None:
        check_artifact(artifact)
        self.artifact = artifact
        if history is not None and history_time_ms is not None:
            self._check_rows(history, history_time_ms, "history")
        self.history = history
        self.history_time_ms = history_time_ms

    def __getstate__(self) -> dict[str, Any]:
        # What is made on first use, a copy makes for itself.
        made = {name for name, value in vars(type(self)).items() if type(value) is cached_property}
        return {name: value for name, value in vars(self).items() if name not in made}

    @cached_property
    def _session(self) -> Session:
        session = Session(self.artifact.onnx)
        if carried_candles(self.manifest) and not session.carries_past:
            raise ArtifactError(
                "expected a network that carries its past, as its manifest says; this one does not",
                where=str(self.manifest.get("title", "")),
                cure="network and manifest do not belong together; train again",
            )
        return session

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self.manifest)

    @cached_property
    def _drift(self) -> Drift:
        return Drift(self.manifest["drift"], self._needed)

    @cached_property
    def _volatility(self) -> VolatilityForecast | None:
        return VolatilityForecast.of(self.manifest)

    @cached_property
    def _carried(self) -> dict[str, Carried]:
        return {}

    @property
    def manifest(self) -> dict[str, Any]:
        return self.artifact.manifest

    @property
    def _candle_ms(self) -> int:
        return int(self.manifest["candle_ms"])

    @property
    def context(self) -> int:
        """Candles a forecast needs, its own included: the graph's, or the volatility's if more."""
        return max(self.graph_context, self._volatility.reach if self._volatility else 0)

    @property
    def graph_context(self) -> int:
        """Candles the graph needs, the forecast's own included."""
        return int(self.manifest["context_candles"])

    def predict(
        self, features: Float32Array, time_ms: IntArray, names: tuple[str, ...]
    ) -> dict[str, FloatArray]:
        """Return every forecast column, each (N,) float64, for rows of raw features (N, F).

        Row t uses rows <= t only and is known at the close of candle t. Rows without `context`
        gap-free finite rows behind them are NaN in every column except `abstain`, which is 1. The
        columns of heads the model does not have are NaN everywhere, which is no abstention.

        Raises
        ------
        AlignmentError
            If the feature names or their order differ from the artifact's, or rows and times are
            not as many.
        InputError
            If the features are not (N, F).
        ArtifactError
            If the network cannot be read, or its outputs are not the manifest's.
        """
        self._check_names(names)
        self._check_rows(features, time_ms, "features")
        x, times, skip = self._with_history(features, time_ms)
        finite: BoolArray = np.asarray(np.isfinite(x[:, self._needed]).all(axis=1))
        ahead = self._ahead(x, times)
        raw = self._raw(x, times, finite) + 0.0 * ahead[:, None]
        drift = self._drift(x) + 0.0 * raw[:, 0]
        decoded = self._decoder(raw, x, times, ahead) | {columns.DRIFT: drift}
        return {name: values[skip:] for name, values in decoded.items()}

    def latest(
        self,
        features: Float32Array,
        time_ms: IntArray,
        names: tuple[str, ...],
        series: str = "",
    ) -> dict[str, FloatArray]:
        """Return every forecast column, each (1,), for the last of the rows; as `predict` does.

        Bring at least `context` rows every time, and `drift.WINDOW` where drift is to be told.
        Where the manifest says that carrying the past from candle to candle was measured to give
        the same answer, only new rows are run.

        Parameters
        ----------
        series
            Whose rows these are, for example the pair: each has a past of its own.

        Raises
        ------
        AlignmentError, InputError, ArtifactError
            As `predict`; InputError also if there is no row.
        """
        self._check_names(names)
        self._check_rows(features, time_ms, "features")
        if not len(features):
            raise InputError("expected at least one row of features, got none")
        x, times, _ = self._with_history(features, time_ms)
        ahead = self._ahead(x[-self.context :], times[-self.context :])[-1:]
        rows, times = x[-self.graph_context :], times[-self.graph_context :]
        raw = np.full((1, int(self.manifest["outputs"])), np.nan)
        joined = bool((time_steps(times) == self._candle_ms).all())
        if joined and len(rows) == self.graph_context and np.isfinite(rows[:, self._needed]).all():
            raw[0] = self._answer(series, graph_input(rows, times, self.manifest), int(times[-1]))
        raw += 0.0 * ahead[:, None]
        drift = self._drift(x[-WINDOW:])[-1:] + 0.0 * raw[:, 0]
        return self._decoder(raw, rows[-1:], times[-1:], ahead) | {columns.DRIFT: drift}

    def _ahead(self, x: Float32Array, time_ms: IntArray) -> FloatArray:
        """Return the log volatility ahead of rows, (N,): NaN where not known, 0 if not forecast."""
        return np.zeros(len(x)) if self._volatility is None else self._volatility(x, time_ms)

    def _answer(self, series: str, rows: Float32Array, time_ms: int) -> Float32Array:
        """Return the outputs (H,) of the last row of a complete context (C, F)."""
        limit = carried_candles(self.manifest)
        if not limit:
            y = self._checked(self._session.run(rows[None]), 1, len(rows))
            return np.asarray(y[0, -1])
        before = self._carried.get(series)
        after = advance(
            self._session, before, rows, time_ms, candle_ms=self._candle_ms, limit=limit
        )
        outputs = self._checked(after.outputs[None, None], 1, 1)
        self._carried[series] = after
        return np.asarray(outputs[0, 0])

    def hazards(
        self, features: Float32Array, time_ms: IntArray, names: tuple[str, ...]
    ) -> FloatArray:
        """Return P(onset in bin k | none before) of sides down and up, (N, 2, K), NaN as `predict`.

        Raises
        ------
        AlignmentError, InputError, ArtifactError
            As `predict`.
        """
        self._check_names(names)
        self._check_rows(features, time_ms, "features")
        x, times, skip = self._with_history(features, time_ms)
        finite: BoolArray = np.asarray(np.isfinite(x[:, self._needed]).all(axis=1))
        raw = (self._raw(x, times, finite) + 0.0 * self._ahead(x, times)[:, None])[skip:]
        layout = HeadLayout.of(self.manifest)
        return calibrated_hazards(raw, layout, self.manifest["calibration"])

    @cached_property
    def _needed(self) -> BoolArray:
        """Which features (F,) a row cannot be without."""
        return needed_features(self.manifest)

    def _check_names(self, names: tuple[str, ...]) -> None:
        expected = tuple(self.manifest["feature_names"])
        if tuple(names) != expected:
            missing = [n for n in expected if n not in names]
            extra = [n for n in names if n not in expected]
            order = "" if missing or extra else " (same names, different order)"
            raise AlignmentError(
                f"features differ from the ones the model was trained on{order}: "
                f"missing {missing[:5]}, unexpected {extra[:5]}; expected {len(expected)}, "
                f"got {len(names)}",
                where=str(self.manifest.get("title", "")),
                cure="use the strategy the model was trained with, or train again",
            )

    def _check_rows(self, rows: Float32Array, time_ms: IntArray, what: str) -> None:
        expected = len(self.manifest["feature_names"])
        if rows.ndim != 2 or rows.shape[1] != expected:
            raise InputError(f"expected {what} of shape (rows, {expected}), got {rows.shape}")
        if len(rows) != len(time_ms):
            raise AlignmentError(
                f"expected one time per row of {what}, got {len(rows)} rows, {len(time_ms)} times"
            )

    def _with_history(
        self, features: Float32Array, time_ms: IntArray
    ) -> tuple[Float32Array, IntArray, int]:
        h, ht = self.history, self.history_time_ms
        if h is None or ht is None or not len(ht) or not len(time_ms):
            return features, time_ms, 0
        if ht[-1] + self._candle_ms != time_ms[0]:
            return features, time_ms, 0
        return np.concatenate((h, features)), np.concatenate((ht, time_ms)), len(h)

    def _raw(self, x: Float32Array, time_ms: IntArray, finite: BoolArray) -> FloatArray:
        width = int(self.manifest["outputs"])
        inputs = graph_input(x, time_ms, self.manifest)
        session = self._session  # a network that cannot run is told even if no row is complete
        out = np.full((len(x), width), np.nan)
        pieces: list[tuple[Span, int]] = []
        for run in contiguous_runs(time_ms, self._candle_ms, finite):
            pieces += sequences(run, self.graph_context - 1, _STEPS)
        for length in sorted({len(span) for span, _ in pieces}):
            same = [piece for piece in pieces if len(piece[0]) == length]
            for i in range(0, len(same), _BATCH):
                group = same[i : i + _BATCH]
                y = session.run(np.stack([inputs[s.start : s.stop] for s, _ in group]))
                self._checked(y, len(group), length)
                for b, (span, first) in enumerate(group):
                    out[first : span.stop] = y[b, first - span.start :]
        return out

    def _checked(self, y: Float32Array, batch: int, time: int) -> Float32Array:
        expected = (batch, time, int(self.manifest["outputs"]))
        if y.shape != expected:
            raise ArtifactError(
                f"expected outputs of shape {expected}, got {y.shape}",
                where=str(self.manifest.get("title", "")),
                cure="network and manifest do not belong together; train again",
            )
        return y
