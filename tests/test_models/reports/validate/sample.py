"""A validation as its page shows it: two models, in every style, in three years of made-up days."""

from __future__ import annotations

from typing import Any

from models.studies.validate.measure import odds_of
from tests.test_models.studies.validate.worlds import judge, knowing, market, model, noise_trials

RUN: dict[str, Any] = {
    "title": "Models validated", "span": "s", "data": "d", "simulated": True, "seeds": [0, 1],
    "train_days": 1, "test_days": 1, "reference": "noise", "failures": ["tcn: the worker died"],
    "holdout": "No days are kept unseen: whoever chose a model has seen them all.",
    "paths": {"groups": 6, "held": 2, "embargo": 24},
}  # fmt: skip
_SPREAD = {"value": 1.2, "low": 0.4, "high": 2.0}
PATHS: list[dict[str, Any]] = [
    {"title": "edge, the pack's rules", "paths": 5, "gain": _SPREAD, "direction": _SPREAD,
     "net": [-0.1, 0.05, 0.2], "sharpe": [-0.4, 0.2, 0.9]},
]  # fmt: skip


def report() -> dict[str, Any]:
    where = market(1.0)
    models = [model("linear", knowing(where, 0.0)), model("edge", knowing(where, 0.1, 1))]
    rows, together = judge(where, models, noise_trials(where, 4), styles=2)
    known = {"linear": ["knows nothing"], "edge": ["is made up", "and short"]}
    odds = odds_of(models, where)
    return {"rows": rows, "together": together, "odds": odds, "known": known, "paths": PATHS}
