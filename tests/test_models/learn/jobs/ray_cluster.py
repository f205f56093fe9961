"""A real Ray cluster of one machine and one CPU, for tests; nothing of it is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.places import ROOT

_STARTS_S, _PATIENCE_S = 120.0, 120.0


@dataclass(frozen=True)
class Cluster:
    """Where it is reached: as its own machines do, and from elsewhere."""

    address: str
    client: str
    process: subprocess.Popen[bytes]

    def trainings(self) -> list[psutil.Process]:
        """Return its processes that run a training."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if (process.cmdline() or [""])[0].startswith("ray::training"):
                    found.append(process)
        return found

    def die(self) -> None:
        """SIGKILL all of it, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def running_cluster(cpus: int = 1, **environment: str) -> Iterator[Cluster]:
    """Run a cluster until the block ends, and give it; it tells nobody that it runs."""
    # Ray keeps sockets in its folder, whose names must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        client = free.getsockname()[1]
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
        f"--num-cpus={cpus}", "--port=0", "--include-dashboard=false", "--disable-usage-stats",
        f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1", f"--temp-dir={folder}",
        "--object-store-memory=100000000",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **environment}
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield Cluster(_address(process, folder / "said.log"), f"ray://127.0.0.1:{client}", process)
    finally:
        _end(process, folder)
        shutil.rmtree(folder, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _STARTS_S
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(encoding="utf-8", errors="replace")
        if "Ray runtime started" in text and (found := re.search(r"--address='([^']+)'", text)):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no cluster:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End the cluster: its processes by the folder they were started with."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    for left in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in left.info["cmdline"] or ()):
            left.kill()


def wait_until(happens: Callable[[], Any], what: str) -> Any:
    """Wait until something happens, and return it; fail by name if it does not."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := happens()):
        assert time.monotonic() < deadline, f"expected {what}"
        time.sleep(0.05)
    return found
