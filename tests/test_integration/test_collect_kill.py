"""The collector as a process: killed at any moment it loses nothing it acknowledged."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strategies.desk import cli
from tests.feeds.server import FeedsState, collect_block, running_feeds
from tests.places import ROOT, USER_DATA

FEEDS = ("order_book", "mempool")


@pytest.fixture
def served() -> Iterator[tuple[FeedsState, str]]:
    state = FeedsState()
    with running_feeds(state) as url:
        yield state, url


def configs(folder: Path, url: str) -> list[str]:
    extra = folder / "collect.json"
    extra.write_text(json.dumps({"breakwater": {"collect": collect_block(url, coins=["LTC"])}}))
    base = USER_DATA / "config_litecoin_hedge.json"
    return ["--config", str(base), "--config", str(extra), "--userdir", str(folder)]


class Running:
    """One collector, with what it has said."""

    def __init__(self, folder: Path, url: str) -> None:
        self.said: list[str] = []
        command = [sys.executable, "-m", "tests.feeds.loud_collector", "collect"]
        self.process = subprocess.Popen(
            [*command, *configs(folder, url), "--sources", *FEEDS],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=(folder / "log").open("a"), text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.said.append(line.strip())

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end, "it never happened"
            assert self.process.poll() is None, "the collector ended by itself"
            time.sleep(0.01)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reading.join(10)
        return code


@contextmanager
def collector(folder: Path, url: str) -> Iterator[Running]:
    running = Running(folder, url)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)


def written(folder: Path) -> list[str]:
    """Return each whole line on disk with the feed it belongs to."""
    lines = []
    for path in sorted((folder / "feeds").glob("*/*/*/*.jsonl")):
        name = path.parent.relative_to(folder / "feeds")
        whole, _, _ = path.read_text().rpartition("\n")
        lines += [f"{name} {line}" for line in whole.splitlines()]
    return lines


def test_collector_when_killed_at_random_then_all_it_acknowledged_is_there_once(tmp_path, served):
    _, url = served
    dice, acknowledged = random.Random(7), []
    for _ in range(4):
        with collector(tmp_path, url) as running:
            wanted = dice.randrange(5, 60)
            running.until(lambda r=running, n=wanted: len(r.said) >= n)
            time.sleep(dice.random() * 0.02)
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
            acknowledged += running.said
    lines = written(tmp_path)
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(lines)
    assert len(set(lines)) == len(lines)
    # What was written but could not be said any more is at most one reading of each feed and run.
    assert len(lines) - len(acknowledged) <= 4 * len(FEEDS)


def test_collector_when_told_to_stop_then_it_ends_cleanly_and_status_says_how_it_was_left(
    tmp_path, served, capsys
):
    _, url = served
    for number in (signal.SIGTERM, signal.SIGINT):
        with collector(tmp_path, url) as running:
            running.until(lambda r=running: len({s.split()[0] for s in r.said}) == len(FEEDS))
            assert running.end(number) == 0
    assert (tmp_path / "log").read_text().count("stopped") == 2
    assert cli.main(["collect", *configs(tmp_path, url), "--status"]) == 1  # others never ran
    out = capsys.readouterr().out
    assert "order_book       LTC   fresh" in out
    assert "whales           LTC   missing  never" in out
    assert "last sign of life" in out


def test_collector_when_both_sources_die_then_it_goes_on_and_comes_back(tmp_path, served, capsys):
    state, url = served
    with collector(tmp_path, url) as running:

        def told(source: str) -> int:
            return sum(line.startswith(f"order_book/LTC/{source} ") for line in list(running.said))

        running.until(lambda: told("binance") > 0)
        state.dead |= {"binance", "okx"}
        running.until(lambda: told("bybit") > 0)
        state.dead |= {"bybit"}
        time.sleep(0.5)
        state.dead.clear()
        before = told("binance")
        running.until(lambda: told("binance") > before)
        again = ["collect", *configs(tmp_path, url), "--sources", "mempool", "--once"]
        assert cli.main(again) == 2
        by = f"in use by breakwater collect, process {running.process.pid} on"
        assert by in capsys.readouterr().err
        assert running.end(signal.SIGTERM) == 0
    assert "from bybit now, not binance" in (tmp_path / "log").read_text()
    # Which of the other two it takes over from is who was up first.
    assert "order_book LTC: from binance now, not " in (tmp_path / "log").read_text()


def test_collect_when_asked_once_then_it_reports_and_ends(tmp_path, served, capsys):
    state, url = served
    assert cli.main(["collect", *configs(tmp_path, url), "--sources", "mempool", "--once"]) == 0
    assert "litecoinspace" in capsys.readouterr().out
    state.dead |= {"litecoinspace", "blockchair"}
    (tmp_path / "empty").mkdir()
    more = configs(tmp_path / "empty", url)
    assert cli.main(["collect", *more, "--sources", "mempool", "--once"]) == 1
    assert cli.main(["collect", *more, "--sources", "weather"]) == 2
    assert "known feeds" in capsys.readouterr().err
