"""Libraries that are imported when something of them is first called.

While a module of Freqtrade's is loaded, stand-ins take the place of the libraries it imports and
may never use. Afterwards whoever imports them gets the real ones.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from strategies.seams.record import problems


class _Later(ModuleType):
    """Stands in for a library: what is taken of it imports the real one when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*arguments: Any, **named: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*arguments, **named)

        return called


@contextmanager
def standing_in(libraries: Collection[str]) -> Iterator[None]:
    """Put stand-ins where a library is not loaded yet, and take them away again.

    Modules below a library stay what they are.
    """
    stand_ins = {name: _Later(name) for name in libraries if name not in sys.modules}
    for name, stand_in in stand_ins.items():
        if folders := _folders(name):
            stand_in.__path__ = folders
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _folders(name: str) -> list[str]:
    """Return where the modules below a library are, without loading what is above it."""
    folders: Sequence[str] | None = None
    above = ""
    for part in name.split("."):
        above = f"{above}.{part}" if above else part
        spec = PathFinder.find_spec(above, folders)
        folders = None if spec is None else spec.submodule_search_locations
        if folders is None:
            return []
    return list(folders or ())


def misused(modules: Collection[str], libraries: Collection[str]) -> str:
    """Return why stand-ins for `libraries` would not do for `modules`, empty if they would."""
    sources = {name: source_of(name) for name in modules}
    found = {library for s in sources.values() for library in _taken(s, libraries).values()}
    gone = [library for library in libraries if library not in found]
    return problems(
        *(f"nothing of {library} is imported any more" for library in gone),
        *(
            f"{name} does more with {word} than call it"
            for name, source in sources.items()
            for word in _kept(source, libraries)
        ),
    )


def source_of(name: str) -> ast.Module:
    """Return the source of a module, which is not loaded for it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"no source of {name}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _taken(source: ast.Module, libraries: Collection[str]) -> dict[str, str]:
    """Return the names a module has from the libraries, each with its library."""
    taken = {}
    for line in source.body:
        if isinstance(line, ast.ImportFrom):
            for part in line.names:
                for library in (line.module, f"{line.module}.{part.name}"):
                    if library in libraries:
                        taken[part.asname or part.name] = str(library)
        elif isinstance(line, ast.Import):
            taken |= {p.asname: p.name for p in line.names if p.asname and p.name in libraries}
    return taken


def _kept(source: ast.Module, libraries: Collection[str]) -> list[str]:
    """Return those of the names that are used otherwise than in a call."""
    taken = _taken(source, libraries)
    called = {
        id(part)
        for node in ast.walk(source)
        if isinstance(node, ast.Call)
        for part in (node.func, getattr(node.func, "value", None))
    }
    used = (node for node in ast.walk(source) if isinstance(node, ast.Name))
    return sorted({node.id for node in used if node.id in taken and id(node) not in called})
