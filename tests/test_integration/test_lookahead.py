"""Freqtrade's own look-ahead analysis of the strategy with a freshly trained model."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from strategies.desk.backtests.demo import loopback_environment
from tests.exchange.server import running_exchange
from tests.places import ROOT
from tests.test_integration.conftest import make_desk


@pytest.mark.slow
def test_lookahead_analysis_when_run_then_no_entry_and_no_exit_is_biased(
    tmp_path, simulated_datadir
):
    desk = make_desk(tmp_path, simulated_datadir)
    with running_exchange() as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "freqtrade", "lookahead-analysis"),
                *("--config", str(desk.config), "--userdir", str(desk.userdir)),
                *("--datadir", str(desk.datadir), "--freqaimodel", "LSTMForecaster"),
                *("--timerange", "20240401-20240516"),
                *("--minimum-trade-amount", "2", "--targeted-trade-amount", "2"),
            ],
            cwd=ROOT,
            env={**loopback_environment(url), "COLUMNS": "400"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    row = next(line for line in done.stdout.splitlines() if "BitcoinCrossMargin.py" in line)
    cells = [cell.strip() for cell in re.split("[│|]", row)]
    signals, biased_entries, biased_exits = (int(c) for c in cells if c.isdigit())
    assert signals == 2
    assert (biased_entries, biased_exits) == (0, 0)
