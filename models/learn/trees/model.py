"""A fitted tree model: its members, their pool, and the trees it exports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base.columns import CLASSES, QUANTILES
from models.base.heads import HeadLayout
from models.base.types import Float32Array, FloatArray
from models.learn.trees.boosting import Boosted
from models.learn.trees.forest import Forest
from models.learn.trees.graph import FLOOR, Tree, trees_to_onnx
from models.learn.trees.pool import pooled

POOLED = ("direction", "quantiles")  # heads that a forest answers as well
HAZARDS = ("hazard_down", "hazard_up")


@dataclass(frozen=True)
class TreeModel:
    """Fitted members; `weights` are those of forest and boosting, or of boosting alone."""

    layout: HeadLayout
    prior: FloatArray  # (H,) outputs without any tree
    boosted: dict[str, Boosted]  # by head
    forest: Forest | None
    weights: dict[str, tuple[float, ...]]  # by head

    def outputs(self, x: Float32Array) -> FloatArray:
        """Return the outputs (R, H) of rows (R, F), by the libraries that fitted the members."""
        members = {name: [self.boosted[name].outputs(x)] for name in POOLED}
        if self.forest:
            for name, values in forest_members(self.forest.outputs(x)).items():
                members[name].insert(0, values)
        classes, quantiles = (
            pooled(members[name], self.weights[name], self.prior[self.columns(name)])
            for name in POOLED
        )
        hazards = [self.prior[self.columns(h)] + self.boosted[h].outputs(x) for h in HAZARDS]
        return np.hstack((classes, np.sort(quantiles, axis=1), *hazards))

    def columns(self, head: str) -> slice:
        """Return where a head stands among the outputs."""
        layout = self.layout
        return {
            "direction": layout.classes,
            "quantiles": layout.quantiles,
            "hazard_down": layout.hazard(-1),
            "hazard_up": layout.hazard(1),
        }[head]

    def trees(self) -> list[Tree]:
        """Return the trees of all members, on the outputs of `models.learn.trees.graph`."""
        out: list[Tree] = []
        for head, boosted in self.boosted.items():
            outputs = range(self.layout.width)[self.columns(head)]
            for tree in boosted.trees():
                # The hazard's one number moves all bins alike.
                on = outputs if head in HAZARDS else [outputs[i] for i in tree.outputs]
                out.append(tree.onto(on, np.full(len(on), self.weights[head][-1])))
        if self.forest:
            width = self.layout.width
            behind = range(width, width + len(CLASSES))
            on = [*behind, *range(width)[self.layout.quantiles]]
            # Class shares get their weight behind the logarithm; here they only come or stay away.
            shares, quantiles = self.weights["direction"][0] > 0, self.weights["quantiles"][0]
            weights = np.repeat((float(shares), quantiles), (len(CLASSES), len(QUANTILES)))
            out += [tree.onto(on, weights) for tree in self.forest.trees()]
        return [tree for tree in out if tree.value.any()] or out[:1]

    def to_onnx(self, features: int) -> bytes:
        """Return the graph of rows with `features` columns."""
        base, forest_weight = self.prior.copy(), 0.0
        if self.forest:  # a forest answers whole, boosting what it adds to the prior
            forest_weight = self.weights["direction"][0]
            for head in POOLED:
                base[self.columns(head)] *= 1.0 - self.weights[head][0]
        return trees_to_onnx(self.trees(), base, forest_weight, self.layout, features)


def forest_members(outputs: FloatArray) -> dict[str, FloatArray]:
    """Return a forest's outputs (R, 8) as what it says on each pooled head."""
    n = len(CLASSES)
    return {"direction": np.log(np.maximum(outputs[:, :n], FLOOR)), "quantiles": outputs[:, n:]}
