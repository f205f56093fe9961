"""The watchdog, on the loopback exchange through the real ccxt client: it only lowers risk."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ccxt
import pytest

from models.base.files import locked
from models.operate.control.heartbeat import FILE
from models.operate.control.state import ControlMode
from strategies.desk.watch.deadline import answered_in_time
from strategies.desk.watch.venue import Venue, venue_client
from tests.exchange.faults import Answer, ClockSkew, Drop, Trickle, refused_requests
from tests.test_strategies.desk.watch.loopback_world import (
    ANN,
    BTC,
    ETH,
    HOUR,
    World,
    held,
    running_world,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


# -- a bot that lives ---------------------------------------------------------------------------


def test_watchdog_when_all_is_well_then_it_says_and_changes_nothing(world: World) -> None:
    world.buy()
    world.stop(0.01, 57_000)
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    for _ in range(5):
        world.alive(feed_ms=world.now - HOUR, candle_ms=HOUR)
        world.dog.round()
        world.pass_s(10)
    assert world.said == []
    assert world.mode() is ControlMode.ACTIVE
    assert len(world.account.open_orders()) == 1
    assert world.stops() == [("BTCUSDT", -1, 0.01, 57_000.0, True)]


def test_watchdog_when_no_bot_has_ever_run_then_it_waits(world: World) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.dog.round()
    assert world.said == []
    assert len(world.account.open_orders()) == 1


@pytest.mark.parametrize(
    ("late_s", "mode"), [(59.0, ControlMode.ACTIVE), (61.0, ControlMode.REDUCING)]
)  # fmt: skip
def test_watchdog_when_the_feed_is_late_then_no_new_risk(
    world: World, late_s: float, mode: ControlMode
) -> None:
    world.alive(feed_ms=world.now - HOUR - round(1000 * late_s), candle_ms=HOUR)
    world.dog.round()
    assert world.mode() is mode


def test_watchdog_when_the_margin_is_thin_then_no_new_risk(world: World) -> None:
    world.trader.set_leverage(20, BTC)
    world.buy(3.0)  # 180,000 on 10,000
    world.stop(3.0, 56_000)
    world.alive()
    world.dog.round()
    assert world.mode() is ControlMode.ACTIVE
    world.state.venue.move("BTCUSDT", 57_050.0)  # 8,850 lost
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert world.said[0].startswith("watchdog: margin ratio 0.6")
    assert len(world.account.open_positions()) == 1  # a live bot closes by itself


def test_watchdog_when_a_position_stays_without_a_stop_then_it_places_one(world: World) -> None:
    world.buy(0.02)
    world.stop(0.005, 57_000)  # too small
    world.alive()
    world.dog.round()
    world.pass_s(29.999)
    world.alive()
    world.dog.round()
    assert len(world.stops()) == 1  # the bot still has time
    world.pass_s(0.001)
    world.alive()
    world.dog.round()
    assert world.stops()[1:] == [("BTCUSDT", -1, 0.015, 57_000.0, True)]  # 5 % from 60,000
    world.dog.round()
    assert len(world.stops()) == 2
    world.stop(0.02, 57_500)  # the bot has caught up
    world.dog.round()
    assert [s[2] for s in world.stops()] == [0.005, 0.02]
    assert world.mode() is ControlMode.ACTIVE


def test_watchdog_when_looks_fail_with_a_good_one_between_then_nobody_hears_of_it(
    world: World,
) -> None:
    world.alive()
    for _ in range(2):
        world.dog.round()
        world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk", times=2))
        world.dog.round()
        world.dog.round()
    assert world.said == []


# -- a bot that is silent -----------------------------------------------------------------------


def test_watchdog_when_the_bot_falls_silent_then_entries_go_and_stops_stay(world: World) -> None:
    world.buy(0.01)
    world.stop(0.01, 57_000)
    world.buy(-0.5, ETH)  # a short nobody has protected
    for side, price in (("buy", 50_000), ("sell", 70_000)):
        world.trader.create_order(BTC, "limit", side, 0.01, price)
    world.trader.create_order(BTC, "limit", "sell", 0.01, 66_000, {"reduceOnly": True})
    world.alive()
    world.pass_s(15)
    world.dog.round()
    assert world.said == []
    world.pass_s(1)
    world.dog.round()
    assert [(o.price, o.reduce_only) for o in world.account.open_orders()] == [(66_000, True)]
    assert world.stops() == [
        ("BTCUSDT", -1, 0.01, 57_000.0, True),
        ("ETHUSDT", 1, 0.5, 3_150.0, True),
    ]
    assert world.mode() is ControlMode.REDUCING
    assert world.said[0] == "watchdog: bot 42 has given no sign of life for 16 s"
    assert len(world.said) == 4
    world.dog.round()
    assert len(world.said) == 4  # said once
    kinds = [e.kind for e in world.commands.journal.entries()]
    assert kinds == ["watchdog.alarm", *["watchdog.acted"] * 3]
    assert {float(p.amount) for p in world.account.open_positions().values()} == {0.01, -0.5}


def test_watchdog_when_the_bot_is_back_then_it_says_so_and_only_a_person_resumes(
    world: World,
) -> None:
    world.alive()
    world.pass_s(20)
    world.dog.round()
    world.alive()
    world.dog.round()
    assert world.said[-2:] == [
        "watchdog: over: bot 42 has given no sign of life for 20 s",
        "watchdog: control stays as it is until a person resumes",
    ]
    assert world.mode() is ControlMode.REDUCING
    world.commands.resume(ANN)
    world.dog.round()
    assert world.mode() is ControlMode.ACTIVE


def test_watchdog_when_a_person_resumes_while_the_bot_is_silent_then_it_reduces_again(
    world: World,
) -> None:
    world.alive()
    world.pass_s(20)
    world.dog.round()
    world.commands.resume(ANN)
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert len(world.said) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage"])
def test_watchdog_when_the_heartbeat_cannot_be_read_then_the_bot_counts_as_silent(
    world: World, content: bytes
) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    (world.commands.store.folder / FILE).write_bytes(content)
    world.dog.round()
    assert world.account.open_orders() == []
    assert world.mode() is ControlMode.REDUCING


def test_watchdog_when_its_clock_or_the_bots_is_wrong_then_the_bot_counts_as_silent(
    world: World,
) -> None:
    world.alive(time_ms=world.now + 60_000)
    world.dog.round()
    assert world.mode() is ControlMode.REDUCING


def test_watchdog_when_one_request_fails_then_the_rest_is_done_and_it_is_tried_again(
    world: World,
) -> None:
    world.buy(0.01)
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.trader.create_order(ETH, "limit", "buy", 0.1, 2_500)
    world.alive()
    world.pass_s(16)
    world.state.faults.add(
        Answer(on="DELETE /fapi/v1/order", status=503, code=-1001, message="busy", times=1)
    )
    world.dog.round()
    assert [o.symbol for o in world.account.open_orders()] == ["BTCUSDT"]
    assert len(world.stops()) == 1
    assert any(text.startswith("watchdog: not done, tried again next round") for text in world.said)
    world.dog.round()
    assert world.account.open_orders() == []


def test_watchdog_when_the_account_cannot_be_seen_for_long_then_a_person_hears_of_it(
    world: World,
) -> None:
    world.alive()
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk", times=3))
    world.dog.round()
    world.dog.round()
    assert world.said == []  # a request may fail
    world.dog.round()
    begun = "since 2023-11-14 22:13:20 UTC the account cannot be seen: NetworkError: binance GET"
    assert world.said == [f"watchdog: {begun} (address)"]
    assert world.mode() is ControlMode.ACTIVE  # the bot lives, and its own guards see this too
    world.dog.round()
    assert world.said[1] == f"watchdog: over: {begun} (address)"


def test_watchdog_when_something_lasts_then_it_is_told_since_its_first_round(world: World) -> None:
    world.alive()
    world.state.faults.add(Drop(on="GET /fapi/v3/positionRisk"))
    for _ in range(4):
        world.dog.round()
        world.pass_s(5)
        world.alive()
    (said,) = world.said
    assert said.startswith("watchdog: since 2023-11-14 22:13:20 UTC the account")


def test_watchdog_when_a_stopped_bot_holds_the_locks_then_it_acts_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.trader.create_order(BTC, "limit", "buy", 0.01, 50_000)
    world.alive()
    world.pass_s(16)
    monkeypatch.setattr("models.base.files.time.sleep", lambda _: None)
    folder = world.commands.store.folder
    world.commands.journal.folder.mkdir()
    with locked(folder / "lock"), locked(world.commands.journal.folder / "lock"):
        world.dog.round()
    assert world.account.open_orders() == []
    assert world.mode() is ControlMode.HALTED  # through the file HALT, which needs no lock
    assert len(world.said) == 2


def test_watchdog_when_the_run_is_dry_then_it_watches_the_heartbeat_and_asks_the_exchange_nothing(
    world: World,
) -> None:
    dog = world.watchdog(dry=True)
    world.alive()
    world.pass_s(16)
    dog.round()
    assert world.mode() is ControlMode.REDUCING
    assert world.state.requests == []


def test_watchdog_when_the_account_counts_in_another_asset_then_that_is_told_and_nothing_is_sold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the bot's start refuses it: the count in the stake currency reads 0 there."""
    world.buy(0.01)
    world.account.asset = "BNFCR"
    ask = ccxt.binanceusdm.fetch_balance

    def credits_only(client: ccxt.binanceusdm, params: Mapping[str, Any] = {}) -> Any:
        answer = ask(client, params)
        return {**answer, "info": {**answer["info"], "totalMarginBalance": "0.00000000"}}

    monkeypatch.setattr(ccxt.binanceusdm, "fetch_balance", credits_only)
    world.alive()
    world.pass_s(16)
    for _ in range(3):
        world.dog.round()
        world.pass_s(3)
    (told,) = [said for said in world.said if "the margin" in said]
    assert "expected an account with USDT, got one with BNFCR only" in told
    assert held(world) == {"BTCUSDT": 0.01}
    assert world.stops() == [("BTCUSDT", -1, 0.01, 57_000.0, True)]
    world.dog.round()
    assert len([said for said in world.said if "BNFCR" in said]) == 1
    world.account.asset = "USDT"
    monkeypatch.undo()
    world.dog.round()
    assert any("over" in said and "BNFCR" in said for said in world.said)


