"""The real supervised watchdog, killed and frozen: it comes back, and the health check knows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.places import ROOT
from tests.test_integration.live_bot import BTC, settings
from tests.test_integration.running import RunningProcess, running

COMMAND = ("strategies.desk.cli", "watchdog", "--config", "config.json", "--userdir", "user_data")


def healthy(folder: Path) -> bool:
    """Return whether the health check is content."""
    done = subprocess.run(
        [sys.executable, "-m", *COMMAND, "--check"], cwd=folder, check=False, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.returncode == 0


def child_of(one: RunningProcess) -> psutil.Process | None:
    """Return the watchdog under the supervisor, None while there is none."""
    return next(iter(psutil.Process(one.process.pid).children()), None)


def test_supervised_watchdog_when_killed_then_it_is_started_again_and_ends_with_its_supervisor(
    tmp_path: Path, url: str
) -> None:
    (tmp_path / "user_data").mkdir()
    config = json.dumps(settings(url, [BTC], dry_run=True))
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    assert not healthy(tmp_path)
    with running(RunningProcess, tmp_path, "watchdog", (*COMMAND, "--supervise")) as one:
        one.wait_for(lambda: "watching" in one.log(), "a watchdog that looks")
        one.wait_for(lambda: healthy(tmp_path), "a health check that is content")
        first = child_of(one)
        assert first is not None
        first.kill()
        one.wait_for(lambda: one.log().count("watchdog: watching") == 2, "another one")
        assert "it ended with status -9; started again in 1 s" in one.log()
        second = child_of(one)
        assert second is not None
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(30) == 0
        assert not second.is_running()
