"""Freqtrade's own backtest of post-only orders: its touch is a trade through the quote, in time."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base.types import Candles
from models.base.units import HOUR_MS, MINUTE_MS
from strategies.desk.backtests.data import load_checked
from strategies.desk.backtests.demo import loopback_environment
from strategies.desk.backtests.simulated_data import write_simulated
from tests.exchange.server import running_exchange
from tests.places import ROOT, USER_DATA
from tests.test_integration import given_bot
from tests.test_integration.live_bot import BTC
from tests.test_integration.running import write_strategy

TICK, STEP_MS = 0.1, 5 * MINUTE_MS
ENTRY_CANDLES, EXIT_CANDLES, HELD = 3, 2, 4 * 12
# A calm forecast, in and out by the clock: what is tried is how orders fill.
STRATEGY = given_bot.STRATEGY.replace('timeframe = "1m"', 'timeframe = "1h"').replace(
    "assign(**{side: 1})", "assign(**{side: (dataframe['date'].dt.hour % 6 == 0).astype(int)})"
)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detail") / "simulated"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    write_simulated(folder, seed=3, start=start, days=60, timeframe="5m")
    # Without wicks and in whole ticks: a price that runs away leaves quotes, and some are touched.
    path = folder / "futures" / "BTC_USDT_USDT-5m-futures.feather"
    frame = pd.read_feather(path)
    ends = frame[["open", "close"]].round(1)
    frame = frame.assign(open=ends["open"], close=ends["close"], high=ends.max(axis=1),
                         low=ends.min(axis=1))  # fmt: skip
    frame.to_feather(path)
    return folder


def backtest(folder: Path, datadir: Path, style: str) -> list[dict[str, Any]]:
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    block = shipped["breakwater"] | {
        "execution": {"style": style}, "decision": {"max_hold_candles": 4},
        "sizing": {"min_stop_frac": 0.1},  # a stop that is not in the way
    }  # fmt: skip
    config = {
        "add_config_files": [str(USER_DATA / "config_base.json")],
        "breakwater": block,
        "exchange": {"pair_whitelist": [BTC]},
    }
    userdir = folder / "user_data"
    (userdir / "backtest_results").mkdir(parents=True)
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with running_exchange() as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "freqtrade", "backtesting", "--config", str(path)),
                *("--userdir", str(userdir), "--datadir", str(datadir)),
                *("--timerange", "20240110-20240228", "--timeframe-detail", "5m"),
                *("--cache", "none", "--export", "trades"),
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


def through(detail: Candles, first: int, side: int, candles: int) -> tuple[int, float] | None:
    """Return the candle that trades a tick through a quote that follows the opens, and its price.

    The quote stands a tick behind each candle's open; what Freqtrade is told is a tick beyond it.
    """
    reach, told = (detail.low if side > 0 else detail.high), -np.inf
    for row in range(first, first + candles):
        told = max(told, side * round(float(detail.open[row]) - side * 2 * TICK, 1))
        if side * float(reach[row]) <= told:
            return row, side * told
    return None


def test_backtest_when_orders_are_quoted_then_each_fills_by_the_rule_or_is_missed_or_goes_to_market(
    tmp_path: Path, datadir: Path
) -> None:
    detail = load_checked(datadir, BTC, "5m")
    first_ms = int(detail.time_ms[0])
    trades = {trade["open_timestamp"]: trade for trade in backtest(tmp_path, datadir, "maker")}
    assert len(trades) > 50
    wanted = missed = to_market = 0
    for hour in range(24 * 10, 24 * 57):
        decided_ms = first_ms + (hour + 1) * HOUR_MS
        if hour % 6:
            continue
        row = (decided_ms - first_ms) // STEP_MS
        filled = through(detail, row, 1, ENTRY_CANDLES)
        if filled is None:
            missed += 1
            assert not [t for t in trades if decided_ms <= t < decided_ms + HOUR_MS]
            continue
        wanted += 1
        trade = trades[decided_ms]  # Freqtrade dates a trade by its first order
        filled_ms = trade["orders"][0]["order_filled_timestamp"]
        assert filled_ms == first_ms + filled[0] * STEP_MS
        assert trade["open_rate"] == pytest.approx(filled[1], abs=1e-6)
        leaves = row + HELD
        left = through(detail, leaves, -1, EXIT_CANDLES)
        to_market += left is None
        closed_row, price = left or (leaves + EXIT_CANDLES, float(detail.open[leaves + 2]))
        assert trade["close_timestamp"] == first_ms + closed_row * STEP_MS
        assert trade["close_rate"] == pytest.approx(price, abs=TICK / 2)
    assert wanted > 50
    assert missed > 5
    assert to_market > 5


def test_backtest_when_the_style_is_taker_then_orders_fill_at_the_open_of_their_candle(
    tmp_path: Path, datadir: Path
) -> None:
    detail = load_checked(datadir, BTC, "5m")
    opens = dict(zip(detail.time_ms.tolist(), detail.open.tolist(), strict=True))
    for trade in backtest(tmp_path, datadir, "taker"):
        assert trade["open_timestamp"] % HOUR_MS == 0
        assert trade["open_rate"] == pytest.approx(opens[trade["open_timestamp"]], abs=TICK / 2)
