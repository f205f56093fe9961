"""How the tests' own files are laid out, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from tests.syntax import parse


def borrowed(root: Path) -> list[str]:
    """Return one line per import of a test file: what tests share lives in a module beside them."""
    files = sorted((root / "tests").rglob("*.py"))
    tests = {_name(root, path) for path in files if path.name.startswith("test_")}
    return [
        f"{_name(root, path)}: imports {target}"
        for path in files
        for target in sorted(_imports(path) & tests)
    ]


def own_parsing(root: Path) -> list[str]:
    """Return the files of tests that call `ast.parse`, which `tests.syntax` does."""
    return _with(root, "tests.syntax", lambda node: (
        isinstance(node, ast.Call) and ast.unparse(node.func) == "ast.parse"
    ))  # fmt: skip


def own_places(root: Path) -> list[str]:
    """Return the files that find the checkout by counting folders, which `tests.places` does."""
    return _with(root, "tests.places", lambda node: (
        isinstance(node, ast.Attribute) and node.attr == "parents" and "__file__" in _text(node)
    ))  # fmt: skip


def _with(root: Path, but: str, is_meant: Callable[[ast.AST], bool]) -> list[str]:
    """Return the files of tests with such a node in their source, one of them left out."""
    return [
        _name(root, path)
        for path in sorted((root / "tests").rglob("*.py"))
        if _name(root, path) != but and any(map(is_meant, ast.walk(_tree(path))))
    ]


def unmirrored(root: Path) -> list[str]:
    """Return the folders with code of the pack that have no folder with tests of the same name."""
    return [
        str(folder.relative_to(root))
        for package in ("models", "strategies", "freqaimodels")
        for folder in sorted({path.parent for path in (root / package).rglob("*.py")})
        if any(path.stem[0] != "_" for path in folder.glob("*.py"))
        and not any(_mirror(root, folder).rglob("test_*.py"))
    ]


def _mirror(root: Path, folder: Path) -> Path:
    package, *rooms = folder.relative_to(root).parts
    return root.joinpath("tests", f"test_{package}", *rooms)


def _imports(path: Path) -> set[str]:
    """Return every module that may be named by an import, at any depth, and by its text."""
    out: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            out |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return out


def _name(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def _tree(path: Path) -> ast.Module:
    return parse(path.read_text(encoding="utf-8"))


def _text(node: ast.AST) -> str:
    return ast.unparse(node)
