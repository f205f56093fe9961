"""The real import, killed at each point at which it touches the disk, and then begun again.

python -m tests.feeds.killed_import URL FOLDER

`FOLDER/before` is what an earlier import has left. Says of each point how the killed one ended,
whether each line it left is one of an import nobody killed, and whether the next one made it whole.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from strategies.desk.archive.importing import run_feeds_import
from tests.feeds.archive import epoch_ms
from tests.feeds.imports import DAYS, tree
from tests.killed_at import killed_at
from tests.mutation.forks import fork_and_wait

NOW_MS = epoch_ms("2026-01-01")
MOST_POINTS = 500


def imported(url: str, userdir: Path, stop: str = DAYS[-1]) -> int:
    return run_feeds_import(
        configs=[], userdir=userdir, symbols=["LTCUSDT"], kinds=["metrics"], archive=url,
        start=date.fromisoformat(DAYS[0]), stop=date.fromisoformat(stop), clock=lambda: NOW_MS,
    )  # fmt: skip


def lines(userdir: Path) -> set[tuple[str, bytes]]:
    """Return each line of records with its file; half a line is none of an import's."""
    return {
        (name, line)
        for name, data in tree(userdir).items()
        if name.endswith(".jsonl")
        for line in data.splitlines(keepends=True)
    }


def _in_a_fork(work: Callable[[], int]) -> int:
    code = fork_and_wait(60)
    if code is not None:
        return code
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the fork ends with it
    os._exit(work())


def _main(url: str, folder: Path) -> None:
    whole, torn = folder / "whole", folder / "torn"
    shutil.copytree(folder / "before", whole)
    assert _in_a_fork(lambda: imported(url, whole)) == 0
    for point in range(MOST_POINTS):
        shutil.copytree(folder / "before", torn)

        def until_killed(point: int = point) -> int:
            killed_at(point)
            return imported(url, torn)

        ended = _in_a_fork(until_killed)
        sound = lines(torn) <= lines(whole)
        assert _in_a_fork(lambda: imported(url, torn)) == 0
        sys.stdout.write(json.dumps([ended, sound, tree(torn) == tree(whole)]) + "\n")
        sys.stdout.flush()
        shutil.rmtree(torn)
        if ended == 0:
            return


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
