"""An own strategy on the pack's forecasts: longs only, and none while the month falls.

breakwater demo --config user_data/examples/config_longs_only.json --model LSTMForecaster

What is not overridden stays the pack's: edge, hazard, stake, stop, guards. Taking entries away is
safe; one that is added here still has to pass every guard.
"""

import numpy as np
from pandas import DataFrame

from strategies.BitcoinCrossMargin import BitcoinCrossMargin

MONTH = 30 * 24  # candles


class BitcoinLongsOnly(BitcoinCrossMargin):
    timeframe = "1h"
    startup_candle_count = MONTH

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        frame = super().populate_entry_trend(dataframe, metadata)
        rises = frame["close"] > frame["close"].shift(MONTH)  # known at the candle's close
        frame["enter_long"] = np.where(rises, frame["enter_long"], 0)
        frame["enter_short"] = 0
        return frame
