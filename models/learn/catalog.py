"""Which architectures exist: every file of the rooms below that defines a `SPEC`.

Names and titles are read from the source text, so the bot can list them without torch. A network is
one file, its facts beside its layers: to `load` its spec imports torch, and only the training side,
the tests and the report's tables do.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

from models.base.errors import ConfigError
from models.base.spec import ModelSpec

NETWORKS = "nets"  # torch modules under the one training loop
ROOMS = (NETWORKS, "trees", "hybrid", "prophet", "agents", "gan", "volatility")
_LEARN = Path(__file__).resolve().parent
_TITLE = re.compile(r'\btitle="([^"]+)"')
_MARK = re.compile(r"^SPEC = ", re.MULTILINE)


@cache
def _rooms() -> dict[str, str]:
    """Return catalogue key -> room."""
    return {
        path.stem: room
        for room in ROOMS
        for path in sorted((_LEARN / room).glob("*.py"))
        if _MARK.search(path.read_text(encoding="utf-8"))
    }


def names() -> tuple[str, ...]:
    """Return the catalogue keys, sorted; needs no torch.

    Examples
    --------
    >>> "lstm" in names()
    True
    """
    return tuple(sorted(_rooms()))


def networks() -> tuple[str, ...]:
    """Return the keys of those that are plain torch networks, sorted."""
    return tuple(name for name in names() if _rooms()[name] == NETWORKS)


@cache
def titles() -> dict[str, str]:
    """Return catalogue key -> the name people use, read from the source; needs no torch.

    Examples
    --------
    >>> titles()["wavenet"]
    'WaveNet'
    """
    found = {}
    for name in names():
        text = (_LEARN / _rooms()[name] / f"{name}.py").read_text(encoding="utf-8")
        match = _TITLE.search(text, _MARK.search(text).start())  # type: ignore[union-attr]
        found[name] = match.group(1) if match else name
    return found


def load(name: str) -> ModelSpec:
    """Return the spec called `name`.

    Raises
    ------
    ConfigError
        If there is no such network; lists those there are.
    """
    if name not in names():
        raise ConfigError(f"unknown network {name!r}", cure=f"known networks: {', '.join(names())}")
    spec: ModelSpec = importlib.import_module(f"models.learn.{_rooms()[name]}.{name}").SPEC
    return spec
