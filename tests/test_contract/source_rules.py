"""Sizes and names of the pack's source, read from its text."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.test_contract.import_rules import Source, sources

LONGEST_FILE = 400  # lines
LONGEST_FUNCTION_P95 = 30  # lines, decorators not counted
# What every module, or every file of the catalogue, has of its own.
SHARED_NAMES = ("logger", "SPEC")


def long_files(root: Path) -> list[str]:
    """Return the modules of more than `LONGEST_FILE` lines."""
    return [s.name for s in sources(root) if len(s.text.splitlines()) > LONGEST_FILE]


def function_lines_p95(root: Path) -> int:
    """Return the length in lines that 95 of 100 functions and methods do not exceed."""
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources(root)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return lengths[int(0.95 * (len(lengths) - 1))]


def names_defined_twice(root: Path) -> list[str]:
    """Return "name: modules" of each public top-level name that more than one module defines."""
    where: dict[str, set[str]] = defaultdict(set)
    for source in sources(root):
        for name in _public_names(source):
            where[name].add(source.name)
    return [
        f"{name}: {' '.join(sorted(modules))}"
        for name, modules in sorted(where.items())
        if len(modules) > 1 and name not in SHARED_NAMES
    ]


def _public_names(source: Source) -> list[str]:
    names: list[str] = []
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_")]
