"""What is said of closing is true; stops that nothing needs are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from models.operate.control.heartbeat import FILE
from models.operate.control.state import ControlMode
from strategies.desk.loopback.book import Liquidity
from strategies.desk.watch.venue import Venue
from strategies.desk.watch.watchdog import Watchdog
from tests.exchange.faults import Drop
from tests.test_strategies.desk.watch.loopback_world import (
    ANN,
    BTC,
    ETH,
    World,
    held,
    running_world,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


def test_watchdog_when_all_is_closed_that_was_to_be_then_it_says_so_once_and_the_request_is_done(
    world: World,
) -> None:
    closed = "watchdog: every position is closed, and the exchange holds none"
    world.buy(0.01)
    world.buy(-0.5, ETH)
    world.alive()
    world.commands.flatten(ANN, "storm")
    world.pass_s(16)
    world.state.faults.add(Drop(on="POST /fapi/v1/order"))
    world.dog.round()
    assert set(held(world)) == {"BTCUSDT", "ETHUSDT"}
    world.state.faults.clear()
    world.pass_s(3)
    world.dog.round()  # one that failed does not wait a minute
    assert held(world) == {}
    assert closed not in world.said  # nobody has seen it yet
    assert world.commands.store.read().flatten is not None
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk", times=1))
    world.dog.round()
    assert closed not in world.said
    world.dog.round()
    world.dog.round()
    assert world.said.count(closed) == 1
    state = world.commands.store.read()
    assert (state.flatten, state.mode) == (None, ControlMode.HALTED)


def test_watchdog_when_it_has_closed_as_configured_then_it_says_so_once(world: World) -> None:
    dog = world.watchdog(on_silence="flatten")
    world.alive()
    world.pass_s(16)
    dog.round()
    assert not any("closed" in text for text in world.said)  # there was nothing to close
    world.buy(0.01)
    for _ in range(3):
        dog.round()
    assert sum("every position is closed" in text for text in world.said) == 1


def test_watchdog_when_an_entry_still_rests_then_nothing_is_called_closed(world: World) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.alive(stopped="/stop")
    world.commands.flatten(ANN, "storm")
    world.state.faults.add(Drop(on="DELETE /fapi/v1/order", times=1))
    world.dog.round()
    assert world.commands.store.read().flatten is not None
    world.dog.round()  # seen resting, and taken back
    assert world.account.open_orders() == []
    assert world.commands.store.read().flatten is not None
    world.dog.round()
    assert world.commands.store.read().flatten is None


def test_watchdog_when_a_step_is_filled_in_part_then_it_says_what_was_filled(world: World) -> None:
    world.buy(0.05)
    world.stop(0.05, 57_000)
    world.alive()
    world.commands.flatten(ANN, "storm")
    world.pass_s(16)
    world.state.venue.liquidity = Liquidity(level_notional_quote=600.0, step_bps=400.0)
    world.dog.round()
    left = held(world)["BTCUSDT"]
    assert 0 < left < 0.05
    assert f"watchdog: {0.05 - left:g} of 0.05 {BTC} closed" in world.said
    before = len(world.said)
    world.dog.round()
    assert len(world.said) == before  # the next step comes a minute later


def test_watchdog_when_the_exchange_tells_no_fill_then_it_says_what_it_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Venue._reduce

    def untold(venue: Venue, *order: Any) -> Any:
        return {k: v for k, v in sent(venue, *order).items() if k != "filled"}

    monkeypatch.setattr(Venue, "_reduce", untold)
    world.buy(0.05)
    world.alive()
    world.commands.flatten(ANN, "storm")
    world.pass_s(16)
    world.dog.round()
    assert held(world) == {}
    assert f"watchdog: 0.05 of 0.05 {BTC} closed" in world.said
    assert not [said for said in world.said if "failed" in said]


def test_watchdog_when_positions_were_unseen_for_a_look_then_a_stops_wait_goes_on(
    world: World,
) -> None:
    dog = world.watchdog(unprotected_s=60.0)
    world.buy(0.05)
    world.alive()
    dog.round()  # the bot lives and may be about to place it
    world.pass_s(40)
    world.alive()
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk"))
    dog.round()
    world.state.faults.clear()
    world.pass_s(20)
    world.alive()
    dog.round()
    assert [stop[:3] for stop in world.stops()] == [("BTCUSDT", -1, 0.05)]


def test_watchdog_when_no_bot_has_ever_run_then_only_a_person_has_it_closed(world: World) -> None:
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.commands.halt(ANN, "nothing new")
    world.dog.round()
    assert held(world) == {"BTCUSDT": 0.01}
    assert len(world.account.open_orders()) == 1
    world.commands.flatten(ANN, "out")
    world.dog.round()
    assert held(world) == {}
    assert world.account.open_orders() == []


def test_watchdog_when_no_bot_has_ever_run_then_a_thin_margin_closes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Venue, "margin_ratio", lambda _: 0.9)
    world.buy(0.01)
    world.dog.round()
    assert held(world) == {"BTCUSDT": 0.01}


@pytest.mark.parametrize(("word", "left"), [("", 1), ("reduce", 0), ("halt", 0)])
def test_watchdog_when_a_stopped_bot_may_open_nothing_then_its_entries_go(
    world: World, word: str, left: int
) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.alive(stopped="/stop")
    if word:
        getattr(world.commands, word)(ANN, "nothing new")
    world.dog.round()
    assert len(world.account.open_orders()) == left


# -- stops that are left ------------------------------------------------------------------------


def left_stops(world: World) -> list[str]:
    return [text for text in world.said if "rest" in text and "look, and cancel" in text]


def test_watchdog_when_stops_are_left_over_by_a_dead_bot_then_they_are_told_and_left(
    world: World,
) -> None:
    world.buy(0.01)
    for price in (57_000, 57_100, 57_200):
        world.stop(0.01, price)
    world.stop(0.5, 2_900, ETH)
    world.trader.fapiPrivatePostAlgoOrder(
        {"algoType": "CONDITIONAL", "symbol": "ETHUSDT", "side": "SELL", "type": "STOP_MARKET",
         "triggerPrice": "2800", "closePosition": "true"}
    )  # fmt: skip
    for _ in range(5):
        world.alive()
        world.dog.round()
        world.pass_s(3)
    assert world.said == []  # a bot that lives tidies up by itself
    world.pass_s(16)
    for _ in range(5):
        world.dog.round()
        world.pass_s(3)
    since = "watchdog: since 2023-11-14 22:13:51 UTC"
    assert left_stops(world) == [
        f"{since} 2 stops rest in {BTC} beside those that cover the position of 0.01 (0.01, 0.01): "
        "look, and cancel",
        f"{since} 2 stops rest in {ETH} where no position is (0.5, all): look, and cancel",
    ]
    assert len(world.stops()) == 5


def test_watchdog_when_positions_cannot_be_seen_then_no_stop_counts_as_left(world: World) -> None:
    world.stop(0.01, 57_000)
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk"))
    world.alive()
    world.pass_s(16)
    for _ in range(5):
        world.dog.round()
    assert left_stops(world) == []


# -- own stops in a market the bot does not trade -----------------------------------------------


def guarded(world: World) -> Watchdog:
    """Let a dead bot's watchdog stop a position that somebody else has opened in ETH."""
    dog = world.watchdog([BTC])
    world.alive()
    world.pass_s(16)
    world.buy(-0.5, ETH)
    dog.round()
    assert world.stops() == [("ETHUSDT", 1, 0.5, 3_150.0, True)]
    return dog


