"""The real bot, live on the loopback exchange: halted by a file, killed, stopped, looked after."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import ControlMode, Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Drop, Latency
from tests.exchange.state import ExchangeState
from tests.test_integration.controlled_bot import (
    STRATEGY,
    commands,
    configuration,
    prepare,
    running_watchdog,
    unprotected,
)
from tests.test_integration.live_bot import LiveBot, running_bot
from tests.test_integration.running import KEY, SECRET, write_strategy

ANN = Person("ann", "telegram")


def waiting(bot: LiveBot, account: Customer) -> bool:
    """Whether BTC is held with a stop and the bid for ETH rests."""
    stops = [o for o in bot.orders() if o["ft_order_side"] == "stoploss" and o["ft_is_open"]]
    return len(stops) == 1 and len(account.open_orders("ETHUSDT")) == 1


def test_live_run_when_the_halt_file_is_dropped_then_entries_end_exits_pass_and_all_is_written(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    control = tmp_path / "user_data" / "control"
    control.mkdir(parents=True)
    (control / "HALT").touch()  # before the first start
    arguments = write_strategy(tmp_path, STRATEGY)
    desk = commands(tmp_path)
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: desk.journal.entries(kind="entry.refused"), "a refused entry")
        assert account.orders == {}
        (control / "HALT").unlink()
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        desk.halt(ANN, "enough")
        bot.wait_for(lambda: not account.open_orders("ETHUSDT"), "the bid taken back")
        venue.move("BTCUSDT", 60_900.0)
        bot.wait_for(lambda: not account.open_positions(), "an exit under HALTED")
        bot.wait_for(lambda: desk.journal.entries(kind="trade.closed"), "the outcome")
        bot.wait_for(lambda: not account.open_algos(), "the stop taken back")
        troubles = bot.troubles()
    (closed,) = desk.journal.entries(kind="trade.closed")
    story = [e.kind for e in desk.journal.why(closed.record["trade_id"])]
    assert story == [
        "entry.accepted", "order.filled", "exit", "order.filled", "trade.closed",
    ]  # fmt: skip
    assert desk.journal.verify().fault == ""
    written = "".join(p.read_text() for p in desk.journal.folder.iterdir())
    assert SECRET not in written
    assert KEY not in written
    assert troubles == []
    assert desk.store.read().mode is ControlMode.HALTED


@pytest.mark.slow
def test_live_run_when_told_to_flatten_then_it_closes_in_stages_with_stops_as_large_as_what_is_left(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    arguments, desk = write_strategy(tmp_path, STRATEGY), commands(tmp_path)
    config = configuration(url)
    config["breakwater"]["guards"] = {"step_volume_frac": 3.3e-4}  # a step is 1,200 of 3,000
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        whole = account.open_positions()["BTCUSDT"].amount
        desk.flatten(ANN, "storm")
        bot.wait_for(lambda: not account.open_orders("ETHUSDT"), "the bid taken back")
        bot.wait_for(lambda: desk.journal.entries(kind="stop.resized"), "a stop resized")
        bot.wait_for(lambda: sized(account), "a stop as large as what is left")
        left = account.open_positions()["BTCUSDT"].amount
        assert 0 < left < whole
        assert desk.store.read().flatten is not None
        bot.wait_for(lambda: not account.open_positions(), "all of it closed")
        bot.wait_for(lambda: desk.store.read().flatten is None, "the request done with")
        assert desk.store.read().mode is ControlMode.HALTED
    assert account.open_algos() == []
    (reduced, *_) = desk.journal.entries(kind="reduce")
    assert reduced.record["action"] == "reduce"
    assert desk.journal.verify().fault == ""


def sized(account: Customer) -> bool:
    """Whether one stop waits, exactly as large as the position in BTC."""
    position = account.open_positions()["BTCUSDT"]
    return [a.quantity for a in account.open_algos()] == [position.amount]


@pytest.mark.slow
def test_live_run_when_the_bots_disk_is_full_then_the_watchdog_looks_after_its_account(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    with (
        running_bot(tmp_path, configuration(url), *arguments) as bot,
        running_watchdog(tmp_path) as dog,
    ):
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        dog.wait_for(lambda: "watching" in dog.log(), "a watchdog")
        # From here on every write of the bot's to any file fails.
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        dog.wait_for(lambda: "no sign of life" in dog.log(), "the watchdog noticing")
        dog.wait_for(lambda: not account.open_orders(), "the bid taken back")
        dog.wait_for(lambda: unprotected(state, account) == {}, "every position stopped")
        assert commands(tmp_path).store.read().mode is ControlMode.REDUCING
    assert list(account.open_positions()) in ([], ["BTCUSDT"])
    assert commands(tmp_path).journal.verify().fault == ""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_live_run_when_the_bot_dies_or_hangs_then_the_watchdog_takes_its_entries_back(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, how: signal.Signals
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    with (
        running_bot(tmp_path, configuration(url), *arguments) as bot,
        running_watchdog(tmp_path) as dog,
    ):
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        dog.wait_for(lambda: "watching" in dog.log(), "a watchdog")
        assert commands(tmp_path).store.read().mode is ControlMode.ACTIVE
        os.kill(bot.process.pid, how)
        dog.wait_for(lambda: not account.open_orders(), "the bid taken back")
        dog.wait_for(lambda: "entry of" in dog.log(), "the watchdog telling")
        assert commands(tmp_path).store.read().mode is ControlMode.REDUCING
        assert [(a.symbol, a.reduce_only) for a in account.open_algos()] == [("BTCUSDT", True)]
        assert unprotected(state, account) == {}
        assert list(account.open_positions()) == ["BTCUSDT"]
        if how is signal.SIGSTOP:
            os.kill(bot.process.pid, signal.SIGCONT)
            dog.wait_for(lambda: "over: bot" in dog.log(), "the bot back")
            bot.wait_for(lambda: "control: REDUCING" in bot.log(), "the bot obeying")
    assert commands(tmp_path).journal.verify().fault == ""
    assert account.open_orders() == []
    assert state.unknown == []


@pytest.mark.slow
def test_live_run_when_the_bot_dies_and_the_config_says_flatten_then_the_watchdog_closes_in_stages(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    arguments, config = write_strategy(tmp_path, STRATEGY), configuration(url)
    # A step is 1,200 of 3,000.
    config["breakwater"]["watchdog"] = {"on_silence": "flatten", "max_volume_frac": 3.3e-4}
    with running_bot(tmp_path, config, *arguments) as bot, running_watchdog(tmp_path) as dog:
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        whole = account.open_positions()["BTCUSDT"].amount
        dog.wait_for(lambda: "watching" in dog.log(), "a watchdog")
        bot.kill()
        dog.wait_for(lambda: account.position("BTCUSDT").amount < whole, "a first stage")
        assert account.position("BTCUSDT").amount > 0
        assert unprotected(state, account) == {}
        dog.wait_for(lambda: not account.open_positions(), "all of it closed")
        assert commands(tmp_path).store.read().mode is ControlMode.REDUCING
    assert account.open_orders() == []
    assert commands(tmp_path).journal.verify().fault == ""


@pytest.mark.slow
def test_live_run_when_candles_stay_away_then_the_watchdog_lets_the_living_bot_add_no_risk(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    arguments, config = write_strategy(tmp_path, STRATEGY), configuration(url)
    config["breakwater"]["watchdog"] = {"feed_late_s": 5.0}
    with running_bot(tmp_path, config, *arguments) as bot, running_watchdog(tmp_path) as dog:
        bot.wait_for(lambda: waiting(bot, account), "a position, its stop, and a bid")
        dog.wait_for(lambda: "watching" in dog.log(), "a watchdog")
        state.faults.add(Drop(on="GET /fapi/v1/klines"))
        dog.wait_for(lambda: "the newest candle is overdue" in dog.log(), "the silence noticed")
        bot.wait_for(lambda: "control: REDUCING" in bot.log(), "the bot obeying")
        bot.wait_for(lambda: not account.open_orders(), "the bid taken back")
        assert unprotected(state, account) == {}
        assert bot.process.poll() is None


@pytest.mark.slow
def test_live_run_when_killed_between_an_entry_and_its_record_then_the_watchdog_stops_the_position(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer
) -> None:
    arguments = write_strategy(tmp_path, STRATEGY)
    state.faults.add(Latency(on="POST /fapi/v1/order", after_s=lambda _: 60.0))
    with (
        running_bot(tmp_path, configuration(url), *arguments) as bot,
        running_watchdog(tmp_path) as dog,
    ):
        bot.wait_for(account.open_positions, "an entry the bot has not heard of yet")
        os.kill(bot.process.pid, signal.SIGKILL)
        assert bot.trades() == {}
        assert unprotected(state, account) != {}
        dog.wait_for(lambda: unprotected(state, account) == {}, "a stop by the watchdog")
    ((symbol, position),) = account.open_positions().items()
    (stop,) = account.open_algos()
    assert (stop.symbol, stop.reduce_only, stop.quantity) == (symbol, True, position.amount)
    assert commands(tmp_path).store.read().mode is ControlMode.REDUCING


@pytest.mark.slow
def test_live_run_when_killed_at_random_then_no_position_stays_unprotected_and_no_state_is_lost(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    arguments, random_ = write_strategy(tmp_path, STRATEGY), random.Random(3)
    desk = commands(tmp_path)
    prepare(tmp_path, configuration(url))
    with running_watchdog(tmp_path) as dog:
        for life in range(4):
            with running_bot(tmp_path, configuration(url), *arguments) as bot:
                bot.wait_for(lambda bot=bot: alive(desk, bot), "a first loop")
                desk.resume(ANN)
                if life % 2:
                    venue.move("BTCUSDT", 60_000.0 * (1.03 if life % 4 == 1 else 1.0))
                time.sleep(random_.uniform(0.0, 6.0))
                bot.kill()
            dog.wait_for(
                lambda: desk.store.read().mode is ControlMode.REDUCING, "the silence noticed"
            )
            dog.wait_for(lambda: not account.open_orders(), "entries taken back")
            dog.wait_for(lambda: unprotected(state, account) == {}, "every position stopped")
            assert desk.journal.verify().fault == ""
            assert "cannot be read" not in desk.store.read().reason
        with running_bot(tmp_path, configuration(url), *arguments) as bot:
            bot.wait_for(lambda: alive(desk, bot), "a last start")
            bot.wait_for(lambda: holds(bot, account), "the bot believing nothing that is not so")
            bot.wait_for(lambda: unprotected(state, account) == {}, "its positions stopped")
            assert desk.store.read().mode is ControlMode.REDUCING
    assert state.unknown == []


def alive(desk: Commands, bot: LiveBot) -> bool:
    """Whether this very bot has looped twice."""
    beat = last_beat(desk.store.folder)
    return beat is not None and beat.pid == bot.process.pid and beat.loop >= 2


def holds(bot: LiveBot, account: Customer) -> bool:
    """Whether the exchange holds at least what the bot's books say; all positions are long."""
    theirs = {f"{s[:3]}/USDT:USDT": float(p.amount) for s, p in account.open_positions().items()}
    return all(
        theirs.get(pair, 0.0) >= trade["amount"]
        for pair, trade in bot.trades().items()
        if trade["is_open"]
    )
