"""The watchdog: a process of its own that looks after the account when the bot cannot.

It reads the bot's sign of life and the account, and acts only to lower risk: it cancels entries,
stops positions that have no stop, and, if told to, closes them in stages.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import ccxt
from freqtrade.configuration import Configuration

from models.base.errors import ControlError, PackError
from models.operate.control.commands import Commands
from models.operate.control.heartbeat import FILE, last_beat
from models.operate.control.state import GuardActor
from models.operate.control.watch import (
    SILENT,
    Resting,
    WatchdogConfig,
    WatchedPosition,
    alarms,
    entries,
    stop_price,
    superfluous,
    uncovered,
)
from models.operate.journal.records import Incident
from models.trade.risk.reduction import next_step
from strategies.bot.config import pack_config
from strategies.desk.alerts import Alerts
from strategies.desk.venue import Venue, venue_client
from strategies.human.control import secrets_of

logger = logging.getLogger(__name__)

_WATCHDOG: Final = GuardActor("watchdog")
_BLIND: Final = "blind"
_BLIND_ROUNDS: Final = 3  # a single failed request is no news

WatchdogAction: TypeAlias = tuple[str, Callable[[], None]]  # what it does, in words; and the doing


@dataclass
class _Observed:
    """The account in one round, as far as it could be seen."""

    positions: dict[str, WatchedPosition] = field(default_factory=dict)
    orders: dict[str, list[Resting]] = field(default_factory=dict)
    margin_ratio: float | None = None
    missing: str = ""  # why not further


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
        self._alarms: dict[str, str] = {}
        self._blind = 0  # rounds in a row in which the account could not be seen
        self._next_step_ms: dict[str, int] = {}  # when more of a position may be closed
        self._bare_since: dict[str, int] = {}  # position without a whole stop -> first seen

    def round(self) -> None:
        """Look once and do what has to be done; what fails is tried again in the next round."""
        observed = self._look()
        found = self._judge(observed)
        news = found.keys() - self._alarms.keys()
        if found.keys() - {_BLIND} and (news or self._store.read().may_add_risk):
            self._store.reduce(_WATCHDOG, "; ".join(found.values()))
        done: list[str] = []
        if self._venue is not None:
            done = [self._do(*action) for action in self._actions(self._venue, observed, found)]
        # Told last: a journal whose lock a stopped bot holds must not delay what is done.
        self._tell(found, done)

    # -- looking ------------------------------------------------------------------------------

    def _look(self) -> _Observed:
        observed = _Observed()
        if self._venue is None:
            return observed
        try:
            observed.positions = {p.symbol: p for p in self._venue.positions()}
            for symbol in dict.fromkeys([*self._symbols, *observed.positions]):
                observed.orders[symbol] = self._venue.resting(symbol)
            observed.margin_ratio = self._venue.margin_ratio()
        except (ccxt.BaseError, LookupError, TypeError, ValueError) as error:
            observed.missing = type(error).__name__
        return observed

    def _judge(self, observed: _Observed) -> dict[str, str]:
        try:
            beat = last_beat(self._store.folder)
            found = alarms(self._clock(), beat, observed.margin_ratio, self._config)
        except ControlError as error:
            found = {SILENT: f"{FILE}: {error.problem}"}
        self._blind = self._blind + 1 if observed.missing else 0
        if self._blind >= _BLIND_ROUNDS:
            found[_BLIND] = f"the account cannot be seen: {observed.missing}"
        return found

    # -- acting -------------------------------------------------------------------------------

    def _actions(
        self, venue: Venue, observed: _Observed, found: dict[str, str]
    ) -> Iterator[WatchdogAction]:
        silent = SILENT in found
        if silent:
            yield from self._without_entries(venue, observed)
            if self._must_close(observed):
                yield from self._closed(venue, observed)
        yield from self._protected(venue, observed, at_once=silent)
        yield from self._tidy(venue, observed)

    def _must_close(self, observed: _Observed) -> bool:
        """Whether the watchdog closes for a silent bot: as configured, told to, or in need."""
        needed = (
            observed.margin_ratio is not None
            and observed.margin_ratio >= self._config.margin_flatten
        )
        requested = self._store.read().flatten is not None
        return requested or needed or self._config.on_silence == "flatten"

    def _closed(self, venue: Venue, observed: _Observed) -> Iterator[WatchdogAction]:
        now = self._clock()
        for symbol, position in observed.positions.items():
            if now < self._next_step_ms.get(symbol, 0):
                continue
            held = abs(position.amount) * position.mark
            step = next_step(
                now_ms=now, held_quote=held, target_quote=0.0,
                volume_1h_quote=_answer(partial(venue.volume_1h_quote, symbol)),
                max_volume_frac=self._config.max_volume_frac,
                smallest_quote=_answer(partial(venue.smallest_quote, symbol)) or 0.0,
            )  # fmt: skip
            self._next_step_ms[symbol] = step.next_ms
            amount = abs(position.amount) * min(step.notional_quote / held, 1.0)
            yield f"{amount:g} of {abs(position.amount):g} {symbol} closed", _close(
                venue, position, amount
            )  # fmt: skip

    def _without_entries(self, venue: Venue, observed: _Observed) -> Iterator[WatchdogAction]:
        for orders in observed.orders.values():
            for order in entries(orders):
                yield f"entry of {order.amount:g} {order.symbol} cancelled", _cancel(venue, order)

    def _protected(
        self, venue: Venue, observed: _Observed, *, at_once: bool
    ) -> Iterator[WatchdogAction]:
        now, since = self._clock(), self._bare_since
        self._bare_since = {}
        for symbol, position in observed.positions.items():
            if symbol not in observed.orders:
                continue  # not seen: perhaps it has a stop
            left = uncovered(position, observed.orders[symbol])
            if left <= 0:
                continue
            self._bare_since[symbol] = since.get(symbol, now)
            if at_once or now - self._bare_since[symbol] >= 1000 * self._config.unprotected_s:
                price = stop_price(position, self._config)
                what = f"{left:g} {symbol} had no stop; one placed at {price:g}"
                yield what, _protect(venue, position, left, price)

    def _tidy(self, venue: Venue, observed: _Observed) -> Iterator[WatchdogAction]:
        for symbol, orders in observed.orders.items():
            for order in superfluous(observed.positions.get(symbol), orders):
                yield f"own stop in {symbol} taken back", _cancel(venue, order)

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


def _cancel(venue: Venue, order: Resting) -> Callable[[], None]:
    return lambda: venue.cancel(order)


def _protect(
    venue: Venue, position: WatchedPosition, amount: float, price: float
) -> Callable[[], None]:
    return lambda: venue.protect(position, amount, price)


def _close(venue: Venue, position: WatchedPosition, amount: float) -> Callable[[], None]:
    return lambda: venue.close(position, amount)


def _answer(ask: Callable[[], float | None]) -> float | None:
    """Return the answer; None without one, which must keep nobody in a position."""
    try:
        return ask()
    except (ccxt.BaseError, LookupError, TypeError, ValueError) as error:
        logger.warning("not answered: %s", type(error).__name__)
        return None


def run_watchdog(configs: Sequence[Path], userdir: Path | None) -> int:
    """Watch the bot of these config files until the process is ended."""
    config = Configuration.from_files([str(path) for path in configs])
    settings = pack_config(config).watchdog
    folder = Path(userdir or config["user_data_dir"])
    if not folder.is_dir():
        raise ControlError("expected the bot's user directory", where=str(folder))
    alerts = Alerts(config)
    dry = bool(config["dry_run"])
    watchdog = Watchdog(
        Commands(folder, secrets=secrets_of(config)),
        None if dry else Venue(venue_client(config)),
        config["exchange"]["pair_whitelist"],
        settings,
        alerts.say,
    )
    # Freqtrade has set up its own while reading the config, buffered and meant for a bot.
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    alerts.say(f"watchdog: watching {folder}" + (", dry-run: heartbeat and feed only" * dry))
    while True:
        started = time.monotonic()
        watchdog.round()
        alerts.deliver()
        time.sleep(max(0.0, settings.every_s - (time.monotonic() - started)))
