"""The two bots of the live benchmark: what they run, and on what settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.places import ROOT, USER_DATA
from tests.test_integration import running
from tests.test_integration.live_bot import settings

PACK: Final = "pack"
STOCK: Final = "stock"

# Both enter every pair after odd minutes and leave it after even ones, whatever they forecast: what
# is timed is the way to the order. The forecast is computed and needed all the same.
_PACK_STRATEGY: Final = """
import logging

from strategies.BitcoinCrossMargin import BitcoinCrossMargin

logger = logging.getLogger("freqtrade.bench")


class Bench(BitcoinCrossMargin):
    timeframe = "1m"

    def populate_entry_trend(self, dataframe, metadata):
        frame = super().populate_entry_trend(dataframe, metadata)
        if frame["do_predict"].iloc[-1] == 1:
            logger.info("forecast of %s", metadata["pair"])
        odd = frame["date"].dt.minute % 2 == 1
        return frame.assign(enter_long=((frame["do_predict"] == 1) & odd).astype(int),
                            enter_short=0)

    def populate_exit_trend(self, dataframe, metadata):
        frame = super().populate_exit_trend(dataframe, metadata)
        return frame.assign(exit_long=(frame["date"].dt.minute % 2 == 0).astype(int))
"""

# The features are those of Freqtrade's own FreqAI example, as its documentation lists them.
_STOCK_STRATEGY: Final = """
import logging

import talib.abstract as ta
from freqtrade.strategy import IStrategy

logger = logging.getLogger("freqtrade.bench")


class Bench(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = True
    process_only_new_candles = True
    startup_candle_count = 40
    stoploss = -0.5
    minimal_roi = {"0": 100.0}
    use_exit_signal = True
    order_types = {"entry": "market", "exit": "market", "stoploss": "market",
                   "stoploss_on_exchange": True}

    def feature_engineering_expand_all(self, dataframe, period, metadata, **kwargs):
        dataframe["%-rsi-period"] = ta.RSI(dataframe, timeperiod=period)
        dataframe["%-mfi-period"] = ta.MFI(dataframe, timeperiod=period)
        dataframe["%-adx-period"] = ta.ADX(dataframe, timeperiod=period)
        dataframe["%-sma-period"] = ta.SMA(dataframe, timeperiod=period)
        dataframe["%-ema-period"] = ta.EMA(dataframe, timeperiod=period)
        bands = ta.BBANDS(dataframe, timeperiod=period, nbdevup=2.2, nbdevdn=2.2)
        width = bands["upperband"] - bands["lowerband"]
        dataframe["%-bb_width-period"] = width / bands["middleband"]
        dataframe["%-close-bb_lower-period"] = dataframe["close"] / bands["lowerband"]
        dataframe["%-roc-period"] = ta.ROC(dataframe, timeperiod=period)
        mean = dataframe["volume"].rolling(period).mean()
        dataframe["%-relative_volume-period"] = dataframe["volume"] / mean
        return dataframe

    def feature_engineering_expand_basic(self, dataframe, metadata, **kwargs):
        dataframe["%-pct-change"] = dataframe["close"].pct_change()
        dataframe["%-raw_volume"] = dataframe["volume"]
        dataframe["%-raw_price"] = dataframe["close"]
        return dataframe

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe["%-day_of_week"] = dataframe["date"].dt.dayofweek
        dataframe["%-hour_of_day"] = dataframe["date"].dt.hour
        return dataframe

    def set_freqai_targets(self, dataframe, metadata, **kwargs):
        period = self.freqai_info["feature_parameters"]["label_period_candles"]
        ahead = dataframe["close"].shift(-period).rolling(period).mean()
        dataframe["&-s_close"] = ahead / dataframe["close"] - 1
        return dataframe

    def populate_indicators(self, dataframe, metadata):
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe, metadata):
        if dataframe["do_predict"].iloc[-1] == 1:
            logger.info("forecast of %s", metadata["pair"])
        odd = dataframe["date"].dt.minute % 2 == 1
        dataframe["enter_long"] = ((dataframe["do_predict"] == 1) & odd).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = (dataframe["date"].dt.minute % 2 == 0).astype(int)
        return dataframe

    def leverage(self, **kwargs):
        return 3.0
"""


def write_strategy(folder: Path, name: str) -> tuple[str, ...]:
    """Write the strategy of `name` and return the arguments that find it."""
    return running.write_strategy(folder, _PACK_STRATEGY if name == PACK else _STOCK_STRATEGY)


def configuration(name: str, url: str, pairs: Sequence[str], *, training: bool) -> dict[str, Any]:
    """Return the whole configuration; with `training`, models are trained without a pause."""
    config = settings(url, list(pairs), dry_run=False)
    config |= {"timeframe": "1m", "max_open_trades": len(pairs), "dataformat_ohlcv": "feather"}
    retrain_hours = 0.0001 if training else 24
    return _pack(config, retrain_hours) if name == PACK else _stock(config, retrain_hours)


def _pack(config: dict[str, Any], retrain_hours: float) -> dict[str, Any]:
    user_data = USER_DATA
    config.pop("internals")
    files = ("config_bitcoin.json", "config_low_latency.json")
    return config | {
        "add_config_files": [str(user_data / name) for name in files],
        "strategy": "Bench",
        "freqaimodel": "LSTMForecaster",
        "freqaimodel_path": str(ROOT / "freqaimodels"),
        "stake_amount": "unlimited",
        "freqai": {
            "train_period_days": 34,  # cascade labels look back over 30
            "live_retrain_hours": retrain_hours,
            "feature_parameters": {"include_timeframes": ["1m"]},
            "model_training_parameters": {"training": {"max_steps": 20}},
        },
        # Small enough for every pair to find room under the limits; and entering every pair every
        # other minute is what the guard against repeats is there to stop; what is slow is measured.
        # They are entered whatever is forecast, so that no edge is asked for either, nor a hazard:
        # four days of minutes are too few to count its false alarms on.
        "breakwater": {
            "decision": {"without": ["quantiles", "hazard"]},
            "sizing": {"risk_per_trade_frac": 0.001},
            "guards": {"max_repeats": 1000, "max_latency_frac": 1.0},
        },
    }


def _stock(config: dict[str, Any], retrain_hours: float) -> dict[str, Any]:
    config.pop("internals")  # Freqtrade's default throttle
    return config | {
        # Stock FreqAI cannot train live on feather files: pandas 3 reads their dates as another
        # kind of UTC than the exchange's candles have, and the two do not append.
        "dataformat_ohlcv": "json",
        "strategy": "Bench",
        "freqaimodel": "LightGBMRegressor",
        "stake_amount": 500,
        "freqai": {
            "enabled": True,
            "identifier": "stock",
            "train_period_days": 15,
            "backtest_period_days": 7,
            "live_retrain_hours": retrain_hours,
            "purge_old_models": 2,
            "feature_parameters": {
                "include_timeframes": ["1m"],
                "include_corr_pairlist": ["ETH/USDT:USDT"],
                "label_period_candles": 24,
                "include_shifted_candles": 2,
                "weight_factor": 0.9,
                "indicator_periods_candles": [10, 20],
            },
            "data_split_parameters": {"test_size": 0.33, "random_state": 1},
            "model_training_parameters": {"n_estimators": 800},
        },
    }
