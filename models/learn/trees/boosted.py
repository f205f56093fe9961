"""XGBoost: the reference every other architecture should be seen beside.

Source: Chen & Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016. The same boosted
heads as the Ensemble's, without its forest and its pool.
"""

from __future__ import annotations

from models.learn.trees.base import FAILURE_MODES, BoostingConfig, TreeSpec

SPEC = TreeSpec(
    name="boosted",
    title="XGBoost",
    forecaster="XGBoostForecaster",
    config=BoostingConfig,
    natural_use="reference",
    source="Chen & Guestrin 2016",
    description=(
        "A chain of shallow trees, each correcting those before it, for every answer. It reads one "
        "row of features; its length is chosen on rows it was not fitted on."
    ),
    failure_modes=FAILURE_MODES,
    useful_rows=6_000,
)
