"""Which way a bot takes from a candle's close to its order, and the way back to Freqtrade's own.

Switch `breakwater.fast`: "auto" takes the fast lane where the installed libraries have everything
it touches; "off" never does. Wherever the lane breaks, at the start or later, the bot goes on by
Freqtrade's own loop, candle refresh and order calls, and says so once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from models.serve.latency import CandleLatency, Percentiles
from strategies.fast.host import LaneHost
from strategies.fast.own_loop import OUTSIDE_TROUBLE, Lane
from strategies.fast.paced import PacedLane
from strategies.fast.pacing import PacingConfig
from strategies.seams.async_client import ASYNC_CLIENT
from strategies.seams.data_provider import EXCHANGE_OBJECT
from strategies.seams.fast_mode import FastMode
from strategies.seams.http_session import HTTP_SESSION
from strategies.seams.kept_candles import KEPT_CANDLES
from strategies.seams.order_parameters import ORDER_PARAMETERS
from strategies.seams.order_setup import ORDER_SETUP
from strategies.seams.record import Seam
from strategies.seams.rest_client import REST_CLIENT
from strategies.seams.wallet_refresh import WALLET_REFRESH
from strategies.seams.websocket import WEBSOCKET

__all__ = ["NEEDED_SEAMS", "Lane", "LaneSwitch", "longest_loop_s", "open_lane"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# What the lane touches; it is left out where one of them is gone.
NEEDED_SEAMS: Final[tuple[Seam, ...]] = (
    ASYNC_CLIENT, EXCHANGE_OBJECT, HTTP_SESSION, KEPT_CANDLES, ORDER_PARAMETERS, ORDER_SETUP,
    REST_CLIENT, WALLET_REFRESH, WEBSOCKET,
)  # fmt: skip
_THROTTLE_S: Final = 5.0  # Freqtrade's own, where the config names none


class LaneSwitch(Lane):
    """The fast lane while it works, and Freqtrade's own way from its first error on.

    Parameters
    ----------
    make
        Returns the fast lane; is given what to call with an error that nobody waits for.
    say
        Is given, once, why the lane is left.
    """

    def __init__(
        self,
        make: Callable[[Callable[[str, Exception], None]], Lane],
        say: Callable[[str], None],
    ) -> None:
        self._say, self._left = say, False
        self.current: Lane = Lane()
        try:
            self.current = make(self._leave)
        except Exception as error:  # noqa: BLE001 - whatever it is, Freqtrade's own way is there
            self._leave("start", error)

    def _leave(self, part: str, error: Exception) -> None:
        if self._left:  # what was still on its way when the lane was left
            return
        self._left = True
        broken, self.current = self.current, Lane()
        reason = f"{part}: {type(error).__name__}: {error}"
        logger.warning("The fast lane is left: %s", reason, exc_info=error)
        try:
            broken.close()
        except Exception as left:  # noqa: BLE001 - what could not be put back is named
            reason += f"; not all could be given back to Freqtrade: {left}"
        self._say(f"the fast lane is left: {reason}")

    def _asked(self, part: str, ask: Callable[[Lane], _T], instead: _T) -> _T:
        """Return the lane's answer, `instead` where it has none any more."""
        try:
            return ask(self.current)
        except OUTSIDE_TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the bot goes on without
            self._leave(part, error)
            return instead

    def start(self) -> None:
        """Begin."""
        self._asked("start", lambda lane: lane.start(), None)

    def hold(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Return when there is something to do; at once without the lane."""
        self._asked("candles", lambda lane: lane.hold(interrupted), None)

    def settle(self) -> None:
        """Let the next loop come at once."""
        self._asked("candles", lambda lane: lane.settle(), None)

    def loop_begins(self) -> None:
        """Note that a loop begins."""
        self._asked("orders", lambda lane: lane.loop_begins(), None)

    def entry_leaves(self, pair: str, notional: float, leverage: float) -> None:
        """Note that an entry of `notional`, in stake currency, is about to leave."""
        self._asked("orders", lambda lane: lane.entry_leaves(pair, notional, leverage), None)

    def exit_leaves(self) -> None:
        """Note that an order that reduces a position is about to leave."""
        self._asked("orders", lambda lane: lane.exit_leaves(), None)

    def now_s(self) -> float:
        """Return the seconds of the clock that times stages."""
        return self._asked("times", lambda lane: lane.now_s(), 0.0)

    def took(self, pair: str, name: str, begin_s: float) -> None:
        """Note a stage."""
        self._asked("times", lambda lane: lane.took(pair, name, begin_s), None)

    def latency(self) -> Mapping[str, Percentiles]:
        """Return stage -> percentiles, milliseconds."""
        nothing: Mapping[str, Percentiles] = {}
        return self._asked("times", lambda lane: lane.latency(), nothing)

    def p99_ms(self) -> float | None:
        """Return the 99th percentile from close to order."""
        return self._asked("times", lambda lane: lane.p99_ms(), None)

    def close(self) -> None:
        """Give everything back."""
        self._asked("end", lambda lane: lane.close(), None)


def open_lane(
    host: LaneHost,
    mode: FastMode,
    pacing: PacingConfig,
    candle_s: float,
    *,
    live: bool,
    note: Callable[[CandleLatency], None],
    say: Callable[[str], None],
    seams: tuple[Seam, ...] = NEEDED_SEAMS,
) -> Lane:
    """Return the fast lane where `mode` and the installed libraries allow it, else Freqtrade's own.

    Parameters
    ----------
    candle_s
        Length of a candle.
    live
        Whether real orders are sent.
    note
        Gets the latency of each pair once its candle is done.
    say
        Is given why there is no fast lane, or why it is left.
    """
    if mode is FastMode.OFF:
        logger.info("The fast lane is off; Freqtrade's own loop, candle refresh and order calls.")
        return Lane()
    gone = {seam.name: why for seam in seams if (why := seam.missing())}
    if gone:
        why = "; ".join(f"{name}: {missing}" for name, missing in gone.items())
        logger.warning("There is no fast lane: %s", why)
        say(f"there is no fast lane: {why}")
        return Lane()
    return LaneSwitch(
        lambda failed: PacedLane(host, pacing, candle_s, live=live, note=note, failed=failed),
        say,
    )


def longest_loop_s(config: Mapping[str, Any], mode: FastMode, pacing: PacingConfig) -> float:
    """Return the longest time between two looks of the loop: the lane's, or Freqtrade's own."""
    if mode is FastMode.OFF:
        throttle = (config.get("internals") or {}).get("process_throttle_secs", _THROTTLE_S)
        return float(throttle)
    return pacing.tick_s
