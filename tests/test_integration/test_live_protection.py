"""Money left on the way: stops refused, doubled or outlived, and books that cannot be written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import ControlMode
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Answer
from tests.exchange.state import ExchangeState
from tests.test_integration.fault_rounds import ANN, SYMBOL, Rounds, running_rounds
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import BTC, ETH, LiveBot, running_bot
from tests.test_integration.running import write_strategy


def entered(rounds: Rounds) -> None:
    rounds.desk.resume(ANN)
    rounds.bot.wait_for(lambda: rounds.stopped() == rounds.held() > 0, "an entry and its stop")
    rounds.bot.wait_for(lambda: rounds.open_trade() is not None, "its trade")


def halted(rounds: Rounds, what: str) -> str:
    rounds.bot.wait_for(rounds.halted, what)
    return rounds.desk.store.read().reason


def minutes(rounds: Rounds, number: float) -> None:
    until = rounds.clock() + number * 60_000
    rounds.bot.wait_for(lambda: rounds.clock() >= until, f"{number} minutes")


def orders(rounds: Rounds) -> int:
    return sum(1 for order in rounds.account.orders.values() if order.filled)


def test_stops_when_they_are_refused_doubled_or_outlive_their_position_then_a_person_is_told(
    tmp_path: Path,
) -> None:
    with running_rounds(tmp_path) as rounds:
        # Always refused: one round trip, and nothing again until somebody has looked.
        rounds.state.faults.add(Answer(
            on="POST /fapi/v1/algoOrder", status=400, code=-2021,
            message="Order would immediately trigger.",
        ))  # fmt: skip
        rounds.desk.resume(ANN)
        assert "its stop was refused" in halted(rounds, "a halt after the emergency exit")
        minutes(rounds, 5)
        assert (orders(rounds), rounds.held()) == (2, 0)
        rounds.state.faults.clear()
        minutes(rounds, 2)
        assert orders(rounds) == 2
        entered(rounds)
        # Not found for a while: Freqtrade places another, of which one stays.
        rounds.state.faults.add(Answer(
            on="GET /fapi/v1/algoOrder", status=400, code=-2013, message="Order does not exist."
        ))  # fmt: skip
        rounds.bot.wait_for(lambda: len(rounds.account.algos) >= 3, "more stops")
        rounds.state.faults.clear()
        rounds.bot.wait_for(lambda: len(rounds.account.open_algos()) == 1, "one stop again")
        assert rounds.stopped() == rounds.held() > 0
        left = [e.record["what"] for e in rounds.desk.journal.entries(kind="stop.left")]
        assert any(f"beside another of {rounds.held():g}" in what for what in left)
        # Closed by the exchange itself: the trade hears of it, and no stop outlives it.
        venue, amount = rounds.venue, Decimal(str(rounds.held()))
        venue.deleverage(rounds.account, SYMBOL, amount, venue.mark(SYMBOL))
        assert "was closed by the exchange itself" in halted(rounds, "a halt")
        rounds.bot.wait_for(lambda: rounds.open_trade() is None, "the trade closed")
        minutes(rounds, 2)
        assert rounds.stopped() == 0
        assert rounds.bot.process.poll() is None


# -- books ----------------------------------------------------------------------------------------


def locked(folder: Path) -> sqlite3.Connection:
    """Hold the trades database as another program would, until it is closed."""
    held = sqlite3.connect(
        folder / "trades.sqlite", timeout=30, isolation_level=None, check_same_thread=False
    )
    held.execute("BEGIN EXCLUSIVE")
    return held


def stopped(account: Customer) -> float:
    return sum(float(a.quantity) for a in account.open_algos() if a.reduce_only)


def beats(desk: Commands) -> int:
    beat = last_beat(desk.store.folder)
    return 0 if beat is None else beat.loop


def test_entry_when_another_program_holds_the_trades_database_then_it_waits_or_is_stopped_first(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    desk, held = Commands(tmp_path / "user_data"), list[sqlite3.Connection]()
    config, strategy = configuration(url), write_strategy(tmp_path, STRATEGY)

    def lock_once_filled() -> None:
        if account.position("BTCUSDT").amount and not held:
            held.append(locked(tmp_path))

    desk.reduce(ANN, "before the lock")
    with running_bot(tmp_path, config, *strategy) as bot:
        bot.wait_for(lambda: beats(desk) > 2, "loops")
        with closing(locked(tmp_path)):
            desk.resume(ANN)
            bot.wait_for(lambda: refusals(desk), "a refusal")
            assert "the trades database cannot be written" in refusals(desk)[-1]
            assert not account.orders
        state.watchers.append(lock_once_filled)  # the worst moment: filled, and not yet booked
        bot.process.wait(120)
        assert stopped(account) == float(account.position("BTCUSDT").amount) > 0
        assert desk.journal.entries(kind="entry.unbooked")
    state.watchers.clear()
    held[0].close()
    with running_bot(tmp_path, config, *strategy) as bot:
        bot.wait_for(lambda: desk.store.read().mode is ControlMode.HALTED, "a halt")
        assert "the exchange holds" in desk.store.read().reason
        assert stopped(account) == float(account.position("BTCUSDT").amount) > 0
        assert len(account.orders) == 1


def refusals(desk: Commands) -> list[str]:
    lines = desk.journal.entries(kind="entry.refused")
    return [rule for line in lines for rule in line.record["rules"] if "database" in rule]


# -- accounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("proxied", [False, True])
def test_account_when_it_counts_in_another_asset_then_the_bot_does_not_start_and_says_why(
    tmp_path: Path, url: str, account: Customer, proxied: bool
) -> None:
    account.asset = "BNFCR"
    config: dict[str, Any] = configuration(url)
    if proxied:
        config["proxy_coin"] = "BNFCR"
    with running_bot(tmp_path, config, *write_strategy(tmp_path, STRATEGY)) as bot:
        assert bot.process.wait(120) != 0
        assert "BNFCR" in bot.log()
        assert "expected" in bot.log()
    assert not account.orders


def test_symbol_when_the_exchange_has_settled_it_then_its_difference_halts_and_others_are_seen(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer
) -> None:
    desk = Commands(tmp_path / "user_data")
    config = configuration(url)
    config["exchange"]["pair_whitelist"] = [BTC, ETH]
    config["max_open_trades"] = 2
    with running_bot(tmp_path, config, *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(bot.both_open, "two entries")
        bot.wait_for(lambda: len(account.open_algos()) == 2, "two stops")
        venue.settle("BTCUSDT")
        bot.wait_for(lambda: desk.store.read().mode is ControlMode.HALTED, "a halt")
        bot.wait_for(lambda: f"why {BTC} differs" in unknown(desk), "a difference unexplained")
        assert not unknown(desk) & {"the exchange's positions", "the exchange's account"}
        assert not any(ETH in what for what in unknown(desk))
        (stop,) = account.open_algos()
        assert stop.symbol == "ETHUSDT"
        desk.flatten(ANN, "the other one")
        eth = account.position("ETHUSDT")
        bot.wait_for(lambda: eth.amount == 0, "the other one closed")
        assert_alive(bot)


def unknown(desk: Commands) -> set[str]:
    return {u.what for u in desk.store.read().unknown if u.lasts}


def assert_alive(bot: LiveBot) -> None:
    assert bot.process.poll() is None
