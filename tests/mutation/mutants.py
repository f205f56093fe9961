"""Small, plausible mistakes made in a module's source, one at a time.

Comparisons are inverted and moved by one step at their boundary, guards and their entries in lists
removed, numbers changed, conditions negated. Texts, annotations and docstrings stay.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from tests.syntax import parse

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_CALLS_THINNED = ("Guard", "refused", "Verdict")  # whose arguments say what a finding demands


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake; `name` tells where and which, without line numbers."""

    module: str
    name: str
    original: str
    place: int  # which of the nodes that can be changed
    number: int  # which of the mistakes that can be made there

    @property
    def tree(self) -> ast.Module:
        """The module with the mistake; all else stands in its line."""
        tree = parse(self.original)
        _apply(_places(tree)[self.place][0], self.number)
        return ast.fix_missing_locations(tree)

    @property
    def source(self) -> str:
        """The same as text."""
        return ast.unparse(self.tree)


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's source, in order of the source."""
    seen: dict[str, int] = {}
    for place, (node, where) in enumerate(_places(parse(source))):
        for number in range(_count(node)):
            changed = copy.deepcopy(node)
            _apply(changed, number)
            name = f"{where}: {_text(node)} -> {_text(changed)}"
            seen[name] = seen.get(name, 0) + 1
            more = f" #{seen[name]}" if seen[name] > 1 else ""
            yield Mutant(module, name + more, source, place, number)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef):
        return "body" if not _is_passed(node) else "return PASSED"
    return ast.unparse(node)


def _places(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """Return the nodes that can be changed, each with the name of what it stands in."""
    out: list[tuple[ast.AST, str]] = []

    def walk(node: ast.AST, where: str) -> None:
        if isinstance(node, ast.JoinedStr):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = node.name if where == "module" else f"{where}.{node.name}"
            if _is_guard(node):
                out.append((node, inside))
            parts = [*node.body, *getattr(node, "decorator_list", [])[:0]]
            if isinstance(node, ast.FunctionDef):
                parts += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
            for part in parts:
                walk(part, inside)
            return
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                inside = ast.unparse(node.target)
                walk(node.value, inside if where == "module" else f"{where}.{inside}")
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        out.append((node, where))
        for child in ast.iter_child_nodes(node):
            walk(child, where)

    for statement in tree.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            walk(statement, "module")
    return out


def _is_guard(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns) == "Verdict"
        and [a.arg for a in node.args.args] == ["s", "limits"]
    )


def _is_passed(node: ast.FunctionDef) -> bool:
    return len(node.body) == 1 and ast.unparse(node.body[0]) == "return PASSED"


def _count(node: ast.AST) -> int:
    """Return how many mistakes can be made at `node` itself."""
    match node:
        case ast.FunctionDef():
            return 1
        case ast.Compare(ops=ops):
            return sum(len(_COMPARISONS[type(op)]) for op in ops)
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not() | ast.USub()) | ast.IfExp():
            return 1
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            return 1
        case ast.Constant(value=bool() | int() | float()):
            return 1
        case ast.Name(id=name) if name in _NAMES and isinstance(node.ctx, ast.Load):
            return 1
        case ast.Tuple(elts=[ast.Call(func=ast.Name(id="Guard")), *_]):
            return len(node.elts)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS_THINNED:
            return len(node.keywords) + max(0, len(node.args) - 1)
    return 0


def _apply(node: ast.AST, number: int) -> None:
    """Make mistake `number` at `node`, in place."""
    match node:
        case ast.FunctionDef():
            node.body = list(parse("return PASSED").body)
        case ast.Compare(ops=ops):
            options = [(i, new) for i, op in enumerate(ops) for new in _COMPARISONS[type(op)]]
            i, new = options[number]
            node.ops[i] = new()
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not()):
            node.operand = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
            node.op = ast.UAdd()
        case ast.UnaryOp():
            node.op = ast.UAdd()
        case ast.IfExp():
            node.body, node.orelse = node.orelse, node.body
        case ast.BinOp(op=op):
            node.op = _OPERATORS[type(op)]()
        case ast.Constant(value=bool() as value):
            node.value = not value
        case ast.Constant(value=int() as value):
            node.value = value + 1
        case ast.Constant(value=float() as value):
            node.value = value * 1.5 if value else 1.0
        case ast.Name(id=name):
            node.id = _NAMES[name]
        case ast.Tuple():
            del node.elts[number]
        case ast.Call(keywords=keywords):
            if number < len(keywords):
                del node.keywords[number]
            else:
                del node.args[1 + number - len(keywords) :]
