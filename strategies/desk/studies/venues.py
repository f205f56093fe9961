"""`breakwater venues`: when three exchanges' liquidations push each other down without end."""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.reports.venues.page import venues_markdown, venues_verdict, write_venues
from models.studies.venues.loop import VenueLoop, loop_run
from models.studies.venues.measure import (
    BREAKERS,
    NOTHING,
    PARTIAL,
    measure_venues,
    outside_fall,
)
from models.studies.venues.threshold import scaled
from strategies.desk.backtests.results import commit
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_SHOWN_FACTOR: Final = 1.0  # of the threshold, in the figure with the slider
_SHOWN_MIN: Final = 40


@dataclass(frozen=True, kw_only=True)
class VenueOptions:
    """What the person asked for."""

    fall_frac: float = 0.06
    fall_minutes: float = 10.0
    userdir: Path = USER_DATA


def run_venues(options: VenueOptions) -> int:
    """Let the loop run, measure, and write the page; return the process exit code."""
    loop = VenueLoop()
    outside = outside_fall(loop, options.fall_frac, options.fall_minutes)
    with PatientWait("letting the exchanges fall") as waiting:
        rows, threshold = measure_venues(
            loop, options.fall_frac, options.fall_minutes, waiting.done
        )
    _, headline, sentence = venues_verdict(rows)
    print(f"\n{venues_markdown(rows)}\n{headline} {sentence}", flush=True)
    shown = scaled(loop, threshold * _SHOWN_FACTOR)
    runs = {
        BREAKERS[name][0]: loop_run(shown, outside, BREAKERS[name][1])
        for name in (NOTHING, PARTIAL)
    }
    run = _run(options, loop, threshold)
    now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
    folder = kept_report(
        lambda place: write_venues(rows, runs, outside, run, place, now_ms),
        options.userdir / "reports",
    )
    print(f"report: {folder / 'index.html'}")
    return 0


def _run(options: VenueOptions, loop: VenueLoop, threshold: float) -> dict[str, Any]:
    return {
        "title": "Three exchanges that push each other down",
        "simulated": True,
        "market": f"a fall of {100 * options.fall_frac:g} % in {options.fall_minutes:g} min, "
        f"marks by the index of {len(loop.impact)}, steps of {loop.step_s:g} s",
        "threshold": f"{threshold * float(np.mean(loop.gains)):.2f}",
        "shown_factor": f"{_SHOWN_FACTOR:g}",
        "shown_steps": round(_SHOWN_MIN * 60 / loop.step_s),
        "step_s": loop.step_s,
        "loop": asdict(loop),
        "breakers": {title: asdict(one) for title, one in BREAKERS.values()},
        "commit": commit(),
        "versions": {name: importlib.metadata.version(name) for name in ("breakwater", "numpy")},
    }
