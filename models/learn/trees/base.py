"""What the tree architectures share: their settings, and the spec that fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.base.spec import ModelSpec

FAILURE_MODES = (
    "answers a value beyond any in training as it answers the largest one there",
    "sees one row: what the features do not carry over from earlier candles, it does not know",
    "its cascade hazard stays near the base rate until the rows hold dozens of onsets",
)


@dataclass(frozen=True, kw_only=True)
class BoostingConfig:
    """Size of the boosted heads, and how their number of rounds is chosen."""

    depth: int = 2  # of interaction; three fitted no better out of fold, and cost more
    learning_rate: float = 0.1  # share of a tree's answer that is added
    max_rounds: int = 60  # of each head; how many are used is chosen on held-out blocks
    leaf_rows: int = 60  # fewest training rows of a leaf
    rows_frac: float = 0.5  # of the rows and, at each split, of the features, drawn anew per tree:
    features_frac: float = 0.3  # overlapping labels make neighbouring rows near copies
    ridge: float = 10.0  # added to a leaf's curvature; shrinks it towards the prior
    hazard_depth: int = 2  # depth of the trees for cascades
    # Rows of onset a leaf must expect. An episode is ahead of up to 24 rows, so this is two.
    hazard_leaf_onsets: int = 48
    blocks: int = 5  # of time, each held out once, where training.cross_fit does not say how many
    importance_repeats: int = 5  # permutations per feature on the validation rows; 0 skips it

    def __post_init__(self) -> None:
        for name in ("depth", "hazard_depth"):
            if not 1 <= getattr(self, name) <= 10:
                raise ValueError(f"expected {name} from 1 to 10, got {getattr(self, name)}")
        for name in ("max_rounds", "leaf_rows", "hazard_leaf_onsets"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("learning_rate", "rows_frac", "features_frac"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"expected 0 < {name} <= 1, got {getattr(self, name)}")
        if not 0 <= self.ridge < float("inf"):
            raise ValueError(f"expected ridge finite and >= 0, got {self.ridge}")
        if not 2 <= self.blocks <= 20:
            raise ValueError(f"expected blocks from 2 to 20, got {self.blocks}")
        if not 0 <= self.importance_repeats <= 100:
            raise ValueError(
                f"expected importance_repeats from 0 to 100, got {self.importance_repeats}"
            )


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig(BoostingConfig):
    """Size of the boosted heads and of the forest beside them."""

    forest_trees: int = 80  # trees, averaged
    forest_depth: int = 7  # of each tree, at most
    forest_leaf_rows: int = 60  # fewest distinct training rows of a leaf
    forest_rows_frac: float = 0.4  # drawn for each tree, with replacement
    forest_features_frac: float = 0.2  # tried at each split

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.forest_trees <= 2000:
            raise ValueError(f"expected forest_trees from 2 to 2000, got {self.forest_trees}")
        if not 1 <= self.forest_depth <= 16:
            raise ValueError(f"expected forest_depth from 1 to 16, got {self.forest_depth}")
        if self.forest_leaf_rows < 1:
            raise ValueError(f"expected forest_leaf_rows >= 1, got {self.forest_leaf_rows}")
        for name in ("forest_rows_frac", "forest_features_frac"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"expected 0 < {name} <= 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class TreeSpec(ModelSpec):
    """Trees that answer row by row; with an `EnsembleConfig`, a forest joins the boosted heads."""

    contexts: tuple[int, ...] = (1,)  # the features look back, the trees do not
    minimum_rows: int = 500  # five blocks of a hundred, two labels' reach of each purged
    cross_fits: bool = True

    family: ClassVar[str] = "trees"
