"""A mistake made in a function that is already there, by exchanging its code.

Whoever has the function has the mistake then, without a second import. It says None where that is
not the same as importing the mutated module: what is changed is no function's body, or not one
function's alone.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType

from tests.mutation.mutants import Mutant
from tests.syntax import parse

Functions = dict[CodeType, list[FunctionType]]  # by their code, of some modules


def functions_of(modules: Collection[str]) -> Functions:
    """Return every function of these modules, whoever holds it."""
    out: Functions = {}
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__globals__.get("__name__") in modules:
            out.setdefault(thing.__code__, []).append(thing)
    return out


@dataclass(frozen=True)
class Exchange:
    """The functions that are to get another code."""

    name: str  # `module: function`, as in `ReachedFunctions`
    functions: list[FunctionType]
    code: CodeType

    def make(self) -> None:
        """Make the mistake."""
        for function in self.functions:
            function.__code__ = self.code


def exchange_of(mutant: Mutant, functions: Functions) -> Exchange | None:
    """Return how the mistake is made in the functions that are there, or None."""
    before = compile(parse(mutant.original), "<mutant>", "exec", dont_inherit=True)
    found = _changed(before, compile(mutant.tree, "<mutant>", "exec", dont_inherit=True))
    if found is None:
        return None
    old, new = found
    if old not in functions or old.co_freevars != new.co_freevars:
        return None
    return Exchange(f"{mutant.module}: {old.co_qualname}", functions[old], new)


def _changed(before: CodeType, after: CodeType) -> tuple[CodeType, CodeType] | None:
    """Return the outermost function that differs, before and after, if nothing else does."""
    if before.co_flags & inspect.CO_OPTIMIZED:
        return before, after
    if _own(before) != _own(after):
        return None  # in a module's or a class's own lines
    differ = [
        (a, b) for a, b in zip(_inner(before), _inner(after), strict=True) if _whole(a) != _whole(b)
    ]
    return _changed(*differ[0]) if len(differ) == 1 else None


def _own(code: CodeType) -> tuple[object, ...]:
    consts = tuple(
        CodeType if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts
    )
    return code.co_name, code.co_code, consts, code.co_names


def _whole(code: CodeType) -> tuple[object, ...]:
    return _own(code), tuple(_whole(inner) for inner in _inner(code))


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (c for c in code.co_consts if isinstance(c, CodeType))
