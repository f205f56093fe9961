"""Whether a dataclass read from a file holds what its fields say: `from_json` checks nothing."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

_LARGEST: Final = 1 << 53  # whole numbers beyond are no times and no counts


def check_fields(value: object, *, finite: bool = True) -> None:
    """Raise ValueError naming the first field of a dataclass that is not of its kind.

    Texts, numbers, enums, dataclasses, and mappings and tuples of them; a whole number may stand
    for a real one, a yes or no for neither.

    Parameters
    ----------
    finite
        Whether NaN and infinity are no numbers.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Size:
    ...     width: int
    >>> check_fields(Size("wide"))
    Traceback (most recent call last):
    ValueError: expected width to be int, got 'wide'
    """
    assert dataclasses.is_dataclass(value)
    for name, hint in get_type_hints(type(value)).items():
        found = getattr(value, name)
        if not _fits(found, hint, finite):
            wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise ValueError(f"expected {name} to be {wanted}, got {found!r:.60}")


def _fits(value: object, hint: Any, finite: bool) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one, finite) for one in inner)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0], finite) and _fits(part, inner[1], finite)
            for key, part in value.items()
        )
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(part, inner[0], finite) for part in value)
    if hint is int:
        return type(value) is int and abs(value) < _LARGEST
    if hint is float:
        return _real(value, finite)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, hint):
            return False
        check_fields(value, finite=finite)
        return True
    if isinstance(hint, type) and issubclass(hint, Enum):
        return isinstance(value, hint)
    return type(value) is hint or (hint is types.NoneType and value is None)


def _real(value: object, finite: bool) -> bool:
    if type(value) is int:
        return abs(value) < _LARGEST
    return type(value) is float and (math.isfinite(value) or not finite)
