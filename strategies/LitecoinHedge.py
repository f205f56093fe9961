"""The hedge of a Litecoin position: one position, one or two legs against it.

freqtrade backtesting -c user_data/config_litecoin_hedge.json
"""

from strategies.bot.hedge import HedgeStrategy


class LitecoinHedge(HedgeStrategy):
    timeframe = "1h"
