"""The one port the shipped configs look at: whoever serves an exchange there has his turn."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.places import USER_DATA

PORT: Final = 18_080
CONFIG: Final = USER_DATA / "config_loopback.json"


@contextmanager
def port_of_the_shipped_configs() -> Iterator[int]:
    """Wait until no other test process serves there; yield the port, ours until the block ends."""
    with CONFIG.open(encoding="utf-8") as config:
        fcntl.flock(config, fcntl.LOCK_EX)
        yield PORT
