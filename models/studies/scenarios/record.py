"""An engine asked at every origin, and what is kept of its draws: what the tests need, no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.base.errors import ConfigError, PackError
from models.base.types import BoolArray, FloatArray
from models.evaluate.tails.scores import joint_energy_score, place_among
from models.evaluate.tails.shortfall import drawn_ratios, drawn_tail, shortfall_ratio
from models.scenarios.chunked import MEMORY_BYTES
from models.scenarios.paths import CoinHistory, Engine, FittedEngine, Scenarios
from models.studies.scenarios.losses import PathLoss, losses_on
from models.studies.scenarios.origins import Origins, ScenarioFold
from models.trade.account.scenario_account import check_path_block

TAIL_LEVELS: Final = (0.01, 0.05)
NULLS: Final = 10_000  # draws of the expected-shortfall test under the forecast itself
_LEAST_PATHS: Final = 1_000  # ten in the tail of 1 %

AskedBesides = Callable[[FittedEngine, ScenarioFold], None]
"""What else is asked of each fitted engine, once its origins are done."""


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
    folds_done: Callable[[str], None],
    share_done: Callable[[float], None] = lambda share: None,
    besides: AskedBesides | None = None,
) -> EngineRecord:
    """Fit on each fold's past, draw at each of its origins, and keep what the tests need.

    A fold in which something raises has no answers, and `failures` says why; the others go on.

    Parameters
    ----------
    folds_done
        Told a line for each fold.
    share_done
        Told which share of a fold is done.
    """
    d, o, a = trial.origins.came.shape[:3]
    shape = (d, o, a, 2, len(TAIL_LEVELS))
    record = EngineRecord(
        engine=engine.name, judged=np.zeros(d, np.bool_), hits=np.zeros(shape, np.bool_),
        ratios=np.zeros(shape), null=np.zeros((NULLS, *shape[1:])),
        places=np.full((d, o, a), np.nan), energy=np.full((d, o), np.nan),
    )  # fmt: skip
    for fold in trial.folds:
        try:
            fitted = engine.fit(trial.history.until(fold.fit_ms))
            null = np.zeros_like(record.null)
            for number, origin in enumerate(fold.origins):
                share_done(number / len(fold.origins))
                scenarios = fitted.given(trial.history.until(int(trial.origins.known_ms[origin])))
                _ask(scenarios, trial, int(origin), record, null)
            if besides is not None:
                besides(fitted, fold)
        except Exception as error:  # noqa: BLE001 - whatever breaks one engine, the others go on
            record.failures[fold.title] = failure_of(error)
            folds_done(f"{engine.name}, {fold.title}: {record.failures[fold.title]}")
            continue
        record.judged[fold.origins] = True
        record.null[:] += null
        folds_done(f"{engine.name}, {fold.title}: {len(fold.origins)} origins")
    return record


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


def _ask(
    scenarios: Scenarios, trial: Trial, origin: int, record: EngineRecord, null: FloatArray
) -> None:
    """Draw at one origin, write its row of the record, and add its part of the null."""
    which = np.flatnonzero(trial.origins.asked[origin])
    wanted = [trial.losses[i] for i in which]
    drawn = drawn_losses(scenarios, wanted, trial.paths, seed_at(trial.seed, origin))
    came = trial.origins.came[origin, which]  # (O, A, 2)
    rng = np.random.default_rng([trial.seed, origin])
    picked = rng.integers(0, len(drawn), NULLS)
    for i, level in enumerate(TAIL_LEVELS):
        tail = drawn_tail(drawn, level)
        hits, ratios, sums = record.hits[..., i], record.ratios[..., i], null[..., i]  # views
        hits[origin, which] = came > tail.value_at_risk
        ratios[origin, which] = shortfall_ratio(came, tail, level)
        sums[:, which] += drawn_ratios(drawn, tail)[picked]
    record.places[origin, which] = place_among(drawn[..., 0], came[..., 0], rng)
    for i, at in enumerate(which):
        record.energy[origin, at] = joint_energy_score(drawn[:, i, :, 0], came[i, :, 0], rng)
