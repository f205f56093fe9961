"""Faults strike where they are aimed, as a plain HTTP client sees them."""

from __future__ import annotations

import random

import httpx
import pytest

from tests.telegram.chat import Chat
from tests.telegram.faults import Drop, Latency, bad_gateway, too_many_requests
from tests.telegram.state import BotApiState
from tests.test_telegram.conftest import CHAT, Ask


def test_too_many_requests_when_switched_on_then_it_says_how_long_to_wait(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    state.faults.add(too_many_requests("sendMessage", retry_after_s=3, times=1))
    assert ask("sendMessage", chat_id=CHAT, text="a") == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 3",
        "parameters": {"retry_after": 3},
    }
    assert ask("getMe")["ok"]
    assert ask("sendMessage", chat_id=CHAT, text="b")["ok"]
    assert [m.text for m in chat.received()] == ["b"]


@pytest.mark.usefixtures("chat")
def test_bad_gateway_when_switched_on_for_all_then_it_lasts_until_cleared(
    ask: Ask, state: BotApiState
) -> None:
    state.faults.add(bad_gateway(""))
    assert [ask(name)["error_code"] for name in ("getMe", "getUpdates")] == [502, 502]
    state.faults.clear()
    assert ask("getMe")["ok"]
    assert [line for _, _, line in state.faults.struck] == ["getMe", "getUpdates"]


@pytest.mark.parametrize(("executed", "arrived"), [(False, []), (True, ["a"])])
def test_drop_when_switched_on_then_the_connection_ends_before_or_after_the_method(
    ask: Ask, chat: Chat, state: BotApiState, executed: bool, arrived: list[str]
) -> None:
    state.faults.add(Drop(on="sendMessage", executed=executed, times=1))
    with pytest.raises(httpx.TransportError):
        ask("sendMessage", chat_id=CHAT, text="a")
    assert [m.text for m in chat.received()] == arrived
    assert ask("getMe")["ok"]


def test_drop_when_aimed_at_the_proxy_then_telegram_is_out_of_reach(
    ask: Ask, state: BotApiState
) -> None:
    state.faults.add(Drop(on="CONNECT", times=1))
    with pytest.raises(httpx.TransportError):
        ask("getMe")
    assert not state.calls
    assert ask("getMe")["ok"]


def test_latency_when_switched_on_then_it_waits_before_and_after_the_method(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    waits = []

    def wait(_: random.Random) -> float:
        waits.append(len(chat.received()))
        return 0.01

    state.faults.add(Latency(on="sendMessage", before_s=wait, after_s=wait))
    assert ask("sendMessage", chat_id=CHAT, text="a")["ok"]
    assert waits == [0, 1]
