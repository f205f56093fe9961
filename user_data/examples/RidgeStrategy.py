"""Own signals from an own FreqAI model, behind the pack's guards and its account audit.

freqtrade backtesting -c user_data/examples/config_own_model.json
breakwater audit --data /path/to/freqtrade/data/binance

The signals are this file's. Stake, stop, leverage, limits, breakers and control are the pack's:
risk is measured by the past volatility of the traded pair.
"""

import numpy as np
import talib
from pandas import DataFrame

from strategies.bot.own_signals import OwnSignalsStrategy

HORIZON = 4  # candles that the model is asked about
COST = 0.0014  # a round trip, of notional: no entry below it


class RidgeStrategy(OwnSignalsStrategy):
    timeframe = "1h"
    startup_candle_count = 200
    stop_horizon_candles = HORIZON

    def feature_engineering_expand_basic(self, dataframe: DataFrame, metadata: dict, **kwargs):
        close = dataframe["close"].to_numpy()
        return dataframe.assign(
            **{
                "%-return_1": np.log(dataframe["close"] / dataframe["close"].shift(1)),
                "%-return_24": np.log(dataframe["close"] / dataframe["close"].shift(24)),
                "%-rsi_14": talib.RSI(close, 14) / 50 - 1,
            }
        )

    def feature_engineering_standard(self, dataframe: DataFrame, metadata: dict, **kwargs):
        return dataframe.assign(**{"%-hour": dataframe["date"].dt.hour})

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs):
        ahead = np.log(dataframe["close"].shift(-HORIZON) / dataframe["close"])
        return dataframe.assign(**{"&-ahead": ahead})

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        trusted = dataframe["do_predict"] == 1
        dataframe["enter_long"] = (trusted & (dataframe["&-ahead"] > COST)).astype(int)
        dataframe["enter_short"] = (trusted & (dataframe["&-ahead"] < -COST)).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["exit_long"] = (dataframe["&-ahead"] < 0).astype(int)
        dataframe["exit_short"] = (dataframe["&-ahead"] > 0).astype(int)
        return dataframe
