"""Mistakes planted where money depends on it are caught by the modules' own tests."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.forks import succeeds
from tests.mutation.mutants import mutants
from tests.mutation.plan import ROOMS
from tests.mutation.reach import ReachedFunctions, ReachRecorder
from tests.mutation.run import Score, all_mutants, report, run
from tests.mutation.warm import Met, WarmRun
from tests.places import ROOT

pytest_plugins = ["pytester"]

# Rooms whose every mutant is known to be caught or equivalent; `make mutation` runs all rooms.
SETTLED = [
    "risk", "gap", "decision", "account", "labels", "calibration", "equity", "state", "watch",
    "watchdog", "choose", "answer", "bundles",
]  # fmt: skip
QUICK = [name for name in SETTLED if all(room.quick for room in ROOMS[name])]

PLANTED = '''
"""Text 1."""
LIMIT: float = 2.0

def guard(s: Snapshot, limits: Limits) -> Verdict:
    """Text 2."""
    if not s.age < 3 and s.kind == "a":
        return refused(f"{s.age + 1}", Demand.HALTED)
    return limited(min(s.a, 0.0), "x")
'''


def test_mutants_when_made_then_each_is_one_small_mistake_and_texts_stay() -> None:
    made = list(mutants("m", PLANTED))
    assert [m.name for m in made] == [
        "LIMIT: 2.0 -> 3.0",
        "guard: body -> return PASSED",
        "guard: not s.age < 3 and s.kind == 'a' -> not s.age < 3 or s.kind == 'a'",
        "guard: not s.age < 3 -> +bool(s.age < 3)",
        "guard: s.age < 3 -> s.age <= 3",
        "guard: s.age < 3 -> s.age >= 3",
        "guard: 3 -> 4",
        "guard: s.kind == 'a' -> s.kind != 'a'",
        "guard: refused(f'{s.age + 1}', Demand.HALTED) -> refused(f'{s.age + 1}')",
        "guard: min -> max",
        "guard: 0.0 -> 1.0",
    ]
    for m in made:
        compile(m.source, "<mutant>", "exec")
        assert '"""Text 1."""' in m.source


def test_equivalent_mutants_when_listed_then_each_exists_and_says_why() -> None:
    there = {(m.module, m.name) for _, m in all_mutants()}
    assert set(EQUIVALENT) <= there
    assert all(len(why) > 20 for why in EQUIVALENT.values())


def test_report_when_every_mutant_run_is_equivalent_then_it_says_so() -> None:
    listed = next(m for _, m in all_mutants() if (m.module, m.name) in EQUIVALENT)
    assert report(Score(1, (listed,))).startswith(
        "1 mutants, 0 killed, 1 equivalent, 0 missed: score 100.0%"
    )
    made_up = dataclasses.replace(listed, name="another")
    assert "1 missed: score 0.0%" in report(Score(1, (made_up,)))
    assert "missed: score 100.0%" in report(Score(1, ()))
    assert f"listed as the same, and caught: {listed.module}" in report(Score(1, (), (listed,)))


def test_rooms_when_planned_then_every_module_and_test_is_there_and_no_module_twice() -> None:
    planned = [name for rooms in ROOMS.values() for room in rooms for name in room.names()]
    assert len(planned) == len(set(planned))
    for module in planned:
        assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file(), module
    for room in (room for rooms in ROOMS.values() for room in rooms):
        assert all((ROOT / entry).exists() for entry in (*room.own, *room.more))


def test_order_when_a_mutant_is_in_a_function_then_its_callers_come_first_the_quickest_before() -> (
    None
):
    (inside, *_), (outside, *_) = (
        [m for m in mutants("m", PLANTED) if m.name.startswith(f"{where}:")]
        for where in ("guard", "LIMIT")
    )
    reached = ReachedFunctions(
        {"slow": 9.0, "quick": 1.0, "other": 0.1, "alike": 0.1},
        {"slow": {"m: guard"}, "quick": {"m: guard", "m: x"}, "alike": {"m: guards", "n: guard"}},
    )
    tests = ["slow", "other", "new", "alike", "quick"]
    assert reached.order(tests, inside) == ["quick", "slow", "alike", "new", "other"]
    assert reached.order(tests, outside) == ["alike", "quick", "slow", "new", "other"]
    assert reached.reaching("m: guard") == ["quick", "slow"]


def test_recorder_when_a_test_runs_then_it_notes_the_functions_called_in_any_thread(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        planted="""
        def outer():
            def inner():
                return 1
            return inner()
        class Kind:
            def method(self):
                return [n for n in range(2)]
        """,
        test_it="""
        from threading import Thread
        import planted
        def test_one():
            planted.outer()
        def test_two():
            thread = Thread(target=planted.Kind().method)
            thread.start(); thread.join()
        def test_none():
            int("1")
        """,
    )
    recorder = ReachRecorder({"planted"})
    outcome = pytester.inline_run("-p", "no:cacheprovider", plugins=[recorder])
    outcome.assertoutcome(passed=3)
    assert recorder.reached.called == {
        "test_it.py::test_one": {"planted: outer", "planted: outer.inner"},
        "test_it.py::test_two": {"planted: Kind.method", "planted: Kind.method.<listcomp>"},
        "test_it.py::test_none": set(),
    }
    assert set(recorder.reached.seconds) == set(recorder.reached.called)
    kept = pytester.path / "kept.json"
    recorder.reached.write(kept)
    assert ReachedFunctions.read(kept) == recorder.reached


WARM = """
LIMIT = 3
def early(n):
    return n + 1
