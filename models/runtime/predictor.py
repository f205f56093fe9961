"""From an artifact and raw feature rows to forecast columns. NumPy and ONNX Runtime only.

The predictor is what FreqAI saves: bytes and a manifest, picklable by reference, session made on
first use.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models import columns
from models.errors import AlignmentError, ArtifactError, InputError
from models.heads import HeadLayout, onset_probability, sigmoid, softmax
from models.runtime.session import Session, graph_input
from models.types import Artifact, BoolArray, Float32Array, FloatArray, IntArray
from models.windows import Span, contiguous_runs, sequences

FORMAT = 1  # of the manifest; raised when its meaning changes
_STEPS = 256  # rows counted per sequence of a long pass
_BATCH = 16  # sequences per call; larger batches are slower on CPU


class Predictor:
    """Serves one artifact.

    Parameters
    ----------
    artifact
        ONNX bytes and manifest, as `models.training.pipeline.train` makes them.
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
        self._session: Session | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    @property
    def manifest(self) -> dict[str, Any]:
        return self.artifact.manifest

    @property
    def context(self) -> int:
        """Candles a forecast needs, its own included."""
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
        finite: BoolArray = np.asarray(np.isfinite(x).all(axis=1))
        raw = self._raw(x, times, finite)
        return {name: values[skip:] for name, values in self._decode(raw, x).items()}

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
        step = int(self.manifest["candle_ms"])
        h, ht = self.history, self.history_time_ms
        if h is None or ht is None or not len(ht) or not len(time_ms):
            return features, time_ms, 0
        if ht[-1] + step != time_ms[0]:
            return features, time_ms, 0
        return np.concatenate((h, features)), np.concatenate((ht, time_ms)), len(h)

    def _raw(self, x: Float32Array, time_ms: IntArray, finite: BoolArray) -> FloatArray:
        if self._session is None:
            self._session = Session(self.artifact.onnx)
        width = int(self.manifest["outputs"])
        inputs = graph_input(x, time_ms, self.manifest)
        out = np.full((len(x), width), np.nan)
        pieces: list[tuple[Span, int]] = []
        for run in contiguous_runs(time_ms, int(self.manifest["candle_ms"]), finite):
            pieces += sequences(run, self.context - 1, _STEPS)
        for length in sorted({len(span) for span, _ in pieces}):
            same = [piece for piece in pieces if len(piece[0]) == length]
            for i in range(0, len(same), _BATCH):
                group = same[i : i + _BATCH]
                y = self._session.run(np.stack([inputs[s.start : s.stop] for s, _ in group]))
                if y.shape != (len(group), length, width):
                    raise ArtifactError(
                        f"expected outputs of shape {(len(group), length, width)}, got {y.shape}",
                        where=str(self.manifest.get("title", "")),
                        cure="network and manifest do not belong together; train again",
                    )
                for b, (span, first) in enumerate(group):
                    out[first : span.stop] = y[b, first - span.start :]
        return out

    def _decode(self, raw: FloatArray, x: Float32Array) -> dict[str, FloatArray]:
        m = self.manifest
        layout = HeadLayout(bin_edges=tuple(m["hazard_bin_edges"]))
        calibration = m["calibration"]
        prior = np.asarray(calibration["prior_logits"])
        p = softmax(prior + (raw[:, layout.classes] - prior) / calibration["temperature"])  # (N, 3)
        sigma = x[:, m["feature_names"].index(columns.FEATURE_SIGMA)].astype(np.float64)
        scale = np.where(np.isnan(raw[:, 0]), np.nan, sigma * np.sqrt(m["horizon_candles"]))
        q = raw[:, layout.quantiles] * scale[:, None]  # (N, 5) log return over the horizon
        absent = [name for head in m.get("absent_heads", ()) for name in columns.OF_HEAD[head]]
        # < 0 narrows, at most to the median; None where there is no interval.
        offset = np.float64(calibration["conformal_offset"]) * scale
        hazard = {side: sigmoid(raw[:, layout.hazard(side)]) for side in (-1, 1)}
        novelty = self._novelty(x) + 0.0 * raw[:, 0]
        out = {
            columns.LABEL_RETURN: q[:, 2],
            columns.LABEL_DIRECTION: p[:, 2] - p[:, 0],
            columns.LABEL_CASCADE_DOWN: onset_probability(hazard[-1]),
            columns.LABEL_CASCADE_UP: onset_probability(hazard[1]),
            columns.P_DOWN: p[:, 0],
            columns.P_FLAT: p[:, 1],
            columns.P_UP: p[:, 2],
            **{name: q[:, i] for i, name in enumerate(columns.RETURN_QUANTILES)},
            columns.RETURN_LOW: np.minimum(q[:, 0] - offset, q[:, 2]),
            columns.RETURN_HIGH: np.maximum(q[:, -1] + offset, q[:, 2]),
            columns.SIGMA: scale,
            columns.HAZARD_DOWN: hazard[-1][:, 0],
            columns.HAZARD_UP: hazard[1][:, 0],
            columns.NOVELTY: novelty,
        }
        out |= {name: np.full(len(x), np.nan) for name in absent}
        present = np.column_stack([out[name] for name in out if name not in absent])
        known = np.isfinite(present).all(axis=1)
        # Without volatility there is no unit for a return: such candles did not trade.
        out[columns.ABSTAIN] = np.where(known & (novelty <= 1.0) & (scale > 0), 0.0, 1.0)
        return out

    def _novelty(self, x: Float32Array) -> FloatArray:
        n = self.manifest["novelty"]
        mean, std = (np.asarray(n[key], dtype=np.float32) for key in ("mean", "std"))
        z: Float32Array = (x - mean) / std
        return novelty_score(z) / float(n["threshold"])


