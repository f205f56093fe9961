"""Every engine by its name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Final

from models.base.errors import ConfigError
from models.scenarios.bootstrap import BlockBootstrap
from models.scenarios.cascades import HawkesCascades
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FilteredHistory
from models.scenarios.jumps import JumpDiffusion
from models.scenarios.mixture import Mixture
from models.scenarios.paths import Engine


def extreme_with_long_memory() -> ExtremeValues:
    """Return extreme values over volatility that forgets slowly where GARCH is integrated."""
    return ExtremeValues(base=FilteredHistory(volatility="garch, long memory"), name="memory")


def extreme_with_har() -> ExtremeValues:
    """Return extreme values over volatility of past ranges and the clock, rows drawn at theirs."""
    return ExtremeValues(base=FilteredHistory(volatility="har", neighbours=0.2), name="har")


ENGINES: Final[Mapping[str, Callable[[], Engine]]] = {
    "bootstrap": BlockBootstrap,
    "filtered": FilteredHistory,
    "extreme": ExtremeValues,
    "jumps": JumpDiffusion,
    "hawkes": HawkesCascades,
    "mixture": Mixture,
    "memory": extreme_with_long_memory,
    "har": extreme_with_har,
}

# Engines that pass the rule of `models.studies.scenarios.rule` (user_data/docs/scenarios.md).
PASSING_ENGINES: Final[frozenset[str]] = frozenset({"har"})


def scenario_engine(name: str) -> Engine:
    """Return the engine of this name with its default settings.

    Raises
    ------
    ConfigError
        If there is none: names the nearest.

    Examples
    --------
    >>> scenario_engine("bootstrap").name
    'bootstrap'
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        raise ConfigError(
            f"unknown engine {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            where="scenarios",
            cure=f"one of {', '.join(ENGINES)}",
        )
    return ENGINES[name]()
