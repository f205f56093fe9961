"""The one switch of the fast lane, `breakwater.fast`, and whether the lane may run.

`auto` runs it where every seam it needs passes its probe on the installed versions; `off` leaves
everything to Freqtrade and FreqAI.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from models.base.errors import ConfigError
from strategies.seams.record import Seam

logger = logging.getLogger(__name__)


class FastMode(StrEnum):
    """Values of `breakwater.fast`."""

    AUTO = "auto"
    OFF = "off"


def fast_mode(config: Mapping[str, Any]) -> FastMode:
    """Return the switch of a Freqtrade config, `auto` where nothing is said.

    Raises
    ------
    ConfigError
        If the value is unknown; names the nearest known one.

    Examples
    --------
    >>> fast_mode({"breakwater": {"fast": "off"}})
    <FastMode.OFF: 'off'>
    >>> fast_mode({"breakwater": {"fast": "of"}})
    Traceback (most recent call last):
    models.base.errors.ConfigError: unknown value 'of'; did you mean 'off'?
      where: breakwater.fast
      cure:  known values: auto, off
    """
    return parsed_fast_mode((config.get("breakwater") or {}).get("fast", FastMode.AUTO))


def parsed_fast_mode(value: object) -> FastMode:
    """Return a value of `breakwater.fast`; raise ConfigError, naming the nearest known one."""
    known = [str(mode) for mode in FastMode]
    if isinstance(value, str) and value in known:
        return FastMode(value)
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.4)
    raise ConfigError(
        f"unknown value {value!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        where="breakwater.fast",
        cure=f"known values: {', '.join(known)}",
    )


def fast_lane_runs(config: Mapping[str, Any], what: str, needs: Iterable[Seam]) -> bool:
    """Return whether a part of the fast lane may run; says so once where seams keep it off.

    Parameters
    ----------
    what
        The part, for the log: "the newest candle is appended".
    needs
        Its seams.
    """
    if fast_mode(config) is FastMode.OFF:
        return False
    gone = [f"{seam.name}: {why}" for seam in needs if (why := seam.missing())]
    if gone:
        logger.warning("the fast lane stays off (%s); %s", what, "; ".join(gone))
    return not gone
