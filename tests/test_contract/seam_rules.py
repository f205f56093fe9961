"""Where the pack touches private things of Freqtrade, FreqAI and ccxt, read from its source."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.syntax import parse
from tests.test_contract.import_rules import Source, sources

SEAMS = "strategies.seams"
LIBRARIES = ("freqtrade", "ccxt", "telegram")
# Names of the standard library that begin with an underscore and are not private.
_PUBLIC = ("_asdict", "_replace", "_fields", "_SubParsersAction")
# Of the standard library, which has no other word for it: argparse's list of what was added.
_STANDARD = (
    "strategies.desk.completion: parser._actions",
    "strategies.desk.completion: command._actions",
)
_READERS = ("getattr", "hasattr", "setattr", "delattr")


def private_touches(root: Path) -> list[str]:
    """Return "module: what" of every private thing touched outside the seams."""
    found = [
        f"{source.name}: {touch}"
        for source in sources(root)
        if source.name.split(".")[0] in ("strategies", "freqaimodels")
        and not source.name.startswith(SEAMS)
        for touch in (*_private_attributes(source), *_replaced(source))
    ]
    return [touch for touch in found if touch not in _STANDARD]


def _private_attributes(source: Source) -> Iterator[str]:
    """Yield attributes with an underscore of anything but the object or class itself."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()"):
                yield f"{owner}.{node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _READERS:
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and _is_private(str(name.value)):
                yield f"{ast.unparse(node.args[0])}.{name.value}"


def _replaced(source: Source) -> Iterator[str]:
    """Yield what is assigned to in something imported from a library, and borrowed names."""
    borrowed = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (getattr(node, "module", None) or alias.name).split(".")[0] in LIBRARIES
    }
    for node in ast.walk(source.tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            for part in ast.walk(target):
                if not (isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)):
                    continue
                if ast.unparse(part.value).split(".")[0] in borrowed:
                    yield f"{ast.unparse(part)} replaced"
                if part.attr == "__qualname__":
                    yield f"{ast.unparse(part)} replaced"


def inherited_touches(module: str) -> list[str]:
    """Return private names of a library's base classes that the classes of `module` use.

    Overridden, read or written: of a base that keeps them to itself, each is a touch; and one that
    is only meant to be the pack's own stands in the way of the base's.
    """
    loaded = importlib.import_module(module)
    found: list[str] = []
    for cls in vars(loaded).values():
        if isinstance(cls, type) and cls.__module__ == module:
            names = _own_private_names(cls) & _library_private_names(cls)
            found += [f"{module}.{cls.__name__}: {name}" for name in sorted(names)]
    return found


def _own_private_names(cls: type) -> set[str]:
    tree = parse(textwrap.dedent(inspect.getsource(cls)))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls", "super()")
    }
    return {name for name in used | set(vars(cls)) if _is_private(name)}


def _library_private_names(cls: type) -> set[str]:
    names: set[str] = set()
    for base in cls.__mro__[1:]:
        if base.__module__.split(".")[0] not in LIBRARIES:
            continue
        tree = parse(textwrap.dedent(inspect.getsource(base)))
        names |= set(vars(base))
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
        }
    return {name for name in names if _is_private(name) and not name.startswith("_abc_")}


def _is_private(name: str) -> bool:
    dunder = name.startswith("__") and name.endswith("__")
    return name.startswith("_") and not dunder and name not in _PUBLIC
