"""Runs the guards' own tests against every mutant, each in a process of its own.

A forked child imports the mutated module instead of the real one and runs the tests of that module
until the first fails; a mutant they let live meets the unit tests of all the guards. A child that
hangs is killed and counts as caught: an endless loop is seen.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import hypothesis  # noqa: F401 - imported once, before the children are forked
import numpy as np  # noqa: F401
import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants
from tests.places import ROOT

SUITES = {
    "limits": ("trade.risk.test_limits",),
    "losses": ("trade.risk.test_losses",),
    "reduction": ("trade.risk.test_after_trade",),
    "reconciliation": ("trade.risk.test_after_trade",),
    "second_source": ("trade.risk.test_second_source",),
}
GUARDS = ("trade.risk.test_guards",)
WHOLE = ("trade.risk.test_guards", "trade.risk.test_limits", "trade.risk.test_losses",
         "trade.risk.test_after_trade", "trade.risk.test_second_source")  # fmt: skip
MODULES = ("verdict", "need", "limits", "losses", "orders", "exposure", "margin", "market", "model",
           "oversight", "run", "reduction", "reconciliation", "second_source")  # fmt: skip
_LIMIT_S = 90


@dataclass(frozen=True)
class Score:
    """How many mutants there were, and which were not caught."""

    made: int
    survived: tuple[Mutant, ...]

    @property
    def equivalent(self) -> tuple[Mutant, ...]:
        return tuple(m for m in self.survived if (m.module, m.name) in EQUIVALENT)

    @property
    def missed(self) -> tuple[Mutant, ...]:
        return tuple(m for m in self.survived if (m.module, m.name) not in EQUIVALENT)


def all_mutants() -> list[Mutant]:
    """Return the mutants of every module of the guards."""
    out = []
    for name in MODULES:
        out += list(mutants(name, _source(name)))
    return out


def _source(module: str) -> str:
    return (ROOT / "models" / "trade" / "risk" / f"{module}.py").read_text(encoding="utf-8")


def run(*, every: int = 1, told: Callable[[str], None] | None = None) -> Score:
    """Return the score of every `every`-th mutant; `told` hears of each that lives.

    Raises
    ------
    RuntimeError
        If the tests do not pass on the source as it is: they would "catch" everything.
    """
    chosen = all_mutants()[::every]
    for module in MODULES:
        if not _passes(Mutant(module, "none", _source(module)), SUITES.get(module, GUARDS)):
            raise RuntimeError(f"the tests of {module} fail without any mutant")
    if not _passes(Mutant("run", "none", _source("run")), WHOLE):
        raise RuntimeError("the guards' tests fail without any mutant")
    survived = []
    for number, mutant in enumerate(chosen):
        first = SUITES.get(mutant.module, GUARDS)
        if _passes(mutant, first) and _passes(mutant, WHOLE):
            survived.append(mutant)
            if told is not None:
                told(f"{number + 1}/{len(chosen)} lives: {mutant.module}: {mutant.name}")
    return Score(len(chosen), tuple(survived))


def report(score: Score) -> str:
    """Return the score in words."""
    killed = score.made - len(score.survived)
    lines = [
        f"{score.made} mutants, {killed} killed, {len(score.equivalent)} equivalent, "
        f"{len(score.missed)} missed: score {killed / (score.made - len(score.equivalent)):.1%}"
    ]
    lines += [f"missed: {m.module}: {m.name}" for m in score.missed]
    return "\n".join(lines)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutated source under the real module's name."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="mutant")

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, "<mutant>", "exec"), module.__dict__)


def _passes(mutant: Mutant, suite: Sequence[str]) -> bool:
    """Return whether all tests of `suite` pass on the mutant."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            code = _in_child(mutant, suite)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _in_child(mutant: Mutant, suite: Sequence[str]) -> int:
    signal.alarm(_LIMIT_S)  # ends the process
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for loaded in [
        n for n in sys.modules if n.startswith(("models.trade.risk", "tests.test_models"))
    ]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Finder(f"models.trade.risk.{mutant.module}", mutant.source))
    for file in suite:
        for test in _tests(importlib.import_module(f"tests.test_models.{file}")):
            test()
    return 0


def _tests(module: ModuleType) -> Iterator[Callable[[], Any]]:
    """Yield the tests of a module with every set of their parameters, as pytest runs them.

    Slow ones and those that want recorded data are left out; the guards' tests use no fixtures.
    """
    for name, test in vars(module).items():
        if name.startswith("test_"):
            all_marks = getattr(test, "pytestmark", [])
            if any(mark.name == "skipif" for mark in all_marks):
                continue
            marks = [m for m in all_marks if m.name == "parametrize"]
            for values in itertools.product(*(_cases(m) for m in marks)):
                yield functools.partial(test, **{k: v for case in values for k, v in case.items()})


def _cases(mark: pytest.Mark) -> list[dict[str, Any]]:
    names = mark.args[0]
    names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
    out = []
    for case in mark.args[1]:
        slow = any(m.name == "slow" for m in getattr(case, "marks", ()))
        plain = isinstance(case, tuple) and not hasattr(case, "marks")
        values = case.values if hasattr(case, "marks") else case if plain else (case,)
        if len(names) == 1 and plain:
            values = (case,)
        if not slow:
            out.append(dict(zip(names, values, strict=True)))
    return out