def novelty_score(z: Float32Array) -> FloatArray:
    """Return the mean squared standardised feature of each row, (N, F) -> (N,).

    A diagonal Mahalanobis distance: cheap, monotone, and large for candles unlike the training's.
    """
    return np.asarray((z.astype(np.float64) ** 2).mean(axis=1))


def check_artifact(artifact: Artifact) -> None:
    """Raise ArtifactError unless bytes and manifest belong together and are of this format."""
    m = artifact.manifest
    if m.get("format") != FORMAT:
        raise ArtifactError(
            f"expected an artifact of format {FORMAT}, got {m.get('format')!r}",
            cure="train the model again with this version of the pack",
        )
    digest = Artifact.digest(artifact.onnx)
    if m.get("onnx_sha256") != digest:
        raise ArtifactError(
            f"expected network bytes with hash {str(m.get('onnx_sha256'))[:12]}, got {digest[:12]}",
            cure="the artifact is corrupt or its parts come from two models; train again",
        )
    missing = [name for name in _NEEDED if name not in m]
    problems = [f"{name} is missing" for name in missing] or _contradictions(m)
    if problems:
        raise ArtifactError(
            f"the manifest cannot be served: {'; '.join(problems)}",
            where=str(m.get("title", "")),
            cure="the artifact is corrupt or was edited; train again",
        )


_NEEDED = (
    "feature_names", "candle_ms", "horizon_candles", "hazard_bin_edges", "outputs",
    "context_candles", "calibration", "novelty",
)  # fmt: skip


def _contradictions(m: dict[str, Any]) -> list[str]:
    """Return what in a complete manifest cannot be true."""
    problems = [
        f"expected {name} > 0, got {m[name]!r}"
        for name in ("candle_ms", "horizon_candles", "context_candles")
        if not m[name] > 0
    ]
    if columns.FEATURE_SIGMA not in m["feature_names"]:
        problems.append(f"{columns.FEATURE_SIGMA} is not among the features")
    strange = [head for head in m.get("absent_heads", ()) if head not in columns.OF_HEAD]
    if strange:
        problems.append(f"expected absent_heads among {sorted(columns.OF_HEAD)}, got {strange}")
    width = HeadLayout(bin_edges=tuple(m["hazard_bin_edges"])).width
    if m["outputs"] != width:
        problems.append(f"expected {width} outputs for its hazard bins, got {m['outputs']!r}")
    for name in ("mean", "std"):
        if len(m["novelty"][name]) != len(m["feature_names"]):
            problems.append(
                f"expected {len(m['feature_names'])} features in novelty.{name}, "
                f"got {len(m['novelty'][name])}"
            )
    return problems
