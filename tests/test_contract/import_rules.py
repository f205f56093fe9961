"""The import rules of the pack, read from source text; nothing is imported to find out.

Every import statement counts, also one inside a function or for annotations only: what a reader
must know to understand a file, and what breaks when another file moves, does not depend on when
Python gets to the line.
"""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.syntax import parse

PACKAGES = ("models", "freqaimodels", "strategies")
SCANNED = ("freqaimodels", "strategies")  # Freqtrade looks for classes in their files
# Rooms from low to high; an import points to a lower row, or stays in its room. What stands in one
# row does not know its neighbours. "*" are the files beside the rooms.
LAYERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "models": (
        ("base",),
        ("operate", "data"),
        ("serve", "simulate", "scenarios"),
        ("learn", "trade"),
        ("evaluate",),
        ("studies",),
        ("reports",),
    ),
    "freqaimodels": (("base",), ("*",)),
    "strategies": (
        ("seams",),
        ("account",),
        ("human",),
        ("guard", "fast"),
        ("bot",),
        ("*",),
        ("desk",),
    ),
}
# What looks on; of the other packages, the desk alone may look at it.
ONLOOKERS = ("models.evaluate", "models.studies", "models.reports", "models.simulate")
DESK = "strategies.desk"
SEAMS = "strategies.seams"  # the one arrow between what Freqtrade loads as two packages
TORCH_ROOM = "models.learn"
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
        return parse(self.text)

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
    """Return every Python file of the pack."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Source(name, path, path.read_text(encoding="utf-8")))
    return found


def _inside(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def violations(root: Path) -> list[str]:
    """Return one line per broken rule: "module: imports what", or "circle: modules"."""
    files = sources(root)
    names = {source.name for source in files}
    out = [
        f"{source.name}: imports {target}"
        for source in files
        for target in sorted(source.imports)
        # Of `from module import name` the module is enough.
        if (target in names or target.rpartition(".")[0] not in names)
        and _forbidden(source.name, target)
    ]
    graph = {source.name: source.imports for source in files}
    out += [f"circle: {' '.join(circle)}" for circle in circles(graph)]
    out += [f"circle of rooms: {' '.join(circle)}" for circle in circles(_by_room(graph))]
    return out + [line for room in OUTSIDE for line in _reach_violations(files, room)]


def _forbidden(module: str, target: str) -> bool:
    """Whether one import breaks a rule by itself."""
    package, other = module.split(".")[0], target.split(".")[0]
    if other in ("tests", "freqaimodels") and other != package:
        return True
    if other == "freqtrade":
        return package == "models"
    if other == "torch":
        return not _inside(module, TORCH_ROOM)
    if other == package:
        return _upward(module, target)
    if other == "strategies":  # the package alone is empty, and decides nothing
        return target != other and not (package == "freqaimodels" and _inside(target, SEAMS))
    if _inside(target, *ONLOOKERS):
        return not _inside(module, DESK)
    return False


def _upward(module: str, target: str) -> bool:
    here, there = _row(module), _row(target)
    return there > here or (there == here >= 0 and _room(module) != _room(target))


def _row(module: str) -> int:
    """Return the row of a module's room in its package; -1 for a package itself.

    A name that is in no row is either a file beside the rooms or a room nobody has placed: the
    former where the package has a row for files, else it is below everything and may import
    nothing.
    """
    package, _, rest = module.partition(".")
    if not rest:
        return -1
    rows = LAYERS[package]
    for room in (rest.split(".")[0], "*"):
        for number, row in enumerate(rows):
            if room in row:
                return number
    return -1


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _by_room(graph: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return which folders of a room import which others of it, over all modules in them."""
    out: dict[str, set[str]] = {}
    for module, targets in graph.items():
        here = _folder(module)
        beside = {_folder(t) for t in targets if t in graph and _room(t) == _room(module)}
        out.setdefault(here, set()).update(beside - {here})
    return out


def _folder(module: str) -> str:
    """Return the folder a module is in, at most two levels below its package."""
    parts = module.split(".")
    return ".".join(parts[:3] if len(parts) > 3 else parts[:2])


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return every set of nodes that reach each other, sorted; Tarjan's algorithm (1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in graph[node]:
            if target not in graph or target == node:
                continue
            if target not in order:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == order[node]:
            circle = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return sorted(found)


def _reach_violations(files: list[Source], room: str) -> list[str]:
    """Follow the imports of `room` to what is outside the pack."""
    known = {source.name: source for source in files}
    queue = [name for name in known if _inside(name, room)]
    reached, out = set(queue), []
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
                if name in known and name not in reached:
                    reached.add(name)
                    queue.append(name)
    return out


def scanned_files(root: Path) -> list[Path]:
    """Return the files in which Freqtrade looks for a class."""
    return [p for room in SCANNED for p in sorted((root / room).glob("*.py")) if p.stem[0] != "_"]


def scanned_violations(root: Path) -> list[str]:
    """Return what would make Freqtrade load the wrong class, none, or shadow a package."""
    packages = {
        *PACKAGES,
        "tests",
        *sys.stdlib_module_names,
        *importlib.metadata.packages_distributions(),
    }
    out = []
    for path in scanned_files(root):
        tree = parse(path.read_text(encoding="utf-8"))
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
        for node in parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name
    ]
    return found


def tree(root: Path, **files: str) -> Path:
    """Write files named room__folder__module into `root` and return it."""
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
