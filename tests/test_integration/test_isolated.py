"""Isolated leverage above the limit, in Freqtrade's own backtest: chosen, accepted, and small."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from strategies.desk.backtests.demo import loopback_environment
from tests.exchange.server import running_exchange
from tests.places import ROOT, USER_DATA
from tests.test_integration import given_bot
from tests.test_integration.live_bot import acknowledge_risk
from tests.test_integration.running import write_strategy

# A calm forecast, in and out by the clock: what is tried is leverage and stake.
STRATEGY = given_bot.STRATEGY.replace('timeframe = "1m"', 'timeframe = "1h"').replace(
    "assign(**{side: 1})", "assign(**{side: (dataframe['date'].dt.hour % 6 == 0).astype(int)})"
)


def backtest(folder: Path, datadir: Path, *, accepted: bool) -> list[dict[str, Any]]:
    """Return the trades of two weeks on isolated margin with 20x in the config."""
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    block = shipped["breakwater"]
    block["limits"] |= {"isolated_leverage": 20.0}
    config = {
        "add_config_files": [str(USER_DATA / "config_base.json")],
        "margin_mode": "isolated",
        "breakwater": block,
        "exchange": {"pair_whitelist": ["BTC/USDT:USDT"]},
    }
    userdir = folder / "user_data"
    (userdir / "backtest_results").mkdir(parents=True)
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    if accepted:
        acknowledge_risk(userdir, path)
    with running_exchange() as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "freqtrade", "backtesting", "--config", str(path)),
                *("--userdir", str(userdir), "--datadir", str(datadir)),
                *("--timerange", "20240401-20240415", "--cache", "none", "--export", "trades"),
                *write_strategy(folder, STRATEGY),
            ],
            cwd=ROOT, env=loopback_environment(url), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "raised exception" not in done.stdout + done.stderr
    (packed,) = (userdir / "backtest_results").glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        result = json.loads(archive.read(f"{packed.stem}.json"))
    trades: list[dict[str, Any]] = result["strategy"]["GivenForecast"]["trades"]
    return trades


@pytest.mark.parametrize("accepted", [True, False])
def test_backtest_when_isolated_leverage_is_chosen_then_only_an_accepted_risk_reaches_it(
    tmp_path: Path, simulated_datadir: Path, accepted: bool
) -> None:
    trades = backtest(tmp_path, simulated_datadir, accepted=accepted)
    assert len(trades) > 5
    assert {trade["leverage"] for trade in trades} == {20.0 if accepted else 3.0}
    wallet = 10_000.0
    for trade in trades:
        # At 1 % of price the stop is hit long before the margin of 5 % is used up.
        assert trade["exit_reason"] != "liquidation"
        if accepted:
            assert 0 < trade["stake_amount"] <= 0.01 * wallet * 1.001
        wallet += trade["profit_abs"]
