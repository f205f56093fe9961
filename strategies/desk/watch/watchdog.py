"""The watchdog: a process of its own that looks after the account when the bot cannot.

It reads the bot's sign of life and the account, and acts only to lower risk: it cancels entries,
stops positions that have no stop, and, if told to, closes them in stages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import ccxt

from models.base.errors import ControlError, PackError
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import FILE, last_beat
from models.operate.control.state import GuardActor
from models.operate.control.watch import SILENT, WatchdogConfig, alarms
from models.operate.journal.records import Incident
from strategies.desk.watch.act import Actions
from strategies.desk.watch.look import SeenAccount, look
from strategies.desk.watch.venue import Venue

logger = logging.getLogger(__name__)

_WATCHDOG: Final = GuardActor("watchdog")
_BLIND: Final = "blind"
_BLIND_ROUNDS: Final = 3  # a single failed request is no news


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
        Tells a person; must not wait and must not raise.
    """

    def __init__(
        self,
        commands: Commands,
        venue: Venue | None,
        symbols: Sequence[str],
        config: WatchdogConfig,
        say: Callable[[str], None],
    ) -> None:
        self._store, self._journal = commands.store, commands.journal
        self._clock, self._venue, self._symbols = commands.clock, venue, symbols
        self._config, self._say = config, say
        self._actions = None if venue is None else Actions(venue, config, commands.clock)
        self._alarms: dict[str, str] = {}
        self._blind = 0  # rounds in a row in which the account could not be seen

    def round(self) -> None:
        """Look once and do what has to be done; what fails is tried again in the next round."""
        observed = look(self._venue, self._symbols)
        found = self._judge(observed)
        if found.keys() - {_BLIND} and self._store.read().may_add_risk:
            self._store.reduce(_WATCHDOG, "; ".join(found.values()))
        done: list[str] = []
        if self._actions is not None:
            silent = SILENT in found
            close = silent and self._must_close(observed)
            wanted = self._actions.wanted(observed, silent=silent, close=close)
            done = [self._do(*action) for action in wanted]
        # Told last: a journal whose lock a stopped bot holds must not delay what is done.
        self._tell(found, done)

    def _judge(self, observed: SeenAccount) -> dict[str, str]:
        try:
            beat = last_beat(self._store.folder)
            found = alarms(self._clock(), beat, observed.margin_ratio, self._config)
        except ControlError as error:
            found = {SILENT: f"{FILE}: {error.problem}"}
        self._blind = self._blind + 1 if observed.missing else 0
        if self._blind >= _BLIND_ROUNDS:
            found[_BLIND] = f"the account cannot be seen: {observed.missing}"
        return found

    def _must_close(self, observed: SeenAccount) -> bool:
        """Whether the watchdog closes for a silent bot: as configured, told to, or in need."""
        needed = (
            observed.margin_ratio is not None
            and observed.margin_ratio >= self._config.margin_flatten
        )
        requested = self._store.read().flatten is not None
        return requested or needed or self._config.on_silence == "flatten"

    def _do(self, what: str, act: Callable[[], None]) -> str:
        """Act; one failure does not keep the next action from its turn."""
        try:
            act()
        except ccxt.BaseError as error:
            return f"not done, tried again next round ({type(error).__name__}): {what}"
        return what

    # -- telling ------------------------------------------------------------------------------

    def _tell(self, found: dict[str, str], done: list[str]) -> None:
        news = [found[name] for name in found if name not in self._alarms]
        over = [f"over: {self._alarms[name]}" for name in self._alarms if name not in found]
        if over:
            over.append("control stays as it is until a person resumes")
        self._alarms = found
        for text in (*news, *done, *over):
            self._say(f"watchdog: {text}")
        for kind, texts in (("alarm", news), ("acted", done), ("over", over)):
            for text in texts:
                self._note(f"watchdog.{kind}", text)

    def _note(self, kind: str, what: str) -> None:
        try:
            self._journal.append(kind, Incident(what=what))
        except (PackError, OSError) as error:
            logger.warning("not journalled: %s", error)
