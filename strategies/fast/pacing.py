"""When the bot looks: just after each candle's close, and now and then in between.

Freqtrade's own throttle looks again one second after the close. Here the loop is held in
`bot_loop_start`, which Freqtrade calls between fetching candles and analysing them, until the close
has come; the new candles are then fetched at once. Freqtrade's throttle stays for what it is good
at: a loop that did not wait here (bot stopped, or an error) does not spin.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from models.base.units import Seconds

_SLEEP_ON_S = 0.0005  # a sleep shorter than this costs more than it waits


@dataclass(frozen=True, kw_only=True)
class PacingConfig:
    """Block `breakwater.pacing`."""

    tick_s: float = 5.0  # between two looks at open trades, stops and orders
    look_s: float = 0.5  # between two looks at the control file while waiting
    after_close_ms: float = 3.0  # the exchange has to list the forming candle first
    warm_s: float = 1.5  # before a close, connections that fell asleep are woken
    late_s: float = 2.0  # how long a missing candle is asked for before the loop goes on
    retry_ms: float = 25.0  # first pause before asking again; doubles each time

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {value}"
            for name, value in vars(self).items()
            if not 0 < value <= 60_000 or value != value
        ]
        if wrong or self.look_s > 1 or self.tick_s > 60:
            raise ValueError(
                "expected positive times, look_s <= 1 (control takes effect within a second) and "
                f"tick_s <= 60, got {', '.join(wrong) or self}"
            )


class Pacer:
    """Holds a loop until the next candle's close or the next look, whichever comes first.

    Parameters
    ----------
    candle_s
        Length of a candle.
    wall
        UTC seconds; it may jump. Closes are instants of this clock.
    monotonic
        Seconds that never jump; no wait outlasts its length by this clock.
    """

    def __init__(
        self,
        candle_s: float,
        config: PacingConfig,
        *,
        wall: Seconds = time.time,
        monotonic: Seconds = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.candle_s, self.config = candle_s, config
        self._wall, self._monotonic, self._sleep = wall, monotonic, sleep
        self._next_s: float | None = None  # the close waited for
        self._warmed: float | None = None  # the close that was warmed up for

    def wait(
        self,
        interrupted: Callable[[], bool] = lambda: False,
        warm_up: Callable[[], None] = lambda: None,
    ) -> float | None:
        """Wait; return the instant of the close that has come (UTC seconds), or None.

        Returns at once where a close has already passed since the last call, and within `look_s`
        where `interrupted` says so. `warm_up` is called once, `warm_s` before a close waited for.
        """
        now = self._wall()
        if self._next_s is None or self._next_s - now > self.candle_s:  # first, or clock went back
            self._next_s = self._close_after(now)
        due = self._next_s + self.config.after_close_ms / 1000
        # A close about to come is waited for: a look just before it would be in its way.
        length = due - now if due - now < self.config.tick_s + 1 else self.config.tick_s
        end = self._monotonic() + length
        while (left := min(end - self._monotonic(), due - self._wall())) > _SLEEP_ON_S:
            if interrupted():
                return None
            cold = due - self._wall() - self.config.warm_s if self._next_s != self._warmed else left
            if cold <= 0:
                self._warmed = self._next_s
                warm_up()
            else:
                self._sleep(min(left, self.config.look_s, max(cold, _SLEEP_ON_S)))
        if self._wall() < due - _SLEEP_ON_S:
            return None
        closed = self._close_after(self._wall()) - self.candle_s
        self._next_s = closed + self.candle_s
        return closed

    def poll(self, fetch: Callable[[], bool], interrupted: Callable[[], bool]) -> bool:
        """Call `fetch` until it answers True; return False after `late_s` without.

        What comes later still is found by the loop, which fetches each time round.
        """
        end = self._monotonic() + self.config.late_s
        pause = self.config.retry_ms / 1000
        while not fetch():
            if interrupted() or self._monotonic() + pause > end:
                return False
            self._sleep(pause)
            pause *= 2
        return True

    def _close_after(self, now: float) -> float:
        return (now // self.candle_s + 1) * self.candle_s
