"""Settings beside those that switch safety off, and ones changed since they were acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.base.files import wall_clock_ms
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import BTC, running_bot
from tests.test_integration.running import write_strategy
from tests.test_integration.told_bot import accept, running_told_bot

LTC = "LTC/USDT:USDT"
PRICES = {"LTCUSDT": 100.0, "BTCUSDT": 60_000.0}
NOTHING = "ACTIVE, but nothing is opened: nobody has acknowledged the risk of these settings"

HEDGE = """
from strategies.LitecoinHedge import LitecoinHedge


class NeighbourHedge(LitecoinHedge):
    timeframe = "1m"
"""


def hedged(amount: float) -> dict[str, Any]:
    """Return the block of a hedge of so much Litecoin held elsewhere."""
    return {
        "limits": {"max_order_equity_frac": 0.5},
        "hedge": {"mode": "elsewhere", "primary": {"pair": LTC, "amount_base": amount},
                  "instruments": [BTC], "baseline": {"halflife_candles": 24.0}},
    }  # fmt: skip


@pytest.fixture
def venue() -> LoopbackVenue:
    now = wall_clock_ms()
    feeds = {symbol: scripted_feed(price, now) for symbol, price in PRICES.items()}
    return LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)


FORECAST_WRONG = {
    "exit_profit_only": True,
    "use_exit_signal": False,
    "minimal_roi": {"0": -0.01},
    "order_types": {"entry": "limit", "exit": "limit", "force_exit": "limit",
                    "emergency_exit": "limit", "stoploss": "limit", "stoploss_on_exchange": True},
}  # fmt: skip
HEDGE_WRONG = {
    "max_open_trades": 0, "ignore_buying_expired_candle_after": 60,
    "max_entry_position_adjustment": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "wrong", "names"),
    [
        (STRATEGY, FORECAST_WRONG,
         ["exit_profit_only", "use_exit_signal", "minimal_roi", "order_types.exit",
          "order_types.force_exit", "order_types.emergency_exit", "order_types.stoploss"]),
        (HEDGE, HEDGE_WRONG, list(HEDGE_WRONG)),
    ],
    ids=["forecast", "hedge"],
)  # fmt: skip
def test_live_start_when_a_neighbouring_setting_would_hold_an_exit_or_a_leg_back_then_it_is_refused(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState,
    strategy: str, wrong: dict[str, Any], names: list[str],
) -> None:  # fmt: skip
    config = {**configuration(url), **wrong}
    if strategy is HEDGE:
        config["breakwater"], config["exchange"]["pair_whitelist"] = hedged(20.0), [LTC, BTC]
    with running_bot(tmp_path, config, *write_strategy(tmp_path, strategy)) as bot:
        assert bot.process.wait(120) != 0
        said = bot.log()
    assert "the bot does not start" in said, said[-3000:]
    assert [name for name in names if f"- {name}: expected" not in said] == []
    assert account.orders == {}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a person has accepted, and what the bot is started with."""

    strategy: str
    accepted: dict[str, Any]
    started: dict[str, Any]


def guarded(**guards: Any) -> dict[str, Any]:
    return {"breakwater": {**configuration("")["breakwater"], "guards": guards}}


CHANGES = {
    "guards": Change(strategy=STRATEGY, accepted=guarded(), started=guarded(max_spread_frac=0.002)),
    "hedge": Change(strategy=HEDGE, accepted={"breakwater": hedged(20.0), "max_open_trades": 2},
                    started={"breakwater": hedged(30.0), "max_open_trades": 2}),
}  # fmt: skip


@pytest.mark.parametrize("block", list(CHANGES))
def test_live_bot_when_a_block_changed_since_it_was_accepted_then_it_starts_and_opens_nothing(
    tmp_path: Path, block: str
) -> None:
    change = CHANGES[block]
    with running_told_bot(
        tmp_path, strategy=change.strategy, prices=PRICES, changes=change.started,
        pairs=[BTC] if block == "guards" else [LTC, BTC], accepted=change.accepted,
    ) as told:  # fmt: skip
        assert told.own_risk("breakwater acknowledge").startswith(NOTHING)
        told.bot.wait_for(told.refusals, "an order refused")
        told.loops()
        assert "nobody has acknowledged the risk" in told.refusals()[-1]
        assert told.account.orders == {}
        accept(tmp_path, told.config)
        told.own_risk("new positions are allowed")
        # Under other margin what is open would be found nowhere: the bot goes on as it is.
        goes_on = "the bot goes on with the settings it has: margin_mode cannot change"
        with pytest.raises(AssertionError, match=goes_on):
            told.reloaded(margin_mode="isolated")
        told.loops()
        told.own_risk("new positions are allowed")
