"""The pack as Freqtrade's own commands see it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.places import ROOT

CONSOLE = [str(Path(sys.executable).with_name("freqtrade"))]
MODULE = [sys.executable, "-m", "freqtrade"]


def freqtrade(launcher: list[str], *arguments: str) -> str:
    done = subprocess.run(
        [*launcher, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def row(table: str, name: str) -> str:
    return next(line for line in table.splitlines() if name in line)


@pytest.mark.parametrize("launcher", [CONSOLE, MODULE], ids=["console", "module"])
def test_list_strategies_when_asked_then_every_strategy_is_ok(launcher):
    table = freqtrade(launcher, "list-strategies", "--userdir", "user_data",
                      "--strategy-path", "strategies")  # fmt: skip
    for path in (ROOT / "strategies").glob("[A-Z]*.py"):
        assert "OK" in row(table, path.stem)


@pytest.mark.parametrize("launcher", [CONSOLE, MODULE], ids=["console", "module"])
def test_list_freqaimodels_when_asked_then_every_model_is_ok(launcher):
    table = freqtrade(launcher, "list-freqaimodels", "--userdir", "user_data",
                      "--freqaimodel-path", "freqaimodels")  # fmt: skip
    for path in (ROOT / "freqaimodels").glob("[A-Z]*.py"):
        assert "OK" in row(table, path.stem)
    assert "PackModel" not in table


@pytest.mark.skipif(find_spec("optuna") is not None, reason="hyperopt is installed here")
def test_hyperopt_when_it_is_not_installed_then_freqtrade_says_what_to_install_in_one_line():
    done = subprocess.run(
        [*CONSOLE, "hyperopt", "--strategy", "BitcoinCrossMargin", "--config",
         "user_data/config_bitcoin.json", "--freqaimodel", "LSTMForecaster", "--epochs", "1"],
        cwd=ROOT, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    [said] = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert "Please ensure that the hyperopt dependencies are installed." in said
