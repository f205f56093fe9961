"""Forks that are waited for, each with a folder of its own for what its tests leave behind."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
from collections.abc import Callable


def fork_and_wait(limit_s: float | None = None) -> int | None:
    """Return None in a fork of this process, and here the code that one ends with.

    Parameters
    ----------
    limit_s
        Seconds after which it is killed; its code is then below 0.
    """
    folder = tempfile.mkdtemp()
    child = os.fork()
    if child == 0:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        return None
    try:
        return _ended(child, limit_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ended(child: int, limit_s: float | None) -> int:
    """Return the code a child ends with; it does not outlive this call."""
    ends = os.pidfd_open(child)
    in_time: list[int] = []
    try:
        in_time = select.select([ends], [], [], limit_s)[0]
    finally:
        os.close(ends)
        if not in_time:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def succeeds(act: Callable[[], int], limit_s: float | None = None) -> bool:
    """Return whether `act` returns 0 in a fork; one that raises or is killed does not."""
    code = fork_and_wait(limit_s)
    if code is not None:
        return code == 0
    code = 1
    try:
        code = act()
    finally:
        os._exit(code)
