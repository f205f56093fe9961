"""`breakwater settings`: every setting of the pack, from the dataclasses that parse them.

Names, kinds, defaults and ranges are read off the classes, the meaning off the comment a field has
in its file: the page (`user_data/docs/settings-reference.md`) cannot say another thing than the
code.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import math
import sys
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from models.base.config import EXPECTED
from models.base.errors import ConfigError
from models.learn import catalog
from models.learn.training.settings import ModelSettings
from strategies.bot.config import PackConfig

_TRAINING: Final = "freqai.model_training_parameters"
_HEAD: Final = """\
# Every setting

Written by `breakwater settings`, from the code; a test compares. What a block is for, and what is
refused: [Settings](settings.md). All of them go into a config file, as in
`user_data/config_bitcoin.json`; an unknown name is an error that names the nearest known one.
"As said" in the place of a default: it has none.
"""
_KINDS: Final = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class SettingsBlock:
    """One block of a config file: its dotted name, the class that parses it, who reads it."""

    name: str
    kind: type[Any]
    readers: tuple[str, ...] = ()  # models, of a network's block; empty: the bot


def run_settings(part: str = "") -> int:
    """Print the reference, or of it the blocks whose name holds `part`; return the exit code.

    Raises
    ------
    ConfigError
        If no block's name holds `part`.
    """
    chosen = _chosen(part)
    sys.stdout.write(settings_markdown(chosen) if part == "" else _sections(chosen))
    return 0


def settings_values(part: str = "") -> list[dict[str, Any]]:
    """Return the same for a program; raises as `run_settings` does."""
    return [
        {"block": block.name, "models": list(block.readers), "setting": row.name,
         "default": row.default.strip("`"), "what": row.what, "meaning": row.meaning}
        for block in _chosen(part) for row in _rows(block.kind)
    ]  # fmt: skip


def _chosen(part: str) -> list[SettingsBlock]:
    blocks = list(setting_blocks())
    chosen = [block for block in blocks if part.lower() in block.name.lower()]
    if not chosen:
        raise ConfigError(
            f"no block of settings has {part!r} in its name",
            cure=f"one of {', '.join(dict.fromkeys(block.name for block in blocks))}",
        )
    return chosen


def settings_markdown(blocks: Sequence[SettingsBlock]) -> str:
    """Return the page of these blocks."""
    return f"{_HEAD}\n{_sections(blocks)}"


def _sections(blocks: Sequence[SettingsBlock]) -> str:
    return "\n".join("\n".join(_section(block)) for block in blocks)


def setting_blocks() -> Iterator[SettingsBlock]:
    """Yield every block the pack reads, in the order of its page."""
    yield from _within("breakwater", PackConfig)
    yield from _within(_TRAINING, ModelSettings)
    readers: dict[type[Any], list[str]] = {}
    for name in catalog.names():
        spec = catalog.load(name)
        readers.setdefault(spec.config, []).append(spec.forecaster)
    for kind, forecasters in readers.items():
        yield SettingsBlock(f"{_TRAINING}.network", kind, tuple(forecasters))


def field_comments(kind: type[Any]) -> dict[str, str]:
    """Return what stands beside each field of a dataclass, or in the lines right above it.

    Examples
    --------
    >>> from models.trade.decision.sizing import SizingConfig
    >>> field_comments(SizingConfig)["stop_sigmas"]
    'stop distance in volatilities over the horizon'
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            found |= {name: text for name, text in _own_comments(base).items() if text}
    return found


def _own_comments(kind: type[Any]) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(kind))
    beside, alone = _comments(source)
    (body,) = ast.parse(source).body
    found: dict[str, str] = {}
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines: list[str] = []
            above = node.lineno - 1
            while above in alone:
                lines.insert(0, alone[above])
                above -= 1
            lines += [beside[n] for n in range(node.lineno, _end(node) + 1) if n in beside]
            found[node.target.id] = " ".join(lines)
    return found


def _end(node: ast.AnnAssign) -> int:
    return node.end_lineno or node.lineno


def _comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """Return the comments behind code and those with a line of their own, by line."""
    beside: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ")
            (beside if token.line[: token.start[1]].strip() else alone)[token.start[0]] = text
    return beside, alone


def _within(name: str, kind: type[Any]) -> Iterator[SettingsBlock]:
    """Yield a block, if it has settings of its own, and the blocks within it."""
    hints = get_type_hints(kind)
    fields = [(f.name, _block_of(hints[f.name])) for f in dataclasses.fields(kind)]
    if any(block is None for inner, block in fields if (name, inner) != (_TRAINING, "network")):
        yield SettingsBlock(name, kind)
    for inner, block in fields:
        if block is not None:
            yield from _within(f"{name}.{inner}", block)


def _block_of(hint: Any) -> type[Any] | None:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((k for k in kinds if isinstance(k, type) and dataclasses.is_dataclass(k)), None)


def _section(block: SettingsBlock) -> Iterator[str]:
    """Yield the lines of one block: heading, what it is, its table."""
    title = f"## `{block.name}`"
    yield title + (f" of {', '.join(block.readers)}" if block.readers else "")
    yield ""
    yield (inspect.getdoc(block.kind) or "").split("\n\n")[0].replace("\n", " ")
    yield ""
    rows = list(_rows(block.kind))
    if not rows:
        yield "No settings.\n"
        return
    yield "| setting | default | what | meaning |"
    yield "|---|---|---|---|"
    for row in rows:
        cells = (f"`{row.name}`", row.default, row.what, row.meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


class _Row(NamedTuple):
    name: str
    default: str
    what: str
    meaning: str


def _rows(kind: type[Any]) -> Iterator[_Row]:
    hints, comments = get_type_hints(kind), field_comments(kind)
    for f in dataclasses.fields(kind):
        if f.init and _block_of(hints[f.name]) is None:
            yield _Row(f.name, _default(f), _what(hints[f.name], f), comments.get(f.name, ""))


def _default(f: dataclasses.Field[Any]) -> str:
    if f.default is not dataclasses.MISSING:
        return _shown(f.default)
    if f.default_factory is not dataclasses.MISSING:
        return _shown(f.default_factory())
    return "as said"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case None:
            return "nothing"
        case Enum():
            return f'`"{value.value}"`'
        case str():
            return f'`"{value}"`'
        case tuple() | list():
            return f"`[{', '.join(_shown(one).strip('`') for one in value)}]`"
        case dict():
            return "`{}`" if not value else f"`{value}`"
        case _:
            return f"`{value!r}`"


def _what(hint: Any, f: dataclasses.Field[Any]) -> str:
    """Return the kind of value in words, with its range where the field has one."""
    if EXPECTED in f.metadata:
        return str(f.metadata[EXPECTED])
    told = f.metadata
    return _kind(hint) + (_range_of(told["least"], told["most"]) if "most" in told else "")


def _range_of(least: float, most: float) -> str:
    low = "more than 0" if 0 < least < sys.float_info.min else f"{least:g} or more"
    return f", {low}" + ("" if math.isinf(most) else f", at most {most:g}")


def _kind(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("nothing" if k is NoneType else _kind(k) for k in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(f'"{member.value}"' for member in hint)
    if hint in _KINDS:
        return _KINDS[hint]
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, dict):
        return "a block"
    return "list" if origin is not None and "Mapping" not in str(origin) else "a block"
