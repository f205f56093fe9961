"""Whether what a command will leave has a place: looked at before minutes of work, not after."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from models.base.errors import ConfigError, PackError

_BYTES: Final = 16 << 20  # twice a large report's page and numbers
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def require_room(places: Iterable[Path]) -> None:
    """Refuse to begin what could not be kept: each folder must take a report, made or to be made.

    Nothing is left behind: what is written to try it has no name.

    Raises
    ------
    ConfigError
        If one is no folder, may not be written to, or has no room left.
    """
    for place in places:
        above = (place, *place.absolute().parents)
        there = next(folder for folder in above if os.path.lexists(folder))
        try:
            with tempfile.TemporaryFile(dir=there) as trial:
                os.posix_fallocate(trial.fileno(), 0, _BYTES)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):  # it reserves nothing beforehand
                continue
            raise ConfigError(
                f"expected a folder to write to, got: {os.strerror(error.errno or 0)}",
                where=f"{place}" if there == place else f"{there}, for {place}",
                cure=_cure(error),
            ) from error


def _cure(error: OSError) -> str:
    if error.errno in _FULL:
        return f"make room on its disk, {_BYTES >> 20} MB at least; or name another place"
    if error.errno == errno.ENOTDIR:
        return "move away what stands in a folder's place; or name another"
    return "run it as the user it belongs to, who may write there; or name another place"


def kept_report(write: Callable[[Path], Path], reports_dir: Path) -> Path:
    """Return the folder a report was written to; where that fails, keep it beside and say where.

    Parameters
    ----------
    write
        From the folder of reports to that of the one written.

    Raises
    ------
    PackError
        If it could not be written where it belongs: names what is left of it.
    """
    try:
        return write(reports_dir)
    except OSError as error:
        raise PackError(
            f"the report could not be written: {error}", where=str(reports_dir), cure=_left(write)
        ) from error


def _left(write: Callable[[Path], Path]) -> str:
    """Keep a report in the folder for what is passing; return what to do about it."""
    try:
        aside = write(Path(tempfile.mkdtemp(prefix="breakwater-report-")))
    except OSError:
        return "make room there and type it again; what it says in short stands above"
    return f"it is in {aside}: move that folder there"
