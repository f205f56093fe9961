"""An executor that trains nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.base.errors import TrainingError
from models.base.types import Artifact, TrainingJob
from models.serve.drift import fit_drift
from tests.test_contract import echo


class Echoes:
    """An executor whose models answer nothing; it counts and may be told to fail."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []
        self.fails_at = 0

    def check(self, network: str, blocks: dict[str, Any]) -> None: ...

    def run(self, job: TrainingJob) -> Artifact:
        self.jobs.append(job)
        if len(self.jobs) == self.fails_at:
            raise TrainingError("the worker died", where=job.title)
        good = echo.echo_artifact()
        width = len(job.feature_names)
        weights = echo.graph_of(job.feature_names)
        return Artifact(
            weights,
            {
                **good.manifest,
                "feature_names": list(job.feature_names),
                "calibration": echo.plain_calibration(job.feature_names),
                "novelty": {"mean": [0.0] * width, "std": [1.0] * width, "threshold": 1e9},
                "drift": fit_drift(np.zeros((1, width), np.float32)),
                "seconds": {"fit": 1.0},
                "metrics": {"validation": {"gain_millibits": 0.0}},
                "onnx_sha256": Artifact.digest(weights),
            },
        )
