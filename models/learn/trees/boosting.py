"""Gradient-boosted heads: direction, quantiles and the hazard of each side, by XGBoost.

Source: Chen & Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016; quantiles by the
pinball loss, leaves refitted to the quantiles of the residuals (its `reg:quantileerror`).

Every head starts at the constant that fits the training rows best: a head without trees is the
prior, and each tree moves it from there.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xgboost
from numpy.typing import NDArray

from models.base.columns import CLASSES, QUANTILES
from models.base.heads import sigmoid
from models.base.types import Float32Array, FloatArray
from models.learn.trees.base import BoostingConfig
from models.learn.trees.graph import Tree
from models.learn.trees.pool import log_loss, pinball_loss
from models.learn.trees.table import Table

Blocks = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
Objective = Callable[[Any, xgboost.DMatrix], tuple[FloatArray, FloatArray]]
Metric = Callable[[Any, xgboost.DMatrix], tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class Head(ABC):
    """One boosted head of C outputs: `base` (C,) plus what its trees add."""

    config: BoostingConfig
    base: FloatArray  # (C,)
    threads: int
    seed: int

    metric: ClassVar[str]  # the name its loss on held-out rows is reported under

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of XGBoost that are this head's own."""

    @abstractmethod
    def loss(self, outputs: FloatArray, table: Table) -> float:
        """Return the mean loss of outputs (R, C) on the rows of `table`."""

    def counted(self, table: Table) -> float:
        """Return how many rows that mean is over."""
        return float(len(table))

    @abstractmethod
    def labels(self, table: Table) -> NDArray[Any]:
        """Return the label (R,) of each row."""

    def objective(self, table: Table) -> Objective | None:
        """Return the loss to fit on `table`, where XGBoost has none for this head."""
        return None

    def held_loss(self, table: Table) -> Metric | None:
        """Return the loss to report on `table`, where XGBoost has none for this head."""
        return None

    def fit(self, table: Table, rounds: int, held: Table | None = None) -> Boosted:
        """Return the head fitted on `table`, with its loss on `held` after each round."""
        config = self.config
        losses: dict[str, dict[str, list[float]]] = {}
        parameters = {
            "tree_method": "hist",
            "max_depth": config.depth,
            "learning_rate": config.learning_rate,
            "lambda": config.ridge,
            "subsample": config.rows_frac,
            "colsample_bynode": config.features_frac,
            "base_score": 0.0,  # the start is `base`; XGBoost must not add one of its own
            "nthread": self.threads,
            "seed": self.seed,
            "verbosity": 0,
        }
        booster = xgboost.train(
            {**parameters, **self.parameters()},
            self.matrix(table.x, label=self.labels(table)),
            rounds,
            obj=self.objective(table),
            evals=[(self.matrix(held.x, label=self.labels(held)), "held")] if held else None,
            custom_metric=self.held_loss(held) if held else None,
            evals_result=losses,
            verbose_eval=False,
        )
        return Boosted(self, booster, tuple(losses["held"][self.metric]) if held else ())

    def matrix(self, x: Float32Array, **parts: Any) -> xgboost.DMatrix:
        """Return rows (R, F) as XGBoost takes them, starting at `base`."""
        start = np.tile(self.base, (len(x), 1))  # (R, C)
        return xgboost.DMatrix(x, base_margin=start, nthread=self.threads, **parts)


