"""How long a database server may say nothing before its connection counts as lost.

A server that hangs answers the kernel's keepalives all the same, and its driver waits for it
without end. Asked by way of a callback, as the driver offers it, each wait of each connection of
this process has an end.
"""

from __future__ import annotations

import select
from typing import Any, Final

SILENCE_S: Final = 30.0  # a cable pulled takes as long to be known; a lock is waited for 5 s


def bound_silence() -> None:
    """Have every connection to a PostgreSQL server of this process end in such a silence."""
    from psycopg2 import extensions  # a bot with its trades in a file has none

    extensions.set_wait_callback(_answered)


def _answered(connection: Any) -> None:
    """Wait until the server has answered; the driver closes the connection where this raises."""
    from psycopg2 import OperationalError, extensions

    wanted = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}
    while (state := connection.poll()) != extensions.POLL_OK:
        waiting = select.poll()
        waiting.register(connection.fileno(), wanted[state])
        if not waiting.poll(1000 * SILENCE_S):
            raise OperationalError(
                f"the server has said nothing for {SILENCE_S:.0f} s and counts as lost"
            )
