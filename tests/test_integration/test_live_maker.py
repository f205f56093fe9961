"""Post-only entries and exits, live: quoted, moved, filled as maker, given up, and never bare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.book import Liquidity
from strategies.desk.loopback.orders import Order
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Answer
from tests.exchange.state import ExchangeState
from tests.places import USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy

ANN = Person("ann", "command line")
SYMBOL, BID = "BTCUSDT", 59_997.0  # half a basis point from 60,000
POST = "POST /fapi/v1/order"

# All of the pack's hooks; the signals are files in the bot's folder, read at each close.
STRATEGY = '''
from pathlib import Path

from models.base import columns
from strategies.bot.forecast import ForecastStrategy


class GivenSignals(ForecastStrategy):
    """Long BTC while there is a file ENTER, out while there is a file LEAVE."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        sure = dict.fromkeys(columns.FORECAST, 0.0) | {columns.SIGMA: 0.01}
        sure |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}  # calm
        sure |= {columns.EDGE: 0.05, columns.EDGE_LOW: 0.05}
        return dataframe.assign(do_predict=1, **sure)

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe.assign(enter_long=int(Path("ENTER").exists()))

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe.assign(exit_long=int(Path("LEAVE").exists()))
'''


def configuration(url: str, *, dry_run: bool = False, **execution: Any) -> dict[str, Any]:
    shipped = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    block = {
        "sizing": shipped["breakwater"]["sizing"], "limits": shipped["breakwater"]["limits"],
        "execution": {"style": "maker", "requote_seconds": 5, **execution},
    }  # fmt: skip
    one = {"stake_amount": "unlimited", "max_open_trades": 1, "breakwater": block}
    return {**settings(url, [BTC], dry_run=dry_run), **one}


@contextmanager
def trading(folder: Path, url: str, **execution: Any) -> Iterator[LiveBot]:
    arguments = write_strategy(folder, STRATEGY)
    with running_bot(folder, configuration(url, **execution), *arguments) as bot:
        yield bot


def orders(account: Customer, *, resting: bool = False) -> list[Order]:
    return [order for order in account.orders.values() if order.is_open or not resting]


def rests_at(account: Customer, price: float) -> bool:
    """Whether one order rests, a quote at this price."""
    return [(o.type, o.time_in_force, float(o.price)) for o in orders(account, resting=True)] == [
        ("LIMIT", "GTX", price)
    ]


def is_protected(bot: LiveBot, account: Customer) -> bool:
    """Whether one stop as large as the position rests, and trade and exchange agree on it."""
    held = float(account.position(SYMBOL).amount)
    stops = [float(stop.quantity) for stop in account.open_algos()]
    return held > 0 and stops == [held] and bot.trades()[BTC]["amount"] == held


@pytest.mark.slow
def test_live_run_when_quoted_then_it_follows_fills_as_maker_and_leaves_as_maker(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState
) -> None:
    refusal = (
        "Due to the order could not be executed as maker, the Post Only order will be rejected."
    )
    state.faults.add(Answer(on=POST, status=400, code=-5022, message=refusal, times=2))
    (tmp_path / "ENTER").touch()
    with trading(tmp_path, url) as bot:
        bot.wait_for(lambda: rests_at(account, BID), "a quote at the best bid, refused twice")
        assert account.position(SYMBOL).amount == 0
        venue.move(SYMBOL, 60_030.0)
        bot.wait_for(lambda: rests_at(account, 60_026.9), "the quote after the price")
        (tmp_path / "ENTER").unlink()
        venue.move(SYMBOL, 60_010.0)
        bot.wait_for(lambda: is_protected(bot, account), "a fill and its stop")
        (tmp_path / "LEAVE").touch()
        bot.wait_for(lambda: rests_at(account, 60_013.1), "an exit at the best ask")
        assert len(account.open_algos()) == 1  # its stop stands while it waits
        venue.move(SYMBOL, 60_030.0)
        bot.wait_for(lambda: not account.open_positions(), "the exit")
        bot.wait_for(lambda: not bot.trades()[BTC]["is_open"], "its booking")
        bot.wait_for(lambda: not account.open_algos(), "no stop left")
        troubles, trade = bot.troubles(), bot.trades()[BTC]
    assert [execution["maker"] for execution in account.trades] == [True] * len(account.trades)
    assert (trade["open_rate"], trade["close_rate"]) == (60_026.9, 60_013.1)
    kinds = [(o.time_in_force, o.status) for o in orders(account)]
    assert kinds == [("GTX", "CANCELED"), ("GTX", "FILLED"), ("GTX", "FILLED")]
    desk = Commands(tmp_path / "user_data")
    assert desk.store.read().may_add_risk
    assert len(desk.journal.entries(kind="exit")) == 1
    assert state.unknown == []
    assert troubles == []


@pytest.mark.slow
def test_live_run_when_nobody_comes_then_an_entry_is_given_up_and_an_exit_goes_to_market(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState
) -> None:
    (tmp_path / "ENTER").touch()
    with trading(tmp_path, url, entry_minutes=1, exit_minutes=0.5) as bot:
        bot.wait_for(lambda: rests_at(account, BID), "a quote at the best bid")
        first = orders(account)[0]
        bot.wait_for(lambda: first.status == "CANCELED", "the entry given up")
        assert first.filled == 0
        bot.wait_for(lambda: rests_at(account, BID), "the next candle's quote")
        (tmp_path / "ENTER").unlink()
        venue.move(SYMBOL, 59_980.0)
        bot.wait_for(lambda: is_protected(bot, account), "a fill and its stop")
        (tmp_path / "LEAVE").touch()
        bot.wait_for(lambda: rests_at(account, 59_983.0), "an exit at the best ask")
        bot.wait_for(lambda: not account.open_positions(), "the exit at market")
        bot.wait_for(lambda: not bot.trades()[BTC]["is_open"], "its booking")
        bot.wait_for(lambda: not account.open_algos(), "no stop left")
        troubles = bot.troubles()
    quoted, last = orders(account)[-2:]
    assert (quoted.time_in_force, quoted.status, quoted.filled) == ("GTX", "CANCELED", 0)
    assert (last.type, last.status, last.reduce_only) == ("MARKET", "FILLED", True)
    assert state.unknown == []
    assert troubles == []


@pytest.mark.slow
def test_live_run_when_an_entry_is_filled_in_part_then_the_rest_is_cut_and_the_part_has_its_stop(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState
) -> None:
    (tmp_path / "ENTER").touch()
    with trading(tmp_path, url) as bot:
        bot.wait_for(lambda: rests_at(account, BID), "a quote at the best bid")
        (tmp_path / "ENTER").unlink()
        whole = float(orders(account)[0].quantity)
        venue.liquidity = Liquidity(level_notional_quote=3_000.0, refill_ms=3_600_000)
        venue.move(SYMBOL, 59_993.5)  # the best ask comes to the quote, and no more of the book
        bot.wait_for(lambda: is_protected(bot, account), "a stop for what was filled")
        held = float(account.position(SYMBOL).amount)
        assert 0 < held < whole / 2
        assert orders(account, resting=True) == []
        # A halt while the exit rests: it is taken back and leaves at market.
        venue.liquidity = Liquidity()
        (tmp_path / "LEAVE").touch()
        bot.wait_for(lambda: orders(account, resting=True), "an exit that rests")
        Commands(tmp_path / "user_data").halt(ANN, "a test")
        bot.wait_for(lambda: not account.open_positions(), "the exit at market")
        bot.wait_for(lambda: not bot.trades()[BTC]["is_open"], "its booking")
        troubles = bot.troubles()
    assert [o.type for o in orders(account)] == ["LIMIT", "LIMIT", "MARKET"]
    assert state.unknown == []
    assert troubles == []


@pytest.mark.slow
def test_dry_run_when_quoted_then_it_rests_fills_and_leaves_as_a_live_bot_does(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer
) -> None:
    def kinds(bot: LiveBot) -> list[tuple[str, str, str, float]]:
        rows = [order for order in bot.orders() if order["ft_order_side"] != "stoploss"]
        return [(o["side"], o["order_type"], o["status"], o["price"]) for o in rows]

    (tmp_path / "ENTER").touch()
    with trading(tmp_path, url, dry_run=True) as bot:
        quoted = ("buy", "limit", "open", BID)
        bot.wait_for(lambda: kinds(bot) == [quoted], "a quote at the best bid")
        (tmp_path / "ENTER").unlink()
        venue.move(SYMBOL, 59_980.0)
        stops = "SELECT * FROM orders WHERE ft_order_side = 'stoploss' AND ft_is_open"
        bot.wait_for(lambda: bot.rows(stops), "a fill and its stop")
        (tmp_path / "LEAVE").touch()
        bot.wait_for(lambda: kinds(bot)[-1] == ("sell", "limit", "open", 59_983.0), "an exit")
        venue.move(SYMBOL, 60_000.0)
        bot.wait_for(lambda: not bot.trades()[BTC]["is_open"], "the exit")
        trade, troubles = bot.trades()[BTC], bot.troubles()
    assert (trade["open_rate"], trade["close_rate"]) == (BID, 59_983.0)
    assert account.orders == {}
    assert troubles == []
