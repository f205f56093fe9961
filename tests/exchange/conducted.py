"""Run a module on a clock somebody else moves: ``python -m tests.exchange.conducted FILE ...``.

What follows the clock's file (`tests.exchange.clock.SkippedClock`) are the module and its
arguments. As in `tests.exchange.skipping`, but a sleep moves nothing: it ends when the clock has
come to its end. Whoever holds the file moves the clock for all processes on it at once, and waits
in between until each has done what was due; left alone, it runs at the machine's pace.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.exchange.clock import SkippedClock
from tests.exchange.skipping import install

_LOOK_S: Final = 0.02  # on the machine's clock, between two looks at the other one


def follow() -> None:
    """Let the sleeps of this process follow the clock it has been put on."""
    sleep, asleep = time.sleep, asyncio.sleep

    def slept(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            sleep(min(left, _LOOK_S))

    async def slept_async(delay: float, result: Any = None) -> Any:
        end = time.monotonic() + delay
        await asleep(0)
        while (left := end - time.monotonic()) > 0:
            await asleep(min(left, _LOOK_S))
        return result

    time.sleep, asyncio.sleep = slept, slept_async


def main() -> None:
    """Run the module as ``python -m`` does."""
    _, path, module, *arguments = sys.argv
    sleep = time.sleep
    install(SkippedClock(Path(path)))
    time.sleep = sleep  # the machine's again, for `follow` to go by
    follow()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
