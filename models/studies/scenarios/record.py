"""An engine asked at every origin, and what is kept of its draws: what the tests need, no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from models.base.errors import ConfigError, PackError
from models.base.types import BoolArray, FloatArray
from models.evaluate.tails.scores import joint_energy_score, place_among
from models.evaluate.tails.shortfall import drawn_ratios, drawn_tail, shortfall_ratio
from models.scenarios.chunked import MEMORY_BYTES
from models.scenarios.paths import CoinHistory, Engine, FittedEngine, Scenarios
from models.studies.scenarios.losses import PathLoss, losses_on
from models.studies.scenarios.origins import Origins, ScenarioFold
from models.studies.scenarios.pieces import AllAnew, PieceKey, Pieces, StudyPiece, piece_digest
from models.trade.account.scenario_account import check_path_block

TAIL_LEVELS: Final = (0.01, 0.05)
NULLS: Final = 10_000  # draws of the expected-shortfall test under the forecast itself
_LEAST_PATHS: Final = 1_000  # ten in the tail of 1 %

_BY_ORIGIN: Final = ("hits", "ratios", "places", "energy")  # of a record, rows of a fold

AskedBesides = Callable[[FittedEngine, ScenarioFold], list[dict[str, Any]]]
"""What else is asked of each fitted engine, once its origins are done: rows that JSON holds."""

FoldDone = Callable[[str, bool], None]
"""Told a line for each fold, and whether it was kept from before."""


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """What came of one engine: D origins, O losses, A coins, 2 sides, L tail levels."""

    engine: str
    judged: BoolArray  # (D,) origins at which it answered
    hits: BoolArray  # (D, O, A, 2, L) losses beyond their value at risk
    ratios: FloatArray  # (D, O, A, 2, L) of the expected-shortfall test
    null: FloatArray  # (M, O, A, 2, L) their sums over judged origins, under the forecast
    places: FloatArray  # (D, O, A) of the long's loss among the draws, 0 to 1
    energy: FloatArray  # (D, O) energy score of all coins' losses of a long
    besides: list[dict[str, Any]] = field(default_factory=list)  # see `AskedBesides`
    failures: dict[str, str] = field(default_factory=dict)  # fold -> why it has no answer


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The candles, the questions and how they are asked; the same for every engine."""

    history: CoinHistory
    losses: tuple[PathLoss, ...]
    origins: Origins
    folds: Sequence[ScenarioFold]
    paths: int = 2_048
    seed: int = 0

    def __post_init__(self) -> None:
        if self.paths < _LEAST_PATHS or self.seed < 0:
            raise ConfigError(
                f"expected at least {_LEAST_PATHS} paths and a seed from 0 on, got {self.paths} "
                f"and {self.seed}",
                cure="ten paths in a tail of 1 % are the least it can be told from",
            )
        require_room_for_draws(self.paths, self.history, self.losses)

    @cached_property
    def digest(self) -> str:
        """Return a digest of the candles and of how every engine is asked, but for the folds."""
        history = self.history
        arrays = {
            name: getattr(history, name) for name in ("time_ms", "close", "low", "high", "funding")
        }
        parts = [history.coins, history.candle_ms, self.losses, self.paths, self.seed]
        return piece_digest(parts, arrays)

    def fold_key(self, engine: Engine, fold: ScenarioFold, besides: str = "") -> PieceKey:
        """Return what one engine's work in one fold is found again by.

        An engine's settings are told by its `repr`: as of a dataclass, all of them.

        Parameters
        ----------
        besides
            What is asked besides, if anything is.
        """
        asked = {
            name: getattr(self.origins, name)[fold.origins] for name in ("row", "known_ms", "asked")
        }
        parts = [self.digest, repr(engine), fold.fit_ms, fold.stop_ms, besides]
        return PieceKey(f"{engine.name}, {fold.title}", piece_digest(parts, asked))


def require_room_for_draws(
    paths: int, history: CoinHistory, losses: Sequence[PathLoss], what: str = "paths"
) -> None:
    """Refuse more paths than fit: what is kept of each is small, but all are kept at once.

    Raises
    ------
    ConfigError
        With what it would take, and how many paths would fit.
    """
    # Losses, ratios for each level, and what sorting them takes.
    each = 8 * len(losses) * history.close.shape[1] * 2 * (2 * len(TAIL_LEVELS) + 4)
    if paths * each > MEMORY_BYTES:
        raise ConfigError(
            f"expected draws within {MEMORY_BYTES / 2**30:g} GiB, got {paths} paths of "
            f"{history.close.shape[1]} coins: about {paths * each / 2**30:.1f} GiB",
            where=what,
            cure=f"at most {MEMORY_BYTES // each} paths, or fewer coins",
        )


def seed_at(seed: int, place: int) -> int:
    """Return the seed of the draws at one origin: the same for every engine."""
    return int(np.random.SeedSequence(seed, spawn_key=(place,)).generate_state(1)[0])


