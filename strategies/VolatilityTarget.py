"""Bitcoin held long at a target risk, scaled by forecast volatility; never which way.

freqtrade backtesting -c user_data/config_volatility_target.json --freqaimodel VolatilityForecaster
"""

from strategies.bot.volatility_target import VolatilityTargetStrategy


class VolatilityTarget(VolatilityTargetStrategy):
    timeframe = "1h"
