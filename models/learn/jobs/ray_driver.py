"""What the driver of a Ray cluster does, and what runs on the cluster's machines.

The driver is a process of its own, `models.learn.jobs.ray_executor`. Tasks travel by name: the
cluster's machines have the pack installed, and refuse a job of another version before they read it.
"""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from models.base.errors import PackError, TrainingError
from models.base.fingerprint import code_digest

_CONNECTS_S: Final = 10.0
_LOOKS_S: Final = 1.0  # how soon a driver notices that the process it works for is gone
_NICE: Final = 10  # as a worker of the bot's own machine has it; Ray's own may be higher
UNREACHABLE_CURE: Final = (
    "is the cluster up? `ray status --address host:port` from here; `ray start --head` on its "
    "first machine prints the address, and a firewall may be between"
)
_SAME_CURE: Final = (
    "install the same commit with `make install` on every machine of the cluster, and restart Ray "
    "there: `ray stop`, then `ray start`"
)
_MEMORY_CURE: Final = (
    "a machine with more memory, fewer trainings at once (`ray start --num-cpus`), a shorter "
    "train_period_days, or a smaller training.batch"
)


# What decides the numbers of a training; the two machines must have the same of each they have.
_DECIDING: Final = (
    "breakwater", "numpy", "scipy", "torch", "onnx", "onnxruntime", "xgboost-cpu", "skl2onnx",
    "prophet", "stable-baselines3", "gymnasium",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WantedTask:
    """What a task asks of the cluster.

    Attributes
    ----------
    cpus
        CPUs it waits for.
    here
        `fingerprint` of whom the result is for.
    what
        For errors: what was being done, and where.
    asker
        Process that waits for it: without it, it is not wanted any more.
    """

    cpus: int
    threads: int
    device: str
    here: Mapping[str, str]
    what: str
    asker: int


def fingerprint() -> dict[str, str]:
    """Return what must be the same here and on the cluster for the same numbers."""
    found = {"code": code_digest()[:12], "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    for name in _DECIDING:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a machine that only trades has none of them
    return found


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return what the cluster has in another version, or nothing.

    Examples
    --------
    >>> differing({"code": "a", "torch": "2"}, {"code": "b", "torch": "2", "onnx": "1"})
    'code b there, a here'
    """
    return "; ".join(
        f"{name} {there[name]} there, {here[name]} here"
        for name in here
        if name in there and here[name] != there[name]
    )


# -- the driver -----------------------------------------------------------------------------------


def ask(address: str, threads: int, device: str, what: str) -> None:
    """Raise TrainingError unless the cluster answers and one of its machines is large enough."""
    with _connected(address, what) as ray:
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max((node.get("CPU", 0.0) for node in alive), default=0.0)
        if most < threads:
            raise _fail(
                f"no machine of the cluster has {threads} CPUs for a training: the largest of "
                f"{len(alive)} has {most:g}",
                what, "lower training.threads, or add a machine: `ray start --address`",
            )  # fmt: skip
        if device == "cuda" and not any(node.get("GPU", 0.0) >= 1 for node in alive):
            raise _fail(
                'training.device is "cuda", and no machine of the cluster has a GPU', what,
                'training.device: "auto", or add a machine that has one',
            )  # fmt: skip


def drive(address: str, task: str, arguments: tuple[Any, ...], wanted: WantedTask) -> Any:
    """Return what the task `task` of this file answers, run on the cluster.

    Raises
    ------
    PackError
        What the task raised, or why the cluster did not do it.
    """
    payload = pickle.dumps(arguments)
    with _connected(address, wanted.what) as ray:
        name = wanted.what.partition(" on the Ray cluster")[0]
        remote = ray.remote(max_calls=1, max_retries=0)(_on_the_cluster).options(
            name=name, num_cpus=wanted.cpus, num_gpus=_gpus(ray, wanted),
            runtime_env={"env_vars": _capped(wanted.threads)},
        )  # fmt: skip
        answer = remote.remote(task, payload, dict(wanted.here))
        try:
            while not ray.wait([answer], timeout=_LOOKS_S)[0]:
                if os.getppid() != wanted.asker:  # killed: nobody waits for it any more
                    os._exit(1)
            done, value = ray.get(answer)
        except ray.exceptions.RayError as error:
            raise _told(error, ray.exceptions, wanted) from None
        except KeyboardInterrupt:
            # As killed: the cluster ends what a driver that is gone has asked for. One that takes
            # its leave may be killed by its asker in the middle of that.
            os._exit(1)
    if not done:
        raise value if isinstance(value, PackError) else _fail(value, wanted.what, _SAME_CURE)
    return value


def _gpus(ray: Any, wanted: WantedTask) -> int:
    """Return how many GPUs to ask for: a task that asks for none is shown none."""
    if wanted.device == "cpu" or not wanted.cpus:
        return 0
    return int(ray.cluster_resources().get("GPU", 0.0) >= 1)


def _capped(threads: int) -> dict[str, str]:
    return dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
    )


@contextmanager
def _connected(address: str, what: str) -> Iterator[Any]:
    """Connect to an existing cluster; whatever this driver asked for ends with the block."""
    import ray

    _reachable(address, what)
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=True)
    except (ray.exceptions.RayError, RuntimeError, OSError, ImportError, ValueError) as error:
        raise _unconnected(error, address, what) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _reachable(address: str, what: str) -> None:
    """Knock before Ray does, which takes minutes to find nobody there."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECTS_S).close()
    except (OSError, OverflowError) as error:
        raise _fail(
            f"no Ray cluster can be reached at {address}: {error}", what, UNREACHABLE_CURE
        ) from None


def _unconnected(error: Exception, address: str, what: str) -> TrainingError:
    said = _line(error)
    if "ersion mismatch" in said:
        return _fail(f"the cluster runs other versions: {said}", what, _SAME_CURE)
    if "uthentication" in said or "uthenticated" in said:
        return _fail(
            f"the cluster at {address} lets nobody in without its token: {said}", what,
            "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, in the bot's "
            "environment",
        )  # fmt: skip
    if isinstance(error, ImportError):
        return _fail(
            f"a ray:// address needs Ray's client: {said}", what,
            "pip install 'ray[client]', or join the cluster with `ray start --address host:port "
            "--num-cpus=0` and name that address",
        )  # fmt: skip
    return _fail(f"no Ray cluster can be reached at {address}: {said}", what, UNREACHABLE_CURE)


def _told(error: Exception, kinds: Any, wanted: WantedTask) -> TrainingError:
    """Return a failure of the cluster in the pack's words: what has died, and the cure."""
    said = _line(error)
    if isinstance(error, kinds.OutOfMemoryError):
        problem, cure = f"the machine of the cluster ran out of memory: {said}", _MEMORY_CURE
    elif isinstance(error, kinds.ObjectStoreFullError):
        problem, cure = f"the cluster's object store is full: {said}", _MEMORY_CURE
    elif isinstance(error, kinds.WorkerCrashedError):
        problem = f"the worker on the cluster died in the middle of it: {said}"
        cure = f"killed (SIGKILL) usually means out of memory: {_MEMORY_CURE}"
    elif isinstance(error, kinds.NodeDiedError | kinds.LocalRayletDiedError):
        problem = f"the machine of the cluster is gone: {said}"
        cure = "`ray status` says which are left; the next training asks one of those"
    elif isinstance(error, kinds.TaskCancelledError):
        problem, cure = f"it was cancelled on the cluster: {said}", "the next training asks again"
    elif "No module named 'models" in said or "failed to import" in said:
        problem, cure = f"the pack is not installed on the cluster: {said}", _SAME_CURE
    else:
        problem, cure = f"{type(error).__name__}: {said}", "`ray status`, and Ray's own logs there"
    return _fail(problem, wanted.what, cure)


def _fail(problem: str, what: str, cure: str) -> TrainingError:
    """Return the error of a training that the cluster did not do."""
    return TrainingError(problem, where=what, cure=cure)


def _line(error: Exception) -> str:
    """Return what an error says in one line, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return " ".join(text.split())[:600]


# -- on the cluster -------------------------------------------------------------------------------


def _on_the_cluster(task: str, payload: bytes, asked_from: dict[str, str]) -> tuple[bool, Any]:
    """Return whether it was done, and the answer or why not; read here only if versions agree."""
    if hasattr(os, "nice"):
        os.nice(max(0, _NICE - os.nice(0)))
    if others := differing(asked_from, fingerprint()):
        return False, f"{socket.gethostname()} of the cluster has other versions: {others}"
    try:
        return True, _TASKS[task](*pickle.loads(payload))
    except PackError as error:
        return False, error
    except Exception as error:  # noqa: BLE001 - told where the result is waited for
        return False, TrainingError(f"{type(error).__name__}: {error}", where=task)


def _check(network: str, blocks: dict[str, Any]) -> None:
    from models.learn.jobs.pipeline import check  # torch is imported there only

    check(network, blocks)


def _train(job: Any) -> Any:
    from models.learn.jobs.pipeline import train

    return train(job)


_TASKS: Final[Mapping[str, Callable[..., Any]]] = {"check": _check, "train": _train}
