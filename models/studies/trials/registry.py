"""The registry of trials: every model, configuration, seed and style that was ever measured.

What the best of many tries is worth depends on how many there were, and nobody remembers. So
whatever measures a model enters what it tried by itself, losers too, with the returns of every day.
The file is the pack's journal: hash-chained, appended to under a lock by any number of runs, torn
by no kill. It can show that it was changed, not that something was never entered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.base.errors import AlignmentError, ControlError
from models.base.files import Clock, wall_clock_ms
from models.base.types import FloatArray, IntArray
from models.base.units import DAY_MS
from models.evaluate.metrics.equity import sharpe
from models.operate.journal.journal import Journal
from models.operate.journal.records import JournalRecord

FOLDER: Final = "trials"  # of the user directory
TRIED: Final = "trial"  # kind of the journal's lines
_DIGITS: Final = 9  # of a day's return: a billionth


@dataclass(frozen=True, kw_only=True)
class TriedReturns(JournalRecord):
    """One trial: what was tried, on which days, and what each of them returned.

    Attributes
    ----------
    key
        `trial_key` of all that makes it another trial; two lines with one key are one trial.
    by
        What entered it: "compare", "demo", "validate", "hyperopt".
    first_day
        Days since 1970 of the first return; the others follow it, one a day.
    returns
        Log return of each UTC day, after costs.
    """

    key: str
    by: str
    model: str
    style: str  # whose rules made trades of it, as "BTC/USDT:USDT 1h"
    seed: int
    settings: str  # digest
    first_day: int
    returns: tuple[float, ...]

    @property
    def sharpe(self) -> float:
        """The yearly ratio; NaN where nothing ever moved."""
        return float(sharpe(np.array(self.returns)))

    def over(self, days: IntArray) -> FloatArray | None:
        """Return the returns of these days (D,), consecutive; None if not all of them are there."""
        start = int(days[0]) - self.first_day
        if start < 0 or start + len(days) > len(self.returns):
            return None
        return np.array(self.returns[start : start + len(days)])


def trial_key(**parts: Any) -> str:
    """Return the digest of everything that makes a trial another one.

    Examples
    --------
    >>> trial_key(model="lstm", seed=0) == trial_key(seed=0, model="lstm")
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def every_day(days: IntArray, returns: FloatArray) -> tuple[int, tuple[float, ...]]:
    """Return (first day, a return for every day from it on); a day without candles returned 0.

    Parameters
    ----------
    days
        (D,) days since 1970, rising; `returns` are theirs.

    Examples
    --------
    >>> every_day(np.array([5, 7]), np.array([0.1, 0.2]))
    (5, (0.1, 0.0, 0.2))
    """
    if len(days) != len(returns) or not len(days):
        raise AlignmentError(f"expected a return for each day, got {len(returns)} and {len(days)}")
    whole = np.zeros(int(days[-1] - days[0]) + 1)
    whole[days - days[0]] = returns
    return int(days[0]), tuple(float(r) for r in np.round(whole, _DIGITS))


def whole_days(time_ms: IntArray, daily: FloatArray) -> FloatArray:
    """Return daily log returns with the days that have no candle put in, as 0."""
    return np.array(every_day(day_numbers(time_ms), daily)[1])


@dataclass(frozen=True)
class TrialRegistry:
    """The registry in `userdir`; several runs at once may enter trials."""

    userdir: Path
    clock: Clock = wall_clock_ms

    @property
    def folder(self) -> Path:
        return self.userdir / FOLDER

    @property
    def journal(self) -> Journal:
        return Journal(self.folder, self.clock)

    def fault(self) -> str:
        """Return where the chain is broken and how, or nothing."""
        return self.journal.verify().fault

    def require_whole(self) -> None:
        """Refuse to count by a chain that is broken.

        Raises
        ------
        ControlError
            If a line was changed, removed, moved or added; names the file and the line.
        """
        found = self.journal.verify()
        if found.fault:
            raise ControlError(
                f"the registry of trials was changed: {found.fault}; {found.lines} lines before it "
                "are whole",
                where=str(self.folder),
                cure="bring the folder back from a backup; or keep it under another name and count "
                "from nothing, which every report then says",
            )

    def enter(self, trials: Iterable[TriedReturns]) -> int:
        """Enter those that are not there yet and return how many those were.

        Raises
        ------
        ControlError
            If the end of the registry is damaged, or another run holds it for too long.
        OSError
            If it cannot be written.
        """
        known, entered = {trial.key for trial in self.trials()}, 0
        for trial in trials:
            if trial.key not in known:
                self.journal.append(TRIED, trial)
                known.add(trial.key)
                entered += 1
        return entered

    def trials(self) -> list[TriedReturns]:
        """Return every trial once, oldest first; lines that cannot be read are left to `fault`."""
        found = (_trial(entry.record) for entry in self.journal.entries(kind=TRIED))
        return list({trial.key: trial for trial in found}.values())


def _trial(record: Mapping[str, Any]) -> TriedReturns:
    values = dict(record)
    return TriedReturns(**{**values, "returns": tuple(values["returns"])})


@dataclass(frozen=True, kw_only=True)
class CountedTrials:
    """What the registry says of a span of days.

    Attributes
    ----------
    tried
        Every trial, on whatever days and market: all of them count.
    sharpes
        Yearly ratios of those that ever moved.
    over
        (D, N) returns of the N trials that have every day of the span.
    keys
        Theirs, (N,).
    """

    tried: int
    sharpes: tuple[float, ...]
    over: FloatArray
    keys: tuple[str, ...]


def counted_trials(trials: Sequence[TriedReturns], days: IntArray) -> CountedTrials:
    """Return what trials say of the days (D,), which are consecutive days since 1970."""
    ratios = [trial.sharpe for trial in trials]
    rows = {trial.key: trial.over(days) for trial in trials}
    whole = {key: row for key, row in rows.items() if row is not None}
    return CountedTrials(
        tried=len(trials),
        sharpes=tuple(r for r in ratios if np.isfinite(r)),
        over=np.column_stack(list(whole.values())) if whole else np.empty((len(days), 0)),
        keys=tuple(whole),
    )


def day_numbers(time_ms: IntArray) -> IntArray:
    """Return the days since 1970 that have a candle, rising.

    Examples
    --------
    >>> day_numbers(np.array([0, 3_600_000, 2 * 86_400_000]))
    array([0, 2])
    """
    return np.unique(time_ms // DAY_MS)
