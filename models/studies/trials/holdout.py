"""A span of days nobody looks at until the end, and then once.

What was chosen by looking at a span says nothing new on it. A day is named from which on everything
is kept; a look beyond it is written into the registry's own chain before it happens, so a crash in
between counts as a look. A second look is refused, the same run going on where it stopped is not.
Arnott, Harvey & Markowitz, "A Backtesting Protocol in the Era of Machine Learning", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.base.errors import ConfigError, ControlError
from models.base.files import iso_ms
from models.operate.journal.records import JournalRecord
from models.studies.trials.registry import TrialRegistry

LOCKED: Final = "holdout.locked"
OPENED: Final = "holdout.opened"
SEEN: Final = "holdout.seen"


@dataclass(frozen=True, kw_only=True)
class HoldoutLine(JournalRecord):
    """From when on days are kept, and which run did something about it."""

    start_ms: int
    run: str  # `trial_key` of what runs, or the command that strayed into it


@dataclass(frozen=True, kw_only=True)
class HoldoutState:
    """What became of the days that are kept."""

    start_ms: int
    locked_ms: int
    opened_ms: int | None = None  # the first look
    opened_by: str = ""
    seen: bool = False  # the look is over; until then its run may go on

    def words(self) -> str:
        """Return the state in a sentence."""
        kept = f"Everything from {iso_ms(self.start_ms)[:10]} on is kept for one last look"
        if self.opened_ms is None:
            return f"{kept}; nobody has looked."
        return f"{kept}, which was at {iso_ms(self.opened_ms)[:16]} UTC."


def holdout_state(registry: TrialRegistry) -> HoldoutState | None:
    """Return what is kept, None where nothing is."""
    found: HoldoutState | None = None
    for entry in registry.journal.entries(kind="holdout"):
        start_ms, run = int(entry.record["start_ms"]), str(entry.record["run"])
        if entry.kind == LOCKED and found is None:
            found = HoldoutState(start_ms=start_ms, locked_ms=entry.time_ms)
        elif found is not None and found.opened_ms is None:
            found = HoldoutState(
                start_ms=found.start_ms, locked_ms=found.locked_ms, opened_ms=entry.time_ms,
                opened_by=run, seen=entry.kind == SEEN,
            )  # fmt: skip
        elif found is not None and entry.kind == SEEN:
            found = HoldoutState(**{**found.__dict__, "seen": True})
    return found


def lock_holdout(registry: TrialRegistry, start_ms: int, run: str) -> HoldoutState:
    """Keep everything from `start_ms` on; the first day that was named stays.

    Raises
    ------
    ConfigError
        If another day is kept already: moving it would be a look.
    """
    state = holdout_state(registry)
    if state is None:
        registry.journal.append(LOCKED, HoldoutLine(start_ms=start_ms, run=run))
        state = holdout_state(registry)
        assert state is not None
    if state.start_ms != start_ms:
        raise ConfigError(
            f"expected the hold-out to begin on {iso_ms(state.start_ms)[:10]}, as it was locked, "
            f"got {iso_ms(start_ms)[:10]}",
            cure="leave the day out; one that is chosen anew is none that was kept",
        )
    return state


def open_holdout(registry: TrialRegistry, run: str, last_ms: int) -> HoldoutState:
    """Write down that `run` looks now; the look may only begin after this.

    Parameters
    ----------
    last_ms
        Open time of the last candle that is looked at.

    Raises
    ------
    ControlError
        If nothing is kept, no candle is of the days kept, or somebody has looked before; the run
        that was interrupted may go on.
    """
    state = holdout_state(registry)
    if state is None:
        raise ControlError("there is no hold-out to look at", cure="keep one: --holdout YYYY-MM-DD")
    if last_ms < state.start_ms:
        raise ControlError(
            f"the hold-out begins on {iso_ms(state.start_ms)[:10]}, and the last candle is of "
            f"{iso_ms(last_ms)[:10]}: there is nothing to look at, and the look is kept",
            cure="download candles up to that day, and some months more",
        )
    if state.opened_ms is None:
        registry.journal.append(OPENED, HoldoutLine(start_ms=state.start_ms, run=run))
        return state
    if state.opened_by != run or state.seen:
        raise ControlError(
            f"the hold-out was looked at on {iso_ms(state.opened_ms)[:16]} UTC: what is seen twice "
            "is no hold-out",
            where=str(registry.folder),
            cure="wait for new candles and keep those; or run without --open-holdout",
        )
    return state


def close_holdout(registry: TrialRegistry, run: str) -> None:
    """Write down that the look of `run` is over."""
    state = holdout_state(registry)
    if state is not None and not state.seen:
        registry.journal.append(SEEN, HoldoutLine(start_ms=state.start_ms, run=run))


def note_stray_look(registry: TrialRegistry, last_ms: int, by: str) -> str:
    """Write down that something looked at candles up to `last_ms`; return what is to be said.

    Nothing where that is before the days that are kept, or none are.
    """
    state = holdout_state(registry)
    if state is None or last_ms < state.start_ms:
        return ""
    if state.opened_ms is None:
        registry.journal.append(SEEN, HoldoutLine(start_ms=state.start_ms, run=by))
    return (
        f"the hold-out from {iso_ms(state.start_ms)[:10]} on was looked at by {by}: it is none any "
        "more, and the registry says so"
    )
