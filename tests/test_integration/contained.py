"""A command as a container would run it: another user, nothing to write but its folder and /tmp.

By namespaces of the kernel, without an engine; it takes root to make them. As an engine does, it
gives each one an empty /dev/shm in memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.base_install import libraries

NOBODY: Final = "65534"
_NEEDED: Final = ("unshare", "setpriv", "findmnt", "mount")


_SCRIPT: Final = """
set -eu
own=$1; shift
mount --make-rprivate /
mount --bind "$own" "$own"
mount -t tmpfs -o size=256m,mode=1777 none /tmp
mount -t tmpfs -o size=64m,mode=1777 none /dev/shm
findmnt -rno TARGET | while read -r place; do
  case "$place" in
    /tmp|/dev/shm|/proc*|/sys*|"$own") ;;
    *) mount -o remount,bind,ro "$place" ;;
  esac
done
cd "$own"
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
  --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search \
  --ambient-caps=-all,+dac_read_search "$@"
"""


def why_not_here() -> str:
    """Return why a command cannot be contained on this machine; nothing if it can."""
    if os.getuid() != 0:
        return "it takes root to make a read-only view of the filesystem"
    if missing := [name for name in _NEEDED if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)}"
    return why_not_from(libraries())


def why_not_from(place: Path) -> str:
    """Return why what lies there cannot be read in there; nothing if it can."""
    covered = [where for where in ("/tmp", "/dev/shm") if place.is_relative_to(where)]
    return f"{place} is not to be seen in there: {covered[0]} is another one" if covered else ""


def contained(folder: Path) -> Any:
    """Return how a test starts a process that may write `folder` and nothing else."""

    def launch(command: Sequence[str], **given: Any) -> Any:
        given.pop("cwd", None)
        return subprocess.Popen(words(folder, command), cwd="/", **given)

    return launch


def words(folder: Path, command: Sequence[str]) -> list[str]:
    """Return the line that contains a command."""
    return ["unshare", "--mount", "bash", "-c", _SCRIPT, "contained", str(folder), *command]
