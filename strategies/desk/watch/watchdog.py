"""The watchdog: a process of its own that looks after the account when the bot cannot.

It reads the bot's sign of life and the account, and acts only to lower risk: it cancels entries,
stops positions that have no stop, and, if told to, closes them in stages. Whatever cannot be read
or done is said, and nothing else waits for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from models.base.errors import ControlError
from models.base.steady import SteadyClock
from models.base.units import Seconds
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import FILE, Heartbeat, last_beat
from models.operate.control.state import ControlState, GuardActor, halted
from models.operate.control.text import readable
from models.operate.control.watch import (
    AHEAD,
    FEED,
    MARGIN,
    SILENT,
    Life,
    WatchdogConfig,
    alarms,
    entries,
    left_over,
    stopped_for_s,
)
from strategies.desk.watch.act import Actions
from strategies.desk.watch.clocks import ClockComparison
from strategies.desk.watch.look import MARGIN_PART, GuardedMarkets, SeenAccount, look
from strategies.desk.watch.telling import Telling
from strategies.desk.watch.unseen import Missing, UnseenParts
from strategies.desk.watch.venue import Venue

_WATCHDOG: Final = GuardActor("watchdog")
_ROUNDS: Final = 3  # a single failed request is no news
_STOPPED, _STATE, _UNREADABLE = "stopped", "control state", "sign of life"  # alarms
_STOPS: Final = "stops in "  # and the symbol: an alarm
_OF_THE_BOT: Final = frozenset({SILENT, FEED, AHEAD, _STOPPED})  # what its sign of life tells
_CLOSED: Final = "every position is closed, and the exchange holds none"


@dataclass
class _Judgement:
    """What is wrong: some of it forbids new risk, all of it is told.

    Attributes
    ----------
    unjudged
        Alarms of which nobody can tell in this round whether they are over.
    """

    grave: dict[str, str]
    told: dict[str, str]
    unjudged: set[str]
    is_stopped: bool  # by a person
    is_left: bool  # for longer than a person may leave positions alone
    is_absent: bool  # no bot has ever been there

    @property
    def is_silent(self) -> bool:
        return SILENT in self.grave or _UNREADABLE in self.grave

    @property
    def is_unattended(self) -> bool:
        return self.is_silent or self.is_stopped


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
    whose
        Tells in each round why the state is another bot's; nothing while it is not. Such a state is
        neither obeyed nor written, and the sign of life beside it is another's.
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
        whose: Callable[[], str] = lambda: "",
    ) -> None:
        self._whose, self._has_lived = whose, False
        self._store, self._venue, self._symbols = commands.store, venue, symbols
        self._config, self._monotonic, self._alive = config, monotonic, alive
        self._clock = SteadyClock(commands.clock, monotonic)
        self._actions = None if venue is None else Actions(venue, config, monotonic)
        self._telling = Telling(
            commands.journal, say, monotonic, config.again_s, commands.store.masked
        )
        self._clocks = ClockComparison(self._clock, venue, config.clock_s, monotonic)
        self._life, self._unseen, self._guarded = Life(), UnseenParts(), GuardedMarkets()
        self._lasting: dict[str, tuple[int, int]] = {}  # what is odd -> rounds, since when
        self._is_closing = False  # positions, of which the last has not been seen to be gone

    def round(self) -> None:
        """Look once and do what has to be done; what fails is tried again in the next round."""
        seen = look(self._venue, self._symbols, self._guarded, self._monotonic, self._alive)
        trouble: list[str] = []
        judged = self._judge(seen, trouble)
        if judged.grave:
            self._tried("new risk forbidden", lambda: self._forbid(judged), trouble)
        done = self._act(seen, judged, trouble)
        # Told last: a journal whose lock a stopped bot holds must not delay what is done.
        found = {**judged.grave, **judged.told}
        news, over = self._telling.alarms(found, judged.unjudged)
        if over and self._is_reduced():
            over.append("control stays as it is until a person resumes")
        self._telling.tell({"alarm": news, "acted": done, "trouble": trouble, "over": over})

    # -- judging --------------------------------------------------------------------------------

    def _judge(self, seen: SeenAccount, trouble: list[str]) -> _Judgement:
        now_ms = self._clock()
        beat, grave = self._last_sign()
        silent_s = 0.0 if beat is None else self._life.silent_s(beat, now_ms, self._monotonic())
        is_absent = beat is None and not grave
        grave |= alarms(now_ms, beat, silent_s, seen.margin_ratio, self._config)
        stopped_s = stopped_for_s(beat, now_ms)
        is_left = stopped_s is not None and stopped_s >= self._config.stopped_s
        unjudged = self._unjudged(seen, is_read=_UNREADABLE not in grave)
        judged = _Judgement(grave, {}, unjudged, stopped_s is not None, is_left, is_absent)
        told = judged.told
        self._tried("the clocks", lambda: told.update(self._look_at_clocks(seen)), trouble)
        self._tried("what lasts", lambda: told.update(self._odd(seen, judged, now_ms)), trouble)
        self._tried("the control state", lambda: told.update(self._state()), trouble)
        if beat is not None and is_left and (seen.positions or not seen.whole):
            told[_STOPPED] = _left_alone(beat, seen)
        return judged

    def _look_at_clocks(self, seen: SeenAccount) -> dict[str, str]:
        """Return what is wrong with them; an exchange that does not tell its is not seen."""
        found = self._clocks.look()
        if self._clocks.unasked:
            seen.missing["the exchange's clock"] = self._clocks.unasked
        return found

    def _unjudged(self, seen: SeenAccount, *, is_read: bool) -> set[str]:
        """Return the alarms that stand as they stood: nobody sees what they tell of."""
        looked = {_stops(symbol) for symbol in seen.orders if seen.is_settled(symbol)}
        stops = {name for name in self._lasting if name.startswith(_STOPS) and name not in looked}
        margin = {MARGIN} if MARGIN_PART in seen.missing else set()
        return stops | margin | (set() if is_read else _OF_THE_BOT)

    def _last_sign(self) -> tuple[Heartbeat | None, dict[str, str]]:
        """Return the bot's last sign of life, and the alarm of one that cannot be read."""
        try:
            if self._whose():
                raise ControlError("it is another bot's")
            beat = last_beat(self._store.folder)
            if beat is None and self._has_lived:
                raise ControlError("the bot's sign of life is gone, and its folder with it")
            self._has_lived |= beat is not None
            return beat, {}
        except Exception as error:  # noqa: BLE001 - of any kind: nobody knows that the bot lives
            why = error.problem if isinstance(error, ControlError) else type(error).__name__
            return None, {_UNREADABLE: f"{FILE}: {why}"}

    def _state(self) -> dict[str, str]:
        """Return that nobody can tell what the bot has been told, if so."""
        state = self._read()
        return {_STATE: state.reason} if state.made_ms < 0 else {}

    def _read(self) -> ControlState:
        """Return what the bot has been told, by a state that is its own."""
        why = self._whose()
        return halted(why, since_ms=self._clock()) if why else self._store.read()

    def _odd(self, seen: SeenAccount, judged: _Judgement, now_ms: int) -> dict[str, str]:
        """Return what could not be seen, or is left over, for several rounds; and since when."""
        found = dict(seen.missing)  # part -> why
        before, unattended = self._lasting, judged.is_unattended
        # A bot that lives tidies up by itself.
        found |= {n: text for n, text in _left_stops(seen).items() if unattended or n in before}
        kept = {name: at for name, at in before.items() if name in judged.unjudged}
        self._lasting = kept | {
            name: (before[name][0] + 1, before[name][1]) if name in before else (1, now_ms)
            for name in found
        }
        lasting = {
            name: Missing(since_ms, found[name])
            for name, (rounds, since_ms) in self._lasting.items()
            if rounds >= _ROUNDS and name in found
        }
        unseen = {name: lasting.pop(name) for name in seen.missing if name in lasting}
        left = {n: f"since {readable(odd.since_ms)} {odd.why}" for n, odd in lasting.items()}
        return {**self._unseen.alarms(unseen), **left}

    def _is_reduced(self) -> bool:
        trouble: list[str] = []
        reduced: list[bool] = []
        self._tried("", lambda: reduced.append(not self._read().may_add_risk), trouble)
        return not reduced or reduced[0]

    # -- acting ---------------------------------------------------------------------------------

    def _forbid(self, judged: _Judgement) -> None:
        if self._read().may_add_risk:
            self._store.reduce(_WATCHDOG, "; ".join(judged.grave.values()))

    def _act(self, seen: SeenAccount, judged: _Judgement, trouble: list[str]) -> list[str]:
        if self._actions is None:
            return []
        close, no_entries = self._asked(seen, judged, trouble)
        wanted = self._actions.wanted(
            seen, unattended=judged.is_unattended, no_entries=no_entries, close=close
        )
        done: list[str] = []
        for what, act in wanted:
            self._alive()
            self._tried(
                f"not done, tried again next round: {what}", partial(_do, what, act, done), trouble
            )
        self._is_closing |= close and bool(seen.positions)
        if (close or self._is_closing) and _is_flat(seen):
            self._tried(f"noted that {_CLOSED}", lambda: done.extend(self._finished()), trouble)
        return done

    def _asked(
        self, seen: SeenAccount, judged: _Judgement, trouble: list[str]
    ) -> tuple[bool, bool]:
        """Return whether positions are to be closed, and whether what could open one goes."""
        asked = [(False, judged.is_silent or judged.is_left)]

        def hear() -> None:
            state = self._read()
            close = self._must_close(state, seen, judged)
            forbidden = judged.is_stopped and not state.may_add_risk
            asked.append((close, asked[0][1] or close or forbidden))

        if judged.is_unattended or judged.is_absent:
            self._tried("what is to be closed", hear, trouble)
        return asked[-1]

    def _must_close(self, state: ControlState, seen: SeenAccount, judged: _Judgement) -> bool:
        """Whether the watchdog closes for a bot that does not: as configured, told to, in need."""
        ratio = seen.margin_ratio
        needed = ratio is not None and ratio >= self._config.margin_flatten
        configured = judged.is_silent and self._config.on_silence == "flatten"
        return (needed and judged.is_unattended) or configured or state.flatten is not None

    def _finished(self) -> list[str]:
        """Note that nothing is left to close, where somebody waits for that; return the word."""
        if self._read().flatten is not None:
            self._store.flattened(_WATCHDOG, _CLOSED)
            self._is_closing = True
        word = [_CLOSED] if self._is_closing else []
        self._is_closing = False
        return word

    def _tried(self, what: str, act: Callable[[], None], trouble: list[str]) -> None:
        """Act; one failure, of whatever kind, keeps nothing else from its turn."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told, and tried again
            trouble += self._telling.failed(what, error)


def _do(what: str, act: Callable[[], str | None], done: list[str]) -> None:
    done.append(act() or what)


def _is_flat(seen: SeenAccount) -> bool:
    """Whether the exchange holds no position, and no order that could open one is seen."""
    return seen.whole and not seen.positions and not any(map(entries, seen.orders.values()))


def _stops(symbol: str) -> str:
    return f"{_STOPS}{symbol}"


def _left_stops(seen: SeenAccount) -> dict[str, str]:
    """Return the stops that others have left and that nothing needs, by alarm."""
    found = {}
    for symbol, orders in seen.orders.items():
        position = seen.positions.get(symbol)
        stops = left_over(position, orders) if seen.is_settled(symbol) else []
        if stops:
            held = "where no position is" if position is None else (
                f"beside those that cover the position of {position.amount:g}"
            )  # fmt: skip
            sizes = ", ".join("all" if s.amount == math.inf else f"{s.amount:g}" for s in stops)
            rest = "a stop rests" if len(stops) == 1 else f"{len(stops)} stops rest"
            found[_stops(symbol)] = f"{rest} in {symbol} {held} ({sizes}): look, and cancel"
    return found


def _left_alone(beat: Heartbeat, seen: SeenAccount) -> str:
    count = len(seen.positions)
    held = f"{count} position{'s are' if count != 1 else ' is'} open" if seen.whole else (
        "what is open cannot be seen"
    )  # fmt: skip
    return (
        f"bot {beat.pid} was stopped by a person ({beat.stopped}) and {held}: nothing but stops "
        "looks after them"
    )
