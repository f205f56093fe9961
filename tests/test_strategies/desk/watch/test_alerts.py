"""The words of the watchdog to a person: kept while Telegram is down, never lost silently."""

from __future__ import annotations

import io
import logging
import urllib.request
from collections.abc import Iterator
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from strategies.desk.watch.alerts import Alerts
from tests.telegram.chat import Chat
from tests.telegram.errors import BotApiError
from tests.telegram.faults import Drop, Refusal
from tests.telegram.server import running_bot_api
from tests.telegram.state import BotApiState


def telegram(state: BotApiState, chat_id: int) -> dict[str, Any]:
    return {"telegram": {"enabled": True, "token": state.token, "chat_id": str(chat_id)}}


def test_alerts_when_telegram_is_down_then_they_are_kept_and_the_token_is_never_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    state = BotApiState()
    chat = Chat(state, 1001)
    alerts = Alerts(telegram(state, 1001))
    with running_bot_api(state) as endpoint:
        monkeypatch.setenv("SSL_CERT_FILE", str(endpoint.certificate))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
        alerts.say("watchdog: first")
        alerts.deliver()
        alerts.say("watchdog: second")
        monkeypatch.setenv("https_proxy", endpoint.proxy_url)
        alerts.deliver()
        texts = [message.text for message in chat.received()]
        assert texts == ["watchdog: first", "watchdog: second"]
        alerts.deliver()
        assert len(chat.received()) == 2
    assert "watchdog: first" in caplog.text
    assert state.token not in caplog.text


@pytest.fixture
def telegram_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApiState]:
    state = BotApiState()
    with running_bot_api(state) as endpoint:
        monkeypatch.setenv("SSL_CERT_FILE", str(endpoint.certificate))
        monkeypatch.setenv("https_proxy", endpoint.proxy_url)
        yield state


def senders() -> list[Thread]:
    return [thread for thread in enumerate_threads() if thread.name == "alerts"]


def test_alerts_when_telegram_is_slow_then_one_thread_sends_and_the_next_alert_has_its_turn(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    with telegram_up.changed:  # nothing is answered meanwhile
        alerts.say("watchdog: 1")
        alerts.deliver_beside()
        (first,) = senders()
        assert first.daemon  # the end of the process does not wait for it
        alerts.say("watchdog: 2")
        alerts.deliver_beside()
        assert senders() == [first]
    first.join()
    alerts.say("watchdog: 3")
    alerts.deliver_beside()
    for sender in senders():
        sender.join()
    assert [message.text for message in chat.received()] == [f"watchdog: {n}" for n in (1, 2, 3)]


def test_alert_when_it_is_longer_than_telegram_takes_then_its_beginning_is_sent(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    alerts.say("watchdog: " + "9" * 5_000)
    alerts.deliver()
    (message,) = chat.received()
    assert message.text == "watchdog: " + "9" * 3_990


def refusing(times: int) -> Refusal:
    error = BotApiError(400, "Bad Request: can't parse entities")
    return Refusal(on="sendMessage", times=times, error=error)


def test_alert_when_telegram_refuses_it_then_it_is_sent_plain_and_not_dropped(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    telegram_up.faults.add(refusing(1))
    alerts.say("watchdog: bot 7\thas <b given no sign\u2028\nof life \U0001f600")
    alerts.deliver()
    (message,) = chat.received()
    assert message.text == "watchdog: bot 7?has <b given no sign?\nof life ?"


def test_alert_when_it_is_refused_even_plain_then_the_next_one_tells_of_it(
    telegram_up: BotApiState, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    telegram_up.faults.add(refusing(4))
    for number in (1, 2, 3, 4):
        alerts.say(f"watchdog: {number}")
    alerts.deliver()
    assert [message.text for message in chat.received()] == [
        "watchdog: 3\n(2 before this were refused: Bad Request: can't parse entities; see the log)",
        "watchdog: 4",
    ]
    assert telegram_up.token not in caplog.text


def test_alerts_when_more_wait_than_are_kept_then_the_next_one_tells_how_many_are_lost(
    telegram_up: BotApiState, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    for number in range(53):
        alerts.say(f"watchdog: {number}")
    telegram_up.faults.add(Drop(on="sendMessage", times=1))
    alerts.deliver()

    def down(*_: object) -> None:
        alerts.say("watchdog: meanwhile")
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(alerts, "_send", down)
        alerts.deliver()
    alerts.deliver()
    texts = [message.text for message in chat.received()]
    assert texts[0] == "watchdog: 4\n(4 before this could not be sent in time; see the log)"
    assert texts[1:] == [*(f"watchdog: {number}" for number in range(5, 53)), "watchdog: meanwhile"]


def test_alerts_when_as_many_wait_as_are_kept_then_every_one_comes(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    for number in range(50):
        alerts.say(f"{number}")
    alerts.deliver()
    assert [message.text for message in chat.received()] == [f"{number}" for number in range(50)]


def test_alert_when_the_reason_of_a_refusal_is_long_then_its_beginning_is_told(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    error = BotApiError(400, "Bad Request: " + "9" * 500)
    telegram_up.faults.add(Refusal(on="sendMessage", times=2, error=error))
    alerts.say("watchdog: 1")
    alerts.say("watchdog: 2")
    alerts.deliver()
    (message,) = chat.received()
    why = "Bad Request: " + "9" * 187  # 200 characters
    assert message.text == f"watchdog: 2\n(1 before this were refused: {why}; see the log)"


def test_alert_when_it_is_refused_and_long_then_less_of_it_is_sent_plain(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, 1001)
    alerts = Alerts(telegram(telegram_up, 1001))
    telegram_up.faults.add(refusing(1))
    alerts.say("9" * 3_000)
    alerts.deliver()
    (message,) = chat.received()
    assert message.text == "9" * 1_000


def test_alert_when_it_is_sent_then_telegram_is_given_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float | None] = []

    def opened(self: object, request: object, timeout: float | None = None) -> io.BytesIO:
        given.append(timeout)
        return io.BytesIO(b"{}")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", opened)
    alerts = Alerts({"telegram": {"enabled": True, "token": "1:a", "chat_id": "1"}})
    alerts.say("watchdog: x")
    alerts.deliver()
    assert given == [5.0]


def test_alert_when_the_bots_topic_is_closed_then_it_comes_outside_it(
    telegram_up: BotApiState,
) -> None:
    chat = Chat(telegram_up, -1001)
    config = telegram(telegram_up, -1001)
    config["telegram"]["topic_id"] = "77"
    alerts = Alerts(config)
    alerts.say("watchdog: x")
    alerts.deliver()
    assert [message.text for message in chat.received()] == ["watchdog: x"]


def test_alerts_when_telegram_is_off_then_the_log_has_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    off = {"telegram": {"enabled": False, "token": "1:a", "chat_id": "1"}}
    alerts = Alerts(off)
    alerts.say("watchdog: x")
    alerts.deliver()
    assert caplog.messages == ["watchdog: x"]
    Alerts(off, "user_data_a").say("watchdog: y")
    assert caplog.messages[1:] == ["user_data_a: watchdog: y"]
