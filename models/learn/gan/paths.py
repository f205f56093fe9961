"""Joint return paths from a trained artifact, for risk work. NumPy and ONNX Runtime only."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np
import onnxruntime

from models.base.errors import ArtifactError, InputError
from models.base.types import Artifact, Float32Array, FloatArray
from models.learn.gan.noise import profile, standard_noise

METADATA: Final = "breakwater.paths"  # key in the served graph: another graph, base64


class PathSimulator:
    """Draws paths of every asset from the current condition.

    The generator travels inside the served graph's metadata, under the same hash:
    ``features (1, T, F), noise (N, REACH + S, Z), basis (S, Q) -> paths (N, S, A)``.

    Raises
    ------
    ArtifactError
        If the artifact holds no generator.
    """

    def __init__(self, artifact: Artifact) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3

        def session(onnx: bytes) -> Any:
            providers = ["CPUExecutionProvider"]
            return onnxruntime.InferenceSession(onnx, options, providers=providers)

        held = session(artifact.onnx).get_modelmeta().custom_metadata_map
        if METADATA not in held:
            network = artifact.manifest.get("network")
            raise ArtifactError(
                f"expected a generator of paths, got an artifact of {network}",
                cure="train with GANForecaster",
            )
        self._session = session(base64.b64decode(held[METADATA]))
        self.manifest = artifact.manifest

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the last axis of `simulate`, the traded pair first."""
        return tuple(self.manifest["assets"])

    def simulate(
        self,
        features: Float32Array,
        *,
        paths: int,
        steps: int,
        seed: int,
        sigma: FloatArray | None = None,
    ) -> FloatArray:
        """Return log returns (N, S, A) of the candles after the last row of `features`.

        Parameters
        ----------
        features
            (T, F) raw feature rows, oldest first and gap-free, at least `context_candles`.
        steps
            Candles ahead. Beyond `manifest["steps"]` the generator was not trained: what fades
            has faded by then, and the level of volatility stays.
        sigma
            (A,) volatility per candle of each asset now. None leaves returns in units of it.

        Raises
        ------
        InputError
            If features do not fit, are not finite, or are too few.
        """
        context, width = self.manifest["context_candles"], len(self.manifest["feature_names"])
        if features.ndim != 2 or features.shape[1] != width or len(features) < context:
            raise InputError(
                f"expected features of shape (>= {context}, {width}), got {features.shape}"
            )
        rows = np.ascontiguousarray(features[-context:], dtype=np.float32)
        if not np.isfinite(rows).all():
            raise InputError(f"expected {context} finite rows of features, got NaN or infinity")
        if paths < 1 or steps < 1:
            raise InputError(f"expected paths and steps >= 1, got {paths} and {steps}")
        count = len(self.assets)
        out: Float32Array = self._session.run(
            None,
            {
                "features": rows[None],
                "noise": standard_noise(paths, steps, count, seed),
                "basis": profile(steps, self.manifest["candle_ms"]).astype(np.float32),
            },
        )[0]
        return out.astype(np.float64) * (1.0 if sigma is None else np.asarray(sigma))
