"""The hedge in a dry-run through a named crash, with a model that dies in the middle of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.base.files import wall_clock_ms
from models.base.types import Candles
from models.base.units import MINUTE_MS
from strategies.desk.loopback.replay import ReplayedMarket, candle_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.places import SHARED
from tests.test_integration.live_bot import BTC, ETH, LiveBot, running_bot, settings
from tests.test_integration.running import KEY, SECRET, write_strategy

LTC = "LTC/USDT:USDT"
CRASH = SHARED / "data" / "events" / "2021-05-19_china"
FALL = pd.Timestamp("2021-05-19T10:00Z")  # Litecoin went from 284 to 190 within three hours

# The network itself has its own tests; what is tried is what becomes of the hedge when it answers
# no more. It sees a cascade coming until the file is there.
STRATEGY = """
from pathlib import Path

from models.base import columns
from strategies.LitecoinHedge import LitecoinHedge


class Model:
    def start(self, dataframe, metadata, strategy):
        if Path("MODEL_IS_DEAD").exists():
            raise ConnectionError("the model does not answer")
        row = dict.fromkeys(columns.FORECAST, 0.01) | {
            columns.P_UP: 0.3, columns.P_FLAT: 0.4, columns.P_DOWN: 0.3, columns.ABSTAIN: 0.0,
            columns.FALSE_ALARMS_DOWN: 0.05, columns.FALSE_ALARMS_UP: 5.0,
        }
        return dataframe.assign(do_predict=1, **row)


class CrashHedge(LitecoinHedge):
    timeframe = "1m"
    forecasts = True

    def populate_indicators(self, dataframe, metadata):
        self.freqai = Model()
        return super().populate_indicators(dataframe, metadata)
"""


def hour_a_minute(pair: str, now_ms: int) -> Any:
    """Return the crash's hourly candles as minutes, its first hour the one that forms now."""
    coin = pair.split("/")[0]
    frame = pd.read_feather(CRASH / "futures" / f"{coin}_USDT_USDT-1h-futures.feather")
    hours = ((frame["date"] - FALL) / pd.Timedelta(hours=1)).round().astype(np.int64).to_numpy()
    columns = {c: frame[c].to_numpy(np.float64) for c in ("open", "high", "low", "close", "volume")}
    times = now_ms // MINUTE_MS * MINUTE_MS + hours * MINUTE_MS
    return candle_feed(Candles(time_ms=times, **columns), MINUTE_MS)


def configuration(url: str) -> dict[str, Any]:
    config = settings(url, [LTC, BTC, ETH], dry_run=True)
    return config | {
        "stake_amount": "unlimited",
        "max_open_trades": 3,
        "timeframe": "1m",
        "dry_run_wallet": 30_000,
        "breakwater": {
            # A busy test machine is slower than any that trades, an hour a minute jumps far.
            "guards": {"max_gap_frac": 0.5, "collar_mark_frac": 0.5, "collar_index_frac": 0.5,
                       "max_spread_frac": 0.5, "max_repeats": 30, "max_depth_frac": 1.0},
            "limits": {"max_order_equity_frac": 0.5, "loss_day_frac": 0.5, "loss_week_frac": 0.5,
                       "loss_peak_frac": 0.5},
            "hedge": {
                "mode": "elsewhere",
                "primary": {"pair": LTC, "amount_base": 30.0},
                "instruments": [BTC, ETH],
                "baseline": {"halflife_candles": 24.0},
                "policy": {"hold_candles": 1},
            },
        },
    }  # fmt: skip


def hedge_orders(bot: LiveBot) -> list[dict[str, Any]]:
    return [o for o in bot.orders() if o["status"] == "closed"]


@pytest.mark.slow
@pytest.mark.skipif(not CRASH.is_dir(), reason="needs the shared candles of May 2021, not there")
def test_dry_run_when_the_model_dies_in_a_crash_then_hold_and_the_baseline_keep_the_hedge(
    tmp_path: Path,
) -> None:
    now = wall_clock_ms()
    feeds = {f"{p.split('/')[0]}USDT": hour_a_minute(p, now) for p in (LTC, BTC, ETH)}
    venue = LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
    venue.open_account(KEY, SECRET)
    state = ExchangeState(venue=venue)
    with (
        running_exchange(state, tls=True) as url,
        running_bot(tmp_path, configuration(url), *write_strategy(tmp_path, STRATEGY)) as bot,
    ):
        bot.wait_for(lambda: len(bot.trades()) == 2, "both legs")
        bot.wait_for(lambda: "alarm against the position" in bot.log(), "an alarm")
        (tmp_path / "MODEL_IS_DEAD").touch()
        bot.wait_for(lambda: "the model is silent: holding" in bot.log(), "the hold")
        held = {pair: trade["amount"] for pair, trade in bot.trades().items()}
        bot.wait_for(lambda: "the model failed: banded baseline" in bot.log(), "the baseline")
        bot.wait_for(
            lambda: sum(t["amount"] > held[p] for p, t in bot.trades().items()) > 0,
            "a leg the baseline has grown",
        )  # fmt: skip
        trades, log, troubles = bot.trades(), bot.log(), bot.troubles()
    assert {pair: trade["is_short"] for pair, trade in trades.items()} == {BTC: 1, ETH: 1}
    assert LTC not in trades  # the position is elsewhere
    assert log.index("alarm against") < log.index("model is silent") < log.index("banded baseline")
    assert state.unknown == []
    assert [line for line in troubles if "- ERROR -" in line and "not answer" not in line] == []