@dataclass(frozen=True)
class Boosted:
    """A fitted head, and its loss on held-out rows after each round."""

    head: Head
    booster: xgboost.Booster
    held_losses: tuple[float, ...]

    def outputs(self, x: Float32Array, rounds: int = 0) -> FloatArray:
        """Return the outputs (R, C) of rows (R, F) after `rounds` rounds, after all if 0."""
        out = self.booster.predict(
            self.head.matrix(x), output_margin=True, iteration_range=(0, rounds)
        )
        return np.asarray(out, dtype=np.float64).reshape(len(x), len(self.head.base))

    def trees(self) -> list[Tree]:
        """Return the trees, each adding to one of the C outputs."""
        stored = json.loads(self.booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
        return [
            _read(tree, output)
            for tree, output in zip(stored["trees"], stored["tree_info"], strict=True)
        ]


def _read(stored: dict[str, Any], output: int) -> Tree:
    left = np.array(stored["left_children"], dtype=np.int64)
    split = np.array(stored["split_conditions"], dtype=np.float32)  # a leaf's value stands here too
    return Tree(
        feature=np.array(stored["split_indices"], dtype=np.int64),
        # XGBoost goes left where x < split; the largest float32 below turns that into x <= it.
        threshold=np.nextafter(split, np.float32(-np.inf)),
        left=left,
        right=np.array(stored["right_children"], dtype=np.int64),
        outputs=(output,),
        value=np.where(left < 0, split, 0.0).astype(np.float64)[:, None],
    )


class DirectionHead(Head):
    """Three class logits by cross-entropy, one tree per class and round."""

    metric = "mlogloss"

    def parameters(self) -> dict[str, Any]:
        p = np.exp(self.base)
        curvature = float((2 * p * (1 - p)).min())  # of one row, as XGBoost counts it
        return {
            "objective": "multi:softprob",
            "num_class": len(CLASSES),
            "min_child_weight": curvature * self.config.leaf_rows,
        }

    def labels(self, table: Table) -> NDArray[Any]:
        return table.direction

    def loss(self, outputs: FloatArray, table: Table) -> float:
        return log_loss(outputs, table.direction)


class QuantileHead(Head):
    """Five quantiles of the scaled return by the pinball loss, one tree per level and round."""

    metric = "quantile"

    def parameters(self) -> dict[str, Any]:
        return {
            "objective": "reg:quantileerror",
            "quantile_alpha": list(QUANTILES),
            "min_child_weight": self.config.leaf_rows,
        }

    def labels(self, table: Table) -> NDArray[Any]:
        return table.scaled_return

    def loss(self, outputs: FloatArray, table: Table) -> float:
        return pinball_loss(outputs, table.scaled_return)


@dataclass(frozen=True, kw_only=True)
class HazardHead(Head):
    """What raises or lowers the odds of an onset on one side, alike in all bins.

    The logit of bin k is the prior's plus f(x), f boosted on the likelihood of the person-periods
    (Gensheimer & Narasimhan 2019).
    # DIFF: their hazards are free in every bin. Onsets come in dozens, which cannot tell how the
    # bins differ between situations; odds in proportion need one number per leaf.
    """

    base: FloatArray = field(default_factory=lambda: np.zeros(1))  # f of the prior
    prior: FloatArray  # (K,) logits of the bins
    side: int  # 0 down, 1 up

    metric = "hazard"

    def parameters(self) -> dict[str, Any]:
        return {
            "max_depth": self.config.hazard_depth,
            # A leaf's curvature is about the rows of onset it expects.
            "min_child_weight": float(self.config.hazard_leaf_onsets),
            "lambda": max(self.config.ridge, float(self.config.hazard_leaf_onsets)),
            "disable_default_eval_metric": 1,
        }

    def labels(self, table: Table) -> NDArray[Any]:
        # For XGBoost to have one; the loss does not ask for it.
        return np.asarray(table.event[:, self.side].sum(axis=1))

    def objective(self, table: Table) -> Objective:
        event, risk = table.event[:, self.side], table.at_risk[:, self.side]  # (R, K)

        def slopes(margin: Any, _: xgboost.DMatrix) -> tuple[FloatArray, FloatArray]:
            p = sigmoid(self.prior + np.reshape(margin, (-1, 1)))  # (R, K)
            return (
                (risk * (p - event)).sum(axis=1, keepdims=True),
                (risk * p * (1 - p)).sum(axis=1, keepdims=True),
            )

        return slopes

    def held_loss(self, table: Table) -> Metric:
        def loss(margin: Any, _: xgboost.DMatrix) -> tuple[str, float]:
            return self.metric, self.loss(np.reshape(margin, (-1, 1)), table)

        return loss

    def loss(self, outputs: FloatArray, table: Table) -> float:
        """Return the mean negative log likelihood, in nats, of f (R, 1) on the rows at risk."""
        event, risk = table.event[:, self.side], table.at_risk[:, self.side]
        logit = self.prior + outputs  # (R, K)
        nll = (risk * (np.logaddexp(0.0, logit) - event * logit)).sum()
        return float(nll / max(self.counted(table), 1.0))

    def counted(self, table: Table) -> float:
        return float(table.at_risk[:, self.side, 0].sum())


@dataclass(frozen=True)
class Chosen:
    """What held-out blocks say about a head: how many rounds, and what it answers there."""

    rounds: int  # 1 to `max_rounds`
    outputs: FloatArray  # (R, C) of each row of the table, by the fit that did not see it
    newest: Boosted  # the fit that did not see the newest block


def choose_rounds(head: Head, table: Table, blocks: Blocks) -> Chosen:
    """Return the rounds of lowest mean loss over held-out blocks; every row is held out once."""
    fits = [
        head.fit(table.take(fit), head.config.max_rounds, table.take(held)) for fit, held in blocks
    ]
    shares = [head.counted(table.take(held)) for _, held in blocks]
    curve = np.average(
        [fitted.held_losses for fitted in fits], axis=0, weights=np.array(shares) + 1e-9
    )
    rounds = int(curve.argmin()) + 1
    outputs = np.empty((len(table), len(head.base)))
    for fitted, (_, held) in zip(fits, blocks, strict=True):
        outputs[held] = fitted.outputs(table.x[held], rounds)
    return Chosen(rounds, outputs, fits[-1])
