"""The pages for people, taken apart: commands, inline code, links, headings, tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.places import ROOT

README = ROOT / "README.md"
DOCS = sorted((ROOT / "user_data" / "docs").rglob("*.md"))
PAGES = [README, *DOCS]
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNED = re.compile(r"[A-Z][A-Za-z_]*=\S*")
_RESULT = re.compile(
    r"^[+−]\d|^[+−-]?\d[\d.,]*(?: %| bps| mb| \(|, [+−]?\d| / \d)"
    r"|\([+−-]?[\d.,]+ to [+−-]?[\d.,]+\)"
)
_SEPARATOR = re.compile(r"^\|[-:| ]+\|$", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A line to type: variables set for it, the program, and its words."""

    line: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Command:
        words = shlex.split(line)
        while words and _ASSIGNED.fullmatch(words[0]):
            words.pop(0)
        return cls(line, tuple(words))

    @property
    def program(self) -> str:
        return Path(self.words[0]).name if self.words else ""


@dataclass(frozen=True)
class Table:
    """A table, and the section it is in."""

    rows: list[list[str]]  # without the head
    before: str  # the paragraph right before it
    section: str

    @property
    def results(self) -> int:
        """How many cells have what only a measurement gives: a share, a sign, an interval."""
        return sum(bool(_RESULT.search(cell)) for row in self.rows for cell in row)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def typed(page: Path) -> list[Command]:
    """Return the lines of a page's `sh` blocks."""
    blocks = [match[2] for match in _FENCE.finditer(text(page)) if match[1] == "sh"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [Command.of(line.strip()) for line in lines if line.strip()]


def inline(page: Path) -> list[str]:
    """Return what stands between backticks, outside fenced blocks."""
    return re.findall(r"`([^`]+)`", prose(page).replace("\n", " "))


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures lead, those to other hosts left out."""
    found = re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page))
    return found + re.findall(r'(?:src|srcset)="(?!https?:)([^"]+)"', prose(page))


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as links have them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def tables(page: Path) -> Iterator[Table]:
    """Yield the tables of a page."""
    for section in re.split(r"^(?=#)", text(page), flags=re.MULTILINE):
        parts = re.split(r"\n\s*\n", _FENCE.sub("", section))
        for before, part in pairwise(["", *parts]):
            if _SEPARATOR.search(part):
                lines = [line for line in part.splitlines() if line.startswith("|")]
                rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
                yield Table([[cell.strip() for cell in row] for row in rows], before, section)
