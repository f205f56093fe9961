"""The pack's strategy with forecasts made by hand, live on the loopback exchange."""

from __future__ import annotations

import json
from typing import Any

from tests.places import USER_DATA
from tests.test_integration.live_bot import BTC, settings

SIGMA = 0.01  # over the horizon: the working stop is 3 % away

STRATEGY = f'''
from freqtrade.persistence import Trade

from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class GuardedSignals(ForecastStrategy):
    """Long BTC on every candle; 40 % out once it has gained 0.5 %."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        sure = dict.fromkeys(columns.FORECAST, 0.0) | {{columns.SIGMA: {SIGMA}}}
        sure |= {{columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}}  # calm
        sure |= {{columns.EDGE: 0.05, columns.EDGE_LOW: 0.05}}  # worth any size the guards allow
        return dataframe.assign(do_predict=1, **sure)

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe.assign(enter_long=1)

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def wanted_adjustment(self, trade, current_time, current_rate):
        out = trade.nr_of_successful_exits == 0 and current_rate > 1.005 * trade.open_rate
        return -0.4 * trade.stake_amount if out else None
'''


def configuration(url: str, fast: str = "auto") -> dict[str, Any]:
    """Return the bot's configuration, with the shipped limits and the switch of the fast lane."""
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    return {
        **settings(url, [BTC], dry_run=False),
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "breakwater": {"sizing": shipped["breakwater"]["sizing"],
                       "limits": shipped["breakwater"]["limits"], "fast": fast},
    }  # fmt: skip
