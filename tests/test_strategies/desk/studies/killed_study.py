"""A study of scenarios killed at each point at which it touches the disk, and then begun again.

python -m tests.test_strategies.desk.studies.killed_study FOLDER

Says of each point how the killed one ended, how many pieces it left, how many the next one took
over, and whether that one found, bit for bit, what a study finds that nobody killed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

from models.studies.scenarios.record import Trial
from models.studies.scenarios.study import study_engines
from strategies.desk.studies.kept_pieces import KeptPieces
from tests.killed_at import killed_at
from tests.mutation.forks import fork_and_wait
from tests.test_models.studies.scenarios.worlds import LawEngine, trial_of, true_history

MOST_POINTS = 100
FAR_PATHS = 1_024


class Heard:
    """Counts what was kept."""

    kept = 0

    def step(self, line: str, kept: bool) -> None:
        self.kept += kept

    def share(self, done: float) -> None:
        """Nobody waits."""


def small_trial() -> Trial:
    """Two folds of about fifty origins."""
    return trial_of(true_history(900, 3), 380, refit_days=65)


def found(folder: Path, out: Path) -> int:
    """Write what a study that keeps its pieces in `folder` finds; return how many it took over."""
    heard = Heard()
    pieces = KeptPieces(folder, ["numpy"], lambda line: None, code="as it is")
    study = study_engines([LawEngine()], small_trial(), "law", FAR_PATHS, heard, pieces=pieces)
    out.write_bytes(pickle.dumps((json.dumps(study.numbers), study.fan)))
    return heard.kept


def _in_a_fork(folder: Path, out: Path, point: int | None = None) -> int:
    code = fork_and_wait(120)
    if code is not None:
        return code
    if point is not None:
        killed_at(point)
    os._exit(found(folder, out))


def _main(folder: Path) -> None:
    whole, torn, out = folder / "whole", folder / "torn", folder / "out"
    assert _in_a_fork(whole, folder / "expected") == 0
    expected = (folder / "expected").read_bytes()
    for point in range(MOST_POINTS):
        ended = _in_a_fork(torn, out, point)
        left = len(list(torn.glob("*.piece"))) if torn.is_dir() else 0
        taken = _in_a_fork(torn, out)
        sys.stdout.write(json.dumps([ended, left, taken, out.read_bytes() == expected]) + "\n")
        sys.stdout.flush()
        shutil.rmtree(torn)
        if ended == 0:
            return


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
