"""Processes forked from one that has imported Freqtrade already: a start takes a third of the time.

They run the same code as `python -m freqtrade` does, and die of a SIGKILL just as dead.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["freqtrade.main", "freqtrade.freqtradebot", "freqtrade.commands", "freqtrade.exchange",
     "strategies.bot.forecast", __name__]
)  # fmt: skip


class Forked:
    """What tests use of `subprocess.Popen`, started as it is."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        _, _, *module = command  # python -m
        assert stdout is stderr
        arguments = (module, str(cwd), dict(env), str(stdout.name))
        self._process = _FORKS.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None
        return pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _run(module: list[str], folder: str, env: dict[str, str], log: str) -> None:
    """Become that module: its folder, environment, arguments and output."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    out = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(out, sys.stdout.fileno())
    os.dup2(out, sys.stderr.fileno())
    sys.argv = module
    runpy.run_module(module[0], run_name="__main__", alter_sys=True)
