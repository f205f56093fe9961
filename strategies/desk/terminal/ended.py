"""Ending a program that was started here, and everything it has started itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psutil

_PATIENCE_S: Final = 3.0  # to end by itself; a training that is awaited does not


@contextmanager
def ended_with_us(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a program and its children if the block is left by an error or by Ctrl-C.

    A shell sends Ctrl-C to all of them, but one that waits for a training goes on waiting.
    """
    try:
        yield
    except BaseException:
        end_with_children(process)
        raise


def end_with_children(process: subprocess.Popen[Any]) -> None:
    """Ask a program and its children to end, and kill those that have not within seconds."""
    try:
        whole = psutil.Process(process.pid)
        family = [*whole.children(recursive=True), whole]
    except psutil.NoSuchProcess:
        return
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    _, left = psutil.wait_procs(family, timeout=_PATIENCE_S)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=_PATIENCE_S)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_PATIENCE_S)