@pytest.mark.parametrize("ms", [-900_000, 900_000])
def test_venue_when_the_exchanges_clock_is_elsewhere_then_it_dates_by_that_until_it_is_back(
    world: World, ms: int
) -> None:
    world.buy(0.01)
    venue = Venue(venue_client(world.config))
    for skew in (ClockSkew(ms=ms), ClockSkew(ms=0)):
        world.state.faults.clear()
        world.state.faults.add(skew)
        asked = len(world.state.requests)
        for _ in range(3):
            assert [p.amount for p in venue.positions().items] == [0.01]
        assert world.state.requests[asked:].count("GET /fapi/v1/time") == 1
        (position,) = venue.positions().items
        venue.protect(position, 0.001, 57_000)
    assert len(world.stops()) == 2


def test_venue_when_its_clock_is_refused_though_it_is_right_or_unknown_then_that_is_the_answer(
    world: World,
) -> None:
    venue = Venue(venue_client(world.config))
    world.state.faults.add(*refused_requests("clock refused"))
    with pytest.raises(ccxt.InvalidNonce):
        venue.positions()
    assert sum("positionRisk" in request for request in world.state.requests) == 1
    world.state.faults.add(Drop(on="/time"))
    with pytest.raises(ccxt.InvalidNonce):
        venue.positions()


