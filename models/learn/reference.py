"""What a model was like on the rows its training left out, frozen in its artifact.

Whoever serves it holds the newest candles against that: `models.serve.monitor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.base import columns
from models.base.types import FloatArray
from models.learn.training.prepare import Prepared
from models.serve.decode import Decoder
from models.serve.drift import Drift
from models.serve.manifest import needed_features
from models.serve.monitor import fit_reference
from models.serve.scores import job_outcome, row_scores


def left_out_reference(
    raw: FloatArray, log_volatility: FloatArray, data: Prepared, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the manifest's `reference`, plain values.

    Parameters
    ----------
    raw
        (N, H) outputs of networks that were not trained on the row, NaN elsewhere.
    log_volatility
        (N,) ahead of the rows, `models.learn.volatility.ahead.VolatilityAhead.unseen`.
    manifest
        All that a served forecast is made of.
    """
    job = data.job
    told = Decoder(manifest)(raw, job.features, job.time_ms, log_volatility)
    told[columns.DRIFT] = Drift(manifest["drift"], needed_features(manifest))(job.features)
    came = job_outcome(job, data.settings.labels.horizon_candles)
    return fit_reference(row_scores(told, *came), job.candle_ms, job.seed)
