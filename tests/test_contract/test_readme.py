"""README's path is typed as it stands: listings, backtests, the bot on the loopback exchange.

What all pages promise alike (options, links, paths, results) is held in `test_docs.py`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.learn import catalog
from strategies.desk.simulated_data import write_simulated
from tests.places import ROOT
from tests.test_contract import pages
from tests.test_contract.pages import README, Command

MODELS = pages.text(ROOT / "user_data" / "docs" / "models.md")
# Other pages' backtests want other candles than an hour's; `test_docs.py` parses them.
TYPED_WHOLE = (
    README,
    ROOT / "user_data" / "docs" / "install.md",
    ROOT / "user_data" / "docs" / "volatility-target.md",
)
LINES = sorted(
    {c.line for page in TYPED_WHOLE for c in pages.typed(page) if c.program == "freqtrade"}
)
# Run whole elsewhere, because they take minutes or a network.
ELSEWHERE = {
    "make demo": "tests/test_integration/test_demo.py",
    "make demo DATA=/path/to/freqtrade/data/binance": "tests/test_integration/test_demo.py",
    "make exchange DATA=user_data/data/simulated": (
        "tests/test_strategies/desk/loopback/test_process.py"
    ),
    ".venv/bin/breakwater risk --userdir practice": (
        "tests/test_strategies/desk/test_control_desk.py"
    ),
    ".venv/bin/breakwater journal show --userdir practice": (
        "tests/test_strategies/desk/test_control_desk.py"
    ),
    ".venv/bin/breakwater halt": "tests/test_strategies/desk/test_control_desk.py",
}
LOOPBACK = "user_data/config_loopback.json"
IN_A_TEST = ("acknowledge", "trade", "backtesting", "mkdir")  # below, or in test_acknowledge.py


def test_readme_when_its_commands_are_listed_then_each_is_run_by_some_test() -> None:
    lines = [c for c in pages.typed(README) if c.line not in ELSEWHERE]
    assert [c.line for c in lines if not set(IN_A_TEST) & set(c.words)] == []
    assert set(ELSEWHERE) <= {c.line for c in pages.typed(README)}, "one left: drop it here too"
    assert all((ROOT / path).is_file() for path in ELSEWHERE.values())


@pytest.mark.parametrize("line", [one for one in LINES if " list-" in one])
def test_readme_listing_when_run_as_written_then_it_succeeds(line: str) -> None:
    _run(Command.of(line).words)


@pytest.mark.slow
@pytest.mark.parametrize("line", [one for one in LINES if " backtesting " in one])
def test_readme_backtest_when_run_as_written_then_it_succeeds(line: str, tmp_path: Path) -> None:
    """As written, but for the data directory, a shorter span and the exchange's address."""
    datadir = write_simulated(tmp_path / "simulated")
    (tmp_path / "user_data").mkdir()
    arguments = list(Command.of(line).words)
    arguments[arguments.index("--timerange") + 1] = "20250301-20250311"
    if "--datadir" not in arguments:
        arguments += ["--datadir", ""]
    arguments[arguments.index("--datadir") + 1] = str(datadir)
    if LOOPBACK not in arguments:
        arguments += ["--config", LOOPBACK]
    with _exchange():
        out = _run([*arguments, "--userdir", str(tmp_path / "user_data")])
    assert "raised exception" not in out
    assert "BACKTESTING REPORT" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [c for c in pages.typed(README) if " trade " in c.line], ids=["dry", "live"]
)
def test_readme_bot_when_started_as_written_then_it_runs_and_says_what_it_may_do(
    command: Command, tmp_path: Path
) -> None:
    """As written, but for the user directory and its database."""
    practice = tmp_path / "practice"
    practice.mkdir()
    words = [word.replace("practice", str(practice)) for word in command.words]
    program = str(Path(sys.executable).parent / command.program)
    told = dict(re.findall(r"([A-Z][A-Z_]+)=(\S+)", command.line))
    log = tmp_path / "bot.log"
    with _exchange("--data", str(write_simulated(tmp_path / "simulated"))), log.open("w") as out:
        bot = subprocess.Popen(
            [program, *words[1:]], cwd=ROOT, env={**os.environ, **told}, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 300
            while "state='RUNNING'" not in log.read_text() and time.monotonic() < deadline:
                assert bot.poll() is None, log.read_text()[-3000:]
                time.sleep(0.5)
            risk = [sys.executable, "-m", "strategies.desk.cli", "risk", "--userdir", str(practice)]
            shown = _run(risk)
        finally:
            os.killpg(bot.pid, signal.SIGKILL)  # asked to end, it would wait for its training
            bot.wait(timeout=60)
    live = "FREQTRADE__DRY_RUN" in told
    assert ("ACTIVE, but nothing is opened" if live else "ACTIVE: new positions") in shown
    assert ("equity by the exchange: 10,000.00" if live else "no trusted forecast") in shown


def test_model_table_when_compared_then_it_equals_the_catalogue() -> None:
    rows = re.findall(
        r"^\| ([^|]+?) \| `(\w+Forecaster)` \| ([^|]+?) \| ([^|]+?) \|$", MODELS, re.MULTILINE
    )
    specs = [catalog.load(name) for name in catalog.names()]
    assert sorted(rows) == sorted((s.title, s.forecaster, s.natural_use, s.source) for s in specs)


@contextmanager
def _exchange(*options: str) -> Iterator[None]:
    """Serve the loopback exchange where the shipped configs look for it."""
    command = [sys.executable, "-m", "strategies.desk.loopback", "--port", "18080", *options]
    exchange = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert exchange.stdout is not None
        assert exchange.stdout.readline().endswith(":18080\n")
        yield
    finally:
        exchange.terminate()
        exchange.wait(timeout=10)


def _run(arguments: list[str] | tuple[str, ...]) -> str:
    program = str(Path(sys.executable).parent / Path(arguments[0]).name)
    done = subprocess.run(
        [program, *arguments[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr
