"""Where training runs: a worker process that imports torch so that the bot never does.

The worker is kept warm between jobs, runs at low priority with few threads, and is replaced when it
leaks or dies. Its death is an error with a reason in the caller.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from concurrent.futures import wait
from threading import Thread
from typing import Any, Protocol
from weakref import WeakSet

from loky import ProcessPoolExecutor, get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from models.base.errors import PackError, TrainingError
from models.base.types import Artifact, TrainingJob
from models.base.units import HOUR_S

logger = logging.getLogger(__name__)

_NICE = 10  # training must not delay the candle that closes meanwhile
_IDLE_S = 900  # an idle worker gives its memory back
_LOOKS_S = 2.0  # between two looks whether whom it works for is still there
_POOLS: WeakSet[ProcessPoolExecutor] = WeakSet()  # whatever has been asked to work here


class Executor(Protocol):
    """Runs training jobs somewhere; the caller blocks."""

    def check(self, network: str, blocks: dict[str, Any]) -> None:
        """Raise ConfigError unless the network exists and accepts the settings."""

    def run(self, job: TrainingJob) -> Artifact:
        """Return the trained artifact, or raise a PackError that says why there is none."""


def can_train() -> bool:
    """Return whether this machine has what training needs, without importing it."""
    return importlib.util.find_spec("torch") is not None


def end_workers() -> None:
    """End the workers of this process, whatever they do: nobody waits for them any more.

    Left alone, the process that a person has stopped waits for them before it ends.
    """
    for pool in tuple(_POOLS):
        pool.shutdown(wait=False, kill_workers=True)


class ProcessExecutor:
    """One worker process on this machine, or several.

    Parameters
    ----------
    threads
        Cap on native threads in the worker.
    timeout_s
        Longest wait for one job.
    own
        Whether each job has a process of its own, gone with it; else it waits for the one before.
    workers
        Jobs that may run side by side, asked for by threads of the caller; a worker that is too
        late takes its neighbours' jobs along.
    """

    # What a subclass has instead of a worker that trains, and what to do about its end.
    worker: str = "training worker"
    death_cure: str = "a negative exit code is a signal; -9 usually means out of memory"
    late_cure: str = "lower training.max_steps or train_period_days"

    def __init__(
        self, threads: int = 1, timeout_s: float = HOUR_S, *, own: bool = False, workers: int = 1
    ) -> None:
        self.threads, self.timeout_s, self.own, self.workers = threads, timeout_s, own, workers

    def check(self, network: str, blocks: dict[str, Any]) -> None:
        if not can_train():
            logger.warning("torch is not installed: serving existing models, training none")
            return
        self._call(_check, network, blocks, what=f"checking the settings of {network}")

    def run(self, job: TrainingJob) -> Artifact:
        if not can_train():
            raise TrainingError(
                "torch is not installed on this machine",
                where=f"training {job.title}",
                cure="install the extra [train] here, or bring models trained elsewhere",
            )
        result: Artifact = self._call(_train, job, what=f"training {job.title}")
        return result

    def _call(
        self,
        function: Any,
        *arguments: Any,
        what: str,
        timeout_s: float | None = None,
        late_cure: str = "",
    ) -> Any:
        patience_s = min(self.timeout_s, timeout_s or self.timeout_s)
        executor = self._worker(what)
        _POOLS.add(executor)
        try:
            future = executor.submit(function, *arguments)
            if not wait([future], timeout=patience_s).done:
                executor.shutdown(wait=False, kill_workers=True)
                raise TrainingError(
                    f"no result within {patience_s:g} s; the worker was stopped",
                    where=what,
                    cure=late_cure or self.late_cure,
                )
            return future.result()
        except PackError:
            raise
        except KeyboardInterrupt:
            end_workers()
            raise
        except TerminatedWorkerError as death:
            raise TrainingError(
                f"the {self.worker} died: {' '.join(str(death).split())}",
                where=what,
                cure=self.death_cure,
            ) from death
        except Exception as error:
            raise TrainingError(f"{type(error).__name__}: {error}", where=what) from error
        finally:
            if self.own:
                executor.shutdown(wait=False, kill_workers=True)

    def _worker(self, what: str) -> Any:
        """Return loky's executor; it needs semaphores, which live in shared memory."""
        cap = str(self.threads)
        make = ProcessPoolExecutor if self.own else get_reusable_executor
        try:
            return make(
                max_workers=1 if self.own else self.workers,
                timeout=_IDLE_S,
                initializer=_start_worker,
                initargs=(os.getpid(),),
                env={"OMP_NUM_THREADS": cap, "MKL_NUM_THREADS": cap, "OPENBLAS_NUM_THREADS": cap},
            )
        except OSError as error:
            raise TrainingError(
                f"the {self.worker} cannot be started: it needs shared memory in /dev/shm "
                f"({error.strerror or error})",
                where=what,
                cure="make /dev/shm writable with some room: --shm-size=256m for docker, "
                "shm_size: 256m for compose, or mount -o remount,rw,size=256m /dev/shm",
            ) from error


def _start_worker(asker: int) -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    Thread(target=_end_with, args=(asker,), daemon=True).start()


def _end_with(asker: int) -> None:
    """End this process once whom it works for is gone: killed, it could not say so.

    Its memory is wanted by the bot that is started next.
    """
    while os.getppid() == asker:
        time.sleep(_LOOKS_S)
    os._exit(1)


def _check(network: str, blocks: dict[str, Any]) -> None:
    from models.learn.jobs.pipeline import check  # torch is imported in the worker only

    check(network, blocks)


def _train(job: TrainingJob) -> Artifact:
    from models.learn.jobs.pipeline import train

    return train(job)