TAKEN_BACK = f"watchdog: own stop in {ETH} taken back"


def test_own_stop_when_all_is_closed_then_it_is_taken_back(world: World) -> None:
    dog = guarded(world)
    world.commands.flatten(ANN, "storm")
    for _ in range(3):
        dog.round()
    assert (held(world), world.stops()) == ({}, [])
    assert world.said.count(TAKEN_BACK) == 1
    asked = len(world.state.requests)
    dog.round()
    assert not any("ETHUSDT" in line for line in world.state.requests[asked:])  # it is clear


def test_own_stop_when_the_position_is_closed_by_hand_then_it_is_taken_back(world: World) -> None:
    dog = guarded(world)
    world.buy(0.5, ETH)
    dog.round()
    assert world.stops() == []
    assert world.said.count(TAKEN_BACK) == 1


def test_own_stop_when_the_watchdog_was_started_anew_then_it_is_taken_back(world: World) -> None:
    guarded(world)
    world.stop(0.01, 57_000)  # somebody else's stays
    world.buy(0.5, ETH)
    dog = world.watchdog([BTC])
    for _ in range(2):
        dog.round()
    assert [stop[0] for stop in world.stops()] == ["BTCUSDT"]
    assert world.said.count(TAKEN_BACK) == 1


def test_own_stop_when_it_cannot_be_taken_back_then_that_is_said_until_it_can(
    world: World,
) -> None:
    dog = guarded(world)
    world.buy(0.5, ETH)
    world.state.faults.add(Drop(on="DELETE /fapi/v1/algoOrder"))
    for _ in range(3):
        dog.round()
    not_done = "not done, tried again next round: own stop in ETH/USDT:USDT taken back"
    assert any(not_done in text for text in world.said)
    world.state.faults.clear()
    dog.round()
    assert world.stops() == []


