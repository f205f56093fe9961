"""SIGKILL at any touch of the disk, counted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from typing import Any


def killed_at(
    point: int, *, opened: int = os.O_TRUNC, also: Collection[str] = ("mkdir", "fsync", "replace")
) -> None:
    """Let this process be killed right before its so manieth touch of the disk.

    Parameters
    ----------
    opened
        Flags of `os.open` of which one makes it a touch.
    also
        Functions of `os` each call of which is one.
    """
    left = point

    def touched(work: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
        def wrapped(*given: Any, **named: Any) -> Any:
            nonlocal left
            if counts(*given):
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
            return work(*given, **named)

        return wrapped

    os.open = touched(os.open, lambda _, flags, *__: bool(flags & opened))
    for name in also:
        setattr(os, name, touched(getattr(os, name), lambda *_: True))
