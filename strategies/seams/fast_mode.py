"""The one switch of the fast lane, `breakwater.fast`, and whether the lane may run.

`auto` runs it where every seam it needs passes its probe on the installed versions; `off` leaves
everything to Freqtrade and FreqAI.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.base.config import from_mapping
from strategies.seams.record import Seam

logger = logging.getLogger(__name__)


class FastMode(StrEnum):
    """Values of `breakwater.fast`."""

    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class _Switch:
    fast: FastMode = FastMode.AUTO


def fast_mode(config: Mapping[str, Any]) -> FastMode:
    """Return the switch of a Freqtrade config, `auto` where nothing is said.

    Raises
    ------
    ConfigError
        If the value is unknown; names the known ones.

    Examples
    --------
    >>> fast_mode({"breakwater": {"fast": "off"}})
    <FastMode.OFF: 'off'>
    """
    block = config.get("breakwater") or {}
    given = {name: value for name, value in block.items() if name == "fast"}
    return from_mapping(_Switch, given, where="breakwater").fast


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
