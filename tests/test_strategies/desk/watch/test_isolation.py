"""Nothing that cannot be read ends the watchdog, or keeps it from the rest of the account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import pytest

from models.operate.control.heartbeat import FILE
from strategies.desk.watch import venue as venue_room
from strategies.desk.watch.telling import Telling
from tests.test_strategies.desk.watch.scripted import BTC, ETH, ScriptedWorld, own_stop

PAGE = "<html><body>502 Bad Gateway</body></html>"
OWN = {**own_stop("ETHUSDT"), "side": "BUY", "quantity": "0.500", "triggerPrice": "3150"}


@pytest.fixture
def world(tmp_path: Path) -> ScriptedWorld:
    return ScriptedWorld(tmp_path)


def test_watchdog_when_all_can_be_read_then_both_positions_are_stopped(
    world: ScriptedWorld,
) -> None:
    world.watchdog().round()
    assert world.account.stopped("BTCUSDT")
    assert world.account.stopped("ETHUSDT")
    assert sum(order["method"] == "DELETE" for order in world.account.orders) == 2  # the entries


def eth(answers: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = answers["positionRisk"][1]
    return row


@pytest.mark.parametrize(
    "breaks",
    [
        lambda a: eth(a).pop("symbol"),
        lambda a: eth(a).pop("positionAmt"),
        lambda a: eth(a).pop("entryPrice"),
        lambda a: eth(a).update(positionAmt="much"),
        lambda a: eth(a).update(positionAmt=None),
        lambda a: eth(a).update(positionAmt="nan"),
        lambda a: eth(a).update(symbol=7),
        lambda a: eth(a).update(entryPrice="?"),
        lambda a: eth(a).update(entryPrice="0"),
        lambda a: eth(a).update(markPrice=[]),
        lambda a: a["positionRisk"].__setitem__(1, None),
        lambda a: a["positionRisk"].__setitem__(1, "ETH"),
        lambda a: a["positionRisk"].insert(0, {}),
        lambda a: a.update({"openOrders ETHUSDT": PAGE}),
        lambda a: a.update({"openOrders ETHUSDT": None}),
        lambda a: a.update({"openAlgoOrders ETHUSDT": [{"algoId": None}]}),
        lambda a: a.update({"openOrders ETHUSDT": KeyError("x")}),
        lambda a: a.update({"openOrders ETHUSDT": ccxt.BadSymbol("gone")}),
        lambda a: a["exchangeInfo"]["symbols"].pop(),
        lambda a: a["exchangeInfo"]["symbols"][1].pop("filters"),
        lambda a: a["exchangeInfo"]["symbols"].__setitem__(1, None),
        # Written down digit by digit they would never end.
        lambda a: a["exchangeInfo"]["symbols"][1].update(pricePrecision=10**40),
        lambda a: a["exchangeInfo"]["symbols"][1].update(quantityPrecision=-(10**12)),
        lambda a: a["exchangeInfo"]["symbols"][1].update(baseAssetPrecision="9" * 400),
        lambda a: a.update(account=PAGE),
        lambda a: a.update(account={"totalMaintMargin": "x", "totalMarginBalance": "1"}),
        lambda a: a.update(time=PAGE),
    ],
)  # fmt: skip
def test_watchdog_when_one_symbol_or_part_is_broken_then_the_other_is_protected_and_it_is_said(
    world: ScriptedWorld, breaks: Callable[[dict[str, Any]], object]
) -> None:
    breaks(world.account.answers)
    dog = world.watchdog()
    for _ in range(3):
        dog.round()
        world.now_ms += 3_000
    assert world.account.stopped("BTCUSDT")
    told = " ".join(world.said)
    assert "cannot be seen" in told or "the exchange's clock" in told or (
        world.account.stopped("ETHUSDT")
    )  # fmt: skip


def test_watchdog_when_no_market_can_be_read_and_one_would_never_end_then_it_says_so_and_ends(
    world: ScriptedWorld,
) -> None:
    symbols = world.account.answers["exchangeInfo"]["symbols"]
    symbols[0] = None
    symbols[1].update(quantityPrecision=10**40)  # the balance, too, asks for all markets
    dog = world.watchdog()
    for _ in range(3):
        dog.round()
        world.now_ms += 60_000
    assert "cannot be seen" in " ".join(world.said)


@pytest.mark.parametrize("answer", [PAGE, None, "", {}, 7, [], KeyError("x")])
def test_watchdog_when_the_positions_are_garbage_then_no_own_stop_is_taken_back(
    world: ScriptedWorld, answer: object
) -> None:
    world.account.answers["openAlgoOrders BTCUSDT"] = [own_stop("BTCUSDT")]
    world.account.answers["positionRisk"] = answer
    world.watchdog().round()
    taken = [o for o in world.account.orders if o["method"] == "DELETE" and "algo" in o["path"]]
    assert len(taken) == (1 if answer == [] else 0)  # an empty list says there is no position


@pytest.mark.parametrize("symbol", [None, 7, "ETHUSD", ""])
def test_watchdog_when_a_position_is_of_no_market_then_no_own_stop_is_taken_back(
    world: ScriptedWorld, symbol: object
) -> None:
    world.account.answers["openAlgoOrders ETHUSDT"] = [OWN]
    eth(world.account.answers)["symbol"] = symbol
    dog = world.watchdog()
    for _ in range(3):
        dog.round()
        world.now_ms += 3_000
    taken = [o for o in world.account.orders if o["method"] == "DELETE" and "algo" in o["path"]]
    assert taken == []
    assert any("the position in" in text and "cannot be seen: " in text for text in world.said)
    assert world.account.stopped("BTCUSDT")


@pytest.mark.parametrize("breaks", [{"side": None}, {"quantity": "some"}, {"reduceOnly": None}])
def test_watchdog_when_a_stop_cannot_be_read_then_one_more_is_placed_and_not_one_a_round(
    world: ScriptedWorld, breaks: dict[str, object]
) -> None:
    readable = {**OWN, "algoId": 4, "quantity": "0.100", "clientAlgoId": "x-1"}
    world.account.answers["openAlgoOrders ETHUSDT"] = [{**OWN, **breaks}, readable]
    dog = world.watchdog(unprotected_s=30.0)
    placed = []
    for _ in range(30):
        dog.round()
        world.now_ms += 3_000
        placed.append(sum(o["symbol"] == "ETHUSDT" and "triggerPrice" in o
                          for o in world.account.orders))  # fmt: skip
    assert (placed[9], placed[-1]) == (0, 1)  # a while later it is the lesser evil
    (stop,) = [o for o in world.account.orders if o["symbol"] == "ETHUSDT" and "triggerPrice" in o]
    assert stop["quantity"] == "0.4"  # what can be read counts
    assert any("an order in ETHUSDT cannot be seen: " in text for text in world.said)


@pytest.mark.parametrize("mark", ["0", "-1", "nan", "inf", None, {}])
def test_watchdog_when_a_mark_is_none_then_another_price_sets_the_stop(
    world: ScriptedWorld, mark: object
) -> None:
    world.account.answers["positionRisk"][0]["markPrice"] = mark
    world.account.answers["24hr BTCUSDT"] = {"symbol": "BTCUSDT", "lastPrice": "50000"}
    world.watchdog().round()
    (stop,) = [o for o in world.account.orders if o["symbol"] == "BTCUSDT" and "triggerPrice" in o]
    assert float(stop["triggerPrice"]) == pytest.approx(47_500)
    world.account.orders.clear()
    del world.account.answers["24hr BTCUSDT"]
    world.watchdog().round()
    (stop,) = [o for o in world.account.orders if o["symbol"] == "BTCUSDT" and "triggerPrice" in o]
    assert float(stop["triggerPrice"]) == pytest.approx(57_000)  # from the entry


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b'"x"', {"time_ms": "now", "pid": 1, "loop": 1},
     {"time_ms": 1, "pid": "x", "loop": 1}, {"time_ms": 1e300, "pid": 1, "loop": 1},
     {"time_ms": 10**30, "pid": 1, "loop": 1}, {"time_ms": True, "pid": 1, "loop": 1},
     {"time_ms": 1, "pid": 1, "loop": 1, "feed_ms": "x"},
     {"time_ms": 1, "pid": 1, "loop": 1, "numbers": "x"},
     {"time_ms": 1, "pid": 1, "loop": 1, "numbers": {"a": "x"}},
     {"time_ms": 1, "pid": 1, "loop": 1, "stopped": 7},
     {"time_ms": 1, "pid": 1, "loop": 1, "more": 1}],
)  # fmt: skip
def test_watchdog_when_the_heartbeat_is_of_other_kinds_then_the_bot_is_silent_and_looked_after(
    world: ScriptedWorld, content: object
) -> None:
    world.write(FILE, content)
    world.watchdog().round()
    assert world.account.stopped("BTCUSDT")
    assert any(FILE in text for text in world.said)


def test_watchdog_when_the_heartbeat_is_a_pipe_or_a_folder_then_it_does_not_hang(
    world: ScriptedWorld,
) -> None:
    import os

    (world.folder / FILE).unlink()
    os.mkfifo(world.folder / FILE)
    world.watchdog().round()
    assert world.account.stopped("BTCUSDT")
    (world.folder / FILE).unlink()
    (world.folder / FILE).mkdir()
    world.account.orders.clear()
    world.watchdog().round()
    assert world.account.stopped("BTCUSDT")


def test_watchdog_when_the_heartbeat_is_deleted_then_it_is_missed(world: ScriptedWorld) -> None:
    (world.folder / FILE).unlink()
    world.watchdog().round()
    assert world.said[0] == f"watchdog: {FILE}: the bot's sign of life is gone"
    assert world.account.stopped("BTCUSDT")
    assert not world.commands.store.read().may_add_risk


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b'{"format": 1}',
     {"format": 1, "mode": "ACTIVE", "reason": 1, "by": [], "since_ms": "x", "flatten": None,
      "hedge": None, "proposals": [], "next_proposal": "x", "changes": "x", "acknowledged": 7},
     {"format": 1, "mode": "ACTIVE", "reason": "", "by": "", "since_ms": 1, "flatten": "now",
      "hedge": 3, "proposals": ["x"], "next_proposal": 1, "changes": 1, "acknowledged": {}},
     {"format": 1, "mode": "ACTIVE", "reason": "", "by": "", "since_ms": 1, "flatten": None,
      "hedge": None, "proposals": [{"id": 1, "key": 1, "pair": 1, "side": 1, "note": 1, "rate": 1,
      "notional_quote": 1, "since_ms": "x", "expires_ms": "x", "answer": "waiting", "by": 1}],
      "next_proposal": 1, "changes": 1, "acknowledged": {}}],
)  # fmt: skip
def test_watchdog_when_the_control_state_is_of_other_kinds_then_the_account_is_looked_after(
    world: ScriptedWorld, content: object
) -> None:
    world.write("state.json", content)
    dog = world.watchdog(on_silence="protect")
    dog.round()
    assert world.account.stopped("BTCUSDT")
    assert world.account.stopped("ETHUSDT")
    dog.round()
    assert sum("watchdog: the control state cannot be read" in text for text in world.said) == 1


def test_watchdog_when_saying_or_journalling_fails_then_it_goes_on(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(type(world.commands.journal), "append", broken)
    dog = world.watchdog(say=broken)
    dog.round()
    assert world.account.stopped("BTCUSDT")
    dog.round()


def test_watchdog_when_a_pair_is_listed_no_more_then_it_is_told_at_intervals_and_not_each_round(
    world: ScriptedWorld,
) -> None:
    world.account.answers["exchangeInfo"]["symbols"].pop()
    del world.account.answers["positionRisk"][1]
    dog = world.watchdog()
    for _ in range(1_250):  # an hour and a bit
        dog.round()
        world.now_ms += 3_000
    told = [text for text in world.said if ETH in text]
    first = (
        f"since 2023-11-14 22:13:20 UTC the orders of {ETH} cannot be seen: BadSymbol: "
        f"binanceusdm does not have market symbol {ETH}"
    )
    still = f"watchdog: still: {first}"
    assert told == [f"watchdog: {first}", still, still]


def test_watchdog_when_an_action_keeps_failing_then_it_is_told_once_and_tried_in_each_round(
    world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_: object) -> None:
        tried.append(1)
        raise ccxt.OrderImmediatelyFillable("no")

    monkeypatch.setattr(venue_room.Venue, "protect", refused)
    dog = world.watchdog()
    for _ in range(5):
        dog.round()
        world.now_ms += 3_000
    assert len(tried) == 10
    told = [t for t in world.said if t.startswith("watchdog: not done, tried again next round")]
    assert len(told) == 2


def test_watchdog_when_the_orders_of_a_silent_bots_position_stay_unseen_then_one_stop_is_placed(
    world: ScriptedWorld,
) -> None:
    world.account.answers["openOrders BTCUSDT"] = PAGE
    dog = world.watchdog()
    for _ in range(30):
        dog.round()
        world.now_ms += 3_000
    stops = [o for o in world.account.orders if o["symbol"] == "BTCUSDT" and "triggerPrice" in o]
    assert [(s["quantity"], s["triggerPrice"]) for s in stops] == [("0.01", "57000")]
    assert any(f"the orders of {BTC} cannot be seen; a stop" in text for text in world.said)


def test_failures_when_they_come_again_then_each_kind_is_told_once_whatever_its_figures(
    world: ScriptedWorld,
) -> None:
    passed_s = [0.0]
    telling = Telling(world.commands.journal, world.said.append, lambda: passed_s[0], 60.0)
    first, other = "stop of 1.5 for BTC not placed", "stop of 1.5 for ETH not placed"
    assert telling.failed(first, OSError("no")) == [f"{first} (OSError: no)"]
    assert telling.failed(other, OSError("no")) == [f"{other} (OSError: no)"]  # another coin's
    assert telling.failed(first.replace("1.5", "1.4"), OSError("not now")) == []
    assert telling.failed(first, ValueError("no")) == [f"{first} (ValueError: no)"]
    passed_s[0] = 60.0
    assert telling.failed(first, OSError("no")) == [f"{first} (OSError: no)"]


def test_alarm_when_it_lasts_then_it_is_told_again_exactly_when_it_is_due(
    world: ScriptedWorld,
) -> None:
    passed_s = [0.0]
    telling = Telling(world.commands.journal, world.said.append, lambda: passed_s[0], 60.0)
    assert telling.alarms({"a": "x"}) == (["x"], [])
    passed_s[0] = 59.9
    assert telling.alarms({"a": "y"}) == ([], [])
    passed_s[0] = 60.0
    assert telling.alarms({"a": "y"}) == (["still: y"], [])
    passed_s[0] = 119.9
    assert telling.alarms({"a": "z"}) == ([], [])
    assert telling.alarms({}) == ([], ["over: y"])
