"""`make check-upgrade`: whether the pack would run on the newest Freqtrade the registry has.

A throw-away environment gets the pack without its exact versions of Freqtrade and ccxt; what they
have changed shows in the probes of `breakwater doctor` and in the tests that need no more than
minutes. Standard library only, because nothing is installed yet.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.places import ROOT

FREED = ("freqtrade", "ccxt")  # whose exact versions are left to the registry


def requirements(project: Mapping[str, Any], extras: tuple[str, ...]) -> list[str]:
    """Return what the pack and its extras need, with Freqtrade and ccxt of any version.

    Examples
    --------
    >>> requirements({"dependencies": ["ccxt==4.5.90", "numpy>=2"],
    ...               "optional-dependencies": {"test": ["pytest"]}}, ("test",))
    ['ccxt', 'numpy>=2', 'pytest']
    """
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    return [free(line) for line in asked]


def free(requirement: str) -> str:
    """Return a requirement, without its version if it is Freqtrade or ccxt."""
    name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
    return name if name in FREED else requirement


def pinned(project: Mapping[str, Any], name: str) -> str:
    """Return the exact version the pack asks for."""
    lines: list[str] = project["dependencies"]
    (version,) = (line.split("==")[1] for line in lines if line.split("==")[0] == name)
    return version


def main() -> int:
    """Install, probe, test and say what came of it; return 0 if the pack runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--probes-only", action="store_true", help="install less, run no tests")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = () if options.probes_only else ("train", "report", "test")
    with tempfile.TemporaryDirectory(prefix="breakwater-upgrade-") as folder:
        python = Path(folder) / "bin" / "python"
        _run(options.python, "-m", "venv", folder)
        if _code(python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet",
                 *requirements(project, extras)):  # fmt: skip
            print("verdict: the newest versions cannot be installed beside the pack's others")
            return 1
        versions = {name: _installed(python, name) for name in FREED}
        doctor = _code(python, "-m", "strategies.desk.cli", "doctor")
        tests = None
        if not options.probes_only:
            tests = _code(python, "-m", "pytest", "-q", "-n", options.workers, "--dist", "loadfile",
                          "-m", "not slow", "--ignore", "tests/test_integration",
                          "--ignore", "tests/benchmarks")  # fmt: skip
    print("\n".join(verdict_lines(project, versions, doctor, tests)))
    return 1 if doctor or tests else 0


def verdict_lines(
    project: Mapping[str, Any], versions: dict[str, str], doctor: int, tests: int | None
) -> list[str]:
    """Return what was found out, for a person who thinks about upgrading.

    Parameters
    ----------
    versions
        Of the freed packages, as the registry gave them.
    doctor, tests
        Exit codes; None where no test ran.
    """
    lines = []
    for name, found in versions.items():
        known = pinned(project, name)
        new = f"newer than the pack's {known}" if found != known else "the one the pack is made for"
        lines.append(f"{name} {found}: {new}")
    lines.append("seams: " + ("as expected, or only features off" if not doctor else "GONE"))
    if tests is not None:
        lines.append("tests: " + ("pass" if not tests else "FAIL"))
    if doctor or tests:
        verdict = "the pinned versions stay where they are"
    elif all(found == pinned(project, name) for name, found in versions.items()):
        verdict = "the pinned versions are the newest"
    else:
        verdict = "the pinned versions can be raised"
    return [*lines, f"verdict: {verdict}"]


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)


def _code(*command: object) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([str(c) for c in command], cwd=ROOT, env=environment).returncode


def _installed(python: Path, name: str) -> str:
    code = f"from importlib import metadata; print(metadata.version({name!r}))"
    done = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
