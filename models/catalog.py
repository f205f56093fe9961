"""Which architectures exist: every file of `models/nets` that defines a `SPEC`.

Importing the specs imports torch, so only the training side, the tests and the report's tables
call `load`; the bot needs no more than `names`.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ConfigError

if TYPE_CHECKING:
    from models.nets.base import NetworkSpec

_NETS = Path(__file__).parent / "nets"


@cache
def names() -> tuple[str, ...]:
    """Return the catalogue keys, sorted; needs no torch.

    Examples
    --------
    >>> "lstm" in names()
    True
    """
    return tuple(
        sorted(
            path.stem
            for path in _NETS.glob("*.py")
            if "\nSPEC = NetworkSpec(" in path.read_text(encoding="utf-8")
        )
    )


def load(name: str) -> NetworkSpec:
    """Return the spec called `name`.

    Raises
    ------
    ConfigError
        If there is no such network; lists those there are.
    """
    if name not in names():
        raise ConfigError(f"unknown network {name!r}", cure=f"known networks: {', '.join(names())}")
    spec: NetworkSpec = importlib.import_module(f"models.nets.{name}").SPEC
    return spec
