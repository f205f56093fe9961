"""Runs each module's own tests against every mutant of it, each in a process of its own.

A run of pytest that has collected its tests lets a fork of itself meet what can be planted there
(`warm`). All other mutants, and those that live and are not known to do the same, meet every test
in a child that imports the mutated module instead of the real one. What the module's own tests let
live meets the room's other tests. A child that hangs is killed and counts as caught: an endless
loop is seen.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.forks import succeeds
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.plan import ROOMS, Room
from tests.mutation.reach import ReachedFirst, ReachedFunctions
from tests.mutation.warm import Met, WarmRun
from tests.places import ROOT

_Suite = tuple[str, ...]
_OURS = ("models", "strategies", "freqaimodels", "tests")
_PYTEST = (
    "-x", "-q", "-m", "not slow", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist",
    "-p", "no:unraisableexception",  # it collects all garbage in the end: half of a run
    "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"),
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """How many mutants there were, and which were not caught.

    Attributes
    ----------
    refuted
        Those that are listed as doing the same, and were caught.
    """

    made: int
    survived: tuple[Mutant, ...]
    refuted: tuple[Mutant, ...] = ()

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
    only: str = "",
    verify: bool = True,
    report_survivor: Callable[[str], None] | None = None,
) -> Score:
    """Return the score of every `every`-th mutant of these rooms, from number `first` on.

    Parameters
    ----------
    only
        A regular expression: those of them whose `module: name` it is found in.
    verify
        Whether the tests are run on the source as it is first, and noted what they reach; False
        for a few mutants, where it is known that they pass.

    Raises
    ------
    RuntimeError
        If the tests do not pass on the source as it is: they would "catch" everything.
    """
    wanted = re.compile(only)
    chosen = [
        (room, mutant)
        for room, mutant in all_mutants(rooms)[first::every]
        if wanted.search(f"{mutant.module}: {mutant.name}")
    ]
    of_room: dict[Room, list[Mutant]] = {}
    for room, mutant in chosen:
        of_room.setdefault(room, []).append(mutant)
    survived: list[Mutant] = []
    for room, planted in of_room.items():
        for mutant in _living(room, planted, verify):
            survived.append(mutant)
            if report_survivor is not None:
                report_survivor(f"lives: {mutant.module}: {mutant.name}")
    refuted = [m for _, m in chosen if _is_listed(m) and m not in survived]
    return Score(len(chosen), tuple(survived), tuple(refuted))


def _living(room: Room, planted: Sequence[Mutant], verify: bool) -> Iterator[Mutant]:
    """Yield the mutants that neither the room's own tests nor its others catch."""
    suites = [suite for suite in (room.own, room.more) if suite]
    _import_once(suites)
    living, reached = list(planted), {}
    for suite in suites:
        if verify and living:
            living, reached[suite] = _let_live(suite, living)
    for mutant in living:
        if _is_listed(mutant) or all(
            _passes(mutant, suite, reached.get(suite, ReachedFunctions())) for suite in suites
        ):
            yield mutant


def _is_listed(mutant: Mutant) -> bool:
    return (mutant.module, mutant.name) in EQUIVALENT


def report(score: Score) -> str:
    """Return the score in words."""
    killed = score.made - len(score.survived)
    caught = 1 - len(score.missed) / max(killed + len(score.missed), 1)  # of those that can be
    lines = [
        f"{score.made} mutants, {killed} killed, {len(score.equivalent)} equivalent, "
        f"{len(score.missed)} missed: score {caught:.1%}"
    ]
    lines += [f"missed: {m.module}: {m.name}" for m in score.missed]
    lines += [f"listed as the same, and caught: {m.module}: {m.name}" for m in score.refuted]
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


def _let_live(suite: _Suite, planted: Sequence[Mutant]) -> tuple[list[Mutant], ReachedFunctions]:
    """Return the mutants that these tests do not catch, and which functions each test calls."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reached.json"
        met = list(_met_warm(suite, planted, file))
        if len(met) < len(planted):
            raise RuntimeError(f"the tests {suite} fail without any mutant")
        reached = ReachedFunctions.read(file)
    living = [
        mutant
        for mutant, met_as in zip(planted, met, strict=True)
        if met_as is Met.LIVES or (met_as is Met.NOT_HERE and _passes(mutant, suite, reached))
    ]
    return living, reached


def _met_warm(suite: _Suite, planted: Sequence[Mutant], file: Path) -> Iterator[Met]:
    """Yield what came of the mutants in one run of these tests; fewer if that could not begin."""
    read, write = os.pipe()

    def meet() -> int:
        os.close(read)
        _prepare_child()
        return _run(suite, [WarmRun(planted, partial(_tell, write), file, _limit_s)])

    succeeds(meet)
    os.close(write)
    with open(read, encoding="ascii") as answers:
        yield from map(Met, answers.read())


def _tell(write: int, met: Met) -> None:
    os.write(write, met.encode())


def _limit_s(all_tests_s: float) -> float:
    """Return the seconds that tests may take on a mutant which take so many as it is."""
    return 60 + 5 * all_tests_s if all_tests_s else 240


def _passes(mutant: Mutant, suite: _Suite, reached: ReachedFunctions) -> bool:
    """Return whether all tests of `suite` pass on the mutant, imported instead of the module."""

    def meet() -> int:
        _prepare_child()
        sys.meta_path.insert(0, _Finder(mutant))
        return _run(suite, [ReachedFirst(reached, mutant)])

    return succeeds(meet, _limit_s(sum(reached.seconds.values())))


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
