"""A boosted hazard of one side on pooled rows: the trees' hazard head, without the other heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.base.heads import sigmoid
from models.base.types import Float32Array, FloatArray
from models.learn.hazard.proportional import fit_proportional
from models.learn.trees.base import BoostingConfig
from models.learn.trees.boosting import Boosted, HazardHead
from models.learn.trees.table import Table

ROUNDS: Final = 120
# Neighbouring rows are one situation: beyond this many, every n-th tells as much.
ENOUGH_ROWS: Final = 60_000


@dataclass(frozen=True)
class BoostedHazard:
    """logit h_k(x) = prior_k + f(x)."""

    prior: FloatArray  # (K,)
    boosted: Boosted

    def logits(self, x: Float32Array) -> FloatArray:
        """Return the logit of each bin's hazard, (N, K)."""
        return np.asarray(self.prior + self.boosted.outputs(x))

    def hazard(self, x: Float32Array) -> FloatArray:
        """Return P(onset in bin k | none before), (N, K)."""
        return sigmoid(self.logits(x))


def fit_boosted(
    x: Float32Array, event: FloatArray, at_risk: FloatArray, seed: int = 0, threads: int = 1
) -> BoostedHazard:
    """Return the hazard boosted on rows (R, F) with `hazard_targets` (R, K).

    Raises
    ------
    InputError
        If nothing is at risk.
    """
    thin = max(1, len(x) // ENOUGH_ROWS)
    x, event, at_risk = x[::thin], event[::thin], at_risk[::thin]
    prior = fit_proportional(np.empty((len(x), 0)), event, at_risk).start
    table = Table(
        row=np.arange(len(x)),
        x=np.asarray(x, dtype=np.float32),
        direction=np.zeros(len(x), np.int64),
        scaled_return=np.zeros(len(x)),
        event=np.asarray(event[:, None], dtype=np.float64),
        at_risk=np.asarray(at_risk[:, None], dtype=np.float64),
    )
    leaf = max(1, BoostingConfig().hazard_leaf_onsets // thin)
    head = HazardHead(
        config=BoostingConfig(hazard_leaf_onsets=leaf),
        prior=prior, side=0, threads=threads, seed=seed,
    )  # fmt: skip
    return BoostedHazard(prior, head.fit(table, ROUNDS))
