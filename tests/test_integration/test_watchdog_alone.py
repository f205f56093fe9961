"""The bot is dead or was never there: what the real watchdog does and says, all by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.heartbeat import FILE
from models.operate.control.state import ControlMode, ControlState, to_bytes
from models.operate.control.state_file import STATE_FILE
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.faults import REFUSALS, Page, refused_requests
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.test_integration.live_bot import BTC, ETH
from tests.test_integration.lone_watchdog import ANN, DEAD, Abandoned, told

ACTIVE = to_bytes(ControlState(made_ms=1))


# -- A: no new risk, whatever the state says -------------------------------------------------------


def edited(**changes: Any) -> bytes:
    """Return a state that says what no state says by itself."""
    return json.dumps({**json.loads(ACTIVE), **changes}).encode()


STATES: dict[str, bytes | Callable[[Abandoned], object]] = {
    "active": ACTIVE,
    "reducing": lambda left: left.desk.reduce(ANN),
    "halted": lambda left: left.desk.halt(ANN),
    "empty": b"",
    "null": b"null",
    "cut": ACTIVE[:-9],
    "of another version": edited(format=99),
    "of another mode than its reasons": edited(mode="HALTED"),
    "wishing for a position": edited(open={"pair": BTC, "amount": 5.0}, flatten="never"),
}


def test_watchdog_when_the_state_says_whatever_then_entries_go_stops_come_and_nothing_is_opened(
    left: Abandoned,
) -> None:
    btc, eth = 0.0, 0.0
    with left.watched() as dog:
        for turn, (name, content) in enumerate(STATES.items()):
            (left.control / STATE_FILE).write_bytes(content if type(content) is bytes else ACTIVE)
            if callable(content):
                content(left)
            grows, by = ((BTC, 0.01), (ETH, -0.1))[turn % 2]
            left.hold(by, grows)
            btc, eth = btc + max(by, 0.0), eth + min(by, 0.0)
            left.bid(50_000 - turn)
            dog.wait_for(lambda: not left.account.open_orders(), f"{name}: the entry taken back")
            dog.wait_for(lambda: not left.bare(), f"{name}: every position stopped")
        kept = (left.control / STATE_FILE).read_bytes()
    assert kept == STATES["wishing for a position"]
    assert left.held() == {"BTCUSDT": pytest.approx(btc), "ETHUSDT": pytest.approx(eth)}
    assert left.desk.journal.verify().fault == ""


# -- B: positions without a stop -------------------------------------------------------------------


def test_watchdog_when_positions_have_no_stop_or_too_small_a_one_then_each_gets_the_whole_of_it(
    left: Abandoned, chat: Chat
) -> None:
    left.hold(0.02)
    left.stop(0.005, 58_000)
    left.hold(-0.5, ETH)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "every position stopped")
        chat.wait_for(f"0.5 {ETH} had no stop; one placed at 3150")
        left.rounds(dog)
        assert left.stops("BTCUSDT") == [(-1, 0.005, 58_000.0), (-1, 0.015, 57_000.0)]
        assert left.stops("ETHUSDT") == [(1, 0.5, 3_150.0)]
    assert len(told(chat, DEAD)) == 1
    assert len(told(chat, f"0.015 {BTC} had no stop; one placed at 57000")) == 1
    assert left.held() == {"BTCUSDT": 0.02, "ETHUSDT": -0.5}
    assert left.desk.store.read().mode is ControlMode.REDUCING


def test_watchdog_when_no_bot_was_ever_there_then_stops_come_and_only_a_person_has_it_closed(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None, chat: Chat
) -> None:
    left = Abandoned(tmp_path, url, state, account, unprotected_s=1.0)
    left.hold(0.02)
    left.bid(50_000)
    with left.watched() as dog:
        chat.wait_for(f"no bot has given a sign of life in {tmp_path / 'user_data'} yet")
        dog.wait_for(lambda: not left.bare(), "a stop")
        left.rounds(dog)
        assert left.held() == {"BTCUSDT": 0.02}
        assert len(account.open_orders()) == 1  # whose it is nobody knows
        assert left.desk.store.read().mode is ControlMode.ACTIVE
        left.desk.flatten(ANN, "out")
        chat.wait_for("every position is closed, and the exchange holds none")
        assert left.held() == {}
        assert account.open_orders() == []
        assert left.desk.store.read().flatten is None


# -- E: what stands before the exchange ------------------------------------------------------------


@pytest.mark.parametrize("status", [200, pytest.param(502, marks=pytest.mark.slow)])
def test_watchdog_when_a_proxy_answers_for_one_symbol_with_a_page_then_the_other_is_protected(
    tmp_path: Path, url: str, state: ExchangeState, account: Customer, telegram: None, chat: Chat,
    status: int,
) -> None:  # fmt: skip
    left = Abandoned(tmp_path, url, state, account, unprotected_s=3.0)
    left.beat()
    left.hold(0.02)
    left.hold(-0.5, ETH)
    pages = [Page(on=f"open{kind}Orders ETHUSDT", status=status) for kind in ("", "Algo")]
    left.state.faults.add(*pages)
    with left.watched() as dog:
        dog.wait_for(lambda: left.stops("BTCUSDT"), "a stop for the other one")
        chat.wait_for(f"the orders of {ETH} cannot be seen: ")
        # A second stop is the lesser evil than perhaps none: one, not one in each round.
        chat.wait_for(f"the orders of {ETH} cannot be seen; a stop for 0.5 placed")
        left.rounds(dog)
        assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]
        assert left.stops("ETHUSDT") == [(1, 0.5, 3_150.0)]
        left.state.faults.clear()
        dog.wait_for(lambda: told(chat, "over: since"), "word that it is over")
        assert not left.bare()
    assert left.desk.store.read().mode is ControlMode.REDUCING


# -- F: what stays unknown -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "begins"),
    [("key revoked", "while it looks"), ("clock refused", "before the start"),
     pytest.param("key revoked", "before the start", marks=pytest.mark.slow),
     pytest.param("clock refused", "while it looks", marks=pytest.mark.slow)],
)  # fmt: skip
def test_watchdog_when_every_question_is_refused_for_long_then_it_is_told_once_and_goes_on_after(
    left: Abandoned, chat: Chat, refusal: str, begins: str
) -> None:
    code = REFUSALS[refusal][1]
    if begins == "before the start":
        left.hold(0.02)
        left.state.faults.add(*refused_requests(refusal))
    with left.watched() as dog:
        if begins == "while it looks":
            left.rounds(dog, 2)
            left.state.faults.add(*refused_requests(refusal))
            left.hold_unheard(0.02)
        said = chat.wait_for("cannot be seen: ").text
        assert said.startswith("watchdog: since 20")
        assert " UTC the account, the margin" in said
        unseen = [f"the orders of {BTC}", f"the orders of {ETH}"]
        if begins == "before the start":
            unseen.append("what an earlier watchdog has left")
        assert f"{', '.join(unseen[:-1])} and {unseen[-1]} cannot be seen: " in said
        assert f"{code}" in said
        left.rounds(dog, 20)
        assert len(told(chat, "cannot be seen: ")) == 1
        assert not told(chat, "closed")
        assert left.sent() == []
        left.state.faults.clear()
        dog.wait_for(lambda: not left.bare(), "the position stopped")
        chat.wait_for(f"over: {said.removeprefix('watchdog: ')}")
        chat.wait_for(f"0.02 {BTC} had no stop; one placed at 57000")
    assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]
    assert len(told(chat, DEAD)) == 1


def test_watchdog_when_a_symbol_is_settled_then_that_is_told_and_the_other_one_is_protected(
    left: Abandoned, venue: LoopbackVenue, chat: Chat
) -> None:
    left.hold(-0.5, ETH)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "a stop")
        venue.settle("ETHUSDT")
        said = chat.wait_for(f"the orders of {ETH} cannot be seen: ").text
        assert said.startswith("watchdog: since 20")
        left.hold(0.02)
        dog.wait_for(lambda: left.stops("BTCUSDT"), "a stop for the other one")
        left.rounds(dog, 10)
        assert len(told(chat, "cannot be seen")) == 1
    assert left.stops("BTCUSDT") == [(-1, 0.02, 57_000.0)]
    # A start anew finds a list of markets without it.
    left.hold(0.01)
    with left.watched() as dog:
        dog.wait_for(lambda: not left.bare(), "the rest stopped")
        dog.wait_for(lambda: len(told(chat, f"the orders of {ETH} cannot be seen")) == 2, "word")


# -- I: something else in a file's place -----------------------------------------------------------


def put(path: Path, kind: str) -> None:
    """Put a FIFO or a folder in a file's place."""
    path.unlink(missing_ok=True)
    (os.mkfifo if kind == "a FIFO" else Path.mkdir)(path)


