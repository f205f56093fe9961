"""Bitcoin on cross margin, on the forecasts of another bot; this one needs no model.

freqtrade trade -c user_data/config_consumer.json
"""

from strategies.bot.consumer import ConsumerStrategy


class BitcoinConsumer(ConsumerStrategy):
    timeframe = "1h"
