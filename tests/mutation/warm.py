"""A run of pytest that collects its tests once and then lets a fork of itself meet each mutant.

What is caught here is caught: the fork has the mistake in a function nobody called before, and runs
the tests that call it, the quickest first. What lives here is no verdict yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path

import pytest

from tests.mutation.exchange import exchange_of, functions_of
from tests.mutation.forks import fork_and_wait
from tests.mutation.mutants import Mutant
from tests.mutation.reach import ReachedFunctions, ReachRecorder, calls_noted


class Met(StrEnum):
    """What came of a mutant here."""

    CAUGHT = "c"
    LIVES = "l"
    NOT_HERE = "n"  # more than a function, or one that was called while the tests were collected


class WarmRun:
    """A plugin of pytest, for one run in a process of its own.

    Parameters
    ----------
    answer
        Called with what came of each mutant, in their order; with none if the tests fail as it is.
    reached
        A file for what each test calls, so that only those meet a mutant that reach it.
    limit_s
        Of the seconds that all tests took, those a mutant may take; then it counts as caught.
    """

    def __init__(
        self,
        chosen: Sequence[Mutant],
        answer: Callable[[Met], None],
        reached: Path,
        limit_s: Callable[[float], float],
    ) -> None:
        self._chosen, self._answer = chosen, answer
        self._file, self._limit_s = reached, limit_s
        self._modules = {m.module for m in chosen}
        self._called: set[str] = set()  # while the tests were collected
        self._noting = ExitStack()
        self._noting.enter_context(calls_noted(self._modules, self._called))
        self._recorder: ReachRecorder | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Return None in a fork: it runs the tests left in the session as any run does."""
        self._noting.close()
        if session.testsfailed or not session.items:
            return None
        functions = functions_of(self._modules)
        if (code := fork_and_wait()) is None:
            self._recorder = ReachRecorder(self._modules)
            session.config.pluginmanager.register(self._recorder)
            return None
        if code != 0:
            return True
        reached = ReachedFunctions.read(self._file)
        limit_s = self._limit_s(sum(reached.seconds.values()))
        for mutant in self._chosen:
            exchange = exchange_of(mutant, functions)
            if exchange is None or exchange.name in self._called:
                self._answer(Met.NOT_HERE)
                continue
            tests = reached.reaching(exchange.name)
            code = fork_and_wait(limit_s) if tests else 0
            if code is None:
                by_name = {item.nodeid: item for item in session.items}
                session.items[:] = [by_name[name] for name in tests if name in by_name]
                exchange.make()
                return None
            self._answer(Met.CAUGHT if code else Met.LIVES)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        if self._recorder is not None:
            self._recorder.reached.write(self._file)
