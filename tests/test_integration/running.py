"""A process of the pack, started by a test and seen from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.places import ROOT

KEY, SECRET = "loopback-key", "loopback-secret"
# How long a loaded machine may take for anything. It only costs time where a test fails; a candle
# that turns between a forecast and its order costs the bot another minute.
PATIENCE_S: Final = 300.0


@dataclass(frozen=True)
class RunningProcess:
    """Its folder, its log and whether it lives."""

    folder: Path
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Return everything it has printed."""
        return self.log_file.read_text(encoding="utf-8")

    def wait_for(
        self, happens: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until `happens`; fail with the log if it does not, or the process dies."""
        deadline = time.monotonic() + timeout_s
        while not happens():
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                state = "still running" if ended is None else f"ended with {ended}"
                name = self.log_file.stem
                raise AssertionError(f"expected {what}; {name} {state}\n{self.log()[-6000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        self.process.kill()
        self.process.wait()


def keyless(command: Sequence[str], *, env: Mapping[str, str], **more: Any) -> Any:
    """Start a process that has to find each bot's keys in its own config file."""
    kept = {name: value for name, value in env.items() if "__EXCHANGE__" not in name}
    return subprocess.Popen(command, env=kept, **more)


Kind = TypeVar("Kind", bound=RunningProcess)


@contextmanager
def running(
    kind: type[Kind],
    folder: Path,
    name: str,
    module: Sequence[str],
    *,
    key: str = KEY,
    secret: str = SECRET,
    stop: signal.Signals = signal.SIGTERM,
    launch: Callable[..., Any] = subprocess.Popen,
) -> Iterator[Kind]:
    """Run a module with its arguments in `folder` until the block ends; it logs to `name`.log.

    The exchange's keys come from the environment, as a user's do.
    """
    environment = {
        **os.environ,
        "FREQTRADE__EXCHANGE__KEY": key,
        "FREQTRADE__EXCHANGE__SECRET": secret,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "1000",  # Freqtrade wraps its log at the width of the terminal
        # The loopback certificate is made up; told with each request, it costs as much as one.
        "PYTHONWARNINGS": "ignore:Unverified HTTPS request",
    }
    log_file = folder / f"{name}.log"
    with log_file.open("ab") as log:
        process = launch(
            [sys.executable, "-m", *module], cwd=folder, env=environment, stdout=log, stderr=log
        )
    one = kind(folder, process, log_file)
    try:
        yield one
    except AssertionError as error:
        error.add_note(f"{name} (ended with {process.poll()}):\n{one.log()[-6000:]}")
        raise
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write_strategy(folder: Path, source: str) -> tuple[str, ...]:
    """Write a strategy, the first class with a base; return the arguments that find it."""
    found = re.search(r"^class (\w+)\(", source, flags=re.MULTILINE)
    assert found is not None
    strategies = folder / "strategies"
    strategies.mkdir(exist_ok=True)
    (strategies / f"{found[1]}.py").write_text(source, encoding="utf-8")
    return "--strategy", found[1], "--strategy-path", str(strategies)
