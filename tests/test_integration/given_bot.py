"""The pack's strategy on forecasts that never change."""

from __future__ import annotations

# The pack's hooks, all of them; only the forecast is given, because training takes minutes.
STRATEGY = '''
from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class GivenForecast(ForecastStrategy):
    """Long BTC and short ETH, from a forecast that never changes."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        forecast = dict.fromkeys(columns.FORECAST, 0.01)
        forecast |= {columns.SIGMA: 0.001, columns.ABSTAIN: 0.0, columns.P_UP: 0.4}
        forecast |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}  # calm
        forecast |= {columns.RETURN_LOW: -0.02, columns.RETURN_HIGH: 0.02}
        if metadata["pair"].startswith("ETH"):  # sized by the edge to its side
            forecast |= {columns.EDGE: -0.01, columns.EDGE_LOW: -0.01}
        dataframe = dataframe.assign(**forecast, do_predict=1)
        return dataframe.assign(
            interval_low=dataframe["close"] * 0.98, interval_high=dataframe["close"] * 1.02
        )

    def populate_entry_trend(self, dataframe, metadata):
        side = "enter_long" if metadata["pair"].startswith("BTC") else "enter_short"
        return dataframe.assign(**{side: 1})

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
'''
