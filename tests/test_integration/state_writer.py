"""A process that changes the control state and writes the journal as fast as it can.

Every change is acknowledged on stdout after it was made, so that whoever kills this process knows
the least that must still be there.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from models.operate.control.commands import Commands
from models.operate.control.state import GuardActor, Person
from models.operate.journal.records import Incident

ANN = Person("ann", "command line")


def say(word: str) -> None:
    """Acknowledge a change."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(userdir: Path) -> None:
    """Write until killed."""
    desk = Commands(userdir)
    desk.journal.max_bytes = 4000  # so that rotation is hit as well
    first = desk.store.read().next_proposal
    for i in itertools.count(first):
        desk.store.propose(
            key=str(i), pair="BTC/USDT:USDT", side="long", notional_quote=1.0, rate=1.0,
            note="x" * (i % 500), expires_ms=2**52,
        )  # fmt: skip
        say(f"proposal {i}")
        number = desk.journal.append("test.line", Incident(what="y" * (i % 700))).n
        say(f"line {number}")
        if i % 3 == 0:
            desk.store.halt(GuardActor("test"), str(i))
            say(f"HALTED {i}")
        elif i % 3 == 1:
            desk.resume(ANN)
            say(f"ACTIVE {i}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