def test_own_stop_when_a_watchdog_started_anew_cannot_see_it_then_that_is_said_until_it_can(
    world: World,
) -> None:
    guarded(world)
    world.buy(0.5, ETH)
    world.state.faults.add(Drop(on="GET /fapi/v1/openAlgoOrders"))
    dog = world.watchdog([BTC])
    for _ in range(4):
        dog.round()
        world.pass_s(3)
    assert any("what an earlier watchdog has left" in text for text in world.said)
    world.state.faults.clear()
    for _ in range(20):
        dog.round()
        world.pass_s(3)
    assert world.stops() == []
    assert any("what an earlier watchdog has left" in text for text in over(world))


# -- what is over -------------------------------------------------------------------------------


def over(world: World) -> list[str]:
    return [text for text in world.said if text.startswith("watchdog: over")]


def test_alarms_when_what_they_tell_of_cannot_be_seen_then_none_is_called_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([*[0.6] * 4, *[None] * 4, *[0.6] * 3, 0.1])

    def ratio(_: Venue) -> float:
        if (answer := next(answers)) is None:
            raise ccxt.NetworkError("no")
        return answer

    monkeypatch.setattr(Venue, "margin_ratio", ratio)
    world.stop(0.01, 57_000)
    world.alive()
    world.pass_s(16)
    for _ in range(4):
        world.dog.round()
    assert len(left_stops(world)) == 1
    told = len(world.said)
    world.state.faults.add(Drop(on="GET /fapi/v1/openAlgoOrders"))
    (world.commands.store.folder / FILE).write_bytes(b"{")
    for _ in range(4):
        world.dog.round()
    assert over(world) == []
    assert any(f"watchdog: {FILE}: expected a heartbeat" in text for text in world.said[told:])
    world.state.faults.clear()
    for _ in range(3):
        world.dog.round()
    assert not any("margin ratio" in text or "a stop rests" in text for text in over(world))
    told = len(world.said)
    world.alive()
    for order in world.account.open_algos():
        world.state.venue.cancel(order)
    world.dog.round()
    ended = " ".join(world.said[told:])
    for words in ("margin ratio 0.60", "a stop rests", "no sign of life", "expected a heartbeat"):
        assert words in ended
