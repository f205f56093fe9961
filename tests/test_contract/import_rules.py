"""The import rules of the pack, read from source text; nothing is imported to find out."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOMS = ("models", "freqaimodels", "strategies")
SCANNED = ("freqaimodels", "strategies")  # Freqtrade looks for classes in their files
TORCH_ROOMS = ("nets", "training", "export", "agents", "gan")
# What a room may need from outside, itself and through every module it reaches. A halt and its
# record must not depend on a library that may be broken.
OUTSIDE = {
    "models.serve": {"numpy", "onnxruntime", *sys.stdlib_module_names},
    "models.operate": {*sys.stdlib_module_names},
}


@dataclass(frozen=True)
class Source:
    """One file of the pack."""

    name: str  # dotted module name
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Every module named by an import statement, at any depth, annotations' included."""
        return frozenset(self._named(list(ast.walk(self.tree))))

    @cached_property
    def runs(self) -> frozenset[str]:
        """Modules an import statement really executes: not those under TYPE_CHECKING."""
        kept, queue = [], list(self.tree.body)
        while queue:
            node = queue.pop()
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                queue += node.orelse
            else:
                kept.append(node)
                queue += list(ast.iter_child_nodes(node))
        return frozenset(self._named(kept))

    def _named(self, nodes: list[ast.AST]) -> set[str]:
        found: set[str] = set()
        package = self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = package.split(".")
                    parts = parts[: len(parts) - node.level + 1]
                    base = ".".join([*parts, *([base] if base else [])])
                found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        return found


def sources(root: Path) -> list[Source]:
    """Return every Python file of the pack's rooms."""
    found = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Source(name, path, path.read_text(encoding="utf-8")))
    return found


def _inside(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def violations(root: Path) -> list[str]:
    """Return one line per broken rule, "module: imports what"."""
    files = sources(root)
    out: list[str] = []
    for source in files:
        for target in sorted(source.imports):
            if any(rule(source.name, target) for rule in _RULES):
                out.append(f"{source.name}: imports {target}")
    return out + [line for room in OUTSIDE for line in _reach_violations(files, room)]


def _room(module: str, target: str) -> bool:
    """models <- strategies, models <- freqaimodels, and no other way round."""
    forbidden = {
        "models": ("freqtrade", "strategies", "freqaimodels", "tests"),
        "strategies": ("freqaimodels", "tests"),
        "freqaimodels": ("strategies", "tests"),
    }
    return _inside(target, *forbidden[module.split(".")[0]])


def _torch(module: str, target: str) -> bool:
    allowed = _inside(module, *(f"models.learn.{room}" for room in TORCH_ROOMS))
    return _inside(target, "torch") and not allowed


def _validation(module: str, target: str) -> bool:
    """What looks on is imported by nothing it looks at."""
    rooms = ("models.evaluate", "models.reports", "models.studies")
    return _inside(target, *rooms) and not _inside(module, *rooms, "strategies.desk")


_RULES = (_room, _torch, _validation)


def _reach_violations(files: list[Source], room: str) -> list[str]:
    """Follow the imports of `room` to what is outside the pack."""
    known = {source.name: source for source in files}
    queue = [name for name in known if _inside(name, room)]
    seen, out = set(queue), []
    while queue:
        source = known[queue.pop()]
        for target in sorted(source.runs):
            parts = target.split(".")
            if parts[0] != "models":
                if parts[0] not in OUTSIDE[room]:
                    out.append(f"{room} reaches {source.name}: imports {target}")
                continue
            for depth in range(1, len(parts) + 1):  # a module runs its packages first
                name = ".".join(parts[:depth])
                if name in known and name not in seen:
                    seen.add(name)
                    queue.append(name)
    return out


def scanned_files(root: Path) -> list[Path]:
    """Return the files in which Freqtrade looks for a class."""
    return [p for room in SCANNED for p in sorted((root / room).glob("*.py")) if p.stem[0] != "_"]


def scanned_violations(root: Path) -> list[str]:
    """Return what would make Freqtrade load the wrong class, none, or shadow a package."""
    packages = {
        *ROOMS,
        "tests",
        *sys.stdlib_module_names,
        *importlib.metadata.packages_distributions(),
    }
    out = []
    for path in scanned_files(root):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        if [node.name for node in classes] != [path.stem]:
            out.append(f"{path.name}: classes {[node.name for node in classes]}")
        # Freqtrade runs the file without registering it; `dataclass` then cannot look up the
        # module its postponed annotations belong to.
        if "from __future__" in ast.unparse(tree) and "dataclass" in ast.unparse(tree):
            out.append(f"{path.name}: dataclass with postponed annotations")
        if path.stem in packages:
            out.append(f"{path.name}: named like a package")
    return out


def class_attribute(path: Path, name: str) -> object:
    """Return the literal assigned to `name` in the one class of a file; raise without one."""
    (found,) = [
        ast.literal_eval(statement.value)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name
    ]
    return found
