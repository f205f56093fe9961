"""Ending a program that was started here, and everything it has started itself."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
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


@contextmanager
def ended_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; left by an error or by Ctrl-C, its work is given up at once."""
    others = multiprocessing.active_children()  # who train, and have an executor of their own
    pool = ProcessPoolExecutor(max_workers=jobs, initializer=_leave_the_end_to_others)
    try:
        yield pool
    except BaseException:
        for worker in multiprocessing.active_children():
            if worker not in others:
                worker.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _leave_the_end_to_others() -> None:
    """A worker ends with the pool: it says nothing of its own to a Ctrl-C that all of them hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for word in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(word, signal.SIG_DFL)


def end_with_children(process: subprocess.Popen[Any]) -> None:
    """Ask a program and its children to end, and kill those that have not within seconds."""
    try:
        whole = psutil.Process(process.pid)
        family = [*whole.children(recursive=True), whole]
    except psutil.NoSuchProcess:
        return
    _end_all(family)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_PATIENCE_S)


def end_what_was_started() -> None:
    """Do the same to all that this process has started: a training would be waited for at the end.

    Where this process alone was told to end; a Ctrl-C all of them hear.
    """
    _end_all(psutil.Process().children(recursive=True))


def _end_all(family: Sequence[psutil.Process]) -> None:
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    _, left = psutil.wait_procs(family, timeout=_PATIENCE_S)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=_PATIENCE_S)
