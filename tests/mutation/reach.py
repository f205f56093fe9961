"""Which tests reach which functions: those meet a mutant first, the quickest of them before all.

Next come those that call anything else of its module. It changes only how soon a mutant is caught,
never whether: every test still has its turn.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant


@dataclass
class ReachedFunctions:
    """What each test, by its name, took in seconds and which functions it called, `module: f`."""

    seconds: dict[str, float] = field(default_factory=dict)
    called: dict[str, set[str]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Keep it for another process."""
        called = {test: sorted(names) for test, names in self.called.items()}
        file.write_text(json.dumps([self.seconds, called]), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> ReachedFunctions:
        """Return what another process has written."""
        seconds, called = json.loads(file.read_text(encoding="utf-8"))
        return cls(seconds, {test: set(names) for test, names in called.items()})

    def reaching(self, function: str) -> list[str]:
        """Return the tests that call a function, `module: f`, or one inside it, quickest first."""
        inside = f"{function}."
        tests = [
            test
            for test, called in self.called.items()
            if any(name == function or name.startswith(inside) for name in called)
        ]
        return sorted(tests, key=lambda test: self.seconds.get(test, 0.0))

    def order(self, tests: Sequence[str], mutant: Mutant) -> list[str]:
        """Return the tests in the order in which they are likely to catch it soonest."""
        where = f"{mutant.module}: {mutant.name.partition(': ')[0]}"
        module = f"{mutant.module}: "

        def key(test: str) -> tuple[bool, bool, float]:
            called = self.called.get(test, set())
            is_reached = any(where == name or where.startswith(f"{name}.") for name in called)
            is_near = any(name.startswith(module) for name in called)
            return not is_reached, not is_near, self.seconds.get(test, 0.0)

        return sorted(tests, key=key)


@contextmanager
def calls_noted(modules: Collection[str], called: set[str]) -> Iterator[None]:
    """Note in `called` which functions of these modules are called, in whichever thread."""

    def profile(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and (module := frame.f_globals.get("__name__")) in modules:
            called.add(f"{module}: {frame.f_code.co_qualname.replace('<locals>.', '')}")

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # None ends it, as in sys


class ReachRecorder:
    """A plugin of pytest that notes for each test which functions of these modules it calls."""

    def __init__(self, modules: Collection[str]) -> None:
        self.reached = ReachedFunctions()
        self._modules = frozenset(modules)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        with calls_noted(self._modules, self.reached.called.setdefault(item.nodeid, set())):
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds = self.reached.seconds
        seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration


class ReachedFirst:
    """A plugin of pytest that lets the tests meet a mutant in their order."""

    def __init__(self, reached: ReachedFunctions, mutant: Mutant) -> None:
        self._reached, self._mutant = reached, mutant

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in self._reached.order(list(by_name), self._mutant)]
