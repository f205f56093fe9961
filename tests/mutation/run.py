"""Runs each module's own tests against every mutant of it, in a process of its own.

A forked child imports the mutated module instead of the real one and runs pytest on the module's
tests until the first fails, those first that call what is mutated; a mutant they let live meets the
room's other tests. A child that hangs is killed and counts as caught: an endless loop is seen.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.plan import ROOMS, Room
from tests.mutation.reach import ReachedFirst, ReachedFunctions, ReachRecorder
from tests.places import ROOT

_LIMIT_S = 240
_Suite = tuple[str, ...]
_OURS = ("models", "strategies", "freqaimodels", "tests")
_PYTEST = (
    "-x", "-q", "-m", "not slow", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist",
    "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"),
)  # fmt: skip


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


def all_mutants(rooms: Sequence[str] = tuple(ROOMS)) -> list[tuple[Room, Mutant]]:
    """Return the mutants of every module of these rooms, with the tests each has to meet."""
    return [
        (room, mutant)
        for name in rooms
        for room in ROOMS[name]
        for module in room.names()
        for mutant in mutants(module, _source(module))
    ]


def _source(module: str) -> str:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def run(
    rooms: Sequence[str] = tuple(ROOMS),
    *,
    every: int = 1,
    first: int = 0,
    verify: bool = True,
    report_survivor: Callable[[str], None] | None = None,
) -> Score:
    """Return the score of every `every`-th mutant of these rooms, from number `first` on.

    Parameters
    ----------
    verify
        Whether the tests are run on the source as it is first; False where that is known.

    Raises
    ------
    RuntimeError
        If the tests do not pass on the source as it is: they would "catch" everything.
    """
    chosen = all_mutants(rooms)[first::every]
    suites = dict.fromkeys(suite for room, _ in chosen for suite in (room.own, room.more) if suite)
    _import_once(suites)
    modules = {mutant.module for _, mutant in chosen}
    reached = {suite: _verified(suite, modules) for suite in suites} if verify else {}
    survived = []
    for number, (room, mutant) in enumerate(chosen):
        if all(_passes(mutant, suite, reached) for suite in (room.own, room.more) if suite):
            survived.append(mutant)
            if report_survivor is not None:
                report_survivor(f"{number + 1}/{len(chosen)} lives: {mutant.module}: {mutant.name}")
    return Score(len(chosen), tuple(survived))


def report(score: Score) -> str:
    """Return the score in words."""
    killed = score.made - len(score.survived)
    caught = 1 - len(score.missed) / max(killed + len(score.missed), 1)  # of those that can be
    lines = [
        f"{score.made} mutants, {killed} killed, {len(score.equivalent)} equivalent, "
        f"{len(score.missed)} missed: score {caught:.1%}"
    ]
    lines += [f"missed: {m.module}: {m.name}" for m in score.missed]
    return "\n".join(lines)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutated source under the real module's name."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._mutant.module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="mutant")

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, "<mutant>", "exec"), module.__dict__)


def _import_once(suites: Collection[_Suite]) -> None:
    """Import the tests here, so that the children find the libraries they use already loaded."""
    for path in dict.fromkeys(path for suite in suites for path in _files(suite)):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def _files(suite: _Suite) -> Iterator[Path]:
    for entry in suite:
        path = ROOT / entry
        yield from sorted(path.rglob("test_*.py")) if path.is_dir() else [path]


def _verified(suite: _Suite, modules: Collection[str]) -> ReachedFunctions:
    """Run the tests on the source as it is; return which of these modules' functions each calls."""
    recorder = ReachRecorder(modules)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reached.json"
        if not _succeeds(lambda: _run(suite, [recorder]) or recorder.reached.write(file) or 0):
            raise RuntimeError(f"the tests {suite} fail without any mutant")
        return ReachedFunctions.read(file)


def _passes(mutant: Mutant, suite: _Suite, reached: Mapping[_Suite, ReachedFunctions]) -> bool:
    """Return whether all tests of `suite` pass on the mutant."""
    plugins = [ReachedFirst(reached[suite], mutant)] if suite in reached else []

    def meet() -> int:
        sys.meta_path.insert(0, _Finder(mutant))
        return _run(suite, plugins)

    return _succeeds(meet)


def _succeeds(act: Callable[[], int]) -> bool:
    """Return whether `act` returns 0 in a child whose modules of ours are not yet imported."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            _prepare_child()
            code = act()
        os._exit(code)
    ends = os.pidfd_open(child)
    if not select.select([ends], [], [], _LIMIT_S)[0]:
        os.kill(child, signal.SIGKILL)
    os.close(ends)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _prepare_child() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    for name in [n for n in sys.modules if n.split(".")[0] in _OURS]:
        del sys.modules[name]
    for name in [n for n in os.environ if n.startswith("PYTEST_")]:
        del os.environ[name]


def _run(suite: _Suite, plugins: Sequence[object]) -> int:
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # a failure is enough
    hypothesis.settings.register_profile(
        "mutation", database=None, derandomize=True, deadline=None, phases=phases
    )
    hypothesis.settings.load_profile("mutation")
    arguments = [*_PYTEST, *(str(ROOT / entry) for entry in suite)]
    return int(pytest.main(arguments, plugins=list(plugins)))
