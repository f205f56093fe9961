"""The same candles give the same forecast, through FreqAI's backtest path and its live path."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.configuration import Configuration
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, MarginMode, RunMode, TradingMode
from freqtrade.freqai.data_drawer import METADATA
from freqtrade.optimize.backtesting import Backtesting

from models.base import columns
from tests.exchange.client import ccxt_config
from tests.exchange.server import running_exchange
from tests.test_integration.conftest import make_desk

PAIR = "BTC/USDT:USDT"
START, SECOND_WINDOW, STOP = (pd.Timestamp(f"2024-04-{d}", tz="UTC") for d in ("01", "16", "25"))
LIVE_CANDLES = 999  # what Binance returns to a live bot


class LiveProvider(DataProvider):
    """Freqtrade's data provider with the exchange replaced by recorded candles up to `now`."""

    def __init__(self, config: dict[str, Any], recorded: dict[str, pd.DataFrame]) -> None:
        super().__init__(config, None)
        self.recorded, self.now = recorded, pd.Timestamp(0, tz="UTC")

    @property
    def runmode(self) -> RunMode:
        return RunMode.DRY_RUN

    def current_whitelist(self) -> list[str]:
        return [PAIR]

    def get_pair_dataframe(self, pair: str, *_: Any, **__: Any) -> pd.DataFrame:
        frame = self.recorded[pair]
        return frame[frame["date"] <= self.now].tail(LIVE_CANDLES).reset_index(drop=True)


@pytest.fixture(scope="module")
def paths(
    tmp_path_factory: pytest.TempPathFactory, simulated_datadir: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecasts of the last backtest window: (backtest path, all rows; live path, some)."""
    desk = make_desk(tmp_path_factory.mktemp("parity"), simulated_datadir)
    with running_exchange() as url:
        config = Configuration.from_files([str(desk.config)])
        config["exchange"]["ccxt_config"] = ccxt_config(url)
        config.update(
            runmode=RunMode.BACKTEST,
            user_data_dir=desk.userdir,
            datadir=simulated_datadir,
            timerange="20240401-20240425",  # two windows: the second starts with carried context
            freqaimodel="LSTMForecaster",
            candle_type_def=CandleType.FUTURES,
            trading_mode=TradingMode.FUTURES,
            margin_mode=MarginMode.CROSS,
            export="none",
            original_config={},
            pairs=[PAIR],
            config_files=[desk.config],
        )
        backtest = Backtesting(config)
        data, _ = backtest.load_bt_data()
        strategy = backtest.strategylist[0]
        backtest._set_strategy(strategy)
        offline = strategy.advise_all_indicators(data)[PAIR]
        offline = offline[offline["date"] < STOP]  # Freqtrade loads one candle past the end
        other = "ETH/USDT:USDT"
        recorded = {PAIR: data[PAIR], other: strategy.dp.get_pair_dataframe(other, "1h")}
        live = _live(strategy, config, recorded, offline)
        Backtesting.cleanup()
    return offline.set_index("date").loc[START:], live


def _live(
    strategy: Any, config: dict[str, Any], recorded: dict[str, pd.DataFrame], offline: pd.DataFrame
) -> pd.DataFrame:
    """Feed the last window's model one candle after another, as a running bot does."""
    freqai = strategy.freqai
    model = freqai.dd.model_dictionary[PAIR]
    # The live bookkeeping of a model trained a moment ago.
    freqai.dd.pair_dict[PAIR]["trained_timestamp"] = int(time.time())
    manifest = model.manifest
    for extra in ("labels_mean", "labels_std"):
        freqai.dd.meta_data_dictionary[PAIR][METADATA][extra] = dict.fromkeys(columns.FORECAST, 0.0)
    provider = LiveProvider(config, recorded)
    freqai.dd.historic_data = {p: {"1h": f.copy()} for p, f in recorded.items()}
    strategy.dp = provider
    # No training thread: the model under test must not change. A thread that has ended would be
    # started again.
    freqai.scanning, freqai._threads = True, [threading.main_thread()]
    second = offline.loc[offline["date"] >= SECOND_WINDOW, "date"]
    # FreqAI marks everything on a bot's first candle as "not predicted"; it is left out below.
    dates = pd.concat((second.iloc[:31], second.iloc[-30:]))
    rows = []
    for date in dates:
        provider.now = date
        for p, frame in recorded.items():
            freqai.dd.historic_data[p]["1h"] = frame[frame["date"] <= date]
        frame = provider.get_pair_dataframe(PAIR)
        rows.append(strategy.populate_indicators(frame, {"pair": PAIR}).iloc[-1])
    assert manifest["context_candles"] <= freqai.CONV_WIDTH
    assert model._carried[PAIR].candles == 29  # after the first of the last 30
    return pd.DataFrame(rows[1:]).set_index("date")


def test_live_forecast_when_given_the_same_candles_then_it_equals_the_backtest_row_by_row(paths):
    offline, live = paths
    offline = offline.loc[live.index]
    assert len(live) == 60
    assert (live["do_predict"] == 1).all()
    # Of the drift, which a month of training cannot tell: tests/test_contract/test_predictor.py.
    others = (*columns.HEDGE, columns.POLICY, columns.DRIFT)
    for name in (n for n in columns.FORECAST if n not in others):
        a, b = offline[name].to_numpy(float), live[name].to_numpy(float)
        assert np.isfinite(a).all(), name
        tolerance = 1e-4 * max(float(a.std()), 1e-9) + 1e-12
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance, err_msg=name)


def test_parity_check_when_forecasts_are_one_candle_late_then_it_would_fail(paths):
    offline, live = paths
    a = offline.loc[live.index, columns.P_UP].to_numpy(float)
    b = live[columns.P_UP].to_numpy(float)
    assert np.abs(b[1:] - a[:-1]).max() > 1e-2 * a.std()


def test_backtest_when_a_second_window_starts_then_no_forecast_is_lost_to_warm_up(paths):
    offline, _ = paths
    assert len(offline) == 24 * 24
    assert (offline["do_predict"] == 1).all()
