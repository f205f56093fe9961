"""How much deeper a fall is with a crowd than without, over seeds, for every lever and world.

Amplification is the mean trough with the crowd over the mean trough without it, over the same
falls: the same path from outside, the same other traders, the same secrets. Its interval comes
from drawing the falls anew, pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.evaluate.metrics.resampling import Estimate, circular_ratio
from models.studies.crowding.fall import CrowdedFall, CrowdWorld, crowded_fall
from models.studies.crowding.impact import LINEAR, ImpactRules
from models.studies.crowding.levers import CrowdLevers, CrowdSize

ADOPTIONS: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
TABLED: Final = (0.05, 0.1, 0.2, 0.5)
TARGET_ADOPTION: Final = 0.05
TARGET: Final = 1.1
SHIPPED: Final = "shipped"
_CAP: Final = 0.05
TOGETHER: Final = "together"
_TOGETHER: Final = CrowdLevers(stages=4, delay_min=60, exit_frac=0.5, cap_frac=_CAP / 100)
LEVERS: Final[Mapping[str, tuple[str, CrowdLevers]]] = {
    SHIPPED: ("as shipped", CrowdLevers()),
    "same": ("same rule, all at once", CrowdLevers(guard_jitter_frac=0.0, guards_at_once=True)),
    "entries": ("as shipped, entries spread over a day", CrowdLevers(same_entries=False)),
    "jitter": ("thresholds up to 20 % nearer", CrowdLevers(decision_jitter_frac=0.2)),
    "delay": ("cuts at a secret minute of the hour", CrowdLevers(delay_min=60)),
    "staged": ("four stages, stops as a ladder", CrowdLevers(stages=4)),
    "partial": ("half of every cut", CrowdLevers(exit_frac=0.5)),
    "cap": ("cuts within 5 % of volume, each", CrowdLevers(cap_frac=_CAP)),
    "shared": ("cuts within 5 % of volume, all together", CrowdLevers(cap_frac=_CAP / 100)),
    TOGETHER: ("delay, stages, half, cap together", _TOGETHER),
    "all": (
        "delay, stages, half, cap, jitter together",
        replace(_TOGETHER, decision_jitter_frac=0.2),
    ),
}


@dataclass(frozen=True, kw_only=True)
class CrowdCell:
    """Falls of one lever and world, for several crowds."""

    world: CrowdWorld
    levers: CrowdLevers
    sizes: tuple[CrowdSize, ...]  # the first holds nothing
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CrowdRow:
    """What one lever, in one world, made of the falls; by adoption, the first 0."""

    name: str
    title: str
    adoptions: tuple[float, ...]
    amplification: tuple[Estimate, ...]
    against: tuple[Estimate, ...]  # less that as shipped, over the same falls; below 0 is less
    trough_frac: tuple[float, ...]  # mean
    sold: tuple[dict[str, float], ...]  # mean, in days' volumes: stops, cuts, guards, forced
    halted: tuple[float, ...]  # mean copies that a loss limit halted

    def at(self, adoption: float) -> Estimate:
        """Return the amplification at one of the adoptions."""
        return self.amplification[self.adoptions.index(adoption)]


def fall_cell(cell: CrowdCell) -> list[list[CrowdedFall]]:
    """Return the falls of a cell, by size and then by seed: the work of one process."""
    return [
        [crowded_fall(cell.world, cell.levers, size, seed) for seed in cell.seeds]
        for size in cell.sizes
    ]


def measure_crowds(
    cells: Sequence[tuple[str, str, CrowdCell]],
    pool: Executor | None = None,
    told: Callable[[float], None] = lambda share: None,
) -> list[CrowdRow]:
    """Return one row per (name, title, cell), in their order; the same however many processes.

    Parameters
    ----------
    told
        Given the share of the cells that are done.
    """
    work = [cell for _, _, cell in cells]
    done: Iterable[list[list[CrowdedFall]]] = (
        map(fall_cell, work) if pool is None else pool.map(fall_cell, work)
    )
    rows, shipped = [], np.empty(0)
    for (name, title, cell), falls in zip(cells, done, strict=True):
        trough = troughs(falls)
        shipped = trough if name == SHIPPED else shipped  # of the same world: it comes first
        rows.append(crowd_row(name, title, cell, falls, shipped))
        told(len(rows) / len(cells))
    return rows


def troughs(falls: Sequence[Sequence[CrowdedFall]]) -> FloatArray:
    """Return how deep each fall went, by size and seed, (A, S)."""
    return np.array([[one.trough_frac for one in by_seed] for by_seed in falls])


def crowd_row(
    name: str, title: str, cell: CrowdCell, falls: Sequence[Sequence[CrowdedFall]],
    shipped: FloatArray,
) -> CrowdRow:  # fmt: skip
    """Return the numbers of a cell's falls, held against those as shipped, (A, S)."""
    trough = troughs(falls)
    if shipped.shape != trough.shape:
        raise ConfigError("expected the cell as shipped before the others of its world")
    return CrowdRow(
        name=name, title=title,
        adoptions=tuple(size.adoption for size in cell.sizes),
        amplification=tuple(_paired(row, trough[0]) for row in trough),
        against=tuple(_paired(a - b, trough[0]) for a, b in zip(trough, shipped, strict=True)),
        trough_frac=tuple(float(row.mean()) for row in trough),
        sold=tuple(_sold(by_seed) for by_seed in falls),
        halted=tuple(float(np.mean([one.halted for one in by_seed])) for by_seed in falls),
    )  # fmt: skip


