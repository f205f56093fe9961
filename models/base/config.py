"""Strict construction of frozen config dataclasses from plain mappings, checked by pydantic.

Every value is held against its field's annotation in pydantic's strict mode, nested blocks too, and
stays as it was written: a whole number where a fraction is expected remains one.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from models.base.errors import ConfigError, PackError

_T = TypeVar("_T")

# pydantic's kind of error -> what to ask for.
_WANTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "none_required": "nothing",
    "tuple_type": "a list",
    "sequence_str": "a list",
    "is_instance_of": "a list",
    "dict_type": "a block of settings",
}
EXPECTED: Final = "expected"  # metadata of a field: what to ask for, in its own words
_SHORT: Final = 24  # characters of a word; keys are longer
_FEW: Final = 8


@dataclasses.dataclass(frozen=True)
class _Setting:
    """One field of a config dataclass, ready to check values."""

    name: str
    required: bool
    block: type[Any] | None  # the dataclass of a nested block
    optional: bool
    hint: Any
    adapter: TypeAdapter[Any] | None  # of a plain value
    expected: str  # in the field's own words, or empty

    def value(self, given: Any, where: str) -> Any:
        """Return the value for the dataclass; raises ConfigError or pydantic's ValidationError."""
        if self.block is not None:
            if isinstance(given, self.block) or (given is None and self.optional):
                return given
            return from_mapping(self.block, given, where=f"{where}.{self.name}")
        if get_origin(self.hint) is tuple and isinstance(given, list):
            given = tuple(given)  # JSON knows lists only
        if isinstance(self.hint, type) and issubclass(self.hint, Enum):
            return _member(self.hint, given, self.name)
        parsed = given if self.adapter is None else self.adapter.validate_python(given)
        return given if type(given) is int else parsed  # 3 stays 3 where a fraction may be given


def from_mapping(cls: type[_T], values: Mapping[str, Any], *, where: str) -> _T:
    """Build the config dataclass `cls` from `values`; every unknown key is an error.

    Parameters
    ----------
    cls
        A dataclass type whose fields are keyword arguments. A field whose type is such a dataclass
        is a block within the block.
    values
        Plain values, for example a block of a Freqtrade config file.
    where
        Name of the block, for the error message.

    Raises
    ------
    ConfigError
        If a key is unknown (names the nearest known one), missing, of another type than its
        annotation, or refused by the dataclass; here or in a block within. All are named at once.

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
    settings = _settings(cls)
    cure = f"known settings: {', '.join(settings)}"
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"expected a block of settings, got {shown(values)}", where=where, cure=cure
        )
    parsed, problems, within = _parsed(settings, values, where)
    errors = [ConfigError("; ".join(problems), where=where, cure=cure)] if problems else []
    if errors or within:
        raise _joined([*errors, *within], where)
    try:
        return cls(**parsed)
    except (TypeError, ValueError, PackError) as error:
        known = error if isinstance(error, PackError) else ConfigError(str(error))
        raise ConfigError(
            known.problem, where=known.where or where, cure=known.cure or cure
        ) from error


def _parsed(
    settings: Mapping[str, _Setting], values: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], list[str], list[ConfigError]]:
    """Return the values by name, what is wrong in this block, and the errors of blocks within."""
    parsed: dict[str, Any] = {}
    problems = [_unknown(str(key), list(settings)) for key in values if key not in settings]
    within: list[ConfigError] = []
    for name, setting in settings.items():
        if name not in values:
            if setting.required:
                problems.append(f"expected {name}, got nothing")
            continue
        try:
            parsed[name] = setting.value(values[name], where)
        except ConfigError as error:
            if error.where:
                within.append(error)
            else:
                problems.append(error.problem)
        except ValidationError as error:
            problems.append(_wrong(setting, values[name], error))
    return parsed, problems, within


@cache
def _settings(cls: type[Any]) -> dict[str, _Setting]:
    hints = get_type_hints(cls)
    return {f.name: _setting(f, hints[f.name]) for f in dataclasses.fields(cls) if f.init}


def _setting(field: dataclasses.Field[Any], hint: Any) -> _Setting:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    blocks = [k for k in kinds if isinstance(k, type) and dataclasses.is_dataclass(k)]
    return _Setting(
        name=field.name,
        required=field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING,
        block=blocks[0] if blocks else None,
        optional=NoneType in kinds,
        hint=hint,
        adapter=None if blocks else TypeAdapter(hint, config=ConfigDict(strict=True)),
        expected=field.metadata.get(EXPECTED, ""),
    )


def shown(value: object) -> str:
    """Return a setting as an error may repeat it: a long text may be a key in the wrong place.

    Examples
    --------
    >>> shown("isolated"), shown(3.5), shown("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6")
    ("'isolated'", '3.5', 'a text of 45 characters')
    """
    match value:
        case str() if len(value) > _SHORT:
            return f"a text of {len(value)} characters"
        case Mapping():
            names = ", ".join(shown(str(name)) for name in list(value)[:_FEW])
            return f"a block of {len(value)} settings ({names})" if value else "an empty block"
        case list() | tuple():
            return f"[{', '.join(shown(part) for part in value[:_FEW])}" + (
                ", ..]" if len(value) > _FEW else "]"
            )
        case _:
            return repr(value)


def _member(kind: type[Enum], given: Any, name: str) -> Enum:
    known = [str(member.value) for member in kind]
    if given not in known:
        raise ConfigError(f"expected {name} {', '.join(known)}, got {shown(given)}")
    return kind(given)


def _unknown(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return f"unknown setting {shown(key)}" + (f"; did you mean {near[0]!r}?" if near else "")


def _wrong(setting: _Setting, given: Any, error: ValidationError) -> str:
    """Return what was expected of a setting, in words."""
    found = error.errors(include_url=False, include_context=False)
    kinds = [_WANTED.get(one["type"], one["msg"]) for one in found]
    kinds += ["nothing"] if setting.optional else []
    wanted = setting.expected or " or ".join(dict.fromkeys(kinds))
    if found[0]["loc"] and len(found) == 1 and not setting.expected:
        inner = ".".join(str(part) for part in found[0]["loc"])
        return f"expected {wanted} for {setting.name}.{inner}, got {shown(found[0]['input'])}"
    return f"expected {wanted} for {setting.name}, got {shown(given)}"


def _joined(errors: Sequence[ConfigError], where: str) -> ConfigError:
    if len(errors) == 1:
        return errors[0]
    return ConfigError(
        "; ".join(f"{error.where}: {error.problem}" for error in errors),
        where=where,
        cure="; ".join(dict.fromkeys(f"{error.where}: {error.cure}" for error in errors)),
    )
