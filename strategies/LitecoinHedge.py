"""The hedge of a Litecoin position: one position, one or two legs against it.

freqtrade backtesting -c user_data/config_litecoin_hedge.json
"""

from strategies.base.hedging import HedgeStrategy


class LitecoinHedge(HedgeStrategy):
    timeframe = "1h"
