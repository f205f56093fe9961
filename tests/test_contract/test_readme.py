"""What pages tell to type is typed: listings and backtests; README's path in `test_readme_path.py`.

What all pages promise alike (options, links, paths, results) is held in `test_docs.py`.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.learn import catalog
from strategies.desk.backtests.simulated_data import write_simulated
from tests.exchange.shipped import CONFIG, port_of_the_shipped_configs
from tests.places import ROOT
from tests.readme_path import path_lines
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
    {
        c.line
        for page in TYPED_WHOLE
        for c in pages.typed(page)
        if c.program == "freqtrade" and "bot" not in c.words
    }
)
# Run whole elsewhere, because they take minutes or a network.
ELSEWHERE = {
    "make demo": "tests/test_integration/test_demo.py",
    "make data": "tests/test_contract/test_docs.py",  # its recipe: it needs a network
    ".venv/bin/breakwater halt --userdir bot": "tests/test_strategies/desk/test_control_desk.py",
}
PATH = "tests/test_integration/test_readme_path.py"
LOOPBACK = "user_data/config_loopback.json"


def test_readme_when_its_commands_are_listed_then_each_is_run_by_some_test_and_few() -> None:
    typed = {c.line for c in pages.typed(README)}
    others = [line for line in typed if line not in ELSEWHERE]
    assert set(ELSEWHERE) <= typed, "one left: drop it here too"
    assert all((ROOT / path).is_file() for path in (*ELSEWHERE.values(), PATH))
    assert sorted(others) == sorted(c.line for c in path_lines().values())
    assert len(others) <= 10


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
    with port_of_the_shipped_configs() as port, _exchange(port):
        out = _run([*arguments, "--userdir", str(tmp_path / "user_data")])
    assert "raised exception" not in out
    assert "BACKTESTING REPORT" in out


def test_model_table_when_compared_then_it_equals_the_catalogue() -> None:
    rows = re.findall(
        r"^\| ([^|]+?) \| `(\w+Forecaster)` \| ([^|]+?) \| ([^|]+?) \|$", MODELS, re.MULTILINE
    )
    specs = [catalog.load(name) for name in catalog.names()]
    assert sorted(rows) == sorted((s.title, s.forecaster, s.natural_use, s.source) for s in specs)


def test_port_of_the_shipped_configs_when_a_test_serves_there_then_no_other_one_does() -> None:
    with port_of_the_shipped_configs() as port, CONFIG.open(encoding="utf-8") as other:
        assert f":{port}/" in other.read()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with CONFIG.open(encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _exchange(port: int) -> Iterator[None]:
    """Serve the loopback exchange at a port."""
    command = [sys.executable, "-m", "strategies.desk.loopback", "--port", str(port)]
    exchange = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert exchange.stdout is not None
        assert exchange.stdout.readline().endswith(f":{port}\n")
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
