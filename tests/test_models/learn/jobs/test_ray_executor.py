"""Trainings on a real Ray cluster: the same numbers, and every failure an error with a cure."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from socket import create_server
from typing import Any

import pytest
import ray.exceptions
from loky import get_reusable_executor

from models.base.errors import ConfigError, InputError, TrainingError
from models.base.types import Artifact, TrainingJob
from models.learn.jobs import ray_driver, ray_executor
from models.learn.jobs.executor import ProcessExecutor
from models.learn.jobs.ray_driver import WantedTask, fingerprint
from models.learn.jobs.ray_executor import RayExecutor, cluster_address, executor_of
from models.learn.training.settings import TrainingSettings
from tests.places import ROOT
from tests.test_contract import planted
from tests.test_models.learn.jobs.ray_cluster import (
    Cluster,
    running_cluster,
    wait_until,
)

MEASURED = ("seconds", "latency_us")  # of this very training


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as one:
        yield one
    get_reusable_executor(max_workers=1).shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="module")
def executor(cluster: Cluster) -> RayExecutor:
    return RayExecutor(cluster.address, timeout_s=120)


def quick(network: str = "lstm") -> TrainingJob:
    return planted.planted_job(network)


def endless() -> TrainingJob:
    training = planted.SETTINGS["training"] | {"max_steps": 10**7, "patience": 10**7}
    settings = {**planted.SETTINGS, "training": training}
    return dataclasses.replace(quick(), settings=settings, title="without end")


def told(artifact: Artifact) -> dict[str, Any]:
    return {key: value for key, value in artifact.manifest.items() if key not in MEASURED}


# -- the same numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["lstm", "linear"])
def test_training_when_it_ran_on_the_cluster_then_it_is_the_process_executor_s_to_the_bit(
    executor: RayExecutor, network: str
) -> None:
    there, here = executor.run(quick(network)), ProcessExecutor(timeout_s=120).run(quick(network))
    assert there.onnx == here.onnx
    assert there.weights == here.weights
    assert told(there) == told(here)


@pytest.mark.slow
def test_training_when_the_cluster_is_named_from_elsewhere_then_it_is_the_same(
    cluster: Cluster,
) -> None:
    there = RayExecutor(cluster.client, timeout_s=120).run(quick("linear"))
    assert there.onnx == ProcessExecutor(timeout_s=120).run(quick("linear")).onnx


# -- a training that does not end by itself --------------------------------------------------------


def started(cluster: Cluster, executor: RayExecutor) -> tuple[Any, Callable[[], TrainingError]]:
    """Begin a training without end; return its process there, and what waits for its error."""
    failed: list[TrainingError] = []

    def train() -> None:
        with pytest.raises(TrainingError) as caught:
            executor.run(endless())
        failed.append(caught.value)

    waiting = threading.Thread(target=train)
    waiting.start()
    (worker,) = wait_until(cluster.trainings, "a training on the cluster")

    def error() -> TrainingError:
        waiting.join(120)
        return failed[0]

    return worker, error


def test_worker_when_it_is_killed_then_the_error_names_it_and_the_next_training_works(
    cluster: Cluster, executor: RayExecutor
) -> None:
    worker, error = started(cluster, executor)
    wait_until(lambda: worker.nice() >= 10, "low priority")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert worker.environ()[name] == "1"
    worker.kill()
    failed = error()
    assert "the worker on the cluster died in the middle of it" in failed.problem
    assert failed.where == f"training without end on the Ray cluster {executor.address}"
    assert "out of memory" in failed.cure
    assert executor.run(quick("linear")).onnx


def test_training_when_it_takes_too_long_then_it_is_stopped_there_too(cluster: Cluster) -> None:
    hasty = RayExecutor(cluster.address, timeout_s=8)
    with pytest.raises(TrainingError, match="no result within 8 s") as caught:
        hasty.run(endless())
    assert "is every CPU of the cluster taken" in caught.value.cure
    wait_until(lambda: not cluster.trainings(), "no training left on the cluster")


ALONE = """
import sys
from tests.test_models.learn.jobs.test_ray_executor import endless
from models.learn.jobs.ray_executor import RayExecutor
if __name__ == "__main__":
    RayExecutor(sys.argv[1]).run(endless())
