"""What the watchdog makes of what it sees; pure, so that every judgement has a test.

Goal (METHODS.md 8, no. 13): a bot that is dead or hangs is noticed and its account looked after
within 30 seconds, by another process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from models.base.errors import ConfigError
from models.operate.control.heartbeat import RELOADING, Heartbeat

WITHIN_S: Final = 30.0
RELOAD_S: Final = 60.0  # a bot that loads a new configuration asks for every market anew
_LOOP_S: Final = 5.0  # what a loop may take beside its waiting
ON_SILENCE: Final = ("protect", "flatten")
SILENT, FEED, MARGIN, AHEAD = "silent", "feed", "margin", "ahead"  # alarms


@dataclass(frozen=True, kw_only=True)
class WatchdogConfig:
    """When the watchdog acts, and how far it goes."""

    silence_s: float = 15.0  # without a heartbeat the bot is dead or hangs
    every_s: float = 3.0  # between two looks
    feed_late_s: float = 60.0  # a candle may be analysed this long after its close
    margin_reducing: float = 0.5  # maintenance margin over equity
    margin_flatten: float = 0.7  # with a silent bot the watchdog closes in stages from here on
    on_silence: str = "protect"  # cancel entries and keep every position stopped; or "flatten"
    unprotected_s: float = 30.0  # with a live bot: how long a position may be without a stop
    stop_frac: float = 0.05  # distance of a stop the watchdog has to place, from the mark
    max_volume_frac: float = 0.05  # of the volume traded, closed by a stage
    stopped_s: float = 900.0  # a bot a person has stopped may leave positions alone this long
    again_s: float = 1800.0  # what lasts is told again after this long
    clock_s: float = 1.0  # a person is told where machine and exchange differ by more

    def __post_init__(self) -> None:
        if self.on_silence not in ON_SILENCE:
            raise ConfigError(f"expected on_silence in {ON_SILENCE}, got {self.on_silence!r}")
        if not (self.every_s > 0 and self.silence_s > 0):
            raise ConfigError("expected silence_s and every_s > 0")
        if not self.silence_s + self.every_s <= WITHIN_S - 5:
            raise ConfigError(
                f"expected silence_s + every_s <= {WITHIN_S - 5:g}: the account is to be looked "
                f"after within {WITHIN_S:g} s, got {self.silence_s} + {self.every_s}"
            )
        if not 0 < self.margin_reducing <= self.margin_flatten < 1:
            raise ConfigError("expected 0 < margin_reducing <= margin_flatten < 1")
        if not (0 < self.stop_frac < 1 and 0 < self.max_volume_frac <= 1):
            raise ConfigError("expected stop_frac and max_volume_frac in (0, 1)")
        if not (0 <= self.feed_late_s < math.inf and 0 <= self.unprotected_s < math.inf):
            raise ConfigError("expected feed_late_s and unprotected_s finite and >= 0")
        if not (0 <= self.stopped_s < math.inf and self.again_s > 0 and self.clock_s > 0):
            raise ConfigError("expected stopped_s finite and >= 0, again_s and clock_s > 0")

    def allow(self, tick_s: float) -> None:
        """Raise ConfigError if a loop that waits `tick_s` between looks would count as silent."""
        if tick_s + _LOOP_S > self.silence_s:
            raise ConfigError(
                f"expected pacing.tick_s <= {self.silence_s - _LOOP_S:g}, got {tick_s:g}: the "
                f"watchdog takes {self.silence_s:g} s without a sign of life for a dead bot",
                where="breakwater.pacing.tick_s",
            )


@dataclass(frozen=True, kw_only=True)
class WatchedPosition:
    """A position on the exchange; `amount` is negative for a short."""

    symbol: str
    amount: float
    mark: float


@dataclass(frozen=True, kw_only=True)
class Resting:
    """An order on the exchange that waits; `trigger` is None unless it is a stop."""

    id: str
    symbol: str
    side: int  # +1 buy, -1 sell
    amount: float
    reduce_only: bool
    trigger: float | None = None
    own: bool = False  # placed by the watchdog
    bot: bool = False  # placed by the bot

    @property
    def is_bots_stop(self) -> bool:
        """Whether the bot placed it to close a position."""
        return self.bot and self.reduce_only and self.trigger is not None


class Life:
    """How long a bot has given no new sign of life, by a clock that never jumps.

    What a sign says of the time of day counts once, for a sign that was there before anybody
    looked; one dated ahead is set aside: it is as old as it has been known.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None
        self._since_s = 0.0  # by the clock of whoever looks
        self._looked_s = 0.0

    def silent_s(self, beat: Heartbeat, now_ms: int, now_s: float) -> float:
        """Return the seconds since the sign was given.

        Parameters
        ----------
        now_ms, now_s
            The time of day and a clock that never jumps.

        Examples
        --------
        >>> life, sign = Life(), Heartbeat(time_ms=0, pid=7, loop=1)
        >>> life.silent_s(sign, 20_000, 100.0), life.silent_s(sign, 950_000, 103.0)
        (20.0, 23.0)
        """
        sign = (beat.pid, beat.loop, beat.time_ms)
        if sign != self._seen:
            age_s = max(now_ms - beat.time_ms, 0) / 1000
            known_s = age_s if self._seen is None else now_s - self._looked_s
            self._seen, self._since_s = sign, now_s - min(age_s, known_s)
        self._looked_s = now_s
        return now_s - self._since_s


