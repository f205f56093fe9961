"""What circuit breakers make of a fall on several exchanges, below and beyond the threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.venues.loop import NO_BREAKERS, LoopBreakers, VenueLoop, loop_run, ramp
from models.studies.venues.threshold import linear_threshold, scaled, simulated_threshold

FACTORS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # of the threshold of the loop as it is
NOTHING: Final = "nothing"
PARTIAL: Final = "partial"
_MINUTE_S: Final = 60.0
_HOURS: Final = 2.0  # that are looked at
BREAKERS: Final[Mapping[str, tuple[str, LoopBreakers]]] = {
    NOTHING: ("nothing", NO_BREAKERS),
    "halt": ("liquidations halt for 5 min after −3 % in 1 min", LoopBreakers(halt_fall=0.03)),
    "fund": ("an insurance fund takes 5 % of all positions", LoopBreakers(fund=0.05)),
    PARTIAL: ("half of each position is liquidated", LoopBreakers(sold_frac=0.5)),
    "throttle": ("at most 0.1 % of positions sold in 10 s", LoopBreakers(most_a_step=0.001)),
}


def changed_loops(loop: VenueLoop) -> dict[str, tuple[str, VenueLoop]]:
    """Return loops built otherwise, by name: title and loop."""
    return {
        "arbitrage": (
            "arbitrage ten times slower, 1 min late",
            replace(loop, arbitrage_frac=loop.arbitrage_frac / 10, arbitrage_steps=6),
        ),
        "engine": ("engines that sell 1 min after the mark", replace(loop, engine_steps=6)),
        "own": ("each marks at its own price", replace(loop, index_share=0.0)),
    }


@dataclass(frozen=True, kw_only=True)
class VenueRow:
    """One breaker, or one loop built otherwise; falls are shares of the price at the start."""

    name: str
    title: str
    linear: float | None  # threshold over that of the loop as it is; None where there is none
    simulated: float | None
    deepest: tuple[float, ...]  # lowest index, at each of `FACTORS`
    sold: tuple[float, ...]  # into the books, of the open interest of all
    absorbed: tuple[float, ...]  # by the fund
    apart: tuple[float, ...]  # most two exchanges' prices were apart, log


def measure_venues(
    loop: VenueLoop, fall_frac: float, fall_min: float,
    told: Callable[[float], None] = lambda share: None,
) -> tuple[list[VenueRow], float]:  # fmt: skip
    """Return a row per breaker and changed loop, and the threshold of the loop as it is.

    Parameters
    ----------
    fall_frac, fall_min
        The fall from outside and the minutes it takes; it stays.
    told
        Given the share that is done.
    """
    base = linear_threshold(loop)
    cases = [(name, title, loop, breakers) for name, (title, breakers) in BREAKERS.items()]
    cases += [(n, title, other, NO_BREAKERS) for n, (title, other) in changed_loops(loop).items()]
    outside = outside_fall(loop, fall_frac, fall_min)
    rows = []
    for name, title, one, breakers in cases:
        rows.append(_row(name, title, one, breakers, outside, base))
        told(len(rows) / len(cases))
    return rows, base


def outside_fall(loop: VenueLoop, fall_frac: float, fall_min: float) -> FloatArray:
    """Return the log fall from outside in the loop's steps, (T,), over two hours.

    Raises
    ------
    InputError
        If it takes longer than half of that.
    """
    total = round(_HOURS * 3600 / loop.step_s)
    if not 0 < fall_min <= _HOURS * 30:
        raise InputError(
            f"expected a fall within {_HOURS * 30:g} min, got {fall_min:g}", where="venues"
        )
    return ramp(fall_frac, max(round(fall_min * _MINUTE_S / loop.step_s), 1), total)


def _row(
    name: str, title: str, loop: VenueLoop, breakers: LoopBreakers, outside: FloatArray,
    base: float,
) -> VenueRow:  # fmt: skip
    runs = [loop_run(scaled(loop, base * f), outside, breakers) for f in FACTORS]
    linear = simulated = None
    if breakers.sold_frac < 1 or breakers == NO_BREAKERS:  # the others have a scale of their own
        linear = linear_threshold(loop) / breakers.sold_frac / base
        simulated = simulated_threshold(loop, breakers) / base
    every = sum(loop.open_interest)
    return VenueRow(
        name=name, title=title, linear=linear, simulated=simulated,
        deepest=tuple(float(1 - np.exp(-run.index.max())) for run in runs),
        sold=tuple(float(run.sold.sum()) / every for run in runs),
        absorbed=tuple(float(run.absorbed.sum()) / every for run in runs),
        apart=tuple(float(np.ptp(run.fall, axis=1).max()) for run in runs),
    )  # fmt: skip
