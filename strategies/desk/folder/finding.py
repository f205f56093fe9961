"""What `breakwater doctor DIR` finds, and the folder it looks at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from models.base.files import read_regular
from strategies.account.config_files import config_of_files
from strategies.desk.folder.configs import STAGE_FILES
from strategies.desk.folder.record import FolderRecord
from strategies.desk.folder.services import ENVIRONMENT_FILE, Installed


class Weight(StrEnum):
    """How a finding counts, as it is printed."""

    SOUND = "ok"
    ADVICE = "note"  # worth knowing, stands in nobody's way
    MISSING = "no"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at: what, how it is, and what to do about it."""

    what: str
    weight: Weight
    said: str
    cure: str = ""

    def __str__(self) -> str:
        first, *more = self.said.splitlines() or [""]
        lines = [f"  {self.weight:4}  {self.what}: {first}", *(f"        {one}" for one in more)]
        cures = self.cure.splitlines()
        return "\n".join([*lines, *(f"        cure: {one}" for one in cures)])


def sound(what: str, said: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(what=what, weight=Weight.SOUND, said=said)


def advice(what: str, said: str, cure: str) -> Finding:
    """Return a finding that hinders nothing."""
    return Finding(what=what, weight=Weight.ADVICE, said=said, cure=cure)


def missing(what: str, said: str, cure: str) -> Finding:
    """Return a finding without which a stage is not ready."""
    return Finding(what=what, weight=Weight.MISSING, said=said, cure=cure)


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """A bot's folder, its record, and the programs of this machine."""

    folder: Path
    record: FolderRecord
    installed: Installed

    def config_file(self, stage: str) -> Path:
        """Return the config of a stage."""
        return self.folder / STAGE_FILES[stage]

    @cached_property
    def live(self) -> dict[str, Any]:
        """Freqtrade's configuration of the live bot."""
        return config_of_files([self.config_file("live")])

    @cached_property
    def tested(self) -> dict[str, Any]:
        """Freqtrade's configuration of the backtest."""
        return config_of_files([self.config_file("backtest")])


@contextmanager
def folder_environment(folder: Path) -> Iterator[str]:
    """Have a folder's `.env` count as the environment; what is there already wins.

    Yields
    ------
    str
        Why the file cannot be read; nothing if it can, or there is none.
    """
    before = dict(os.environ)
    why = ""
    try:
        text = read_regular(folder / ENVIRONMENT_FILE, limit=1 << 20).decode()
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        text, why = "", str(error)
    try:
        for name, value in _variables(text):
            if value and "\0" not in value:
                os.environ.setdefault(name, value)
        yield why
    finally:
        os.environ.clear()
        os.environ.update(before)


def _variables(text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables of a file as systemd reads it, comments left out.

    Examples
    --------
    >>> list(_variables("# A=1\\nB='x y'\\n\\nC=\\nnothing"))
    [('B', 'x y'), ('C', '')]
    """
    for line in map(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")) and name.strip().isidentifier():
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            yield name.strip(), value[1:-1] if quoted else value