def record_engine(
    engine: Engine,
    trial: Trial,
    folds_done: FoldDone,
    share_done: Callable[[float], None] = lambda share: None,
    besides: AskedBesides = lambda fitted, fold: [],
    besides_title: str = "",
    pieces: Pieces | None = None,
) -> EngineRecord:
    """Fit on each fold's past, draw at each of its origins, and keep what the tests need.

    A fold in which something raises has no answers, and `failures` says why; the others go on.

    Parameters
    ----------
    share_done
        Told which share of a fold is done.
    besides_title
        What `besides` asks, with its settings: a kept fold is of the same.
    pieces
        Who keeps folds that are done; nobody by default.
    """
    d, o, a = trial.origins.came.shape[:3]
    record = _empty_record(engine.name, d, o, a)
    pieces = pieces or AllAnew()
    for fold in trial.folds:
        key = trial.fold_key(engine, fold, besides_title)
        try:
            piece, kept = pieces.remembered(
                key, partial(fold_piece, engine, trial, fold, share_done, besides)
            )
        except Exception as error:  # noqa: BLE001 - whatever breaks one engine, the others go on
            record.failures[fold.title] = failure_of(error)
            folds_done(f"{key.title}: {record.failures[fold.title]}", False)
            continue
        for name in _BY_ORIGIN:
            getattr(record, name)[fold.origins] = piece.arrays[name]
        record.null[:] += piece.arrays["null"]
        record.judged[fold.origins] = True
        record.besides.extend(piece.told["besides"])
        folds_done(f"{key.title}: {len(fold.origins)} origins", kept)
    return record


def fold_piece(
    engine: Engine,
    trial: Trial,
    fold: ScenarioFold,
    share_done: Callable[[float], None],
    besides: AskedBesides,
) -> StudyPiece:
    """Return one engine's answers in one fold: its rows of an `EngineRecord`, its part of the null.

    Raises whatever the engine does.
    """
    _, o, a = trial.origins.came.shape[:3]
    part = _empty_record(engine.name, len(fold.origins), o, a)
    fitted = engine.fit(trial.history.until(fold.fit_ms))
    for number, origin in enumerate(fold.origins):
        share_done(number / len(fold.origins))
        scenarios = fitted.given(trial.history.until(int(trial.origins.known_ms[origin])))
        _ask(scenarios, trial, int(origin), part, number)
    return StudyPiece(
        arrays={name: getattr(part, name) for name in (*_BY_ORIGIN, "null")},
        told={"besides": besides(fitted, fold)},
    )


def _empty_record(engine: str, d: int, o: int, a: int) -> EngineRecord:
    shape = (d, o, a, 2, len(TAIL_LEVELS))
    return EngineRecord(
        engine=engine, judged=np.zeros(d, np.bool_), hits=np.zeros(shape, np.bool_),
        ratios=np.zeros(shape), null=np.zeros((NULLS, *shape[1:])),
        places=np.full((d, o, a), np.nan), energy=np.full((d, o), np.nan),
    )  # fmt: skip


def failure_of(error: Exception) -> str:
    """Return why an engine has no answer, in a line; with the cure, where the error has one."""
    if isinstance(error, PackError):
        return f"{error.problem}" + (f" ({error.cure})" if error.cure else "")
    return f"{type(error).__name__}: {error}"


def drawn_losses(
    scenarios: Scenarios, losses: Sequence[PathLoss], paths: int, seed: int
) -> FloatArray:
    """Return the losses on so many drawn paths, (P, O, A, 2); a block at a time is in memory.

    Raises
    ------
    InputError, AlignmentError
        If the engine draws other paths than `PathBlock` describes.
    """
    steps = max(loss.candles for loss in losses)
    parts = []
    for block in scenarios.draw(paths, steps, seed):
        check_path_block(block, scenarios.coins, steps)
        parts.append(losses_on(block, losses))
    return np.concatenate(parts)


def _ask(scenarios: Scenarios, trial: Trial, origin: int, part: EngineRecord, row: int) -> None:
    """Draw at one origin, write its row of a fold's record, and add its part of the null."""
    which = np.flatnonzero(trial.origins.asked[origin])
    wanted = [trial.losses[i] for i in which]
    drawn = drawn_losses(scenarios, wanted, trial.paths, seed_at(trial.seed, origin))
    came = trial.origins.came[origin, which]  # (O, A, 2)
    rng = np.random.default_rng([trial.seed, origin])
    picked = rng.integers(0, len(drawn), NULLS)
    for i, level in enumerate(TAIL_LEVELS):
        tail = drawn_tail(drawn, level)
        hits, ratios, sums = part.hits[..., i], part.ratios[..., i], part.null[..., i]  # views
        hits[row, which] = came > tail.value_at_risk
        ratios[row, which] = shortfall_ratio(came, tail, level)
        sums[:, which] += drawn_ratios(drawn, tail)[picked]
    part.places[row, which] = place_among(drawn[..., 0], came[..., 0], rng)
    for i, at in enumerate(which):
        part.energy[row, at] = joint_energy_score(drawn[:, i, :, 0], came[i, :, 0], rng)
