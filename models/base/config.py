"""Strict construction of frozen config dataclasses from plain mappings."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from models.base.errors import ConfigError, PackError

_T = TypeVar("_T")

# A plain field's annotation -> what to ask for, and the types that will do.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "int": ("a whole number", (int,)),
    "float": ("a number", (float, int)),
    "bool": ("true or false", (bool,)),
    "str": ("a text", (str,)),
}


def from_mapping(cls: type[_T], values: Mapping[str, Any], *, where: str) -> _T:
    """Build the config dataclass `cls` from `values`; every unknown key is an error.

    Parameters
    ----------
    cls
        A dataclass type whose fields are keyword arguments.
    values
        Plain values, for example a block of a Freqtrade config file.
    where
        Name of the block, for the error message.

    Raises
    ------
    ConfigError
        If a key is unknown (names the nearest known one), missing, or refused by the dataclass.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Size:
    ...     width: int = 1
    >>> from_mapping(Size, {"widht": 2}, where="size")
    Traceback (most recent call last):
    models.base.errors.ConfigError: unknown setting 'widht'; did you mean 'width'?
      where: size
      cure:  known settings: width
    """
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass")
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected a block of settings, got {values!r}", where=where)
    known = [f.name for f in dataclasses.fields(cls)]
    problems = []
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
            problems.append(
                f"unknown setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    problems += [
        f"expected {_KINDS[str(f.type)][0]} for {f.name}, got {values[f.name]!r}"
        for f in dataclasses.fields(cls)
        if str(f.type) in _KINDS
        and f.name in values
        and type(values[f.name]) not in _KINDS[str(f.type)][1]
    ]
    if problems:
        raise ConfigError(
            "; ".join(problems), where=where, cure=f"known settings: {', '.join(known)}"
        )
    try:
        return cls(**values)
    except ConfigError:
        raise
    except (TypeError, ValueError, PackError) as error:
        raise ConfigError(
            getattr(error, "problem", str(error)),
            where=where,
            cure=f"known settings: {', '.join(known)}",
        ) from error
