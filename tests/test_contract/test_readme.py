"""README is a promise: its model table, its file names, and every command in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.learn import catalog
from strategies.desk.simulated_data import write_simulated
from tests.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
# Run whole elsewhere, because they take minutes or a network; here their recipe must resolve.
ELSEWHERE = {
    "make demo": "tests/test_integration/test_demo.py",
    "make demo DATA=/path/to/freqtrade/data/binance": "tests/test_integration/test_demo.py",
    "make hedge DATA=/path/to/freqtrade/data/binance": "tests/test_integration/test_hedge_desk.py",
    "make test": "this very run",
    "make data": "the exchange's public archive, which no test may reach",
    "make compare DATA=/path/to/freqtrade/data/binance": (
        "tests/test_strategies/desk/test_compare.py"
    ),
    "make bench": "tests/benchmarks/test_benchmark_smoke.py",
    "make bench-live": "tests/benchmarks/test_live_benchmark.py",
    "make exchange": "tests/test_integration/test_loopback_exchange.py",
}
TYPED_BY = {
    ".venv/bin/breakwater cascades --data /path/to/freqtrade/data/binance": (
        "tests/test_strategies/desk/test_cascades.py"
    ),
    ".venv/bin/breakwater collect --config user_data/config_litecoin_hedge.json": (
        "tests/test_integration/test_collect_kill.py"
    ),
    ".venv/bin/breakwater exposure --data /path/to/freqtrade/data/binance": (
        "tests/test_strategies/desk/test_exposure.py"
    ),
    ".venv/bin/breakwater probe altered-future --data /path/to/freqtrade/data/binance": (
        "tests/test_strategies/desk/test_probe.py"
    ),
    ".venv/bin/breakwater halt": "tests/test_strategies/desk/test_control_desk.py",
    ".venv/bin/breakwater liquidation --data /path/to/freqtrade/data/binance": (
        "tests/test_strategies/desk/test_stress.py"
    ),
    ".venv/bin/breakwater stress": "tests/test_strategies/desk/test_stress.py",
    ".venv/bin/breakwater acknowledge --config user_data/config_bitcoin.json": (
        "tests/test_strategies/desk/test_acknowledge.py"
    ),
    ".venv/bin/breakwater journal show": "tests/test_strategies/desk/test_control_desk.py",
    ".venv/bin/breakwater journal verify": "tests/test_strategies/desk/test_control_desk.py",
    ".venv/bin/breakwater watchdog --supervise --config user_data/config_bitcoin.json": (
        "tests/test_integration/controlled_bot.py"
    ),
    ".venv/bin/breakwater explain --time 2025-08-01T12:00": "tests/test_integration/test_demo.py",
}
# Written by runs or people, or an example of a new file.
WRITTEN = (
    "user_data/reports", "user_data/models", "user_data/control", "user_data/journal",
    "user_data/dry_run",
    "user_data/feeds", "models/learn/nets/foo",
)  # fmt: skip
RUN_HERE = [c for c in COMMANDS if c not in ELSEWHERE and c not in TYPED_BY]


def test_readme_when_its_commands_are_listed_then_each_is_run_by_some_test():
    assert {*ELSEWHERE, *TYPED_BY} <= set(COMMANDS), "a command left the README: drop it here too"
    for command, path in TYPED_BY.items():
        assert f'"{command.split()[1]}"' in (ROOT / path).read_text(encoding="utf-8")
    assert all(c.startswith(".venv/bin/freqtrade ") for c in RUN_HERE), RUN_HERE


@pytest.mark.parametrize("command", sorted(ELSEWHERE))
def test_make_target_when_dry_run_then_its_recipe_resolves(command):
    done = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    where = ELSEWHERE[command]
    assert not where.startswith("tests/") or (ROOT / where).is_file()


@pytest.mark.parametrize("command", [c for c in RUN_HERE if " list-" in c])
def test_readme_listing_when_run_as_written_then_it_succeeds(command):
    _run(command.split())


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in RUN_HERE if " backtesting " in c])
def test_readme_backtest_when_run_as_written_then_it_succeeds(command, tmp_path):
    """As written, but for the data directory, a shorter span and the exchange's address."""
    datadir = write_simulated(tmp_path / "simulated")
    (tmp_path / "user_data").mkdir()
    arguments = command.split()
    arguments[arguments.index("--timerange") + 1] = "20250301-20250311"
    if "--datadir" in arguments:
        arguments[arguments.index("--datadir") + 1] = str(datadir)
    else:
        arguments += ["--datadir", str(datadir), "--config", "user_data/config_loopback.json"]
    exchange = subprocess.Popen(
        [sys.executable, "-m", "strategies.desk.loopback", "--port", "18080"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert exchange.stdout is not None
        assert exchange.stdout.readline().endswith(":18080\n")
        out = _run([*arguments, "--userdir", str(tmp_path / "user_data")])
    finally:
        exchange.terminate()
        exchange.wait(timeout=10)
    assert "raised exception" not in out
    assert "BACKTESTING REPORT" in out


def test_readme_model_table_when_compared_then_it_equals_the_catalogue():
    rows = re.findall(
        r"^\| ([^|]+?) \| `(\w+Forecaster)` \| ([^|]+?) \| ([^|]+?) \|$", README, re.M
    )
    specs = [catalog.load(name) for name in catalog.names()]
    assert sorted(rows) == sorted((s.title, s.forecaster, s.natural_use, s.source) for s in specs)


def test_readme_links_when_they_lead_into_the_checkout_then_their_pages_exist():
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_readme_paths_when_named_then_they_exist():
    for path in re.findall(
        r"`((?:models|strategies|freqaimodels|tests|user_data)/[\w./*]+)`", README
    ):
        if path.startswith(WRITTEN):
            continue
        if path == "freqaimodels/FooForecaster.py":
            continue
        assert list(ROOT.glob(path.rstrip("/"))), path


def _run(arguments: list[str]) -> str:
    program = str(Path(sys.executable).parent / Path(arguments[0]).name)
    done = subprocess.run(
        [program, *arguments[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr
