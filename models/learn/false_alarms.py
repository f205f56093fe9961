"""How often a model's alarms are false, by the level of its hazard, on rows it was not trained on.

Fitting: `models.learn.hazard.alarms`. Applying it: `models.serve.decode`; what it decides:
`models.trade`, each at a rate of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.base import columns
from models.base.types import FloatArray, TrainingJob
from models.data.labels.cascade import CascadeConfig
from models.learn.hazard.alarms import Watch, false_alarm_levels
from models.learn.training.prepare import Prepared
from models.serve.decode import calibrated_hazards, onset_probabilities

_LABELS = (columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP)


def calibrated_alarms(
    answers: list[FloatArray],
    data: Prepared,
    calibration: dict[str, Any],
    served: FloatArray | None = None,
) -> dict[str, Any] | None:
    """Return each side's `false_alarm_levels`; None for a model without hazards.

    Parameters
    ----------
    answers
        Outputs (N, H) of the job's rows and of each peer's, NaN but on rows that were held out.
        Lessons, which are among them and were trained on, do not count.
    served
        Outputs (N, H) of the graph itself on the job's rows, where it was trained on all of them
        and `answers` are its members'.
    calibration
        What is fitted already: alarms go by the calibrated hazard, as it is served.
    """
    if columns.HEAD_HAZARD in data.spec.absent:
        return None
    jobs = (data.job, *data.job.peers)
    fresh = [raw.copy() for raw in answers]
    if served is not None:
        fresh[0] += 0.0 * served  # NaN where the graph does not answer
    for span in data.lessons:
        fresh[0][span.start : span.stop] = np.nan

    def onset(raw: FloatArray) -> FloatArray:
        hazards = calibrated_hazards(raw, data.layout, calibration)
        return onset_probabilities(hazards, data.spec.competing)  # (N, side)

    p = [onset(raw) for raw in fresh]
    own = None if served is None else onset(served)
    window = data.settings.labels.cascade_horizon_candles
    out = {}
    for at, (name, label) in enumerate(zip(columns.SIDE_NAMES, _LABELS, strict=True)):
        watches = [_watch(j, said[:, at], label, window) for j, said in zip(jobs, p, strict=True)]
        of_graph = None if own is None else [own[:, at]]
        out[name] = false_alarm_levels(watches, window, data.job.candle_ms, of_graph)
    return out


def _watch(job: TrainingJob, hazard: FloatArray, label: str, window: int) -> Watch:
    """Return the market's rows that were asked, and the onsets an alarm on them could catch.

    Up to a day from an onset on no row is asked: no other can come, and a warning there is neither
    right nor wrong.
    """
    steps = job.labels[label]
    asked = np.isfinite(hazard) & np.isfinite(steps)
    # A row says how many candles ahead an onset is; those behind the last one asked do not count.
    last = np.flatnonzero(asked).max(initial=-1)
    near = np.flatnonzero(steps[: last + 1] <= window)
    onsets = np.unique(near + steps[near].astype(np.int64))
    for onset in onsets:
        asked[onset : onset + max(1, CascadeConfig().merge_ms // job.candle_ms)] = False
    seen = [t for t in onsets if asked[max(t - window, 0) : t].any()]
    return Watch(hazard, asked, np.array(seen, dtype=np.int64))