@pytest.mark.parametrize(
    ("kind", "when"),
    [("a FIFO", "while it looks"), ("a folder", "before the start"),
     pytest.param("a FIFO", "before the start", marks=pytest.mark.slow),
     pytest.param("a folder", "while it looks", marks=pytest.mark.slow)],
)  # fmt: skip
def test_watchdog_when_no_file_is_in_a_files_place_then_it_says_so_and_looks_on(
    left: Abandoned, chat: Chat, kind: str, when: str
) -> None:
    at_once = when == "before the start"
    if at_once:
        put(left.control / STATE_FILE, kind)
        put(left.control / FILE, kind)
        left.hold(0.01)
    with left.watched() as dog:
        if not at_once:
            left.rounds(dog, 2)
            put(left.control / STATE_FILE, kind)
            put(left.control / FILE, kind)
            left.hold(0.01)
        dog.wait_for(lambda: not left.bare(), "the position stopped")
        state = chat.wait_for("the control state cannot be read").text
        life = chat.wait_for(f"{FILE}: ").text
        assert all(f"expected a regular file, got {kind}" in text for text in (state, life))
        left.hold(-0.5, ETH)
        dog.wait_for(lambda: not left.bare(), "the next one stopped")
        left.rounds(dog, 10)
        assert len(told(chat, "the control state cannot be read")) == 1
        for name in (STATE_FILE, FILE):
            (os.unlink if kind == "a FIFO" else os.rmdir)(left.control / name)
        (left.control / STATE_FILE).write_bytes(ACTIVE)
        left.beat(0.0)
        chat.wait_for("over: the control state cannot be read")
        chat.wait_for(f"over: {FILE}: ")
