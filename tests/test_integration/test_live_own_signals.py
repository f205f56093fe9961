"""A person's own signals, live: sized and stopped by the pack, refused by its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.files import wall_clock_ms
from models.base.types import Candles
from models.base.units import MINUTE_MS
from models.operate.control.commands import Commands
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, candle_feed, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.test_integration.live_bot import BTC, ETH, running_bot, settings
from tests.test_integration.running import write_strategy

STRATEGY = '''
from strategies.bot.own_signals import OwnSignalsStrategy


class OwnLongs(OwnSignalsStrategy):
    """Long Bitcoin and Ethereum at every candle."""

    timeframe = "1m"

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe.assign(enter_long=1)

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
'''


def configuration(url: str) -> dict[str, Any]:
    return {
        **settings(url, [BTC, ETH], dry_run=False),
        "stake_amount": "unlimited",
        "max_open_trades": 2,
        "breakwater": {
            "sizing": {"risk_per_trade_frac": 0.02},
            "limits": {"max_order_equity_frac": 0.5, "max_net_leverage": 0.6},
        },
    }


@pytest.fixture
def venue() -> LoopbackVenue:
    """An exchange whose Bitcoin walks up and down by a thousandth, and whose ether stands still."""
    now = wall_clock_ms()
    times = now // MINUTE_MS * MINUTE_MS + MINUTE_MS * np.arange(-400, 60)
    close = 60_000.0 * np.where(np.arange(len(times)) % 2, 1.0, 1.001)
    opens = np.roll(close, 1)
    walk = Candles(
        time_ms=times, open=opens, high=np.maximum(opens, close), low=np.minimum(opens, close),
        close=close, volume=np.full(len(times), 100.0),
    )  # fmt: skip
    feeds = {"BTCUSDT": candle_feed(walk, MINUTE_MS), "ETHUSDT": scripted_feed(3_000.0, now)}
    return LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)


def test_live_run_when_the_signals_are_own_then_the_pack_sizes_stops_and_refuses_them(
    tmp_path: Path, url: str, account: Customer
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    desk = Commands(tmp_path / "user_data")
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        held = float(account.position("BTCUSDT").amount)
        assert 0 < held * 60_000 / 10_000 <= 0.51  # one order may be half of equity
        assert [float(stop.quantity) for stop in account.open_algos()] == [held]
        # Ether stands still: nobody knows what it can cost, and both the log and the answer say so.
        unknown = "volatility of the last candles is not known"
        bot.wait_for(lambda: unknown in desk.why_now(), "an answer for ether")
        assert account.position("ETHUSDT").amount == 0
        troubles = bot.troubles()
    assert [t for t in troubles if "expected a volatility" not in t] == []
