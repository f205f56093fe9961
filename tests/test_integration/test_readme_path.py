"""README's path, typed as it stands: a folder, backtest, dry run, live on the loopback exchange.

As written, but for the program's folder, the candles' and, in the fast one, the style.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from strategies.bot.data_files import MARKER
from strategies.desk.acknowledge import phrase
from strategies.desk.backtests.simulated_data import write_simulated
from tests.exchange.shipped import port_of_the_shipped_configs
from tests.places import ROOT
from tests.readme_path import path_lines
from tests.test_contract.pages import Command

PATIENCE_S = 300  # until a bot says something: its first training counts


@dataclass
class Typist:
    """Types lines in a folder that stands for a checkout."""

    folder: Path

    def words(self, command: Command) -> list[str]:
        data = str(self.folder / "candles")
        program = str(Path(sys.executable).parent / command.program)
        return [program, *(data if "data/binance" in w else w for w in command.words[1:])]

    def run(
        self, command: Command, *more: str, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.words(command), *more], cwd=self.folder, env=self._environment(), input=typed,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    @contextmanager
    def running(self, command: Command, name: str) -> Iterator[Path]:
        """Have a line run in a terminal of its own; yield what it says."""
        log = self.folder / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                self.words(command), cwd=self.folder, env=self._environment(), stdout=out,
                stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                yield log
                assert process.poll() is None, log.read_text()[-3000:]
            finally:
                end(process)

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "FREQTRADE"))}
        return {**kept, "PYTHONPATH": str(ROOT)}


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process as Ctrl-C does; one that trains takes its time, and has had enough of it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


def until(said: str, ask: Callable[[], str], log: Path) -> str:
    """Ask until it is said; what was said last where it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = ask()
        if said in answer:
            return answer
        time.sleep(1)
    raise AssertionError(f"{said!r} not in {answer!r}\n{log.read_text()[-3000:]}")


def walked(typist: Typist, style: str, most: float) -> None:
    """Type the whole path, each line as its predecessor told it."""
    lines = path_lines()
    assert list(lines) == ["init", "exchange", "doctor", "backtesting", "trade", "risk",
                           "why", "acknowledge", "watchdog", "live"]  # fmt: skip
    made = typist.run(lines["init"], "--style", style)
    assert made.returncode == 0, made.stderr
    assert f"exchange {typist.folder}/bot" in made.stdout.splitlines()[-1]
    shared = typist.folder / "bot" / "config.json"
    config = json.loads(shared.read_text(encoding="utf-8"))
    if "freqai" in config:  # a training of seconds
        config["freqai"]["model_training_parameters"]["training"]["max_steps"] = 20
        shared.write_text(json.dumps(config), encoding="utf-8")

    def risk() -> str:
        return typist.run(lines["risk"]).stdout

    with (
        port_of_the_shipped_configs(),
        typist.running(lines["exchange"], "exchange") as served,
    ):
        until("loopback exchange on", served.read_text, served)
        doctor = typist.run(lines["doctor"])
        assert doctor.returncode == 0, doctor.stdout
        assert "next: " in doctor.stdout.splitlines()[-1]
        assert doctor.stderr == ""
        tested = typist.run(lines["backtesting"])
        assert tested.returncode == 0, tested.stderr[-3000:]
        assert "BACKTESTING REPORT" in tested.stdout
        with typist.running(lines["trade"], "dry") as log:
            assert " alive " in until("equity: ", risk, log)
            why = typist.run(lines["why"])
            assert why.returncode == 0, why.stderr
            assert "nothing is opened in " in why.stdout
            assert "what would change that: " in why.stdout
        assert (typist.folder / "bot" / "dry_run.sqlite").is_file()
        accepted = typist.run(lines["acknowledge"], typed=f"{phrase(most)}\n")
        assert accepted.returncode == 0, accepted.stderr
        assert "then: " in accepted.stdout.splitlines()[-1]
        with typist.running(lines["watchdog"], "watchdog") as watch:
            until("watchdog: watching", watch.read_text, watch)
            until("live: ready", lambda: typist.run(lines["doctor"]).stdout, watch)
            with typist.running(lines["live"], "live") as log:
                until("equity by the exchange: ", risk, log)
    # What the replay was downloaded to is marked, and nothing of it lies where candles were.
    assert (typist.folder / "bot" / "data" / "binance" / MARKER).is_file()


def checkout(folder: Path, start: datetime, days: int) -> Typist:
    """Return a folder with candles that pass for real ones, and who types in it."""
    data = write_simulated(folder / "candles", start=start, days=days)
    (data / MARKER).unlink()
    return Typist(folder)


def test_readme_path_when_typed_for_a_hedge_then_each_line_works_and_names_the_next(
    tmp_path: Path,
) -> None:
    walked(checkout(tmp_path, datetime(2024, 1, 1, tzinfo=UTC), 150), "hedge", 3.0)


@pytest.mark.slow
def test_readme_path_when_typed_as_it_stands_then_each_line_works_and_names_the_next(
    tmp_path: Path,
) -> None:
    walked(checkout(tmp_path, datetime(2021, 1, 1, tzinfo=UTC), 1100), "intraday", 3.0)
