"""Ensemble: a random forest and boosted trees, pooled by weights learnt out of fold.

Sources: Breiman, "Random forests", 2001; Chen & Guestrin, "XGBoost: a scalable tree boosting
system", 2016; Wolpert, "Stacked generalization", 1992; Gu, Kelly & Xiu, "Empirical asset pricing
via machine learning", 2020.

Every part looks at one row of features, so the model needs no context and is quick to train; the
features carry the history. `models.learn.trees.fitting` tells how the parts are fitted and pooled.
"""

from __future__ import annotations

from models.learn.trees.base import FAILURE_MODES, EnsembleConfig, TreeSpec

SPEC = TreeSpec(
    name="ensemble",
    title="Ensemble",
    forecaster="EnsembleForecaster",
    config=EnsembleConfig,
    natural_use="robust default",
    source="Breiman 2001; Chen & Guestrin 2016",
    description=(
        "A forest of deep trees, each grown on another part of the rows, and a chain of shallow "
        "trees, each correcting those before it. Both read one row of features; their answers are "
        "pooled with the base rate by weights found on rows that neither was fitted on."
    ),
    failure_modes=(*FAILURE_MODES, "adds little to boosting alone where the forest has no weight"),
    useful_rows=6_000,
)
