"""What commands enter into the registry of trials, by themselves."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.base.errors import ControlError
from models.base.fingerprint import code_digest
from models.base.types import Candles, IntArray
from models.studies.compare.records import Trading
from models.studies.trials.holdout import note_stray_look
from models.studies.trials.registry import TrialRegistry, TriedReturns, trial_key
from models.studies.validate.styled import StyledModel, daily_trial


@dataclass(frozen=True, kw_only=True)
class TriedGround:
    """What models were tried on: the same ground, model, style and seed are the same trial."""

    digest: str  # of candles, folds, settings and code
    time_ms: IntArray  # of the tested rows
    place: str  # as "BTC/USDT:USDT 1h"
    settings: str  # digest


def tried_ground(
    market: Candles, tested: IntArray, place: str, settings: Mapping[str, Any]
) -> TriedGround:
    """Return the ground of trainings on a market, forecast on some of its rows."""
    candles = np.column_stack([market.open, market.high, market.low, market.close, market.volume])
    digest = hashlib.sha256(np.ascontiguousarray(candles).tobytes())
    digest.update(market.time_ms.tobytes() + tested.tobytes())
    chosen = trial_key(**settings)
    return TriedGround(
        digest=trial_key(code=code_digest(), candles=digest.hexdigest(), place=place, how=chosen),
        time_ms=market.time_ms[tested], place=place, settings=chosen,
    )  # fmt: skip


def keyed(every: Sequence[StyledModel], ground: TriedGround, trading: Trading) -> list[StyledModel]:
    """Return the models with the keys of their trials: one for each seed."""
    decision = vars(trading.decision)
    return [
        StyledModel(
            one.model, one.style, one.seeds,
            [trial_key(ground=ground.digest, cost=trading.cost_frac, decision=decision,
                       model=one.model.entry.name, style=one.style.name, seed=number)
             for number in range(len(one.seeds))],
        )
        for one in every
    ]  # fmt: skip


def tried_in(every: Sequence[StyledModel], ground: TriedGround, by: str) -> list[TriedReturns]:
    """Return the trials of models that have their keys."""
    return [
        daily_trial(
            seed, ground.time_ms, key=one.keys[number], by=by, model=one.model.entry.name,
            number=number, settings=ground.settings, style=f"{ground.place}, {one.style.title}",
        )
        for one in every
        for number, seed in enumerate(one.seeds)
    ]  # fmt: skip


def enter_tried(userdir: Path, trials: Sequence[TriedReturns], last_ms: int, by: str) -> None:
    """Enter trials and say how many there are now; what cannot be written is told, nothing ends.

    Parameters
    ----------
    last_ms
        Open time of the last candle that was looked at.
    """
    registry = TrialRegistry(userdir)
    try:
        entered = registry.enter(trials)
        said = note_stray_look(registry, last_ms, by)
        fault = registry.fault()
        print(f"trials: {entered} entered, {len(registry.trials())} so far in {registry.folder}")
    except (ControlError, OSError) as error:
        print(f"trials: {len(trials)} not entered: {error}", file=sys.stderr)
        return
    for line in (said, f"the registry of trials was changed: {fault}" if fault else ""):
        if line:
            print(f"warning: {line}", file=sys.stderr)


def other_trial(
    by: str, model: str, style: str, seed: int, daily: Any, **parts: Any
) -> TriedReturns:
    """Return a trial that is none of a walk, as a backtest's.

    Parameters
    ----------
    daily
        (first day since 1970, a log return for every day from it on).
    parts
        All that makes it another trial, beside what is named.
    """
    first, returns = daily
    return TriedReturns(
        key=trial_key(by=by, model=model, style=style, seed=seed, first=first, **parts),
        by=by, model=model, style=style, seed=seed, settings=trial_key(**parts),
        first_day=first, returns=returns,
    )  # fmt: skip
