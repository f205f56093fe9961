"""What commands enter into the registry of trials, by themselves."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.base.errors import ControlError
from models.base.fingerprint import code_digest
from models.evaluate.metrics.equity import daily_returns
from models.reports.backtest.record import RunRecord
from models.studies.trials.holdout import note_stray_look
from models.studies.trials.registry import (
    TrialRegistry,
    TriedReturns,
    day_numbers,
    every_day,
    trial_key,
)

_RUIN: Final = -1 + 1e-9  # a day that takes all: its log is finite


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


def backtest_trial(record: RunRecord) -> TriedReturns:
    """Return a backtest as a trial: the audited equity's log return of each day.

    From the day on which the account is lost, if it is, nothing returns anything.
    """
    account = record.audit
    simple = daily_returns(account.time_ms, account.equity_close, record.start_wallet_quote)
    daily = np.log1p(np.maximum(simple, _RUIN))
    place = f"{', '.join(record.pairs)} {record.timeframe}"
    return other_trial(
        "demo", record.model, f"{place}, {record.strategy}", record.seeds["training"],
        every_day(day_numbers(account.time_ms), daily),
        code=code_digest(), config=record.config, data=record.data_sha256,
        span=(record.start_ms, record.stop_ms),
    )  # fmt: skip
