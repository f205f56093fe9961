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
_FORECASTER = re.compile(r'\bforecaster="([^"]+)"')
_CLASS_END = "Forecaster"
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
    """Return catalogue key -> the name tables use, the class's without "Forecaster".

    Read from the source; needs no torch.

    Examples
    --------
    >>> titles()["wavenet"]
    'WaveNet'
    """
    return _told(_TITLE)


@cache
def forecasters() -> dict[str, str]:
    """Return catalogue key -> the FreqAI class, read from the source; needs no torch.

    Examples
    --------
    >>> forecasters()["boosted"]
    'XGBoostForecaster'
    """
    return _told(_FORECASTER)


def key_of(word: str) -> str | None:
    """Return the key of a model by its class, with or without "Forecaster", or by its key.

    In any case of letters; None where there is no such model.

    Examples
    --------
    >>> key_of("XGBoostForecaster"), key_of("xgboost"), key_of("BOOSTED"), key_of("ltsm")
    ('boosted', 'boosted', 'boosted', None)
    """
    said = word.lower()
    for key, forecaster in forecasters().items():
        if said in (key, forecaster.lower(), forecaster.removesuffix(_CLASS_END).lower()):
            return key
    return None


def _told(pattern: re.Pattern[str]) -> dict[str, str]:
    """Return catalogue key -> what its spec has in the source; the key where it has nothing."""
    found = {}
    for name in names():
        text = (_LEARN / _rooms()[name] / f"{name}.py").read_text(encoding="utf-8")
        match = pattern.search(text, _MARK.search(text).start())  # type: ignore[union-attr]
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
