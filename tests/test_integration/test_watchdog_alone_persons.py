"""Without a bot: what a person asks for, and stops nobody looks after; the real watchdog alone."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.operate.control.state import ControlMode
from models.operate.control.state_file import HALT_FILE
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.book import Liquidity
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import Answer
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.test_integration.live_bot import BTC, ETH
from tests.test_integration.lone_watchdog import (
    ANN,
    CLOSED,
    DEAD,
    PID,
    Abandoned,
    lets_be,
    only_reduces,
    told,
)
from tests.test_integration.running import SECRET, RunningProcess, keyless, running

# -- C: two bots, one watchdog ---------------------------------------------------------------------


def options(*left: Abandoned) -> tuple[str, ...]:
    """Return the command that watches all of them, each with the keys in its own config file."""
    words: list[str] = []
    for one in left:
        exchange = {**one.config["exchange"], "key": one.account.key, "secret": SECRET}
        file = one.folder / "watched.json"
        userdir = str(one.folder / "user_data")
        config = {**one.config, "exchange": exchange, "user_data_dir": userdir}
        file.write_text(json.dumps(config), encoding="utf-8")
        words += ["--bot", str(file), userdir]
    return ("strategies.desk.cli", "watchdog", *words)


@pytest.mark.slow
def test_watchdogs_when_one_of_two_bots_is_dead_then_only_its_account_is_looked_after_by_name(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState,
    telegram: None, chat: Chat,
) -> None:  # fmt: skip
    dead = Abandoned(tmp_path / "a", url, state, account)
    lives = Abandoned(tmp_path / "b", url, state, venue.open_account("b-key", SECRET))
    dead.beat()
    for one in (dead, lives):
        one.hold(0.02)
        one.bid(50_000)
    with ExitStack() as stack:
        stack.enter_context(lives.alive(PID + 1))
        dog = stack.enter_context(
            running(RunningProcess, tmp_path, "watchdog", options(dead, lives), launch=keyless)
        )
        dog.wait_for(lambda: not dead.bare(), "the dead one's position stopped")
        dog.wait_for(lambda: not dead.account.open_orders(), "its entry taken back")
        dog.wait_for((lives.control / "watchdog.json").is_file, "looks at the other one")
        for one in (dead, lives):
            one.rounds(dog)
        assert lives.sent() == []
        assert len(lives.account.open_orders()) == 1
        name = f"{tmp_path / 'a' / 'user_data'}: watchdog: "
        chat.wait_for(f"{name}bot {PID} has given no sign of life")
        chat.wait_for(f"{name}0.02 {BTC} had no stop; one placed at 57000")
        assert not told(chat, f"bot {PID + 1} has")
        assert not told(chat, f"{tmp_path / 'b' / 'user_data'}: watchdog: 0.02")
        only_reduces(dead)
    assert dead.desk.store.read().mode is ControlMode.REDUCING
    assert lives.desk.store.read().mode is ControlMode.ACTIVE


@pytest.mark.slow
def test_watchdogs_when_two_folders_are_of_one_account_then_the_second_is_refused_by_name(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState, telegram: None
) -> None:
    dead = Abandoned(tmp_path / "a", url, state, account, on_silence="flatten")
    lives = Abandoned(tmp_path / "b", url, state, account)
    dead.beat()
    lives.hold(0.02)
    lives.stop(0.02, 57_000)
    lives.bid(50_000)
    with lives.alive(PID + 1):
        both = options(dead, lives)
        with running(RunningProcess, tmp_path, "both", both, launch=keyless) as dogs:
            assert dogs.process.wait(120) == 2
            assert "expected bots of different accounts" in dogs.log()
            assert all(str(one.folder / "user_data") in dogs.log() for one in (dead, lives))
        with lives.watched() as dog:
            first = f"the watchdog of {lives.folder / 'user_data'}, process {dog.process.pid}"
            alone = ("strategies.desk.cli", "watchdog", *both[3:4], "--userdir", both[4])
            alone = (*alone[:2], "--config", *alone[2:])
            with running(RunningProcess, tmp_path, "second", alone, launch=keyless) as second:
                assert second.process.wait(120) == 2
                assert f"is in use by {first}" in second.log()
                assert account.key not in second.log()
            lives.rounds(dog)
    assert lives.held() == {"BTCUSDT": 0.02}
    assert len(account.open_orders()) == 1
    assert lives.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]


# -- G: what a person says -------------------------------------------------------------------------


def test_watchdog_when_the_file_halt_is_there_then_entries_go_and_nothing_is_closed(
    left: Abandoned, chat: Chat
) -> None:
    (left.control / HALT_FILE).touch()
    left.hold(0.02)
    left.bid(50_000)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "a stop")
        dog.wait_for(lambda: not left.account.open_orders(), "the entry taken back")
        left.rounds(dog)
        assert left.held() == {"BTCUSDT": 0.02}
        assert left.desk.store.read().mode is ControlMode.HALTED
        (left.control / HALT_FILE).unlink()
        dog.wait_for(
            lambda: left.desk.store.read().mode is ControlMode.REDUCING, "the silence to count"
        )
        left.rounds(dog)
    assert left.held() == {"BTCUSDT": 0.02}
    assert not told(chat, "closed")
    assert len(told(chat, DEAD)) == 1


@pytest.mark.slow
def test_watchdog_when_a_person_wants_out_then_closed_is_said_when_the_exchange_holds_none(
    left: Abandoned, venue: LoopbackVenue, chat: Chat
) -> None:
    left.hold(0.02)
    left.hold(-0.5, ETH)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "every position stopped")
        refusal = Answer(on="POST /fapi/v1/order", status=503, code=-1001, message="busy")
        left.state.faults.add(refusal)
        shown = left.desk.flatten(ANN, "out")
        assert "till then only the watchdog closes anything" in shown.text
        chat.wait_for(f"not done, tried again next round: 0.02 of 0.02 {BTC} closed")
        left.rounds(dog)
        assert left.held() == {"BTCUSDT": 0.02, "ETHUSDT": -0.5}
        assert left.desk.store.read().flatten is not None
        assert not told(chat, CLOSED)
        # One goes, the other finds no taker: filled is what counts, not what was ordered.
        venue.liquidity = Liquidity(level_notional_quote=10.0, step_bps=400.0)
        left.state.faults.clear()
        chat.wait_for(f"of 0.02 {BTC} closed")
        left.rounds(dog)
        held = left.held()
        assert 0 < held["BTCUSDT"] < 0.02
        (said,) = told(chat, f"watchdog: {0.02 - held['BTCUSDT']:g} of 0.02 {BTC} closed")
        assert said
        assert not told(chat, CLOSED)
        assert "every position is to be closed" in left.desk.risk().text
        venue.liquidity = Liquidity()
        dog.wait_for(lambda: not left.held(), "all of it closed", timeout_s=200.0)
        chat.wait_for(CLOSED)
        assert left.held() == {}
        dog.wait_for(lambda: not left.account.open_algos(), "the own stops taken back")
        left.rounds(dog)
    assert len(told(chat, CLOSED)) == 1
    state = left.desk.store.read()
    assert (state.flatten, state.mode) == (None, ControlMode.HALTED)
    assert left.desk.journal.verify().fault == ""


def test_watchdog_when_a_person_has_stopped_the_bot_then_it_is_not_dead_and_nothing_is_sold(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None, chat: Chat
) -> None:
    left = Abandoned(tmp_path, url, state, account, on_silence="flatten", stopped_s=900.0)
    left.beat(30.0, stopped="/stop")
    left.hold(0.02)
    left.bid(50_000)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "a stop at once: nobody else would")
        lets_be(dog, 8.0)
        assert left.held() == {"BTCUSDT": 0.02}
        assert len(account.open_orders()) == 1
        assert left.desk.store.read().mode is ControlMode.ACTIVE
        assert not told(chat, "no sign of life")
        left.desk.halt(ANN, "and nothing new")
        dog.wait_for(lambda: not account.open_orders(), "the entry taken back")
        left.rounds(dog)
        assert left.held() == {"BTCUSDT": 0.02}
        left.desk.flatten(ANN, "and out")
        chat.wait_for(CLOSED)
        assert left.held() == {}


# -- H: stops that are refused, doubled or left ----------------------------------------------------


def test_watchdog_when_the_exchange_refuses_its_stop_then_it_is_told_and_tried_until_it_is_there(
    left: Abandoned, chat: Chat
) -> None:
    refusal = Answer(on="POST /fapi/v1/algoOrder", status=400, code=-2021,
                     message="Order would immediately trigger.")  # fmt: skip
    left.state.faults.add(refusal)
    left.hold(0.02)
    with left.watched() as dog:
        said = chat.wait_for(f"0.02 {BTC} had no stop; one placed at 57000").text
        assert said.startswith("watchdog: not done, tried again next round: ")
        assert "Order would immediately trigger" in said
        left.rounds(dog, 10)
        tries = sum(r == "POST /fapi/v1/algoOrder" for r in left.state.requests)
        assert tries >= 10
        assert len(told(chat, "not done")) == 1
        assert left.desk.store.read().mode is ControlMode.REDUCING  # and nothing new
        assert left.held() == {"BTCUSDT": 0.02}
        left.state.faults.clear()
        dog.wait_for(lambda: not left.bare(), "the position stopped")
        chat.wait_for(f"watchdog: 0.02 {BTC} had no stop; one placed at 57000")
    assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]


def test_watchdog_when_stops_are_left_over_then_its_own_go_and_the_others_are_told(
    left: Abandoned, venue: LoopbackVenue, chat: Chat
) -> None:
    left.leverage(20)
    left.hold(3.2)
    for _ in range(3):
        left.stop(0.9, 2_850, ETH)
    left.hold(0.9, ETH)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "every position stopped")
        held = "beside those that cover the position of 0.9 (0.9, 0.9): look, and cancel"
        chat.wait_for(f"2 stops rest in {ETH} {held}")
        venue.move("BTCUSDT", 57_080.0)  # above the stop, and the account is at its end
        dog.wait_for(lambda: not left.held(), "the liquidation")
        assert left.account.open_algos() == []
        left.stop(3.2, 55_000)
        left.stop(3.2, 55_000, name="bwdog1-1")
        said = chat.wait_for(f"a stop rests in {BTC} where no position is (3.2): look, and cancel")
        dog.wait_for(lambda: len(left.stops("BTCUSDT")) == 1, "its own taken back")
        left.rounds(dog)
        assert len(left.stops("BTCUSDT")) == 1  # the person's to decide
        assert len(told(chat, "where no position is")) == 1
        left.cancel_stops("BTCUSDT")
        chat.wait_for(f"over: {said.text.removeprefix('watchdog: ')}")
    assert not told(chat, CLOSED)


def test_watchdog_when_it_has_stopped_a_position_twice_then_one_stop_stays(left: Abandoned) -> None:
    left.hold(0.02)
    for number in range(3):
        left.stop(0.02, 57_000 - number, name=f"bwdog1-{number}")
    with left.watched() as dog:
        dog.wait_for(lambda: len(left.stops("BTCUSDT")) == 1, "the others taken back")
        left.rounds(dog)
        assert left.stops("BTCUSDT") == [(-1, 0.02, 56_998.0)]
