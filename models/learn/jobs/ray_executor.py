"""Trainings on a Ray cluster that is there already; Ray itself is spoken to by another process.

A process that speaks with a cluster is ended by Ray from within when the cluster is lost: the bot
must not be that process. The driver is a worker of this machine as `ProcessExecutor` has
one; when it ends, however it ends, the cluster ends what it had asked for.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from typing import Any, Final

from models.base.errors import ConfigError, PackError
from models.base.types import Artifact, TrainingJob
from models.base.units import HOUR_S
from models.learn.jobs.executor import Executor, ProcessExecutor, can_train
from models.learn.jobs.ray_driver import UNREACHABLE_CURE, WantedTask, ask, drive, fingerprint
from models.learn.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

ADDRESS_VARIABLE: Final = "RAY_ADDRESS"
_SETTING: Final = "freqai.model_training_parameters.training"
_ANSWERS_S: Final = 60.0  # a cluster that is there answers within a second
_ADDRESS: Final = re.compile(r"auto|(ray://)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")


def executor_of(
    training: TrainingSettings, timeout_s: float = HOUR_S, *, own: bool = False, workers: int = 1
) -> Executor:
    """Return where trainings run by these settings, so many of them side by side.

    Raises
    ------
    ConfigError
        If that is a Ray cluster and Ray is not installed, or nobody has named the cluster.
    """
    if training.executor == "process":
        return ProcessExecutor(training.threads, timeout_s, own=own, workers=workers)
    return RayExecutor(
        cluster_address(training.ray_address), training.threads, timeout_s, own=own,
        workers=workers, device=training.device,
    )  # fmt: skip


def cluster_address(named: str) -> str:
    """Return the address of the cluster: as named in the settings, else in the environment.

    Raises
    ------
    ConfigError
        If Ray is not installed, or there is no address, or one that could start a cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(
            'training.executor is "ray", and Ray is not installed here', where=_SETTING,
            cure="in the checkout: pip install --editable '.[ray]'; or set "
            'training.executor: "process"',
        )  # fmt: skip
    address = named or os.environ.get(ADDRESS_VARIABLE, "")
    if not address:
        raise ConfigError(
            'training.executor is "ray", and nobody says where the cluster is', where=_SETTING,
            cure=f"training.ray_address, --ray-address of a command, or {ADDRESS_VARIABLE} in the "
            "environment: host:6379, as `ray start --head` prints it; the bot starts no cluster",
        )  # fmt: skip
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            f'expected the address of a Ray cluster as host:port, ray://host:port or "auto", '
            f"got {address!r}",
            where=f"{_SETTING}.ray_address" if named else ADDRESS_VARIABLE,
            cure="as `ray start --head` prints it; the bot starts no cluster",
        )
    return address


class RayExecutor(ProcessExecutor):
    """The same trainings on an existing Ray cluster, one task each.

    Parameters
    ----------
    address
        Of the cluster, as `cluster_address` returns it.
    threads
        CPUs a training asks for, and cap on its native threads.
    timeout_s
        Longest wait for one job, the time it waits for a free CPU included.
    own
        Whether each call has a driver of its own, gone with it.
    workers
        Jobs that may run side by side, each with a driver.
    device
        ``training.device``: what is not for the CPU only asks for a GPU of the cluster.
    """

    worker: str = "process that speaks with the Ray cluster"
    death_cure: str = "is the cluster still there? `ray status`; the next training asks it again"
    late_cure: str = (
        "lower training.max_steps or train_period_days, or is every CPU of the cluster taken? "
        "`ray status`"
    )

    def __init__(
        self,
        address: str,
        threads: int = 1,
        timeout_s: float = HOUR_S,
        *,
        own: bool = False,
        workers: int = 1,
        device: str = "auto",
    ) -> None:
        super().__init__(threads, timeout_s, own=own, workers=workers)
        self.address, self.device = address, device

    def check(self, network: str, blocks: dict[str, Any]) -> None:
        """Raise ConfigError unless the network exists and accepts the settings.

        A cluster that cannot be asked now keeps no bot from starting: it has positions to look
        after, and models that serve.
        """
        if can_train():
            super().check(network, blocks)
            return
        what = f"checking the settings of {network} on the Ray cluster {self.address}"
        try:
            self._asked(what)
            self._answered("check", (network, blocks), what, 0)
        except ConfigError:
            raise
        except PackError as error:
            logger.warning("%s: existing models serve, and nothing is trained so far", error)

    def run(self, job: TrainingJob) -> Artifact:
        what = f"training {job.title} on the Ray cluster {self.address}"
        self._asked(what)
        artifact: Artifact = self._answered("train", (job,), what, self.threads)
        return artifact

    def _asked(self, what: str) -> None:
        """Make sure that the cluster answers and has a machine that is large enough."""
        self._call(
            ask, self.address, self.threads, self.device, what,
            what=what, timeout_s=_ANSWERS_S, late_cure=UNREACHABLE_CURE,
        )  # fmt: skip

    def _answered(self, task: str, arguments: tuple[Any, ...], what: str, cpus: int) -> Any:
        wanted = WantedTask(
            cpus=cpus, threads=self.threads, device=self.device, here=fingerprint(), what=what,
            asker=os.getpid(),
        )  # fmt: skip
        return self._call(drive, self.address, task, arguments, wanted, what=what)
