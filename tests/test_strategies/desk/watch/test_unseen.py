"""What the watchdog cannot see: one message for one cause, and no question while it is banned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import ccxt
import pytest

from models.base.files import iso_ms
from models.operate.control.watch import WatchdogConfig
from strategies.desk.watch.ban import Ban
from strategies.desk.watch.unseen import Missing, UnseenParts
from strategies.desk.watch.venue import Venue
from strategies.desk.watch.watchdog import Watchdog
from tests.exchange.faults import Answer
from tests.test_strategies.desk.watch.loopback_world import BTC, ETH, World, running_world
from tests.test_strategies.desk.watch.scripted import START_MS, ScriptedWorld

SINCE = "since 2023-11-14 22:13:20 UTC"
PRIVATE = ("positionRisk", "account", "balance", "openOrders BTCUSDT", "openOrders ETHUSDT")
REVOKED = ccxt.AuthenticationError('{"code":-2015,"msg":"Invalid API-key"}')
BANNED = "418 I'm a teapot {'msg': 'Way too many requests; IP banned until %d.'}"


@pytest.fixture
def world(tmp_path: Path) -> ScriptedWorld:
    return ScriptedWorld(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


def rounds(world: ScriptedWorld, dog: Watchdog, count: int) -> None:
    for _ in range(count):
        dog.round()
        world.now_ms += 3_000


def unseen(world: ScriptedWorld | World) -> list[str]:
    return [text.removeprefix("watchdog: ") for text in world.said if "cannot be seen" in text]


# -- one cause, one message ---------------------------------------------------------------------


def test_watchdog_when_its_key_is_revoked_then_one_message_names_the_cause_and_every_part(
    world: ScriptedWorld,
) -> None:
    well = {name: world.account.answers[name] for name in PRIVATE}
    world.account.answers |= dict.fromkeys(PRIVATE, REVOKED)
    dog = world.watchdog()
    rounds(world, dog, 5)
    told = (
        f"{SINCE} the account, the margin, the orders of {BTC} and the orders of {ETH} cannot be "
        "seen: AuthenticationError: "
    )
    (said,) = unseen(world)
    assert said.startswith(told)
    assert "-2015" in said
    world.account.answers |= {
        "openOrders BTCUSDT": ccxt.NetworkError("no"),
        "account": well["account"],
    }
    rounds(world, dog, 5)
    assert unseen(world) == [said]  # fewer parts, another reason: the same message stands
    world.account.answers |= well
    rounds(world, dog, 2)
    assert unseen(world) == [said, f"over: {said}"]


def test_watchdog_when_another_part_is_unseen_later_then_that_is_told_by_itself(
    world: ScriptedWorld,
) -> None:
    dog = world.watchdog()
    well = world.account.answers["openOrders ETHUSDT"]
    world.account.answers["openOrders ETHUSDT"] = REVOKED
    rounds(world, dog, 3)
    world.account.answers["account"] = REVOKED
    rounds(world, dog, 3)
    first, second = unseen(world)
    assert first.startswith(f"{SINCE} the orders of {ETH} cannot be seen")
    assert second.startswith("since 2023-11-14 22:13:29 UTC the margin cannot be seen")
    world.account.answers["openOrders ETHUSDT"] = well
    rounds(world, dog, 1)
    assert unseen(world)[2:] == [f"over: {first}"]


def test_watchdog_when_parts_are_unseen_for_two_reasons_then_each_reason_is_one_message(
    world: ScriptedWorld,
) -> None:
    gone = ccxt.BadSymbol("gone")
    world.account.answers |= {
        "openOrders BTCUSDT": gone, "openOrders ETHUSDT": gone, "account": REVOKED
    }  # fmt: skip
    rounds(world, world.watchdog(), 4)
    margin, orders = unseen(world)
    assert margin.startswith(f"{SINCE} the margin cannot be seen: AuthenticationError")
    assert orders == (
        f"{SINCE} the orders of {BTC} and the orders of {ETH} cannot be seen: BadSymbol: gone"
    )


def test_alarm_when_its_parts_come_and_go_then_it_stands_until_none_is_left() -> None:
    parts = UnseenParts()

    def seen(**why: str) -> dict[str, str]:
        return parts.alarms({name: Missing(START_MS, reason) for name, reason in why.items()})

    (one,) = seen(a="x", b="x")
    assert seen(b="y", c="y") == {
        one: f"{SINCE} b cannot be seen: y", "unseen 2": f"{SINCE} c cannot be seen: y",
    }  # fmt: skip
    # Back again: by itself, as news.
    assert list(seen(a="x", b="x", c="x")) == [one, "unseen 2", "unseen 3"]
    assert seen() == {}


def test_alarm_when_one_part_was_unseen_earlier_then_it_is_told_since_then() -> None:
    later = Missing(START_MS + 9_000, "x")
    (text,) = UnseenParts().alarms({"a": later, "b": Missing(START_MS, "x")}).values()
    assert text == f"{SINCE} a and b cannot be seen: x"


# -- the exchange's clock -----------------------------------------------------------------------


def test_watchdog_when_the_exchanges_clock_is_not_told_then_it_is_a_part_like_the_others(
    world: ScriptedWorld,
) -> None:
    world.account.answers["time"] = ccxt.NetworkError("no")
    dog = world.watchdog()
    rounds(world, dog, 3)
    assert unseen(world) == [f"{SINCE} the exchange's clock cannot be seen: NetworkError: no"]
    world.account.answers["time"] = {"serverTime": world.now_ms}
    rounds(world, dog, 20)
    assert unseen(world)[1:] == [f"over: {SINCE} the exchange's clock cannot be seen: "
                                 "NetworkError: no"]  # fmt: skip


def test_watchdog_when_its_own_clock_has_jumped_meanwhile_then_that_is_told_once_and_not_over(
    world: ScriptedWorld,
) -> None:
    world.account.answers["time"] = ccxt.NetworkError("no")
    passed_ms = [world.now_ms]
    dog = Watchdog(
        world.commands, Venue(world.account.client, lambda: passed_ms[0] / 1000), [BTC],
        WatchdogConfig(), world.said.append, monotonic=lambda: passed_ms[0] / 1000,
    )  # fmt: skip
    world.now_ms += 900_000
    for _ in range(50):  # the exchange's time is asked for, in vain, every minute
        dog.round()
        world.now_ms, passed_ms[0] = world.now_ms + 3_000, passed_ms[0] + 3_000
    assert [text for text in world.said if "has jumped" in text] == [
        "watchdog: the machine's clock has jumped by +900 s"
    ]


# -- a ban --------------------------------------------------------------------------------------


def test_watchdog_when_its_address_is_banned_then_it_asks_once_when_it_may_and_acts_after_it(
    served: World,
) -> None:
    served.buy(0.01)
    served.alive()
    served.pass_s(20)
    served.state.requests.clear()
    ban = Answer(status=418, code=-1003, message="Way too many requests; IP banned.",
                 retry_after_s=60)  # fmt: skip
    served.state.faults.add(ban)
    for _ in range(20):
        served.dog.round()
        served.pass_s(3)
    assert len(served.state.requests) == 1
    (said,) = unseen(served)
    assert (
        f"the account, the margin, the orders of {BTC}, the orders of {ETH}, what an earlier "
        "watchdog has left and the exchange's" in said
    )
    assert "asked too often, says the exchange; asked again at 20" in said
    served.dog.round()
    assert len(served.state.requests) == 2  # a minute later, and no more than once
    ban.times = 0
    served.pass_s(60)
    served.dog.round()
    assert [stop[0] for stop in served.stops()] == ["BTCUSDT"]
    assert unseen(served)[1:] == [f"over: {said}"]


@pytest.mark.parametrize(
    ("said", "headers", "waits_s"),
    [
        ("429", {"Retry-After": "7"}, 7.0),
        (BANNED % (START_MS + 120_000), {"retry-after": "30"}, 30.0),
        (BANNED % (START_MS + 120_000), {}, 120.0),
        (BANNED % (START_MS + 120_000), {"Retry-After": "0"}, 120.0),
        (BANNED % (START_MS + 120_000), {"Retry-After": "soon"}, 120.0),
        (BANNED % (START_MS + 500), {}, 0.5),
        (BANNED % (START_MS - 1), {}, 60.0),
        (BANNED % START_MS, {}, 60.0),
        (BANNED % 9_999_999_999_999, {}, 600.0),
        ("418", {"Retry-After": "86400"}, 600.0),
        ("418", None, 60.0),
        ("418", {}, 60.0),
    ],
)
@pytest.mark.parametrize("kind", [ccxt.DDoSProtection, ccxt.RateLimitExceeded])
def test_ban_when_the_exchange_says_how_long_then_nothing_is_asked_before_or_for_ten_minutes(
    said: str, headers: dict[str, str] | None, waits_s: float, kind: type[ccxt.BaseError]
) -> None:
    now_s = [100.0]
    client = SimpleNamespace(last_response_headers=headers, milliseconds=lambda: START_MS)
    ban = Ban(client, lambda: now_s[0])  # type: ignore[arg-type]  # the part it reads
    with ban.heeded():
        pass
    again = re.escape(iso_ms(START_MS + round(1000 * waits_s)))
    with pytest.raises(ccxt.DDoSProtection, match=f"asked again at {again}"), ban.heeded():
        raise kind(said)
    for passed_s in (0.0, waits_s - 0.001):
        now_s[0] = 100.0 + passed_s
        with pytest.raises(ccxt.DDoSProtection, match="asked too often"), ban.heeded():
            raise AssertionError("asked")
    now_s[0] = 100.0 + waits_s
    for _ in range(2):
        with ban.heeded():
            pass


def test_ban_when_a_question_fails_otherwise_then_it_is_no_ban(world: ScriptedWorld) -> None:
    world.account.answers["positionRisk"] = ccxt.ExchangeNotAvailable("503")
    dog = world.watchdog()
    rounds(world, dog, 3)
    world.account.answers["positionRisk"] = []
    rounds(world, dog, 1)
    assert [text.startswith("over: ") for text in unseen(world)] == [False, True]
