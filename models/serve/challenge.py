"""Champion and challenger: a newly trained model serves only if it is not clearly worse.

Both answer the newest candles that neither was trained on, the challenger's calibration rows. Their
losses are compared candle by candle. NumPy and ONNX Runtime only: the bot does it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.base import columns
from models.base.errors import PackError
from models.base.heads import HeadLayout, hazard_targets
from models.base.types import BoolArray, FloatArray, TrainingJob
from models.serve.predictor import Predictor

FEWEST_CHALLENGE_ROWS: Final = 200  # below this there is nothing to compare
_BLOCK: Final = 24  # candles resampled together: neighbours share their outcome
_SMALLEST: Final = 1e-9


def challenge(champion: Predictor, challenger: Predictor, job: TrainingJob) -> dict[str, Any]:
    """Return which of two models should serve, and why; for the manifest.

    The challenger wins unless its mean loss is above the champion's by more than one standard
    error: it has seen newer candles, so a tie is its. Loss is that of the direction plus that of
    the hazards where both have them, in nats.

    Parameters
    ----------
    job
        What the challenger was trained on; its labels judge both.

    Notes
    -----
    The challenger was calibrated on these rows, the champion may have been on some of them: both
    look a little better here than they are. Where the champion cannot answer, the challenger wins.
    """
    out: dict[str, Any] = {
        "champion": str(champion.manifest.get("title", "")),
        "challenger": str(challenger.manifest.get("title", "")),
        "serves": "challenger",
    }
    try:
        start = _first_unseen(champion, challenger)
        losses = [_loss(model, job) for model in (champion, challenger)]
    except (KeyError, PackError) as error:
        return out | {"why": f"they cannot be compared: {type(error).__name__}: {error}"}
    apart = losses[1] - losses[0]
    judged = (job.time_ms >= start) & ~_learned(champion, challenger, job)
    apart = apart[judged & np.isfinite(apart)]
    out["rows"] = len(apart)
    if len(apart) < FEWEST_CHALLENGE_ROWS:
        return out | {"why": f"only {len(apart)} candles neither was trained on"}
    blocks = np.array([part.mean() for part in np.array_split(apart, len(apart) // _BLOCK)])
    spread = float(blocks.std(ddof=1) / np.sqrt(len(blocks)))
    worse = float(apart.mean())
    out |= {"worse_by_nats": worse, "standard_error": spread}
    if worse > spread:
        return out | {
            "serves": "champion",
            "why": "the new model's loss on the newest candles is higher by more than its error",
        }
    return out | {"why": "the new model is not clearly worse on the newest candles"}


def _first_unseen(champion: Predictor, challenger: Predictor) -> int:
    """Return the first time whose labels neither model's weights were fitted on."""
    own, old = (m.manifest["spans_ms"] for m in (challenger, champion))
    purge = int(champion.manifest["rows"]["purge"]) * int(champion.manifest["candle_ms"])
    # Validation rows chose the checkpoint: they count as seen.
    return max(int(own["calibration"][0]), int(old["validation"][1]) + purge)


def _learned(champion: Predictor, challenger: Predictor, job: TrainingJob) -> BoolArray:
    """Return the rows (N,) of either's lessons, and those whose labels share candles with them."""
    out = np.zeros(len(job.time_ms), dtype=np.bool_)
    for model in (champion, challenger):
        purge = int(model.manifest["rows"]["purge"]) * int(model.manifest["candle_ms"])
        for first, last in model.manifest.get("lessons_ms", ()):
            out |= (job.time_ms >= first - purge) & (job.time_ms <= last + purge)
    return out


def _loss(model: Predictor, job: TrainingJob) -> FloatArray:
    """Return each row's loss (N,), NaN where there is no forecast or no label."""
    out = model.predict(job.features, job.time_ms, job.feature_names)
    p = np.column_stack([out[name] for name in (columns.P_DOWN, columns.P_FLAT, columns.P_UP)])
    direction = job.labels[columns.LABEL_DIRECTION]
    known = np.isfinite(direction)
    of_class = p[np.arange(len(p)), np.where(known, direction + 1, 0).astype(np.int64)]
    loss = np.where(known, -np.log(np.maximum(of_class, _SMALLEST)), np.nan)
    if columns.HEAD_HAZARD in model.manifest.get("absent_heads", ()):
        return loss
    hazard = np.clip(
        model.hazards(job.features, job.time_ms, job.feature_names), _SMALLEST, 1 - _SMALLEST
    )
    steps = [job.labels[n] for n in (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP)]
    edges = HeadLayout.of(model.manifest).bin_edges
    for side, (own, other) in enumerate((steps, steps[::-1])):
        event, at_risk = hazard_targets(own, edges, other)
        h = hazard[:, side]
        labelled = at_risk[:, 0] > 0
        row = -(at_risk * (event * np.log(h) + (1 - event) * np.log1p(-h))).sum(axis=1)
        loss = loss + np.where(labelled, row, np.nan)
    return loss
