"""Freqtrade's own web server draws the pack's columns: of a bot that trades, and without one."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.places import ROOT
from tests.test_integration.api_bot import Api
from tests.test_integration.conftest import make_desk
from tests.test_integration.live_bot import BTC, running_bot, settings
from tests.test_integration.running import RunningProcess, running, write_strategy

CONFIGS = {
    "BitcoinCrossMargin": "config_bitcoin.json",
    "VolatilityTarget": "config_volatility_target.json",
    "BitcoinAgent": "config_agent.json",
    "LitecoinHedge": "config_litecoin_hedge_model.json",
}

# The pack's columns as `with_forecasts` makes them; only the model's answer is given.
STRATEGY = '''
from types import SimpleNamespace

from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class Drawn(ForecastStrategy):
    """A forecast that never enters anything."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        forecast = dict.fromkeys(columns.FORECAST, 0.01) | {columns.SIGMA: 0.001}
        forecast |= {columns.P_UP: 0.3, columns.P_FLAT: 0.4, columns.P_DOWN: 0.3}
        forecast |= {columns.RETURN_LOW: -0.02, columns.RETURN_HIGH: 0.02}
        answered = lambda frame, metadata, made: frame.assign(**forecast, do_predict=1)
        self.freqai = SimpleNamespace(start=answered)
        return self.with_forecasts(dataframe, metadata)
'''


def named(plot: dict[str, Any]) -> set[str]:
    """Every column that a plot names."""
    return {*plot["main_plot"], *(name for sub in plot["subplots"].values() for name in sub)}


def test_bot_when_its_candles_are_asked_for_then_every_column_of_the_plot_is_among_them(
    tmp_path: Path, url: str
) -> None:
    rest = Api.somewhere()
    config = {**settings(url, [BTC], dry_run=True), **rest.settings()}
    arguments = write_strategy(tmp_path, STRATEGY)
    with running_bot(tmp_path, config, *arguments, acknowledged=False) as bot:
        asked = f"pair_candles?pair={BTC}&timeframe=1m&limit=5"
        bot.wait_for(rest.answers, "the API")
        bot.wait_for(lambda: rest.get(asked).get("length"), "analysed candles")
        plot, candles = rest.get("plot_config"), rest.get(asked)
    names = named(plot)
    assert {"p_up", "interval_low", "&-cascade_down"} <= names <= set(candles["columns"])
    newest = dict(zip(candles["columns"], candles["data"][-1], strict=True))
    assert all(isinstance(newest[name], float) for name in names)
    assert newest["interval_low"] < newest["close"] < newest["interval_high"]


@contextmanager
def web_server(folder: Path, rest: Api, *configs: Path) -> Iterator[RunningProcess]:
    """Run `freqtrade webserver` until the block ends."""
    served = {**rest.settings(), "strategy_path": str(ROOT / "strategies")}
    (folder / "api.json").write_text(json.dumps(served), encoding="utf-8")
    (folder / "user_data").mkdir(exist_ok=True)
    command = ["freqtrade", "webserver", "--userdir", str(folder / "user_data")]
    for config in (*configs, folder / "api.json"):
        command += ["--config", str(config)]
    with running(RunningProcess, folder, "web", command) as server:
        server.wait_for(rest.answers, "the web server")
        yield server


@pytest.mark.parametrize("strategy", CONFIGS)
def test_web_server_when_a_strategy_is_asked_for_then_its_plot_is_the_strategys_own(
    tmp_path: Path, strategy: str
) -> None:
    rest = Api.somewhere()
    with web_server(tmp_path, rest, ROOT / "user_data" / CONFIGS[strategy]):
        plot = rest.get(f"plot_config?strategy={strategy}")
    own = getattr(importlib.import_module(f"strategies.{strategy}"), strategy).plot_config
    assert named(plot) == named({"main_plot": {}, "subplots": {}, **own})


@pytest.mark.slow
def test_web_server_when_a_history_is_asked_for_then_it_shows_what_a_backtest_has_forecast(
    tmp_path: Path, url: str, simulated_datadir: Path
) -> None:
    rest, span = Api.somewhere(), "20240401-20240501"
    desk = make_desk(tmp_path, simulated_datadir)
    exchange = settings(url, [BTC], dry_run=True)["exchange"]
    given = {**desk.settings(), "exchange": exchange}
    desk.config.write_text(json.dumps(given), encoding="utf-8")
    (desk.userdir / "data").mkdir()
    (desk.userdir / "data" / "binance").symlink_to(desk.datadir)
    asked = (
        f"pair_history?pair={BTC}&timeframe=1h&timerange={span}"
        "&strategy=BitcoinCrossMargin&freqaimodel=LinearForecaster"
    )
    with web_server(tmp_path, rest, desk.config):
        status, said = rest.ask(asked)
        assert status == 502
        assert "the web server trains no model" in said
        assert f"freqtrade backtesting --timerange {span}" in said
        command = [
            *(sys.executable, "-m", "freqtrade", "backtesting", "--config", desk.config),
            *("--userdir", desk.userdir, "--timerange", span, "--freqaimodel", "LinearForecaster"),
        ]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        plot, shown = rest.get("plot_config?strategy=BitcoinCrossMargin"), rest.get(asked)
    assert named(plot) <= set(shown["columns"])
    frame = pd.DataFrame(shown["data"], columns=shown["columns"])
    kept = pd.concat(
        map(pd.read_feather, sorted(desk.userdir.glob("models/*/backtesting_predictions/*")))
    )
    assert len(frame) == len(kept) + 1 == 30 * 24 + 1  # the candle at the end of the span is shown
    assert list(pd.to_datetime(frame["date"]))[:-1] == list(kept["date"])
    np.testing.assert_allclose(frame["p_up"][:-1].astype(float), kept["p_up"], rtol=1e-6)
    assert (frame["do_predict"][:-1] == 1).all()
