"""Report folders `<kind>-<UTC time>`: whole or not at all, links to the newest, an index of all.

`latest-<kind>` points at the newest report of its kind, `latest` at the newest backtest: what the
path of the README ends with, whatever else was measured since. `index.html` lists all there are.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from models.base.files import Sync, write_atomic

logger = logging.getLogger(__name__)

MAIN_KIND: Final = "backtest"  # that `latest` points at
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_FOLDER: Final = re.compile(r"([a-z]+)-(\d{8}T\d{6}Z)(?:-(\d+))?")


class ReportFolder(NamedTuple):
    """One report that was written, by its folder's name."""

    kind: str
    written: datetime
    number: int  # among those of the same second
    path: Path


def report_folders(reports_dir: Path, kind: str | None = None) -> list[ReportFolder]:
    """Return the reports in `reports_dir`, of one kind or of all, the newest first.

    Empty where there is no such folder; what is not named as a report is passed over.
    """
    found = []
    for path in reports_dir.iterdir() if reports_dir.is_dir() else ():
        name = _FOLDER.fullmatch(path.name)
        if name and path.is_dir() and kind in (None, name[1]):
            written = datetime.strptime(name[2], _STAMP).replace(tzinfo=UTC)
            found.append(ReportFolder(name[1], written, int(name[3] or 1), path))
    return sorted(found, key=lambda f: (f.written, f.number, f.kind), reverse=True)


def write_folder(
    kind: str,
    files: Mapping[str, str],
    reports_dir: Path,
    created_ms: int,
    index: Callable[[Path], str],
) -> Path:
    """Write `files` (name -> text) to a new folder, point the links at it, renew the index.

    The folder appears whole or not at all. A second report of the same second gets a number behind
    its name. A link or an index that cannot be written is told and does not take the report away.

    Parameters
    ----------
    index
        From `reports_dir` to the text of its ``index.html``.
    """
    reports_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".writing-", dir=reports_dir))
    try:
        for name, text in files.items():
            (work / name).write_text(text, encoding="utf-8")
        work.chmod(0o755)
        folder = _claim(kind, work, reports_dir, created_ms)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _announce(kind, folder, index)
    return folder


def _claim(kind: str, work: Path, reports_dir: Path, created_ms: int) -> Path:
    """Move `work` to the first free name of its second."""
    stamp = datetime.fromtimestamp(created_ms / 1000, tz=UTC).strftime(_STAMP)
    for number in range(1, 1000):
        folder = reports_dir / (f"{kind}-{stamp}" + (f"-{number}" if number > 1 else ""))
        if folder.exists():
            continue
        try:
            work.rename(folder)
        except OSError:  # someone else took the name in between; a full folder is never replaced
            if not folder.exists():
                raise
            continue
        return folder
    raise FileExistsError(f"a thousand reports of {stamp} in {reports_dir}")


def _announce(kind: str, folder: Path, index: Callable[[Path], str]) -> None:
    """Point the links at `folder` and list it; the report is there, whatever becomes of these."""
    reports_dir = folder.parent
    links = [f"latest-{kind}", *(["latest"] if kind == MAIN_KIND else [])]
    try:
        with _alone(reports_dir):
            for link in links:
                _point(reports_dir / link, folder.name)
            listed = index(reports_dir).encode()
            write_atomic(reports_dir / "index.html", listed, sync=Sync.CONTENT)
    except OSError as error:
        logger.warning("the report is whole, but not in the list of all: %s", error)


@contextmanager
def _alone(reports_dir: Path) -> Iterator[None]:
    """Wait until no other run lists its report: two at once would each forget the other's."""
    handle = os.open(reports_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _point(link: Path, name: str) -> None:
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is no link; move it away")
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name, target_is_directory=True)
    os.replace(fresh, link)
