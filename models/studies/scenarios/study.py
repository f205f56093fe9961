"""All engines through the same trial: judged, compared, and asked about what comes next."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol

from models.base.types import FloatArray
from models.scenarios.paths import Engine, FittedEngine
from models.studies.scenarios.envelope import crash_rows, fan_of, low_rows
from models.studies.scenarios.losses import PathLoss
from models.studies.scenarios.measure import decile_rows, energy_rows, tail_rows
from models.studies.scenarios.origins import ScenarioFold
from models.studies.scenarios.pieces import AllAnew, PieceKey, Pieces, StudyPiece, piece_digest
from models.studies.scenarios.record import (
    AskedBesides,
    EngineRecord,
    Trial,
    failure_of,
    record_engine,
)
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

    def step(self, line: str, kept: bool) -> None:
        """One of the steps is done, or was kept: a fold of an engine, or its far tail."""

    def share(self, done: float) -> None:
        """So much of the step that is going on is done."""


class ScenarioStudy(NamedTuple):
    """What was found; JSON-able but for the fan."""

    numbers: dict[str, Any]
    fan: FloatArray | None  # (T, A, Q) of the shown engine, over a week


def study_engines(
    engines: Sequence[Engine],
    trial: Trial,
    reference: str,
    far_paths: int,
    told: Told,
    coins: Collection[str] = JUDGED_COINS,
    pieces: Pieces | None = None,
) -> ScenarioStudy:
    """Judge every engine, choose one by the rule, and draw far from the newest candle.

    Parameters
    ----------
    reference
        Engine whose energy scores the others' stand beside.
    far_paths
        Drawn for the lows to come and for crash days.
    pieces
        Who keeps what is done (`study_keys`), so that an interrupted study goes on; nobody by
        default. A study of kept pieces finds what one without an interruption does, bit for bit.
    """
    pieces = pieces or AllAnew()
    records: list[EngineRecord] = []
    far: dict[str, StudyPiece] = {}
    for engine in engines:
        ask = _asks_of_crashes(engine, trial, far_paths)
        record = record_engine(
            engine, trial, told.step, told.share, ask, _crash_title(far_paths), pieces
        )
        records.append(record)
        kept = _draw_far(engine, trial, far_paths, record, pieces, far)
        told.step(f"{engine.name}: {record.failures.get(NEWEST, 'the lows to come')}", kept)
    tails = [row for record in records for row in tail_rows(record, trial)]
    energies = energy_rows(records, trial, reference, trial.seed)
    verdicts = [judge_engine(r.engine, tails, energies, r.failures, coins) for r in records]
    shown = shown_engine(verdicts)
    numbers = {
        "believed": believed_engine(verdicts), "shown": shown, "reference": reference,
        "judged_coins": list(coins),
        "engines": [_as_dict(v) for v in verdicts], "tails": tails, "energy": energies,
        "deciles": [row for record in records for row in decile_rows(record, trial)],
        "lows": [row for piece in far.values() for row in piece.told["lows"]],
        "crashes": [row for record in records for row in record.besides],
        "notes": {name: list(piece.told["notes"]) for name, piece in far.items()},
    }  # fmt: skip
    return ScenarioStudy(numbers, _fan(engines, trial, shown) if shown in far else None)


def study_keys(engines: Sequence[Engine], trial: Trial, far_paths: int) -> list[PieceKey]:
    """Return what each piece of a study is found again by."""
    title = _crash_title(far_paths)
    return [
        key
        for engine in engines
        for key in (
            *(trial.fold_key(engine, fold, title) for fold in trial.folds),
            _far_key(engine, trial, far_paths),
        )
    ]


def _far_key(engine: Engine, trial: Trial, far_paths: int) -> PieceKey:
    parts = [trial.digest, repr(engine), NEWEST, far_paths]
    return PieceKey(f"{engine.name}, {NEWEST}", piece_digest(parts, {}))


def _crash_title(paths: int) -> str:
    return f"crash days on {paths} paths"


def _asks_of_crashes(engine: Engine, trial: Trial, paths: int) -> AskedBesides:
    day = _day_of(trial)

    def ask(fitted: FittedEngine, fold: ScenarioFold) -> list[dict[str, Any]]:
        return crash_rows(engine.name, fitted, fold, trial.history, day, paths, trial.seed)

    return ask


def _day_of(trial: Trial) -> PathLoss:
    return next(loss for loss in trial.losses if loss.worst)


def _draw_far(
    engine: Engine,
    trial: Trial,
    far_paths: int,
    record: EngineRecord,
    pieces: Pieces,
    far: dict[str, StudyPiece],
) -> bool:
    """Draw from the newest candle by a fit on all; what breaks is one more failure.

    Returns whether it was kept from before.
    """

    def drawn() -> StudyPiece:
        fitted = engine.fit(trial.history)
        scenarios = fitted.given(trial.history)
        lows = low_rows(engine.name, scenarios, _day_of(trial), far_paths, trial.seed)
        return StudyPiece(told={"lows": lows, "notes": list(fitted.notes)})

    try:
        piece, kept = pieces.remembered(_far_key(engine, trial, far_paths), drawn)
    except Exception as error:  # noqa: BLE001 - whatever breaks one engine, the others go on
        record.failures[NEWEST] = failure_of(error)
        return False
    far[engine.name] = piece
    return kept


def _fan(engines: Sequence[Engine], trial: Trial, shown: str) -> FloatArray:
    """Return the fan of one engine, from a fit on all candles, over the longest span asked."""
    engine = next(one for one in engines if one.name == shown)
    scenarios = engine.fit(trial.history).given(trial.history)
    week = max(loss.candles for loss in trial.losses)
    return fan_of(scenarios, week, _FAN_PATHS, trial.seed)


def _as_dict(verdict: EngineVerdict) -> dict[str, Any]:
    return {**dataclasses.asdict(verdict), "passes": verdict.passes}
