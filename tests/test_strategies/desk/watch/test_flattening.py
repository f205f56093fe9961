"""The watchdog closing for a silent bot, on the loopback exchange: in stages, and all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ccxt
import pytest

from strategies.desk.watch.venue import Venue
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


def test_watchdog_when_told_to_flatten_on_silence_then_it_closes_in_stages_and_stops_the_rest(
    world: World,
) -> None:
    # 3,600 BTC an hour at 60,000; of a minute's share 0.033 % is 1,200, the position 3,000.
    dog = world.watchdog(on_silence="flatten", max_volume_frac=3.3e-4)
    world.buy(0.05)
    world.buy(-0.015, ETH)  # 45; of ETH a step is 59
    world.stop(0.05, 57_000)
    world.alive()
    dog.round()
    assert held(world) == {"BTCUSDT": 0.05, "ETHUSDT": -0.015}
    world.pass_s(16)
    dog.round()
    left = held(world)
    assert set(left) == {"BTCUSDT"}
    assert left["BTCUSDT"] == pytest.approx(0.03, abs=0.002)
    world.pass_s(59.98)
    dog.round()
    assert held(world) == left  # a step a minute
    world.pass_s(0.02)
    dog.round()
    assert held(world)["BTCUSDT"] == pytest.approx(0.01, abs=0.002)
    for _ in range(2):
        world.pass_s(61)
        dog.round()
    assert held(world) == {}
    assert {o.side for o in world.account.orders.values() if o.reduce_only} == {-1, 1}


def test_watchdog_when_a_person_asks_for_flattening_then_it_closes_for_a_silent_bot_only(
    world: World,
) -> None:
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.commands.flatten(ANN, "storm")
    world.dog.round()
    assert held(world) == {"BTCUSDT": 0.01}  # a live bot does it itself
    world.pass_s(16)
    world.dog.round()
    assert held(world) == {}


def test_watchdog_when_the_margin_is_all_but_gone_then_it_closes_for_a_silent_bot(
    world: World,
) -> None:
    world.trader.set_leverage(20, BTC)
    world.buy(3.0)
    world.stop(3.0, 56_000)
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert held(world) == {"BTCUSDT": 3.0}
    world.state.venue.move("BTCUSDT", 57_050.0)
    world.dog.round()
    assert "margin ratio 0.6" in " ".join(world.said)  # thin: no new risk, and nothing closed
    assert held(world) == {"BTCUSDT": 3.0}
    world.state.venue.move("BTCUSDT", 57_000.0)  # margin ratio 0.75
    world.dog.round()
    assert held(world).get("BTCUSDT", 0.0) < 3.0


def test_watchdog_when_nobody_knows_the_volume_then_it_closes_in_small_steps_all_the_same(
    world: World,
) -> None:
    dog = world.watchdog(on_silence="flatten")
    world.buy(0.05)
    world.stop(0.05, 57_000)
    world.alive()
    world.pass_s(16)
    world.state.faults.add(Drop(on="GET /fapi/v1/klines"))
    dog.round()
    assert held(world) == {"BTCUSDT": pytest.approx(0.045)}


@pytest.mark.parametrize(("ratio", "left"), [(0.699, {"BTCUSDT": 0.01}), (0.7, {})])
def test_watchdog_when_the_margin_reaches_its_limit_then_it_closes_for_a_silent_bot(
    world: World, monkeypatch: pytest.MonkeyPatch, ratio: float, left: dict[str, float]
) -> None:
    monkeypatch.setattr(Venue, "margin_ratio", lambda _: ratio)
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert held(world) == left


# Held are 0.01 of BTC at 60,000, 600; of an hour's volume a step may be 5 % of a minute's, 1/1,200.
@pytest.mark.parametrize(
    ("volume", "smallest", "left"),
    [(1_200 * 300.0, 5.0, 0.005), (1_200 * 300.0, 400.0, 0.0), (1_200 * 599.5, None, 0.001),
     (1e9, None, 0.0)],
)  # fmt: skip
def test_watchdog_when_it_closes_a_step_then_no_crumb_the_exchange_would_refuse_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch, volume: float, smallest: float | None,
    left: float,
) -> None:  # fmt: skip
    def answer(*_: object) -> float:
        if smallest is None:
            raise ccxt.NetworkError("nobody knows")
        return smallest

    monkeypatch.setattr(Venue, "volume_1h_quote", lambda *_: volume)
    monkeypatch.setattr(Venue, "smallest_quote", answer)
    dog = world.watchdog(on_silence="flatten")
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.alive()
    world.pass_s(16)
    dog.round()
    assert held(world).get("BTCUSDT", 0.0) == pytest.approx(left)
