"""A command of the pack said by a user who may read everything and write nowhere.

``python -m tests.as_nobody halt --userdir FOLDER``: a process of its own, because who has become
another user does not come back.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

from strategies.desk.cli import main

NOBODY = 65_534


def become_nobody() -> None:
    """Be another user where this one is root; anyone else has only his own permissions to lose."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


if __name__ == "__main__":
    with suppress(SystemExit), redirect_stdout(StringIO()):
        main(["--help"])  # what it imports late is out of the other user's reach
    become_nobody()
    sys.exit(main(sys.argv[1:]))
