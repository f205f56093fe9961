"""Every room has a page: short, with its four parts, and true about files and words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.places import ROOT

PACKAGES = ("models", "strategies", "freqaimodels")
ROOMS = sorted(
    {p.parent for package in PACKAGES for p in (ROOT / package).rglob("__init__.py")}
    | {ROOT / "tests", ROOT / "tests" / "exchange"}
)
IDS = [room.relative_to(ROOT).as_posix() for room in ROOMS]
LINES = 40


@pytest.mark.parametrize("room", ROOMS, ids=IDS)
def test_room_when_entered_then_its_page_is_short_and_says_what_to_know(room: Path) -> None:
    page = (room / "README.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= LINES
    assert page.startswith(f"# {room.relative_to(ROOT).as_posix()}: ")
    for part in ("**May import:**", "**The walk through it:**", "**Terms:**", "GLOSSARY.md)"):
        assert part in page, part


@pytest.mark.parametrize("room", ROOMS, ids=IDS)
def test_page_when_it_names_files_then_they_exist(room: Path) -> None:
    page = (room / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./]+\.(?:py|html|md))`", page):
        if name != "index.html":  # written by a run, not kept here
            assert (room / name).is_file() or (ROOT / name).is_file(), name
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page):
        assert (room / link).is_file(), link
    for module in re.findall(r"`((?:models|strategies|freqaimodels)(?:[./]\w+)*)(?<!\.py)`", page):
        place = ROOT / module.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), module
