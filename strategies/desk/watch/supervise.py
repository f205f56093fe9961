"""The watchdog's supervisor: starts it again where it has died or hangs, and says so."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from models.base.units import Seconds
from strategies.account.config_files import config_of_files
from strategies.desk.watch.alerts import Alerts
from strategies.desk.watch.unhurried import log_unhurried

_BEGIN_S: Final = 120.0  # to the first sign of life: a slow machine reads much code
_HANGS_S: Final = 30.0  # between two signs; one question to the exchange may take a third of it
_LOOK_S: Final = 1.0
_PAUSES_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # before it is started again; the last stays
_WELL_S: Final = 600.0  # having lived that long, it begins again with the shortest pause
_WRONG_SETTINGS: Final = 2  # exit status


class Child(Protocol):
    """The process watched over, as `subprocess.Popen` has it."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Start = Callable[[int], Child]  # the end of the pipe it is to write its signs of life to


class Supervisor:
    """Watches over one process.

    Parameters
    ----------
    say
        Tells a person.
    monotonic, sleep
        Of a clock that never jumps.
    """

    def __init__(
        self,
        start: Start,
        say: Callable[[str], None],
        *,
        monotonic: Seconds = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        hangs_s: float = _HANGS_S,
        begin_s: float = _BEGIN_S,
    ) -> None:
        self._start, self._say = start, say
        self._monotonic, self._sleep = monotonic, sleep
        self._hangs_s, self._begin_s = hangs_s, begin_s
        self._has_lived = False
        self._failures = 0

    def run(self) -> int:
        """Watch until a person ends it; return at once where the settings cannot be right."""
        while True:
            begun_s = self._monotonic()
            why, status = self._watched()
            if status == _WRONG_SETTINGS and not self._has_lived:
                return status
            if self._monotonic() - begun_s >= _WELL_S:
                self._failures = 0
            pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
            self._failures += 1
            self._say(f"watchdog: it {why}; started again in {pause_s:.0f} s")
            self._sleep(pause_s)

    def _watched(self) -> tuple[str, int | None]:
        """Run the process to its end; return why it ended, and its status if it had one."""
        reads, writes = os.pipe()
        child: Child | None = None
        try:
            child = self._start(writes)
            os.close(writes)
            return self._until_end(child, reads)
        except OSError as error:
            return f"cannot be started: {type(error).__name__}", None
        finally:
            os.close(reads)
            if child is not None:
                _end(child)

    def _until_end(self, child: Child, reads: int) -> tuple[str, int | None]:
        last_s, limit_s = self._monotonic(), self._begin_s
        while True:
            ready, _, _ = select.select([reads], [], [], _LOOK_S)
            if ready and os.read(reads, 4096):
                last_s, limit_s, self._has_lived = self._monotonic(), self._hangs_s, True
                continue
            if (status := child.poll()) is not None:
                return f"ended with status {status}", status
            if self._monotonic() - last_s > limit_s:
                child.kill()
                return f"gave no sign of life for {limit_s:.0f} s and was killed", None
            if ready:  # the pipe is closed and the process is not gone yet
                self._sleep(_LOOK_S / 10)


def _end(child: Child) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def run_supervised(configs: Sequence[Path], userdir: Path | None, name: str = "") -> int:
    """Run `breakwater watchdog` with these settings and keep it running."""
    alerts = Alerts(config_of_files(configs), name)
    log_unhurried()
    command = [sys.executable, "-m", "strategies.desk.cli", "watchdog"]
    for path in configs:
        command += ["--config", str(path)]
    command += [] if userdir is None else ["--userdir", str(userdir)]
    command += ["--name", name] if name else []

    def start(pipe: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "--pulse", str(pipe)], pass_fds=(pipe,))

    def say(text: str) -> None:
        alerts.say(text)
        alerts.deliver_beside()

    signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        return Supervisor(start, say).run()
    except KeyboardInterrupt:
        return 0


def _as_ctrl_c(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
