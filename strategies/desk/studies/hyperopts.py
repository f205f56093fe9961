"""Epochs of `freqtrade hyperopt` as trials: every one it looked at, not the one it shows.

Freqtrade writes a line of JSON for each epoch into ``hyperopt_results/*.fthypt``. Nothing has to be
called for them: whoever counts trials reads what is new there first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from models.base.units import DAY_MS
from models.studies.trials.registry import TrialRegistry, TriedReturns, every_day
from strategies.desk.backtests.entered import other_trial

RESULTS: Final = "hyperopt_results"
_GLOB: Final = "*.fthypt"


def enter_hyperopts(registry: TrialRegistry) -> int:
    """Enter every epoch of the user directory's hyperopts that is new; return how many those were.

    A line that cannot be read is told, and the others count.
    """
    trials: list[TriedReturns] = []
    for path in sorted((registry.userdir / RESULTS).glob(_GLOB)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                trials.append(epoch_trial(json.loads(line), path.name, number))
            except (ValueError, KeyError, TypeError) as error:
                print(f"trials: {path}:{number} is no epoch: {error!r:.100}", file=sys.stderr)
    entered = registry.enter(trials) if trials else 0
    if entered:
        print(f"trials: {entered} epochs of hyperopt entered", flush=True)
    return entered


def epoch_trial(epoch: Mapping[str, Any], file: str, number: int) -> TriedReturns:
    """Return one epoch as a trial: the profit of each day's closed trades over the equity then.

    Parameters
    ----------
    number
        Line of the file; the epoch's own number where it has one.

    Raises
    ------
    KeyError, ValueError, TypeError
        If it is none.
    """
    found = epoch["results_metrics"]
    strategy = str(found.get("strategy_name") or file)
    return other_trial(
        "hyperopt", strategy, f"{found.get('timeframe', '')} hyperopt",
        int(epoch.get("current_epoch", number)), _daily(found),
        file=file, parameters=epoch["params_dict"],
    )  # fmt: skip


def _daily(found: Mapping[str, Any]) -> tuple[int, tuple[float, ...]]:
    """Return the log return of every day of the backtest, from the first on."""
    start, stop = (_day(str(found[name])) for name in ("backtest_start", "backtest_end"))
    profit = dict(_profits(found["daily_profit"]))
    equity, returns = float(found["starting_balance"]), []
    for day in range(start, stop + 1):
        after = max(equity + profit.get(day, 0.0), 0.0)
        returns.append(float(np.log(after / equity)) if after > 0 < equity else 0.0)
        equity = after
    return every_day(np.arange(start, stop + 1), np.array(returns))


def _profits(daily: Any) -> Iterator[tuple[int, float]]:
    for day, profit in daily:
        yield _day(str(day)), float(profit)


def _day(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000) // DAY_MS
