"""`breakwater doctor`: whether the installed Freqtrade, FreqAI and ccxt are those the pack knows.

Asks no network and needs no config. Every seam is probed, that of Telegram too.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Final

from strategies.seams.catalog import seams_in
from strategies.seams.check import GoneSeam, cure, gone_seams, pinned_versions
from strategies.seams.record import Seam
from strategies.seams.shadowed import shadowed_packages

_PACKAGES: Final = ("freqtrade", "ccxt", "python-telegram-bot", "onnxruntime", "torch")


def run_doctor() -> int:
    """Print versions, packages and seams; return 1 if something that safety needs is gone."""
    print("\n".join(_versions()))
    shadowed = shadowed_packages()
    for name, place in shadowed.items():
        print(f"\nANOTHER PACKAGE {name}: imported from {place}")
    seams = seams_in()
    gone = gone_seams(seams)
    print("\n" + "\n".join(seam_table(seams, gone)))
    unsafe = [found for found in gone if found.seam.safety]
    print(f"\n{verdict_line(len(seams), gone)}")
    if gone:
        print(f"cure: {cure()}")
    return 1 if unsafe or shadowed else 0


def doctor_values() -> dict[str, Any]:
    """Return the same for a program: versions, seams, and whether safety has what it needs."""
    seams, shadowed = seams_in(), shadowed_packages()
    missing = {found.seam.name: found.missing for found in gone_seams(seams)}
    expected = pinned_versions()
    return {
        "ok": not shadowed and not any(s.safety and s.name in missing for s in seams),
        "python": platform.python_version(),
        "packages": {
            name: {"installed": _installed(name), "made_for": expected.get(name)}
            for name in _PACKAGES
        },
        "shadowed": {name: str(place) for name, place in shadowed.items()},
        "seams": [
            {"name": s.name, "safety": s.safety, "lacks": missing.get(s.name, ""),
             "without": s.without, "file": str(s.file)} for s in seams
        ],
    }  # fmt: skip


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def seam_table(seams: Sequence[Seam], gone: Sequence[GoneSeam]) -> list[str]:
    """Return a line for each seam, and below one that is gone what it lacks and what is off."""
    missing = {found.seam.name: found.missing for found in gone}
    width = max(len(_short(seam)) for seam in seams)
    lines = [f"{'seam':{width}}  {'state':5}  {'needed by':9}  since"]
    for seam in seams:
        state = "gone" if seam.name in missing else "ok"
        needed = "safety" if seam.safety else "feature"
        lines.append(f"{_short(seam):{width}}  {state:5}  {needed:9}  {seam.since}")
        if seam.name in missing:
            lines += [f"    lacks: {missing[seam.name]}", f"    off:   {seam.without}",
                      f"    file:  {seam.file}"]  # fmt: skip
    return lines


def verdict_line(seams: int, gone: Sequence[GoneSeam]) -> str:
    """Return what the table comes to."""
    unsafe = sum(found.seam.safety for found in gone)
    if unsafe:
        return f"{unsafe} of {seams} seams that safety needs are gone: live trading does not start"
    if gone:
        return f"{len(gone)} of {seams} seams are gone: safe, and what they carry is off"
    return f"all {seams} seams are as expected"


def _versions() -> list[str]:
    expected = pinned_versions()
    lines = [f"{'python':20} {platform.python_version()}"]
    for package in _PACKAGES:
        version = _installed(package) or "not installed"
        made_for = expected.get(package, version)
        note = "" if version == made_for else f"  (the pack is made for {made_for})"
        lines.append(f"{package:20} {version}{note}")
    return lines


def _short(seam: Seam) -> str:
    """Return the first of the things a seam touches."""
    return seam.name.split(", ")[0]