START = early(1)
def over(n, least=0):
    return n > LIMIT
def uncalled(n):
    return n * 2
class Kind:
    least = 1
    def at(self, n):
        def inner():
            return max(n, 0)
        return inner()
"""
WARM_TESTS = """
from planted import Kind, START, early, over
def test_over():
    assert over(4) and not over(3)
def test_kind():
    assert Kind().at(-1) == 0
def test_early():
    assert early(START) == 3
"""


def met_warm(pytester: pytest.Pytester, tests: str) -> dict[str, str]:
    """Return what comes of each mutant of WARM."""
    pytester.makepyfile(planted=WARM, test_planted=tests)
    answers, made = pytester.path / "answers", list(mutants("planted", WARM.strip()))

    def answer(met: Met) -> None:
        with answers.open("a") as file:
            file.write(met)

    def meet() -> int:
        warm = WarmRun(made, answer, Path("reached.json"), lambda seconds: 240)
        return int(pytest.main(["-q", "-x", "-p", "no:cacheprovider"], plugins=[warm]))

    succeeds(meet)
    met = answers.read_text() if answers.exists() else ""
    return {m.name: Met(letter).name for m, letter in zip(made, met, strict=False)}


def test_warm_run_when_mutants_meet_it_then_only_functions_nobody_called_before_are_judged(
    pytester: pytest.Pytester,
) -> None:
    assert met_warm(pytester, WARM_TESTS) == {
        "module: 3 -> 4": "NOT_HERE",
        "early: n + 1 -> n - 1": "NOT_HERE",
        "early: 1 -> 2": "NOT_HERE",
        "module: 1 -> 2": "NOT_HERE",
        "over: n > LIMIT -> n >= LIMIT": "CAUGHT",
        "over: n > LIMIT -> n <= LIMIT": "CAUGHT",
        "over: 0 -> 1": "NOT_HERE",
        "uncalled: n * 2 -> n / 2": "LIVES",
        "uncalled: 2 -> 3": "LIVES",
        "Kind: 1 -> 2": "NOT_HERE",
        "Kind.at.inner: max -> min": "CAUGHT",
        "Kind.at.inner: 0 -> 1": "CAUGHT",
    }


def test_warm_run_when_the_tests_fail_without_a_mutant_then_none_is_judged(
    pytester: pytest.Pytester,
) -> None:
    assert met_warm(pytester, WARM_TESTS.replace("== 0", "== 5")) == {}
    assert met_warm(pytester, WARM_TESTS.replace("START", "NO_SUCH_NAME")) == {}


def test_fork_when_it_raises_hangs_or_says_no_then_it_has_not_succeeded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def leave_a_file() -> int:
        Path(os.environ["TMPDIR"], "left").touch()
        return 0

    assert succeeds(leave_a_file)
    assert not succeeds(lambda: 1)
    assert not succeeds(lambda: int("none"))
    assert not succeeds(lambda: time.sleep(3600) or 0, limit_s=0.1)
    assert list(tmp_path.iterdir()) == []


def test_settled_rooms_when_some_mistakes_are_planted_then_the_tests_notice_every_one() -> None:
    # These tests run on the source as it is in this very run.
    score = run(QUICK, every=61, verify=False)
    assert score.made >= 20
    assert score.missed == (), report(score)


@pytest.mark.slow
@pytest.mark.parametrize("room", SETTLED)
def test_room_when_any_mistake_is_planted_then_the_tests_notice_every_one(room: str) -> None:
    score = run([room])
    assert score.made > 50
    assert score.missed == score.refuted == (), report(score)
