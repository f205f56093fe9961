"""The page of three exchanges: its rows, its frames, and a verdict of what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.reports.venues.page import stepped_fall, venues_markdown, venues_verdict
from tests.test_models.reports.venues.sample import OUTSIDE, rows, runs, write


def test_page_when_written_then_every_row_and_number_is_on_it(tmp_path: Path) -> None:
    folder = write(tmp_path, 1_700_000_000_000)
    assert folder.name == "venues-20231114T221320Z"
    page = (folder / "index.html").read_text()
    assert "SIMULATED EXCHANGES" in page
    assert all(row.title in page for row in rows())
    assert 'type="range" id="scrub-loop"' in page
    numbers = json.loads((folder / "report.json").read_text())
    assert [row["name"] for row in numbers["rows"]] == [row.name for row in rows()]
    assert numbers["headline"] == venues_verdict(rows())[1]
    assert (folder / "table.md").read_text() == venues_markdown(rows())


def test_frames_when_made_then_each_is_the_run_until_then_and_the_last_is_all_of_it() -> None:
    fig = stepped_fall(runs(), OUTSIDE, 10.0, 120)
    lengths = [len(frame.data[0].x) for frame in fig.frames]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == len(fig.data[0].x)
    for frame in (fig.frames[0], fig.frames[len(fig.frames) // 2]):
        for part, whole in zip(frame.data, fig.data, strict=True):
            n = len(part.x)
            assert (np.asarray(part.y) == np.asarray(whole.y)[:n]).all()
            assert part.x[-1] <= whole.x[-1]
    first = next(iter(runs().values()))
    assert fig.data[1].y[-1] == pytest.approx(np.expm1(-first.fall[119, 0]), rel=1e-5)
    assert fig.frames[-1].name.startswith("Minute 20.0: from outside −6.0 %, exchange A −")


def test_verdict_when_a_change_does_not_help_then_it_is_not_among_those_that_do() -> None:
    kind, headline, sentence = venues_verdict(rows())
    assert kind == "warn"
    assert "half of each position is liquidated" in sentence
    assert "insurance fund" not in sentence
    assert "prevent" not in headline + sentence
    helpless = [replace(row, deepest=rows()[0].deepest) for row in rows()]
    _, headline, sentence = venues_verdict(helpless)
    assert "0 changes" in headline
    assert "in this order: none" in sentence
