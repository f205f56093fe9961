"""Models that were tried on the same ground, as the registry of trials takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.fingerprint import code_digest
from models.base.types import Candles, IntArray
from models.studies.compare.records import Trading
from models.studies.trials.registry import TriedReturns, trial_key
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
