"""Bitcoin on cross margin, one strategy for every model of the pack.

freqtrade backtesting -c user_data/config_bitcoin.json --freqaimodel LSTMForecaster
"""

from strategies.bot.forecast import ForecastStrategy


class BitcoinCrossMargin(ForecastStrategy):
    timeframe = "1h"
