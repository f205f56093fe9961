"""Report folders `<kind>-<UTC time>`: whole or not at all, `latest` points at the newest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def write_folder(kind: str, files: Mapping[str, str], reports_dir: Path, created_ms: int) -> Path:
    """Write `files` (name -> text) to a new folder and point ``latest`` at it; return the folder.

    The folder appears whole or not at all. A second report of the same second gets a number behind
    its name.
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
    _point_latest(reports_dir, folder.name)
    return folder


def _claim(kind: str, work: Path, reports_dir: Path, created_ms: int) -> Path:
    """Move `work` to the first free name of its second."""
    stamp = datetime.fromtimestamp(created_ms / 1000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
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


def _point_latest(reports_dir: Path, name: str) -> None:
    fresh = reports_dir / f".latest-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name, target_is_directory=True)
    os.replace(fresh, reports_dir / "latest")