def alarms(
    now_ms: int,
    beat: Heartbeat | None,
    silent_s: float,
    margin_ratio: float | None,
    config: WatchdogConfig,
) -> dict[str, str]:
    """Return what is wrong, alarm to sentence; nothing before any bot has given a sign of life.

    Parameters
    ----------
    silent_s
        Since the sign of life was given (`Life`).

    Examples
    --------
    >>> alarms(20_000, Heartbeat(time_ms=0, pid=7, loop=1), 20.0, 0.6, WatchdogConfig())
    {'silent': 'bot 7 has given no sign of life for 20 s', 'margin': 'margin ratio 0.60'}
    """
    found = {}
    if beat is not None and beat.stopped in ("", RELOADING):
        ahead_s = (beat.time_ms - now_ms) / 1000
        if silent_s > max(config.silence_s, RELOAD_S if beat.stopped else 0.0):
            found[SILENT] = f"bot {beat.pid} has given no sign of life for {silent_s:.0f} s"
        elif ahead_s > config.silence_s:
            found[AHEAD] = (
                f"the sign of life of bot {beat.pid} is dated {ahead_s:.0f} s ahead: one of two "
                "clocks is wrong, and its date does not count"
            )
        if beat.feed_ms is not None and beat.candle_ms is not None:
            late_s = (now_ms - beat.feed_ms - beat.candle_ms) / 1000
            if late_s > config.feed_late_s:
                found[FEED] = f"the newest candle is overdue by {late_s:.0f} s"
    if margin_ratio is not None and not margin_ratio < config.margin_reducing:
        found[MARGIN] = f"margin ratio {margin_ratio:.2f}"
    return found


def stopped_for_s(beat: Heartbeat | None, now_ms: int) -> float | None:
    """Return how long ago a person stopped the bot, seconds; None if nobody has."""
    if beat is None or not beat.stopped:
        return None
    since_ms = beat.time_ms if beat.stopped_ms is None else beat.stopped_ms
    return max(now_ms - since_ms, 0) / 1000


def entries(orders: Iterable[Resting]) -> list[Resting]:
    """Return the waiting orders that could open or enlarge a position."""
    return [order for order in orders if not order.reduce_only]


def uncovered(position: WatchedPosition, orders: Iterable[Resting]) -> float:
    """Return how much of a position no stop would close, base units.

    Examples
    --------
    >>> long = WatchedPosition(symbol="BTC", amount=2.0, mark=100.0)
    >>> stop = Resting(id="1", symbol="BTC", side=-1, amount=1.5, reduce_only=True, trigger=95.0)
    >>> uncovered(long, [stop])
    0.5
    """
    covered = sum((_exact(order.amount) for order in stops_of(position, orders)), Decimal(0))
    return float(max(_exact(abs(position.amount)) - covered, Decimal(0)))


def _exact(amount: float) -> Decimal:
    """Return an amount as the exchange wrote it: 0.03 - 0.02 is 0.01, not a lot less."""
    return Decimal(f"{amount:.15g}")


def stops_of(position: WatchedPosition, orders: Iterable[Resting]) -> list[Resting]:
    """Return the orders that would close a position, or some of it, at a loss."""
    closing = -1 if position.amount > 0 else 1
    return [
        order
        for order in orders
        if order.symbol == position.symbol and order.side == closing and order.reduce_only
        # A trigger on the profitable side of the mark is a take-profit.
        and order.trigger is not None and (position.mark - order.trigger) * closing < 0
    ]  # fmt: skip


def superfluous(position: WatchedPosition | None, orders: Iterable[Resting]) -> list[Resting]:
    """Return the watchdog's own stops of one symbol that protect nothing any more."""
    kept = list(orders)
    own = [order for order in kept if order.own]
    return own if position is None else _spared(position, kept, own)


def left_over(position: WatchedPosition | None, orders: Iterable[Resting]) -> list[Resting]:
    """Return the stops of one symbol that others have left and that protect nothing any more.

    Examples
    --------
    >>> stop = Resting(id="1", symbol="BTC", side=-1, amount=2.0, reduce_only=True, trigger=95.0)
    >>> long = WatchedPosition(symbol="BTC", amount=2.0, mark=100.0)
    >>> len(left_over(None, [stop])), len(left_over(long, [stop])), len(left_over(long, 3 * [stop]))
    (1, 0, 2)
    """
    others = [order for order in orders if not order.own]
    if position is None:
        return [order for order in others if order.reduce_only and order.trigger is not None]
    return _spared(position, others, stops_of(position, others))


def _spared(
    position: WatchedPosition, orders: list[Resting], asked: Iterable[Resting]
) -> list[Resting]:
    """Return those of `asked`, the first ones first, without which a position is still covered."""
    spared = []
    for order in asked:
        others = list(orders)
        others.remove(order)
        if uncovered(position, others) <= 0:
            orders = others
            spared.append(order)
    return spared


def stop_price(position: WatchedPosition, config: WatchdogConfig) -> float:
    """Return where the watchdog stops a position: `stop_frac` from the mark, on the losing side."""
    return position.mark * (1 - config.stop_frac if position.amount > 0 else 1 + config.stop_frac)
