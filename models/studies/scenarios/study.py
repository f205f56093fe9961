"""All engines through the same trial: judged, compared, and asked about what comes next."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol

from models.base.types import FloatArray
from models.scenarios.paths import Engine, FittedEngine, Scenarios
from models.studies.scenarios.envelope import crash_rows, fan_of, low_rows
from models.studies.scenarios.losses import PathLoss
from models.studies.scenarios.measure import decile_rows, energy_rows, tail_rows
from models.studies.scenarios.origins import ScenarioFold
from models.studies.scenarios.record import EngineRecord, Trial, failure_of, record_engine
from models.studies.scenarios.rule import (
    JUDGED_COINS,
    EngineVerdict,
    believed_engine,
    judge_engine,
    shown_engine,
)

NEWEST: Final = "fitted on all candles"
_FAN_PATHS: Final = 2_048


class Told(Protocol):
    """Who hears how far a study is."""

    def step(self, line: str) -> None:
        """One of the steps is done: a fold of an engine, or its far tail."""

    def share(self, done: float) -> None:
        """So much of the step that is going on is done."""


class ScenarioStudy(NamedTuple):
    """What was found; JSON-able but for the fan."""

    numbers: dict[str, Any]
    fan: FloatArray | None  # (T, A, Q) of the shown engine, over a week


class NewestDraws(NamedTuple):
    """An engine at the newest candle, and what a reader of its results has to know."""

    scenarios: Scenarios
    notes: tuple[str, ...]


def study_engines(
    engines: Sequence[Engine],
    trial: Trial,
    reference: str,
    far_paths: int,
    told: Told,
    coins: Collection[str] = JUDGED_COINS,
) -> ScenarioStudy:
    """Judge every engine, choose one by the rule, and draw far from the newest candle.

    Parameters
    ----------
    reference
        Engine whose energy scores the others' stand beside.
    far_paths
        Drawn for the lows to come and for crash days.
    """
    day = next(loss for loss in trial.losses if loss.worst)
    records: list[EngineRecord] = []
    crashes: list[dict[str, Any]] = []
    lows: list[dict[str, Any]] = []
    newest: dict[str, NewestDraws] = {}
    for engine in engines:
        found: list[dict[str, Any]] = []
        ask = _asks_of_crashes(engine, trial, day, far_paths, found)
        record = record_engine(engine, trial, told.step, told.share, ask)
        crashes += found
        records.append(record)
        _draw_far(engine, trial, day, far_paths, record, lows, newest)
        told.step(f"{engine.name}: {record.failures.get(NEWEST, 'the lows to come')}")
    tails = [row for record in records for row in tail_rows(record, trial)]
    energies = energy_rows(records, trial, reference, trial.seed)
    verdicts = [judge_engine(r.engine, tails, energies, r.failures, coins) for r in records]
    shown = shown_engine(verdicts)
    week = max(loss.candles for loss in trial.losses)
    numbers = {
        "believed": believed_engine(verdicts), "shown": shown, "reference": reference,
        "judged_coins": list(coins),
        "engines": [_as_dict(v) for v in verdicts], "tails": tails, "energy": energies,
        "deciles": [row for record in records for row in decile_rows(record, trial)],
        "lows": lows, "crashes": crashes,
        "notes": {name: list(drawn.notes) for name, drawn in newest.items()},
    }  # fmt: skip
    fan = fan_of(newest[shown].scenarios, week, _FAN_PATHS, trial.seed) if shown in newest else None
    return ScenarioStudy(numbers, fan)


def _asks_of_crashes(
    engine: Engine, trial: Trial, day: PathLoss, paths: int, found: list[dict[str, Any]]
) -> Callable[[FittedEngine, ScenarioFold], None]:
    def ask(fitted: FittedEngine, fold: ScenarioFold) -> None:
        found.extend(crash_rows(engine.name, fitted, fold, trial.history, day, paths, trial.seed))

    return ask


def _draw_far(
    engine: Engine,
    trial: Trial,
    day: PathLoss,
    paths: int,
    record: EngineRecord,
    lows: list[dict[str, Any]],
    newest: dict[str, NewestDraws],
) -> None:
    """Draw from the newest candle by a fit on all; what breaks is one more failure."""
    try:
        fitted = engine.fit(trial.history)
        scenarios = fitted.given(trial.history)
        lows += low_rows(engine.name, scenarios, day, paths, trial.seed)
        newest[engine.name] = NewestDraws(scenarios, fitted.notes)
    except Exception as error:  # noqa: BLE001 - whatever breaks one engine, the others go on
        record.failures[NEWEST] = failure_of(error)


def _as_dict(verdict: EngineVerdict) -> dict[str, Any]:
    return {**dataclasses.asdict(verdict), "passes": verdict.passes}


def steps_of(engines: int, folds: int) -> int:
    """Return how many steps a study tells of."""
    return engines * (folds + 1)
