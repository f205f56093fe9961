"""A worker's death, refusal, failure or delay is an error with a reason, and the next job works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from loky import get_reusable_executor

from models.base.errors import AlignmentError, ConfigError, TrainingError
from models.learn.jobs import executor as executor_module
from models.learn.jobs.executor import ProcessExecutor
from tests.places import ROOT
from tests.test_models.learn.jobs import worker_jobs


@pytest.fixture(scope="module", autouse=True)
def _stop_worker() -> Iterator[None]:
    yield
    get_reusable_executor(max_workers=1).shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="module")
def executor() -> ProcessExecutor:
    return ProcessExecutor(timeout_s=60)


def test_worker_when_it_runs_then_it_is_another_process_niced_capped_and_kept(
    executor: ProcessExecutor,
) -> None:
    first, second = (executor._call(worker_jobs.pid, what="pid") for _ in range(2))
    assert first != os.getpid()
    assert first == second
    assert executor._call(worker_jobs.niceness, what="nice") >= min(19, os.nice(0) + 10)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert executor._call(worker_jobs.environment, name, what="env") == "1"


def test_worker_when_it_is_killed_then_the_error_names_the_death_and_the_next_job_works(
    executor: ProcessExecutor,
) -> None:
    before = executor._call(worker_jobs.pid, what="pid")
    with pytest.raises(TrainingError, match="worker died") as caught:
        executor._call(worker_jobs.die, what="training BTC")
    assert "SIGKILL" in str(caught.value)
    assert caught.value.where == "training BTC"
    assert "out of memory" in caught.value.cure
    assert executor._call(worker_jobs.add, 2, 3, what="adding") == 5
    assert executor._call(worker_jobs.pid, what="pid") != before


def test_worker_when_a_job_refuses_then_the_same_error_arrives_with_its_fields(
    executor: ProcessExecutor,
) -> None:
    with pytest.raises(AlignmentError) as caught:
        executor._call(worker_jobs.refuse, what="training BTC")
    error = caught.value
    assert (error.problem, error.where, error.cure) == (
        "expected 3 rows, got 2", "row 7", "sort them",
    )  # fmt: skip
    assert executor._call(worker_jobs.add, 1, 1, what="adding") == 2


def test_worker_when_a_job_breaks_then_the_error_names_kind_message_and_job(
    executor: ProcessExecutor,
) -> None:
    with pytest.raises(TrainingError, match="ZeroDivisionError: division by zero") as caught:
        executor._call(worker_jobs.divide, what="training BTC")
    assert caught.value.where == "training BTC"


def test_worker_when_it_is_of_its_own_then_it_waits_for_no_other_and_is_gone_afterwards(
    executor: ProcessExecutor,
) -> None:
    kept = executor._call(worker_jobs.pid, what="pid")
    own = ProcessExecutor(timeout_s=60, own=True)
    pids = {own._call(worker_jobs.pid, what="pid") for _ in range(2)}
    assert len(pids) == 2
    assert kept not in pids
    wait_until_gone(*pids)
    assert executor._call(worker_jobs.pid, what="pid") == kept


def test_workers_when_two_are_asked_at_once_then_they_work_side_by_side(tmp_path: Path) -> None:
    pair = ProcessExecutor(timeout_s=120, workers=2)
    names = [str(tmp_path / name) for name in ("a", "b")]
    with ThreadPoolExecutor(2) as threads:
        met = [
            threads.submit(pair._call, worker_jobs.meet, mine, other, what="meeting")
            for mine, other in (names, names[::-1])
        ]
    assert len({future.result() for future in met}) == 2


WAITING = """
import sys
from models.learn.jobs.executor import ProcessExecutor
from tests.test_models.learn.jobs import worker_jobs
ProcessExecutor()._call(worker_jobs.meet, *sys.argv[1:], 3600.0, what="waiting")
"""


@contextmanager
def waiting_for_its_training(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yield a process that waits for a training without an end, and the worker's pid."""
    started, never, said = (folder / name for name in ("started", "never", "said"))
    with said.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING, str(started), str(never)], cwd=ROOT, stderr=errors,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    worker = 0
    try:
        deadline = time.monotonic() + 120
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        worker = int(started.read_text())
        yield process, worker
    finally:
        for pid in filter(None, (process.pid, worker)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def test_process_when_a_person_stops_it_then_it_does_not_wait_for_its_training(
    tmp_path: Path,
) -> None:
    with waiting_for_its_training(tmp_path) as (process, worker):
        process.send_signal(signal.SIGINT)  # to it alone, as a supervisor does
        process.wait(timeout=120)
        assert "KeyboardInterrupt" in (tmp_path / "said").read_text(encoding="utf-8")
        wait_until_gone(worker)


def test_worker_when_its_process_is_killed_then_it_ends_too(tmp_path: Path) -> None:
    with waiting_for_its_training(tmp_path) as (process, worker):
        assert _lives(worker)
        process.kill()
        wait_until_gone(worker)


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 60
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_worker_when_a_job_takes_too_long_then_it_is_stopped_and_the_next_job_works(
    executor: ProcessExecutor,
) -> None:
    executor._call(worker_jobs.pid, what="warming up")
    hasty, started = ProcessExecutor(timeout_s=0.3), time.monotonic()
    with pytest.raises(TrainingError, match=r"no result within 0\.3 s; the worker was stopped"):
        hasty._call(worker_jobs.sleep, 60.0, what="sleeping")
    assert time.monotonic() - started < 10
    assert executor._call(worker_jobs.add, 2, 2, what="adding") == 4


def test_worker_when_the_job_itself_times_out_then_the_limit_is_not_blamed(
    executor: ProcessExecutor,
) -> None:
    with pytest.raises(TrainingError, match="the data server did not answer"):
        executor._call(worker_jobs.give_up, what="training BTC")


def test_worker_when_settings_are_wrong_then_the_nearest_name_comes_back(
    executor: ProcessExecutor,
) -> None:
    executor.check("lstm", {"network": {"hidden": 8}})
    with pytest.raises(ConfigError, match="'hiden'; did you mean 'hidden'"):
        executor.check("lstm", {"network": {"hiden": 8}})
    with pytest.raises(ConfigError, match="unknown network 'lstn'"):
        executor.check("lstn", {})
    assert "torch" in executor._call(worker_jobs.modules, what="modules")  # there, not here


def test_machine_without_torch_when_asked_then_it_serves_but_refuses_to_train(
    executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "can_train", lambda: False)
    executor.check("lstm", {})  # settings cannot be checked without the network's code
    job = SimpleNamespace(title="BTC")
    with pytest.raises(TrainingError, match="torch is not installed") as caught:
        executor.run(job)  # type: ignore[arg-type]
    assert "[train]" in caught.value.cure


ELSEWHERE = """
from models.base.errors import TrainingError
from models.learn.jobs.executor import ProcessExecutor
try:
    ProcessExecutor().check("linear", {"labels": {}, "training": {}, "network": {}})
except TrainingError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        ("mount -t tmpfs -o ro none /dev/shm", "Read-only file system"),
        ("mount -t tmpfs -o size=4k none /dev/shm && head -c 4096 /dev/zero > /dev/shm/x",
         "No space left on device"),
    ],
    ids=["read-only", "full"],
)  # fmt: skip
def test_worker_when_shared_memory_cannot_be_used_then_the_error_says_what_to_do(
    mount: str, why: str
) -> None:
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a /dev/shm of his own")
    said = subprocess.run(
        [*inside, f'{mount} && exec "$0" -c "$1"', sys.executable, ELSEWHERE],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    assert "it needs shared memory in /dev/shm" in said
    assert why in said
    assert "--shm-size=256m" in said
