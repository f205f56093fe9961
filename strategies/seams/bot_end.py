"""When Freqtrade stops and ends, and whether a person wanted it.

A strategy is told of neither: a stopped bot (`/stop`, from Telegram, the API or the configuration)
calls no hook any more, and one that ends calls none at all. Three methods are replaced on their
classes by ones that tell a listener and go on to Freqtrade's own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.rpc import RPC
from freqtrade.worker import Worker

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

logger = logging.getLogger(__name__)

_STOP, _STOPPED, _CLEANUP = RPC._rpc_stop, FreqtradeBot.process_stopped, FreqtradeBot.cleanup


@dataclass(frozen=True)
class EndListener:
    """What is called in the bot's own thread, but for `asked`; errors are logged and no more."""

    asked: Callable[[], None]  # a person has said stop
    stopped: Callable[[], None]  # once a loop while the bot is stopped
    ended: Callable[[], None]  # the process ends because a person or the system asked it to


_listeners: Final[list[EndListener]] = []  # at most one: the strategy of this process


def listen_for_the_end(listener: EndListener) -> None:
    """Tell `listener` from now on, in the place of an earlier one."""
    _listeners[:] = [listener]
    RPC._rpc_stop = _rpc_stop
    FreqtradeBot.process_stopped = _process_stopped
    FreqtradeBot.cleanup = _cleanup


def _rpc_stop(rpc: RPC) -> dict[str, str]:
    _tell("asked")
    answer: dict[str, str] = _STOP(rpc)
    return answer


def _process_stopped(bot: FreqtradeBot) -> None:
    _tell("stopped")
    _STOPPED(bot)


def _cleanup(bot: FreqtradeBot) -> None:
    # Freqtrade turns SIGTERM into Ctrl-C; a new configuration cleans up without an exception.
    by_a_person = isinstance(sys.exc_info()[1], KeyboardInterrupt)
    try:
        _CLEANUP(bot)
    finally:
        if by_a_person:
            _tell("ended")


def _tell(what: str) -> None:
    for listener in _listeners:
        act: Callable[[], Any] = vars(listener)[what]
        try:
            act()
        except Exception:  # of any kind: a bot must be able to stop
            logger.exception("the end of the bot cannot be noted")


def _probe() -> str:
    return problems(
        lacks_method(RPC, "_rpc_stop"),
        lacks_method(FreqtradeBot, "process_stopped"),
        lacks_method(FreqtradeBot, "cleanup"),
        lacks_text(Worker, "_process_stopped", "self.freqtrade.process_stopped()"),
        lacks_text(Worker, "exit", "self.freqtrade.cleanup()"),
    )


BOT_END = Seam(
    name="RPC._rpc_stop, FreqtradeBot.process_stopped, cleanup",
    what="replaced on their classes",
    why="the watchdog must know a bot that a person has stopped from one that is dead",
    since="freqtrade 2021.4",
    without="the watchdog takes a stopped bot for a dead one",
    probe=_probe,
    library=Library.EXCHANGE,
)
