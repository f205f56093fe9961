"""The probes of all seams at the start of a bot.

Live trading does not start where a seam that safety needs is gone. Everywhere else what is gone is
said once, and what needs it stays off.
"""

from __future__ import annotations

import linecache
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from strategies.seams.catalog import libraries_of, seams_in
from strategies.seams.record import Seam
from strategies.seams.shadowed import refuse_shadowed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GoneSeam:
    """A seam that the installed versions do not have as expected."""

    seam: Seam
    missing: str

    def __str__(self) -> str:
        return f"{self.seam.name} ({self.seam.file}): {self.missing}; {self.seam.without}"


def gone_seams(seams: Iterable[Seam]) -> tuple[GoneSeam, ...]:
    """Return those of `seams` whose probes fail."""
    found = [(seam, seam.missing()) for seam in seams]
    linecache.clearcache()  # of every source that was read, 4 MB: Python keeps them for traces
    return tuple(GoneSeam(seam=seam, missing=why) for seam, why in found if why)


def check_all(config: Mapping[str, Any]) -> tuple[GoneSeam, ...]:
    """Probe what a bot of this config needs; call it in `bot_start`.

    Returns
    -------
    tuple of GoneSeam
        What is gone and only switches something off; each is logged.

    Raises
    ------
    OperationalException
        In live trading, if a seam that safety needs is gone: naming it, its file and the cure. In
        any mode, if another package stands in the place of one of ours.
    """
    refuse_shadowed()
    gone = gone_seams(seams_in(libraries_of(config)))
    for found in gone:
        logger.warning("seam gone: %s", found)
    unsafe = [found for found in gone if found.seam.safety]
    if unsafe and config["runmode"] is RunMode.LIVE:
        raise OperationalException(
            "Live trading does not start: safety needs what this Freqtrade does not have.\n"
            + "\n".join(f"  {found}" for found in unsafe)
            + f"\ncure: {cure()}"
        )
    return gone


def cure() -> str:
    """Return what to do about a seam that is gone."""
    versions = ", ".join(f"{name}=={version}" for name, version in pinned_versions().items())
    known = f"install the versions the pack is made for ({versions})" if versions else ""
    return f"{known or 'install the pack anew'}, then `breakwater doctor`"


def pinned_versions() -> dict[str, str]:
    """Return the exact versions of Freqtrade and ccxt this pack asks for, by package."""
    try:
        asked = metadata.requires("breakwater") or []
    except metadata.PackageNotFoundError:
        return {}
    exact = (line.partition(";")[0].partition("==") for line in asked if "extra" not in line)
    return {
        name.strip(): version.strip() for name, _, version in exact if name in ("freqtrade", "ccxt")
    }