"""


@pytest.mark.parametrize("how", ["kill -9", "Ctrl-C"])
def test_training_when_whoever_asked_for_it_ends_then_nothing_of_it_is_left_there(
    cluster: Cluster, how: str, tmp_path: Any
) -> None:
    (tmp_path / "alone.py").write_text(ALONE, encoding="utf-8")
    asking = subprocess.Popen(
        [sys.executable, str(tmp_path / "alone.py"), cluster.address], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(cluster.trainings, "a training on the cluster")
    if how == "Ctrl-C":
        os.killpg(asking.pid, signal.SIGINT)  # a terminal sends it to everybody
    else:
        asking.kill()
    wait_until(lambda: not cluster.trainings(), "no training left on the cluster")
    asking.wait(60)


@pytest.mark.slow
def test_cluster_when_it_is_lost_in_the_middle_then_the_driver_alone_ends_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    with running_cluster() as lost:
        _, error = started(lost, RayExecutor(lost.address, timeout_s=100, own=True))
        lost.die()
        failed = error()
    assert "Ray cluster" in failed.problem
    assert "ray status" in failed.cure
    assert failed.where == f"training without end on the Ray cluster {lost.address}"


@pytest.mark.slow
def test_cluster_when_its_machine_runs_out_of_memory_then_that_is_the_reason_told() -> None:
    tight = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "50"}
    with running_cluster(**tight) as small:
        hungry = RayExecutor(small.address, timeout_s=100, own=True)
        with pytest.raises(TrainingError, match="the machine of the cluster ran out of") as caught:
            hungry.run(endless())
    assert "a smaller training.batch" in caught.value.cure


# -- refused, with a cure --------------------------------------------------------------------------


def test_training_when_the_task_refuses_then_its_own_error_comes_back(
    executor: RayExecutor,
) -> None:
    short = dataclasses.replace(quick(), settings={})
    with pytest.raises(InputError, match="expected at least 512 rows in each of 5 blocks"):
        executor.run(short)


def test_training_when_the_cluster_has_other_code_then_nothing_is_trained_and_the_cure_is_told(
    executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**fingerprint(), "code": "ffffffffffff", "torch": "1.0"}
    monkeypatch.setattr(ray_executor, "fingerprint", lambda: other)
    with pytest.raises(TrainingError, match=r"has other versions: code .* there, ffff") as caught:
        executor.run(quick("linear"))
    assert "torch" in caught.value.problem
    assert "the same commit" in caught.value.cure


@pytest.mark.parametrize(
    ("asked", "problem"),
    [({"threads": 9}, r"no machine of the cluster has 9 CPUs .* the largest of 1 has 1"),
     ({"device": "cuda"}, "no machine of the cluster has a GPU")],
)  # fmt: skip
def test_training_when_no_machine_is_large_enough_then_it_does_not_wait_for_ever(
    cluster: Cluster, asked: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TrainingError, match=problem):
        RayExecutor(cluster.address, timeout_s=60, **asked).run(quick("linear"))


def test_cluster_when_nobody_is_there_then_that_is_known_at_once_and_a_bot_still_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    gone = RayExecutor(address, timeout_s=60)
    with pytest.raises(TrainingError, match="no Ray cluster can be reached at 127") as caught:
        gone.run(quick("linear"))
    assert "ray start --head" in caught.value.cure
    monkeypatch.setattr(ray_executor, "can_train", lambda: False)
    gone.check("lstm", {})
    assert "existing models serve, and nothing is trained so far" in caplog.text


def test_settings_when_only_the_cluster_can_train_then_they_are_judged_there(
    executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_executor, "can_train", lambda: False)
    executor.check("lstm", {"network": {"hidden": 8}})
    with pytest.raises(ConfigError, match="'hiden'; did you mean 'hidden'"):
        executor.check("lstm", {"network": {"hiden": 8}})


@pytest.mark.parametrize(
    ("error", "problem", "cure"),
    [(ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory."),
      "the machine of the cluster ran out of memory", "a smaller training.batch"),
     (ray.exceptions.ObjectStoreFullError("full"), "object store is full", "more memory"),
     (ray.exceptions.NodeDiedError("the node"), "the machine of the cluster is gone", "ray status"),
     (ray.exceptions.RaySystemError("No module named 'models'"),
      "the pack is not installed on the cluster", "the same commit"),
     (ray.exceptions.RuntimeEnvSetupError("no pip"), "RuntimeEnvSetupError", "Ray's own logs")],
)  # fmt: skip
def test_failure_when_it_is_the_cluster_s_then_it_is_told_in_the_pack_s_words(
    error: Exception, problem: str, cure: str
) -> None:
    wanted = WantedTask(cpus=1, threads=1, device="cpu", here={}, what="training BTC", asker=1)
    failed = ray_driver._told(error, ray.exceptions, wanted)
    assert problem in failed.problem
    assert cure in failed.cure
    assert failed.where == "training BTC"


def test_connection_when_ray_s_versions_differ_then_both_are_told() -> None:
    mismatch = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.11.7"
    )
    failed = ray_driver._unconnected(mismatch, "head:6379", "training BTC")
    assert "Ray: 2.50.0" in failed.problem
    assert "every machine" in failed.cure


# -- which cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "variable", "address"),
    [("head:6379", "other:1", "head:6379"), ("", "head:6379", "head:6379"),
     ("ray://head.example:10001", "", "ray://head.example:10001"), ("auto", "", "auto")],
)  # fmt: skip
def test_address_when_it_is_named_then_the_settings_win_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, named: str, variable: str, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert cluster_address(named) == address


@pytest.mark.parametrize(
    "address", ["", "local", "ray://", "head", "head:port", "a b:1", "x://h:1"]
)
def test_address_when_it_could_start_a_cluster_or_is_none_then_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError) as caught:
        cluster_address(address)
    assert "the bot starts no cluster" in caught.value.cure


def test_executor_when_it_is_asked_for_then_it_is_the_settings_and_ray_has_to_be_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert type(executor_of(TrainingSettings(threads=2))) is ProcessExecutor
    chosen = executor_of(TrainingSettings(executor="ray", ray_address="head:6379", threads=2))
    assert isinstance(chosen, RayExecutor)
    assert (chosen.address, chosen.threads) == ("head:6379", 2)
    monkeypatch.setattr(
        ray_executor.importlib.util, "find_spec", lambda name: None if name == "ray" else True
    )
    with pytest.raises(ConfigError, match="Ray is not installed here") as caught:
        executor_of(TrainingSettings(executor="ray", ray_address="head:6379"))
    assert "'.[ray]'" in caught.value.cure
    with pytest.raises(ValueError, match="expected executor to be one of process, ray, got dask"):
        TrainingSettings(executor="dask")
