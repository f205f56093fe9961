"""A machine that only trades: the wheel and the libraries of a base install, no torch, no plotly.

``python -m tests.base_install`` prints the part of requirements.lock such a machine needs.

Its environment leads to the files of those libraries one by one; whatever else is installed beside
these tests cannot be imported there.
"""

from __future__ import annotations

import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.places import ROOT


def copy_checkout(source: Path) -> None:
    """Copy what git would, so that nothing an earlier build left behind gets in."""
    tracked = output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)


def build_wheel(source: Path) -> Path:
    """Build from a copy in `source`, and return the wheel."""
    copy_checkout(source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    output([*build, "--wheel-dir", str(source / "dist"), "."], source)
    (found,) = (source / "dist").glob("*.whl")
    return found


def base_environment(home: Path, wheel: Path) -> Path:
    """Return the folder of programs of a fresh environment with the wheel and its libraries."""
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    borrowed = libraries()
    for name in sorted({top for dist in base_distributions() for top in _tops(dist)}):
        if (borrowed / name).exists() and not (site / name).exists():
            (site / name).symlink_to(borrowed / name)
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    output([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], home)
    return home / "bin"


def trading_machine(folder: Path) -> Path:
    """Return the folder of programs of such a machine, all of it built in `folder`."""
    (folder / "source").mkdir()
    return base_environment(folder / "environment", build_wheel(folder / "source"))


def libraries() -> Path:
    """Return where the libraries of these tests really are; an environment may be a link."""
    return Path(sysconfig.get_path("purelib")).resolve()


def base_distributions() -> list[metadata.Distribution]:
    """Return what `pip install breakwater` without an extra brings along."""
    found: dict[str, metadata.Distribution] = {}
    queue = [(text, "") for text in metadata.requires("breakwater") or ()]
    while queue:
        requirement = Requirement(queue[0][0])
        extra = queue.pop(0)[1]
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = _spelt(requirement.name)
        new = name not in found
        found.setdefault(name, metadata.distribution(name))
        for wanted in (*requirement.extras, *([""] if new else [])):
            queue += [(text, wanted) for text in found[name].requires or ()]
    return list(found.values())


def base_lock() -> str:
    """Return the lines of the lock file for a base install, versions and hashes fixed."""
    wanted = {_spelt(dist.name) for dist in base_distributions()}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    return "".join(block for block in blocks if _spelt(block.split("==")[0]) in wanted)


def _spelt(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tops(dist: metadata.Distribution) -> Iterator[str]:
    for path in dist.files or ():
        if path.parts[0] not in ("..", "__pycache__"):
            yield path.parts[0]


def output(command: list[str], cwd: Path, **environment: str) -> str:
    """Run a command that must not see this checkout, and return what it printed."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def elsewhere(programs: Path, **more: str) -> Any:
    """Return how a test starts a process there, instead of in its own environment."""

    def launch(command: list[str], *, env: dict[str, str], **given: Any) -> Any:
        kept = {k: v for k, v in env.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.Popen(
            [str(programs / "python"), *command[1:]], env={**kept, **more}, **given
        )

    return launch


if __name__ == "__main__":
    sys.stdout.write(base_lock())
