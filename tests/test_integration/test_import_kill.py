"""The import of feeds as a process: killed at any point, the next one loses and doubles nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from strategies.desk.cli import main
from tests.feeds.archive import (
    PublicArchive,
    archive_file,
    metrics_lines,
    running_archive,
    table,
)
from tests.feeds.imports import DAYS, command, of_day, tree
from tests.places import ROOT

ROWS = (0, 1, 285, 286, 287)  # around midnights, where a day's rows lie in two files


def put(state: PublicArchive, day: str, number: int) -> None:
    lines = metrics_lines(day, of_day(number))
    state.put(archive_file("metrics", day), table("metrics", [lines[row] for row in ROWS]))


def test_import_when_killed_at_every_touch_of_the_disk_then_the_next_one_has_all_of_it_once(
    tmp_path,
):
    state = PublicArchive()
    for number, day in enumerate(DAYS[:2]):
        put(state, day, number)
    with running_archive(state) as url:
        assert main(command(url, tmp_path / "before", stop=DAYS[1])) == 0
        put(state, DAYS[0], 7)  # changed since: every row is told anew
        put(state, DAYS[2], 2)
        said = subprocess.run(
            [sys.executable, "-m", "tests.feeds.killed_import", url, str(tmp_path)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
    points = [tuple(json.loads(line)) for line in said.splitlines()]
    assert len(points) > 30
    assert set(points[:-1]) == {(-signal.SIGKILL, True, True)}
    assert points[-1] == (0, True, True)
    before, whole = tree(tmp_path / "before"), tree(tmp_path / "whole")
    assert set(before) < set(whole)
    assert sum(data.count(b'"n":1') for data in whole.values()) == 2 * len(ROWS)
