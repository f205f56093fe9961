"""`breakwater scenarios`: which engine of scenarios to believe, and what it holds possible.

Every engine is refitted on what was known and asked about what followed; the tests, the rule that
makes one the default, and the lows to come are of `models.studies.scenarios`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS
from models.reports.scenarios.figures import scenario_figures
from models.reports.scenarios.page import (
    scenarios_headline,
    scenarios_markdown,
    write_scenarios,
)
from models.scenarios.catalog import ENGINES, scenario_engine
from models.scenarios.history import GatheredHistory
from models.scenarios.paths import CoinHistory
from models.studies.scenarios.losses import path_losses_of
from models.studies.scenarios.origins import origins_between, scenario_folds
from models.studies.scenarios.record import Trial, require_room_for_draws
from models.studies.scenarios.rule import JUDGED_COINS, coin_of
from models.studies.scenarios.study import study_engines, study_keys
from strategies.bot.data_files import MARKER
from strategies.desk.backtests.results import commit
from strategies.desk.studies.coin_candles import coins_with_candles, gather_coins, pair_in
from strategies.desk.studies.kept_pieces import KeptPieces
from strategies.desk.studies.refits import date_of, midnight_ms
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import CountedSteps, PatientWait

USUAL_COINS: Final = ("BTC", "ETH", "LTC", "BCH", "XRP")
_REFERENCE: Final = "bootstrap"
_LIBRARIES: Final = (
    "numpy",
    "scipy",
    "arch",
    "pyextremes",
)  # what engines and measures are made of


@dataclass(frozen=True, kw_only=True)
class ScenarioOptions:
    """What the person asked for."""

    data: Path
    event: Path | None = None  # a data directory whose later candles follow those of `data`
    coins: tuple[str, ...] = ()  # default: those of `USUAL_COINS` that have candles
    engines: tuple[str, ...] = tuple(ENGINES)
    timeframe: str = "1h"
    start: str = ""  # of the judged span; default: half of the candles
    stop: str = ""  # default: the newest candle
    refit_days: int = 365
    paths: int = 2_048  # at each origin
    far_paths: int = 102_400  # of the lows to come, and of crash days
    seed: int = 0
    userdir: Path = USER_DATA

    def __post_init__(self) -> None:
        for name in ("refit_days", "far_paths"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} >= 1, got {getattr(self, name)}")
        for engine in self.engines:
            scenario_engine(engine)  # refuses a wrong name, by the nearest


class StudyProgress:
    """Tells of steps on the output, and of what goes on within one on the error output."""

    def __init__(self, total: int, waiting: PatientWait) -> None:
        self._steps, self._waiting = CountedSteps(total), waiting
        self._kept = 0

    def step(self, line: str, kept: bool) -> None:
        self._kept += kept
        self._steps.step(f"{line}, kept from before" if kept else line, kept)

    def share(self, done: float) -> None:
        made, rest = self._steps.done - self._kept, self._steps.total - self._kept
        self._waiting.done((made + done) / rest)


def run_scenarios(options: ScenarioOptions) -> int:
    """Judge, choose, draw, and write the page; return the process exit code."""
    with PatientWait("reading the coins"):
        gathered = load_history(options)
    trial = trial_of(gathered.history, options)
    engines = [scenario_engine(name) for name in options.engines]
    judged = [coin_of(c) for c in trial.history.coins if coin_of(c) in JUDGED_COINS]
    print(f"{', '.join(map(coin_of, trial.history.coins))}: {len(trial.origins)} origins, "
          f"{len(trial.folds)} fits of each of {len(engines)} engines", flush=True)  # fmt: skip
    for pair, why in gathered.left_out.items():
        print(f"{pair} is left out: {why}", flush=True)
    pieces = KeptPieces(options.userdir / "models" / "scenarios", _LIBRARIES, _say)
    keys = study_keys(engines, trial, options.far_paths)
    if kept := pieces.count(keys):
        _say(f"goes on where an earlier run was: {kept} of {len(keys)} pieces are kept from it")
    with PatientWait("judging") as waiting:
        told = StudyProgress(len(keys), waiting)
        study = study_engines(
            engines, trial, _REFERENCE, options.far_paths, told, judged or JUDGED_COINS, pieces
        )
    _, headline, why = scenarios_headline(study.numbers)
    print(f"\n{scenarios_markdown(study.numbers)}\n{headline} {why}", flush=True)
    run, now_ms = _provenance(options, gathered, trial), int(datetime.now(UTC).timestamp() * 1000)
    figures = scenario_figures(study, trial.history)
    folder = kept_report(
        lambda place: write_scenarios(study.numbers, figures, run, place, now_ms),
        options.userdir / "reports",
    )
    print(f"report: {folder / 'index.html'}")
    return 0 if study.numbers["shown"] else 1


def _say(line: str) -> None:
    print(line, flush=True)


def load_history(options: ScenarioOptions) -> GatheredHistory:
    """Return the coins' candles as one history; coins that were not asked for may be left out.

    Raises
    ------
    InputError
        If a coin that was asked for has no sound candles, or none has.
    """
    known = coins_with_candles(options.data, options.timeframe)
    asked = [pair_in(options.data, options.timeframe, coin) for coin in options.coins]
    usual = [f"{coin}/USDT:USDT" for coin in USUAL_COINS]
    pairs = asked or [pair for pair in usual if pair in known]
    if not pairs:
        raise InputError(
            f"expected {options.timeframe} futures candles of {', '.join(USUAL_COINS)}, got none",
            where=str(options.data / "futures"),
            cure="name the coins there are with --coins, or download these (make data)",
        )
    folders = [options.data, *([options.event] if options.event else [])]
    gathered = gather_coins(folders, pairs, options.timeframe, asked).gathered
    missing = {pair: "no candles of it" for pair in usual if not asked and pair not in known}
    return replace(gathered, left_out={**missing, **gathered.left_out})


def trial_of(history: CoinHistory, options: ScenarioOptions) -> Trial:
    """Return what every engine is asked, and when.

    Raises
    ------
    ConfigError
        If the span is none, or the paths do not fit into memory.
    InputError
        If too few candles are judged.
    """
    first, end = int(history.time_ms[0]), int(history.time_ms[-1]) + history.candle_ms
    half = (first + (end - first) // 2) // DAY_MS * DAY_MS
    start = midnight_ms(options.start, "start") or half
    stop = min(midnight_ms(options.stop, "stop") or end, end)
    if not first < start < stop:
        raise ConfigError(
            f"expected a start within the candles and before the stop, got {date_of(start)} to "
            f"{date_of(stop)}",
            where=f"candles of all coins: {date_of(first)} to {date_of(end)}",
        )
    losses = path_losses_of(history.candle_ms)
    require_room_for_draws(options.far_paths, history, losses[-1:], "far paths")
    origins = origins_between(history, losses, start, stop)
    folds = scenario_folds(origins, start, stop, options.refit_days)
    # Days after the stop are asked of the last fit: a crash that came after the judged span.
    folds[-1] = replace(folds[-1], stop_ms=end)
    return Trial(
        history=history, losses=losses, origins=origins, folds=folds, paths=options.paths,
        seed=options.seed,
    )  # fmt: skip


def _provenance(
    options: ScenarioOptions, gathered: GatheredHistory, trial: Trial
) -> dict[str, Any]:
    """Return what the report says of how it was made."""
    history = gathered.history
    digest = hashlib.sha256(np.concatenate([history.close, history.low]).tobytes()).hexdigest()
    simulated = (options.data / MARKER).is_file()
    judged = [coin_of(c) for c in history.coins if coin_of(c) in JUDGED_COINS]
    first, last = (date_of(int(trial.origins.known_ms[i])) for i in (0, -1))
    return {
        "title": f"Which scenarios of {', '.join(map(coin_of, history.coins))} to believe",
        "span": f"judged from {first} to {last}, a fit every {options.refit_days} days",
        "data": "simulated market" if simulated else "real candles",
        "simulated": simulated,
        "data_sha256": digest,
        "timeframe": options.timeframe,
        "engines": list(options.engines),
        "reference": _REFERENCE,
        "paths": trial.paths,
        "far_paths": options.far_paths,
        "origins": len(trial.origins),
        "origins_left_out": trial.origins.left_out,
        "judged": " and ".join(judged or JUDGED_COINS),
        "losses": ", ".join(loss.title for loss in trial.losses),
        "newest_ms": int(history.time_ms[-1]) + history.candle_ms,
        "left_out": dict(gathered.left_out),
        "notes": list(gathered.notes),
        "seed": options.seed,
        "commit": commit(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("breakwater", "numpy", "scipy")
        },
    }
