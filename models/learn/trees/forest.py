"""A random forest whose leaves hold class shares and return quantiles.

Sources: Breiman, "Random forests", 2001; quantiles after Meinshausen, "Quantile regression
forests", 2006.
# DIFF: Meinshausen weighs every training row by how often it shares a leaf and takes quantiles of
# that; here each leaf keeps its own quantiles and the trees' are averaged, so that the forest is a
# sum over leaves and exports as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from models.base.columns import CLASSES, QUANTILES
from models.base.types import Float32Array, FloatArray, IntArray
from models.learn.trees.base import EnsembleConfig
from models.learn.trees.graph import Tree
from models.learn.trees.table import Table

OUTPUTS = len(CLASSES) + len(QUANTILES)


@dataclass(frozen=True)
class Forest:
    """A fitted forest; `values` holds, per tree, what each node answers, (nodes, 8)."""

    classifier: RandomForestClassifier
    values: tuple[FloatArray, ...]

    def outputs(self, x: Float32Array) -> FloatArray:
        """Return class probabilities and quantiles (R, 8) of rows (R, F)."""
        leaves = self.classifier.apply(x)  # (R, trees)
        total = sum(value[leaves[:, i]] for i, value in enumerate(self.values))
        out: FloatArray = np.asarray(total) / len(self.values)
        return out

    def trees(self) -> list[Tree]:
        """Return the trees, their leaves divided by how many there are."""
        return [
            Tree(
                feature=np.maximum(e.tree_.feature, 0).astype(np.int64),
                threshold=_float32_at_most(e.tree_.threshold),
                left=e.tree_.children_left.astype(np.int64),
                right=e.tree_.children_right.astype(np.int64),
                outputs=tuple(range(OUTPUTS)),
                value=value / len(self.values),
            )
            for e, value in zip(self.classifier.estimators_, self.values, strict=True)
        ]


def grow(table: Table, config: EnsembleConfig, threads: int, seed: int) -> Forest:
    """Fit a forest on the classes of `table`, then read the quantiles of its leaves."""
    classifier = RandomForestClassifier(
        n_estimators=config.forest_trees,
        max_depth=config.forest_depth,
        min_samples_leaf=config.forest_leaf_rows,
        max_samples=config.forest_rows_frac,
        max_features=config.forest_features_frac,
        random_state=seed,
        n_jobs=threads,
    ).fit(table.x, table.direction)
    leaves = classifier.apply(table.x)  # (R, trees)
    values = []
    for i, estimator in enumerate(classifier.estimators_):
        nodes = estimator.tree_.node_count
        shares = np.zeros((nodes, len(CLASSES)))
        shares[:, classifier.classes_] = estimator.tree_.value[:, 0]  # a class may be absent
        quantiles = leaf_quantiles(leaves[:, i], table.scaled_return, nodes)
        values.append(np.hstack((shares, quantiles)))
    return Forest(classifier, tuple(values))


def leaf_quantiles(leaf: IntArray, values: FloatArray, nodes: int) -> FloatArray:
    """Return the quantiles (nodes, 5) of `values` (R,) by leaf (R,); 0 where none fell.

    Examples
    --------
    >>> leaf_quantiles(np.array([1, 1, 1, 0]), np.array([0.0, 10.0, 20.0, 7.0]), 2)
    array([[ 7.,  7.,  7.,  7.,  7.],
           [ 1.,  5., 10., 15., 19.]])
    """
    order = np.lexsort((values, leaf))
    ordered, count = values[order], np.bincount(leaf, minlength=nodes)
    first = np.cumsum(count) - count
    at = np.maximum(count - 1, 0)[:, None] * np.asarray(QUANTILES)  # (nodes, 5)
    low = np.floor(at).astype(np.int64)
    last = len(values) - 1
    a = ordered[np.minimum(first[:, None] + low, last)]
    b = ordered[np.minimum(first[:, None] + np.ceil(at).astype(np.int64), last)]
    return np.where(count[:, None] > 0, a + (at - low) * (b - a), 0.0)


def _float32_at_most(threshold: FloatArray) -> Float32Array:
    """Return the largest float32 <= each threshold: float32 features fall on the same side."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
