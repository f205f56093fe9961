"""Combinatorial purged cross-validation: every way to hold some groups of time back.

Lopez de Prado, "Advances in Financial Machine Learning", 2018, chapter 12. The history is cut into
groups; for every choice of some of them a model is trained on the others and forecasts those. What
was forecast of each group is put together to whole pasts, none of which shares a training with
another in the same group. A model may know what came after what it forecasts: this shows how much a
result hangs on one past, and is nothing anybody could have traded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray
from models.evaluate.metrics.equity import sharpe
from models.studies.compare import ComparedModel, Trading, Truth, measure_models
from models.studies.validate.money import STYLES_JUDGED, traded_seeds


@dataclass(frozen=True, kw_only=True)
class HeldGroups:
    """Rows cut into groups of equal size, some of which are held back at a time.

    Attributes
    ----------
    rows
        [first, stop) of all rows that are forecast.
    purge
        Rows before a held group whose labels may reach into it.
    embargo
        Rows after a held group that are not trained on either.
    """

    rows: tuple[int, int]
    groups: int = 6
    held: int = 2
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.held < self.groups:
            raise InputError(f"expected 1 <= held < groups, got {self.held} and {self.groups}")
        size, lost = (self.rows[1] - self.rows[0]) // self.groups, self.purge + self.embargo
        if size <= 2 * lost:
            raise InputError(
                f"expected groups of more than {2 * lost} rows, got {size}",
                cure="bring longer history, or leave --cross-validate empty",
            )

    @property
    def edges(self) -> list[tuple[int, int]]:
        """[first, stop) of every group."""
        at = np.linspace(*self.rows, self.groups + 1).round().astype(int).tolist()
        return list(pairwise(at))

    @property
    def splits(self) -> list[tuple[int, ...]]:
        """Every choice of groups to hold back.

        Examples
        --------
        >>> HeldGroups(rows=(0, 90), groups=3).splits
        [(0, 1), (0, 2), (1, 2)]
        """
        return list(combinations(range(self.groups), self.held))

    def trained(self, split: Sequence[int], rows: int) -> BoolArray:
        """Return which of so many rows may be trained on, (rows,)."""
        keep = np.zeros(rows, dtype=np.bool_)
        keep[slice(*self.rows)] = True
        for group in split:
            first, stop = self.edges[group]
            keep[max(first - self.purge, 0) : stop + self.embargo] = False
        return keep

    def paths(self) -> list[list[int]]:
        """Return, for each whole past, the number of the split that forecasts each group.

        Examples
        --------
        >>> HeldGroups(rows=(0, 90), groups=3).paths()
        [[0, 0, 1], [1, 2, 2]]
        """
        by = [[n for n, split in enumerate(self.splits) if g in split] for g in range(self.groups)]
        return [list(path) for path in zip(*by, strict=True)]

    def joined(
        self, forecasts: Mapping[tuple[int, int], Mapping[str, FloatArray]]
    ) -> list[dict[str, FloatArray]]:
        """Return the forecasts of every whole past.

        Parameters
        ----------
        forecasts
            By (number of the split, group): column to its rows.
        """
        return [
            {
                name: np.concatenate([forecasts[n, g][name] for g, n in enumerate(path)])
                for name in forecasts[path[0], 0]
            }
            for path in self.paths()
        ]


def path_rows(entry: ComparedModel, truth: Truth, trading: Trading) -> list[dict[str, Any]]:
    """Return what every whole past of a model came to, one row for each style.

    Parameters
    ----------
    entry
        Its forecasts are those of the paths.
    """
    [skill] = measure_models([entry], truth, trading, entry.name)
    out = []
    for style in STYLES_JUDGED:
        daily = [seed.daily for seed in traded_seeds(entry, style, truth, trading)]
        net = np.array([row.sum() for row in daily])
        ratio = np.array([float(np.nan_to_num(sharpe(row))) for row in daily])
        out.append({
            "title": f"{entry.title}, {style.title}", "paths": len(daily),
            "gain": skill["gain_millibits"], "direction": skill["gain_direction"],
            "net": np.quantile(net, [0, 0.5, 1]).tolist(),
            "sharpe": np.quantile(ratio, [0, 0.5, 1]).tolist(),
        })  # fmt: skip
    return out
