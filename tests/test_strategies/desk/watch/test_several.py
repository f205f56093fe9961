"""Several bots, a watchdog each: none hides another's death, and none dies with another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ConfigError
from strategies.desk.cli import main
from strategies.desk.watch import several
from strategies.desk.watch.several import (
    WatchedBot,
    refuse_one_account,
    watch_each,
    watched_bot,
)

A = WatchedBot(configs=(Path("a.json"), Path("b.json")), userdir=Path("folder"))
B = WatchedBot(configs=(Path("c.json"),))


class Starts:
    """Watchdogs that do what a test says, one script a start, and the last for ever."""

    def __init__(self, popen: Any) -> None:
        self._popen = popen
        self.scripts: list[str] = []
        self.asked: list[list[str]] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, command: list[str]) -> subprocess.Popen[bytes]:
        code = self.scripts.pop(0) if self.scripts else "import time; time.sleep(600)"
        self.asked.append(command[3:])
        self.processes.append(self._popen([sys.executable, "-c", code]))
        return self.processes[-1]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    made, before = Starts(subprocess.Popen), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(several.subprocess, "Popen", made)
    yield made
    signal.signal(signal.SIGTERM, before)
    assert all(process.poll() is not None for process in made.processes)


def test_watchdogs_when_started_then_each_bot_has_one_and_all_end_with_their_starter(
    starts: Starts,
) -> None:
    looks = iter(range(2))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    assert watch_each([A, B], ["--supervise"], sleep=sleep) == 0
    assert starts.asked == [
        ["watchdog", "--supervise", "--config", "a.json", "--config", "b.json",
         "--userdir", "folder", "--name", "folder"],
        ["watchdog", "--supervise", "--config", "c.json", "--name", "c.json"],
    ]  # fmt: skip


def test_watchdog_when_it_ends_then_that_is_said_and_it_alone_is_started_again(
    starts: Starts, caplog: pytest.LogCaptureFixture
) -> None:
    starts.scripts.append("import sys; sys.exit(1)")
    now = iter(range(10_000))

    def sleep(_: float) -> None:
        if len(starts.asked) == 3:
            raise KeyboardInterrupt
        time.sleep(0.01)

    assert watch_each([A, B], monotonic=lambda: next(now), sleep=sleep) == 0
    assert starts.asked[2] == starts.asked[0]
    assert caplog.text.count("ended with status 1; it is started again") == 1
    assert starts.processes[1].returncode == -signal.SIGTERM  # the other one ran on to the end


def test_watchdog_when_refused_at_the_start_then_nobody_is_left_to_believe_it_watches(
    starts: Starts,
) -> None:
    starts.scripts += ["import time; time.sleep(600)", "import sys; sys.exit(2)"]
    assert watch_each([A, B], sleep=lambda _: time.sleep(0.01)) == 2


def test_bot_when_named_then_a_directory_among_its_files_is_its_user_directory(
    tmp_path: Path,
) -> None:
    config = tmp_path / "c.json"
    assert watched_bot([config, tmp_path]) == WatchedBot(configs=(config,), userdir=tmp_path)
    assert watched_bot([config]) == WatchedBot(configs=(config,))
    for wrong in ([tmp_path], [config, tmp_path, tmp_path]):
        with pytest.raises(ConfigError, match="at most one user directory"):
            watched_bot(wrong)


def written(folder: Path, name: str, key: str, **more: Any) -> WatchedBot:
    """Write a config; nobody answers at its exchange, so its key is all that tells the account."""
    nowhere = {"urls": {"api": {"fapiPrivateV3": "http://127.0.0.1:9/fapi/v3"}}}
    exchange = {"name": "binance", "key": key, "secret": "s", "ccxt_config": nowhere}
    content = {"trading_mode": "futures", "stake_currency": "USDT", "dry_run": False,
               "exchange": exchange, **more}  # fmt: skip
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return WatchedBot(configs=(folder / name,))


def test_watchdogs_when_two_bots_are_of_one_account_then_none_is_started(tmp_path: Path) -> None:
    a, b = (written(tmp_path, f"{name}.json", f"{name}-key") for name in "ab")
    refuse_one_account([a, b])
    same = written(tmp_path, "c.json", "a-key")
    with pytest.raises(ConfigError, match="of different accounts") as error:
        refuse_one_account([a, b, same])
    assert f"{tmp_path / 'a.json'} and {tmp_path / 'c.json'} are of one" in str(error.value)
    assert "a-key" not in str(error.value)
    dry = [written(tmp_path, f"{name}.json", "d-key", dry_run=True) for name in "de"]
    refuse_one_account(dry)
    refuse_one_account([written(tmp_path, f"{name}.json", "") for name in "fg"])


@pytest.mark.parametrize("words", [[], ["--config", "a.json", "--bot", "b.json"]])
def test_watchdog_when_it_is_not_clear_which_bot_then_it_does_not_start(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watchdog", *words]) == 2
    assert "a --bot for each of several bots" in capsys.readouterr().err
