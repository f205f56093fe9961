"""The real bot trades on the loopback exchange: dry-run, and live with signed orders."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Answer, Drop, Fault
from tests.exchange.state import ExchangeState
from tests.test_integration.live_bot import BTC, ETH, STRATEGY, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy

POST = "POST /fapi/v1"


def start(folder: Path, url: str, *, dry_run: bool) -> AbstractContextManager[LiveBot]:
    config = settings(url, [BTC, ETH], dry_run=dry_run)
    return running_bot(folder, config, *write_strategy(folder, STRATEGY))


def both_protected(bot: LiveBot) -> bool:
    stops = [o for o in bot.orders() if o["ft_order_side"] == "stoploss" and o["ft_is_open"]]
    return len(stops) == 2


def both_closed(bot: LiveBot) -> bool:
    trades = bot.trades()
    return len(trades) == 2 and not any(t["is_open"] for t in trades.values())


def test_live_run_when_a_long_takes_profit_and_a_short_is_stopped_then_bot_and_venue_agree(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    with start(tmp_path, url, dry_run=False) as bot:
        bot.wait_for(lambda: both_protected(bot), "two entries with stops on the exchange")
        with venue.lock:
            amounts = {s: float(p.amount) for s, p in account.open_positions().items()}
            waiting = {a.symbol: a for a in account.open_algos()}
        held = bot.trades()
        assert amounts == {"BTCUSDT": held[BTC]["amount"], "ETHUSDT": -held[ETH]["amount"]}
        assert held[BTC]["liquidation_price"] is None or held[BTC]["liquidation_price"] < 60_000
        assert account.leverage == {"BTCUSDT": 3, "ETHUSDT": 3}
        assert {(a.symbol, a.side, a.reduce_only) for a in waiting.values()} == {
            ("BTCUSDT", -1, True),
            ("ETHUSDT", 1, True),
        }

        venue.move("BTCUSDT", 60_900.0)
        venue.move("ETHUSDT", 3_080.0)
        bot.wait_for(lambda: both_closed(bot), "both trades closed")
        closed, troubles = bot.trades(), bot.troubles()
    assert closed[BTC]["exit_reason"] == "profit"
    assert closed[ETH]["exit_reason"] == "stoploss_on_exchange"
    assert account.open_positions() == {}
    assert account.open_orders() == []
    assert account.open_algos() == []
    assert [o.symbol for o in account.orders.values()].count("BTCUSDT") == 2
    assert [o.symbol for o in account.orders.values()].count("ETHUSDT") == 2
    booked = sum(trade["close_profit_abs"] for trade in closed.values())
    assert float(account.wallet - Decimal(10_000)) == pytest.approx(booked, abs=0.01)
    assert state.unknown == []
    assert troubles == []


def test_dry_run_when_prices_move_then_it_trades_without_signing_anything(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    with start(tmp_path, url, dry_run=True) as bot:
        bot.wait_for(lambda: both_protected(bot), "two entries with stops")
        venue.move("BTCUSDT", 60_900.0)
        venue.move("ETHUSDT", 3_080.0)
        bot.wait_for(lambda: both_closed(bot), "both trades closed")
        closed, troubles = bot.trades(), bot.troubles()
    assert closed[BTC]["exit_reason"] == "profit"
    assert closed[ETH]["exit_reason"] == "stoploss_on_exchange"
    assert account.orders == {}
    assert account.wallet == 10_000
    assert state.unknown == []
    assert troubles == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Answer(on=f"{POST}/algoOrder", status=503, code=-1001, message="busy", times=1),
        Answer(on=f"{POST}/order", status=400, code=-2019, message="No margin.", times=1),
        Answer(on="GET /fapi/v3", status=429, code=-1003, message="Too many.", times=2),
        Drop(on="GET /fapi/v1/klines", times=3),
        Drop(on=f"{POST}/order", times=1),
        pytest.param(
            Drop(on=f"{POST}/order", executed=True, times=1),
            marks=pytest.mark.xfail(
                strict=True,
                reason="Freqtrade does not look for an order whose answer was lost",
            ),
        ),
    ],
    ids=["stop-503", "entry-refused", "balance-429", "candles-reset", "entry-reset", "entry-lost"],
)  # fmt: skip
def test_live_run_when_a_request_fails_then_it_ends_protected_and_agrees_with_the_venue(
    tmp_path: Path,
    url: str,
    state: ExchangeState,
    venue: LoopbackVenue,
    account: Customer,
    fault: Fault,
) -> None:
    fault = replace(fault)  # its count of strikes is its own
    state.faults.add(fault)
    with start(tmp_path, url, dry_run=False) as bot:
        bot.wait_for(lambda: both_protected(bot), "two entries with stops on the exchange")
        held = bot.trades()
        with venue.lock:
            amounts = {s: float(p.amount) for s, p in account.open_positions().items()}
            protected = {a.symbol: -a.side * float(a.quantity) for a in account.open_algos()}
    assert fault.times == 0
    assert amounts == {"BTCUSDT": held[BTC]["amount"], "ETHUSDT": -held[ETH]["amount"]}
    assert protected == amounts
    assert state.unknown == []
