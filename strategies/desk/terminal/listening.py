"""Who has a port that a command wants."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path


def who_listens(port: int) -> str:
    """Return the program that listens on a TCP port: its number, and what was typed to start it.

    Without its options, which may hold what nobody else is to read. Empty where it cannot be told:
    it is another user's, or there is none.
    """
    try:
        import psutil
    except ModuleNotFoundError:  # a machine that only trades
        return ""
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                first, *more = psutil.Process(found.pid).cmdline() or ["?"]
                words = [Path(first).name, *takewhile(lambda word: word[:2] != "--", more)]
                return f"process {found.pid}, {' '.join(words)}"
    except (OSError, psutil.Error):
        return ""
    return ""
