"""`breakwater crowding`: what happens to a fall when many copies of this program leave at once."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.base.types import FloatArray
from models.reports.crowding.page import crowding_markdown, crowding_verdict, write_crowding
from models.studies.crowding.background import FallRules, recorded_path
from models.studies.crowding.crowd import PAIR, CopiedRules
from models.studies.crowding.fall import CrowdWorld, crowded_fall
from models.studies.crowding.impact import ImpactRules
from models.studies.crowding.levers import CrowdLevers, CrowdSize, require_memory
from models.studies.crowding.measure import (
    SHIPPED,
    TABLED,
    TOGETHER,
    CrowdCell,
    lever_cells,
    measure_crowds,
    seeds_from,
    world_cells,
)
from strategies.account.tiers import load_binance_tiers
from strategies.bot.config import pack_config
from strategies.desk.backtests.configured import configured
from strategies.desk.backtests.results import commit
from strategies.desk.studies.crashes import find_crashes
from strategies.desk.terminal.ended import ended_pool
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_MOST_COPIES: Final = 10  # times the agents asked for, in one of the worlds
_SHOWN: Final = (0.0, 0.05, 0.2, 0.5)  # adoptions of the fall that is drawn


@dataclass(frozen=True, kw_only=True)
class CrowdingOptions:
    """What the person asked for."""

    agents: int = 100
    falls: int = 32
    seed: int = 0
    jobs: int = 1
    fall_frac: float = FallRules.fall_frac
    fall_minutes: int = FallRules.fall_min
    impact: str = ImpactRules.law
    depth: float = ImpactRules.depth_frac
    half_life: float = ImpactRules.half_life_min
    data: Path | None = None  # recorded crashes, for worlds that fall as they did
    config: Path = CONFIGS / "config_bitcoin.json"
    target_config: Path = CONFIGS / "config_volatility_target.json"
    userdir: Path = field(default=USER_DATA)


def run_crowding(options: CrowdingOptions) -> int:
    """Let the falls happen, measure, and write the page; return the process exit code."""
    world, size = crowd_world(options), CrowdSize(agents=options.agents)
    seeds = seeds_from(options.seed, options.falls)
    require_memory(
        _MOST_COPIES * options.agents, world.others.traders, world.fall.minutes, options.jobs
    )
    levers, worlds = lever_cells(world, size, seeds), world_cells(world, size, seeds)
    worlds += _recorded(options, world, size, seeds)
    with PatientWait("letting falls happen") as waiting, ended_pool(options.jobs) as pool:
        measured = measure_crowds([*levers, *worlds], pool, waiting.done)
    rows, others = measured[: len(levers)], measured[len(levers) :]
    _, headline, sentence = crowding_verdict(rows)
    print(f"\n{crowding_markdown(rows, others)}\n{headline} {sentence}", flush=True)
    run, drawn = _run(options, world, size), _drawn(world, size, seeds[0])
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_crowding(rows, others, drawn, run, place, now_ms),
        options.userdir / "reports",
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def crowd_world(options: CrowdingOptions) -> CrowdWorld:
    """Return the world of the options: limits, stops and targets as the configs have them."""
    bot = pack_config(configured(options.config, options.userdir))
    target = pack_config(configured(options.target_config, options.userdir))
    return CrowdWorld(
        rules=CopiedRules(
            tiers=load_binance_tiers([PAIR])[PAIR], hard=bot.limits, soft=bot.guards,
            sizing=bot.sizing, target=target.volatility_target,
        ),
        impact=ImpactRules(
            law=options.impact, depth_frac=options.depth, half_life_min=options.half_life
        ),
        fall=FallRules(fall_frac=options.fall_frac, fall_min=options.fall_minutes),
    )  # fmt: skip


def _recorded(
    options: CrowdingOptions, world: CrowdWorld, size: CrowdSize, seeds: tuple[int, ...]
) -> list[tuple[str, str, CrowdCell]]:
    """Return cells that fall as recorded crashes did, scaled; none without a folder of them."""
    if options.data is None:
        return []
    out = []
    sizes = tuple(replace(size, adoption=a) for a in (0.0, *TABLED))
    together = next(c.levers for name, _, c in lever_cells(world, size, seeds) if name == TOGETHER)
    for crash in find_crashes(options.data, PAIR):
        path = recorded_path(crash.close_ms, crash.candles.close, world.fall)
        minutes = crash.candle_ms // 60_000
        title = f"as {crash.name} fell, scaled ({minutes} min {crash.market})"
        fell = replace(world, recorded=path)
        for name, levers in ((SHIPPED, CrowdLevers()), (TOGETHER, together)):
            cell = CrowdCell(world=fell, levers=levers, sizes=sizes, seeds=seeds)
            out.append((name, title, cell))
    return out


def _drawn(world: CrowdWorld, size: CrowdSize, seed: int) -> Mapping[str, FloatArray]:
    """Return the paths of one fall, by the legend of each."""
    return {
        f"adoption {100 * a:g} %" if a else "without copies": np.asarray(
            crowded_fall(world, CrowdLevers(), replace(size, adoption=a), seed).path
        )
        for a in _SHOWN
    }


def _run(options: CrowdingOptions, world: CrowdWorld, size: CrowdSize) -> dict[str, Any]:
    impact = world.impact
    return {
        "title": "What a crowd of copies does to a fall",
        "simulated": True,
        "agents": f"{options.agents:,}",
        "falls": options.falls,
        "market": f"a fall of {100 * options.fall_frac:g} % in {options.fall_minutes} min, "
        f"{impact.law.replace('none', 'no')} impact, {100 * impact.depth_frac:g} % of the usual "
        f"depth, half back in {impact.half_life_min:g} min",
        "seed": options.seed,
        "config": ", ".join(p.name for p in (options.config, options.target_config)),
        "crashes": None if options.data is None else options.data.name,
        "impact": asdict(impact),
        "fall": asdict(world.fall),
        "others": {**asdict(world.others), "shares": dict(world.others.shares)},
        "crowd": asdict(size),
        "limits": asdict(world.rules.hard),
        "sizing": asdict(world.rules.sizing),
        "target": asdict(world.rules.target),
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "freqtrade", "numpy")
        },
    }
