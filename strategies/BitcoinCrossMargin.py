"""Bitcoin on cross margin, one strategy for every model of the pack.

freqtrade backtesting -c user_data/config_bitcoin.json --freqaimodel LSTMForecaster
"""

from strategies.bot.forecast import PackStrategy


class BitcoinCrossMargin(PackStrategy):
    timeframe = "1h"