def _paired(with_crowd: FloatArray, without: FloatArray) -> Estimate:
    """Return the ratio of the means, its interval from seeds drawn anew."""
    return circular_ratio(with_crowd, without, 1, np.random.default_rng(0))


def _sold(falls: Sequence[CrowdedFall]) -> dict[str, float]:
    parts = {key: float(np.mean([one.sold[key] for one in falls])) for key in falls[0].sold}
    return {**parts, "forced": float(np.mean([one.forced for one in falls]))}


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """Return the seeds of a study's falls.

    Raises
    ------
    ConfigError
        If the seed is below 0, or fewer than two falls are asked for: there is no interval then.
    """
    if seed < 0 or count < 2:
        raise ConfigError(f"expected a seed >= 0 and at least 2 falls, got {seed} and {count}")
    return tuple(int(s) for s in np.random.SeedSequence(seed).generate_state(count))


def lever_cells(
    world: CrowdWorld, size: CrowdSize, seeds: tuple[int, ...]
) -> list[tuple[str, str, CrowdCell]]:
    """Return a cell for every lever, over all adoptions."""
    sizes = tuple(replace(size, adoption=a) for a in ADOPTIONS)
    out = []
    for name, (title, levers) in LEVERS.items():
        if levers.cap_frac == _CAP / 100:
            levers = replace(levers, cap_frac=_CAP / size.agents)
        cell = CrowdCell(world=world, levers=levers, sizes=sizes, seeds=seeds)
        out.append((name, title, cell))
    return out


def world_cells(
    world: CrowdWorld, size: CrowdSize, seeds: tuple[int, ...]
) -> list[tuple[str, str, CrowdCell]]:
    """Return cells of other worlds, each for the shipped defaults and for all levers together."""
    few = (0.0, *TABLED)
    out = []
    for title, (other, crowd) in _worlds(world, size).items():
        sizes = tuple(replace(crowd, adoption=a) for a in few)
        together = replace(_TOGETHER, cap_frac=_CAP / crowd.agents)
        for name, levers in ((SHIPPED, CrowdLevers()), (TOGETHER, together)):
            cell = CrowdCell(world=other, levers=levers, sizes=sizes, seeds=seeds)
            out.append((name, title, cell))
    return out


def _worlds(world: CrowdWorld, size: CrowdSize) -> dict[str, tuple[CrowdWorld, CrowdSize]]:
    def impact(**changed: Any) -> CrowdWorld:
        return replace(world, impact=replace(world.impact, **changed))

    def fall(**changed: Any) -> CrowdWorld:
        return replace(world, fall=replace(world.fall, **changed))

    stops = replace(size, target_share=0.0)
    # At an adoption of a half all of them together move the price by a tenth.
    tenth = ImpactRules(law=LINEAR, strength=0.2 / world.impact.sigma_day, depth_frac=1.0,
                        sigma_day=world.impact.sigma_day)  # fmt: skip
    alone = replace(world.others, open_interest=0.0)
    levels = {} if world.impact.scale == 0 else {
        "a book of single orders, level by level": (replace(world, levels=True), size)
    }  # fmt: skip
    return {
        **levels,
        "only positions with a stop": (world, stops),
        "only volatility targets": (world, replace(size, target_share=1.0)),
        "a cascade alarm in every copy": (world, replace(size, alarm=True)),
        "ten times as many copies": (world, replace(size, agents=10 * size.agents)),
        "book back in 15 minutes": (impact(half_life_min=15.0), size),
        "book back in 4 hours": (impact(half_life_min=240.0), size),
        "a twentieth of the usual depth": (impact(depth_frac=0.05), size),
        "usual depth": (impact(depth_frac=1.0), size),
        "linear impact": (impact(law=LINEAR), size),
        "twice the open interest of others": (
            replace(world, others=replace(world.others, open_interest=1.0)), size,
        ),
        "no other leverage": (replace(world, others=alone), size),
        "a fall of 4 %": (fall(fall_frac=0.04), size),
        "a fall of 12 %": (fall(fall_frac=0.12), size),
        "a fall within 5 minutes": (fall(fall_min=5), size),
        "linear, a day's volume 20 % of the price, stops only, no other leverage": (
            replace(world, impact=tenth, others=alone), stops,
        ),
    }  # fmt: skip
