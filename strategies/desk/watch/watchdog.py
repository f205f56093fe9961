"""The watchdog: a process of its own that looks after the account when the bot cannot.

It reads the bot's sign of life and the account, and acts only to lower risk: it cancels entries,
stops positions that have no stop, and, if told to, closes them in stages. Whatever cannot be read
or done is said, and nothing else waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from models.base.errors import ControlError
from models.base.steady import SteadyClock
from models.base.units import Seconds
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import FILE, Heartbeat, last_beat
from models.operate.control.state import GuardActor
from models.operate.control.watch import (
    SILENT,
    Life,
    WatchdogConfig,
    alarms,
    stopped_for_s,
)
from strategies.desk.watch.act import Actions
from strategies.desk.watch.clocks import ClockComparison
from strategies.desk.watch.look import SeenAccount, look
from strategies.desk.watch.telling import Telling
from strategies.desk.watch.venue import Venue

_WATCHDOG: Final = GuardActor("watchdog")
_BLIND_ROUNDS: Final = 3  # a single failed request is no news
_STOPPED: Final = "stopped"


@dataclass
class _Judgement:
    """What is wrong: some of it forbids new risk, all of it is told."""

    grave: dict[str, str]
    told: dict[str, str]
    is_stopped: bool  # by a person
    is_left: bool  # for longer than a person may leave positions alone


class Watchdog:
    """One watchdog over one bot.

    Parameters
    ----------
    commands
        State and journal of the bot's user directory.
    venue
        The account; None in dry-run, which has none.
    symbols
        Markets the bot may have orders in.
    say
        Tells a person; must not wait.
    alive
        Is called before each step that may take long.
    """

    def __init__(
        self,
        commands: Commands,
        venue: Venue | None,
        symbols: Sequence[str],
        config: WatchdogConfig,
        say: Callable[[str], None],
        *,
        monotonic: Seconds = time.monotonic,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._venue, self._symbols = commands.store, venue, symbols
        self._config, self._monotonic, self._alive = config, monotonic, alive
        self._clock = SteadyClock(commands.clock, monotonic)
        self._actions = None if venue is None else Actions(venue, config, monotonic)
        self._telling = Telling(commands.journal, say, monotonic, config.again_s)
        self._clocks = ClockComparison(self._clock, venue, config.clock_s, monotonic)
        self._life = Life()
        self._unseen: dict[str, int] = {}  # part of the account -> rounds without it

    def round(self) -> None:
        """Look once and do what has to be done; what fails is tried again in the next round."""
        seen = look(self._venue, self._symbols, self._monotonic, self._alive)
        trouble: list[str] = []
        judged = self._judge(seen, trouble)
        if judged.grave:
            self._tried("new risk forbidden", lambda: self._forbid(judged), trouble)
        done = self._act(seen, judged, trouble)
        # Told last: a journal whose lock a stopped bot holds must not delay what is done.
        news, over = self._telling.alarms({**judged.grave, **judged.told})
        if over and self._is_reduced():
            over.append("control stays as it is until a person resumes")
        self._telling.tell({"alarm": news, "acted": done, "trouble": trouble, "over": over})

    # -- judging --------------------------------------------------------------------------------

    def _judge(self, seen: SeenAccount, trouble: list[str]) -> _Judgement:
        now_ms, beat = self._clock(), None
        grave: dict[str, str] = {}
        try:
            beat = last_beat(self._store.folder)
        except Exception as error:  # noqa: BLE001 - of any kind: nobody knows that the bot lives
            why = error.problem if isinstance(error, ControlError) else type(error).__name__
            grave[SILENT] = f"{FILE}: {why}"
        silent_s = 0.0 if beat is None else self._life.silent_s(beat, now_ms, self._monotonic())
        grave |= alarms(now_ms, beat, silent_s, seen.margin_ratio, self._config)
        told = self._not_seen(seen)
        self._tried("the exchange's clock", lambda: told.update(self._clocks.look()), trouble)
        stopped_s = stopped_for_s(beat, now_ms)
        is_left = stopped_s is not None and stopped_s >= self._config.stopped_s
        if beat is not None and is_left and (seen.positions or not seen.whole):
            told[_STOPPED] = _left_alone(beat, seen)
        return _Judgement(grave, told, stopped_s is not None, is_left)

    def _not_seen(self, seen: SeenAccount) -> dict[str, str]:
        """Return what could not be seen for several rounds."""
        self._unseen = {what: self._unseen.get(what, 0) + 1 for what in seen.missing}
        return {
            f"unseen {what}": f"{what} cannot be seen: {why}"
            for what, why in seen.missing.items()
            if self._unseen[what] >= _BLIND_ROUNDS
        }

    def _is_reduced(self) -> bool:
        trouble: list[str] = []
        reduced: list[bool] = []
        self._tried("", lambda: reduced.append(not self._store.read().may_add_risk), trouble)
        return not reduced or reduced[0]

    # -- acting ---------------------------------------------------------------------------------

    def _forbid(self, judged: _Judgement) -> None:
        if self._store.read().may_add_risk:
            self._store.reduce(_WATCHDOG, "; ".join(judged.grave.values()))

    def _act(self, seen: SeenAccount, judged: _Judgement, trouble: list[str]) -> list[str]:
        if self._actions is None:
            return []
        silent = SILENT in judged.grave
        close: list[bool] = []
        if silent or judged.is_stopped:
            ask = lambda: close.append(self._must_close(seen, silent=silent))  # noqa: E731
            self._tried("what is to be closed", ask, trouble)
        wanted = self._actions.wanted(
            seen, unattended=silent or judged.is_stopped, no_entries=silent or judged.is_left,
            close=any(close),
        )  # fmt: skip
        done = []
        for what, act in wanted:
            self._alive()
            if self._tried(f"not done, tried again next round: {what}", act, trouble):
                done.append(what)
        return done

    def _must_close(self, seen: SeenAccount, *, silent: bool) -> bool:
        """Whether the watchdog closes for a bot that does not: as configured, told to, in need."""
        ratio = seen.margin_ratio
        needed = ratio is not None and ratio >= self._config.margin_flatten
        configured = silent and self._config.on_silence == "flatten"
        return needed or configured or self._store.read().flatten is not None

    def _tried(self, what: str, act: Callable[[], None], trouble: list[str]) -> bool:
        """Act; one failure, of whatever kind, keeps nothing else from its turn."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told, and tried again
            trouble += self._telling.failed(what, error)
            return False
        return True


def _left_alone(beat: Heartbeat, seen: SeenAccount) -> str:
    count = len(seen.positions)
    held = f"{count} position{'s are' if count != 1 else ' is'} open" if seen.whole else (
        "what is open cannot be seen"
    )  # fmt: skip
    return (
        f"bot {beat.pid} was stopped by a person ({beat.stopped}) and {held}: nothing but stops "
        "looks after them"
    )
