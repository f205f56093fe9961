"""What somebody might leave in a folder: a pickle that runs, and other things than files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Marks:
    """Unpickled, it writes a file: whoever loads it has run what somebody else wrote."""

    path: Path

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return (_write, (str(self.path), "ran"))


def _write(path: str, text: str) -> dict[str, str]:
    Path(path).write_text(text, encoding="utf-8")
    return {}