def test_venue_when_an_answer_trickles_in_then_it_is_given_up_and_the_next_one_is_heard(
    world: World,
) -> None:
    world.buy(0.01)
    venue = Venue(venue_client(world.config), in_time=partial(answered_in_time, 0.5))
    venue.positions()
    world.state.faults.add(Trickle(on="positionRisk", every_s=0.1))
    with pytest.raises(ccxt.RequestTimeout, match="the whole answer within"):
        venue.positions()
    world.state.faults.clear()
    assert [p.amount for p in venue.positions().items] == [0.01]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_venue_when_it_reduces_then_it_can_never_turn_a_position_around(world: World) -> None:
    world.buy(0.01)
    venue = Venue(venue_client(world.config))
    (position,) = venue.positions().items
    venue.close(position, 0.004)
    assert float(world.account.open_positions()["BTCUSDT"].amount) == pytest.approx(0.006)
    venue.close(position, 5.0)
    with pytest.raises(ccxt.BaseError):
        venue.close(position, 5.0)
    assert world.account.open_positions() == {}


def test_venue_when_a_stop_closes_the_whole_position_then_it_covers_it(world: World) -> None:
    world.buy(0.01)
    world.trader.fapiPrivatePostAlgoOrder(
        {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
         "triggerPrice": "57000", "closePosition": "true"}
    )  # fmt: skip
    world.alive()
    world.pass_s(16)
    world.dog.round()
    assert len(world.stops()) == 1
