"""The protocol, asked by a plain HTTP client through the proxy."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from tests.telegram.chat import Chat
from tests.telegram.server import HOST, Endpoint
from tests.telegram.state import BotApiState
from tests.test_telegram.conftest import CHAT, Ask


def test_get_me_when_asked_in_any_spelling_then_the_bot_is_described(ask: Ask) -> None:
    assert ask("getMe")["result"]["is_bot"]
    assert ask("GETME") == ask("getme") == ask("getMe")


def test_any_method_when_the_token_is_wrong_then_it_is_unauthorized(
    client: httpx.Client, state: BotApiState
) -> None:
    answer = client.get(f"https://{HOST}/bot1:wrong/getMe")
    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    assert not state.unknown


def test_a_method_when_it_is_not_spoken_then_the_answer_is_404_and_it_is_on_record(
    ask: Ask, client: httpx.Client, state: BotApiState
) -> None:
    assert ask("sendDice", chat_id=CHAT)["error_code"] == 404
    assert client.get(f"https://{HOST}/file/x").status_code == 404
    assert list(state.unknown) == ["sendDice", "GET /file/x"]


@pytest.mark.usefixtures("chat")
def test_a_parameter_when_nobody_looks_at_it_then_it_is_on_record(
    ask: Ask, state: BotApiState
) -> None:
    assert ask("sendMessage", chat_id=CHAT, text="a", protect_content=True)["ok"]
    assert list(state.unknown) == ["sendMessage(protect_content)"]


def test_the_proxy_when_asked_for_another_host_then_it_refuses_and_remembers(
    client: httpx.Client, endpoint: Endpoint, state: BotApiState
) -> None:
    with pytest.raises(httpx.ProxyError):
        client.get("https://example.org/")
    assert httpx.get("http://example.org/", proxy=endpoint.proxy_url).status_code == 403
    assert list(state.elsewhere) == ["CONNECT example.org:443", "GET http://example.org/"]


def test_the_certificate_when_it_is_not_trusted_then_no_client_connects(
    endpoint: Endpoint,
) -> None:
    with (
        httpx.Client(proxy=endpoint.proxy_url, trust_env=False) as stranger,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        stranger.get(f"https://{HOST}/")


def test_get_updates_when_confirmed_by_offset_then_only_newer_ones_come(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    for text in ("/one", "two", "three"):
        chat.say(text)
    first, second, third = ask("getUpdates")["result"]
    assert first["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 4}]
    assert ask("getUpdates", limit=1)["result"] == [first]
    assert ask("getUpdates", offset=second["update_id"])["result"] == [second, third]
    assert ask("getUpdates", offset=-1)["result"] == [third]
    assert ask("getUpdates", offset=third["update_id"] + 1)["result"] == []
    assert state.pending() == []


def test_get_updates_when_nothing_waits_then_it_waits_for_the_next_word(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ask("getUpdates", timeout=8)))
    waiting.start()
    state.wait_until(lambda: state.polls == 1, "the request")
    chat.say("late")
    waiting.join(5)
    (update,) = answers[0]["result"]
    assert update["message"]["text"] == "late"
    offset = update["update_id"] + 1
    assert ask("getUpdates", offset=offset, timeout=1)["result"] == []


def test_get_updates_when_a_second_client_asks_then_the_first_one_is_in_conflict(
    ask: Ask, state: BotApiState
) -> None:
    answers = []
    first = threading.Thread(target=lambda: answers.append(ask("getUpdates", timeout=8)))
    first.start()
    state.wait_until(lambda: state.polls == 1, "the first request")
    ask("getUpdates")
    first.join(5)
    assert answers[0]["error_code"] == 409


def test_get_updates_when_only_some_kinds_are_allowed_then_others_do_not_wait(
    ask: Ask, chat: Chat
) -> None:
    ask("getUpdates", allowed_updates=["callback_query"])
    chat.say("not wanted")
    assert ask("getUpdates")["result"] == []


def test_delete_webhook_when_pending_updates_are_to_go_then_they_go_and_else_stay(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    chat.say("/stop")
    ask("deleteWebhook")
    assert len(state.pending()) == 1
    assert ask("deleteWebhook", drop_pending_updates=True)["result"] is True
    assert state.pending() == []
    assert state.listens == 0
    ask("getUpdates", timeout=1)
    ask("getUpdates", timeout=1)
    assert state.listens == 1


def test_send_message_when_it_has_markup_and_buttons_then_the_chat_shows_them(
    ask: Ask, chat: Chat
) -> None:
    rows = [[{"text": "Yes", "callback_data": "y"}, {"text": "Site", "url": "https://x"}], []]
    markup = {"reply_markup": {"inline_keyboard": rows}, "parse_mode": "Markdown"}
    more = {**markup, "disable_notification": True}
    sent = ask("sendMessage", chat_id=CHAT, text="*Sure?*", **more)["result"]
    (message,) = chat.received()
    assert (message.text, message.source, message.silent) == ("Sure?", "*Sure?*", True)
    assert sent["text"] == "Sure?"
    assert sent["reply_markup"] == {"inline_keyboard": rows[:1]}
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    keys = {"keyboard": [["/status", {"text": "/daily"}]]}
    ask("sendMessage", chat_id=CHAT, text="keys", reply_markup=keys)
    assert chat.received()[-1].keyboards.keys == (("/status", "/daily"),)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"text": " "}, "message text is empty"),
        ({"text": "a" * 4097}, "message is too long"),
        ({"text": "a_b", "parse_mode": "Markdown"}, "can't parse entities"),
        ({"text": "a", "chat_id": 77}, "chat not found"),
        ({"text": "a", "chat_id": "me"}, "expected to be an integer"),
        ({"text": "a", "message_thread_id": 9}, "message thread not found"),
        ({"text": "a", "reply_markup": "{"}, "can't parse reply_markup JSON object"),
        ({"text": "a", "reply_markup": {}}, "can't parse reply keyboard markup"),
        (
            {"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "b"}]]}},
            "Text buttons are unallowed",
        ),
        (
            {"text": "a", "reply_markup": {"inline_keyboard": [
                [{"text": "b", "callback_data": "c" * 65}]]}},
            "BUTTON_DATA_INVALID",
        ),
    ],
)  # fmt: skip
def test_send_message_when_telegram_would_refuse_it_then_it_is_refused(
    ask: Ask, chat: Chat, params: dict[str, object], reason: str
) -> None:
    answer = ask("sendMessage", **{"chat_id": CHAT, **params})
    assert answer["error_code"] == 400
    assert reason in answer["description"]
    assert chat.received() == []


def test_send_message_when_the_group_has_topics_then_it_lands_in_the_topic(
    ask: Ask, state: BotApiState
) -> None:
    group = Chat(state, -100500, user_id=CHAT, topics=(7,))
    group.say("/status", thread_id=7)
    (update,) = ask("getUpdates")["result"]
    assert update["message"]["chat"]["is_forum"]
    assert update["message"]["message_thread_id"] == 7
    assert ask("sendMessage", chat_id=-100500, text="here", message_thread_id=7)["ok"]
    assert group.wait_for("here").thread_id == 7


def test_a_press_when_it_is_answered_and_the_message_edited_then_the_person_sees_it(
    ask: Ask, chat: Chat, state: BotApiState
) -> None:
    rows = [[{"text": "Cancel", "callback_data": "no"}]]
    ask("sendMessage", chat_id=CHAT, text="Sure?", reply_markup={"inline_keyboard": rows})
    query = chat.press("Cancel")
    (update,) = ask("getUpdates")["result"]
    pressed = update["callback_query"]
    assert pressed["data"] == "no"
    assert not query.answered
    assert ask("answerCallbackQuery", callback_query_id=pressed["id"])["ok"]
    assert state.queries[query.query_id].answered
    edit = {"chat_id": CHAT, "message_id": pressed["message"]["message_id"], "text": "Canceled."}
    assert ask("editMessageText", **edit)["result"]["edit_date"]
    message = chat.wait_for("Canceled")
    assert message.keyboards.buttons == ()
    assert "message is not modified" in ask("editMessageText", **edit)["description"]
    with pytest.raises(AssertionError, match="expected a button 'Cancel'"):
        chat.press("Cancel")


def test_edits_and_answers_when_they_aim_at_nothing_then_they_are_refused(
    ask: Ask, chat: Chat
) -> None:
    mine = chat.say("mine").message_id
    edit = {"chat_id": CHAT, "text": "a"}
    assert "to edit not found" in ask("editMessageText", message_id=99, **edit)["description"]
    assert "can't be edited" in ask("editMessageText", message_id=mine, **edit)["description"]
    assert "query is too old" in ask("answerCallbackQuery", callback_query_id="9")["description"]


def test_files_when_they_are_uploaded_then_the_chat_has_them(
    client: httpx.Client, chat: Chat, state: BotApiState
) -> None:
    base = f"https://{HOST}/bot{state.token}"
    form = {"chat_id": str(CHAT), "caption": "report"}
    file = {"document": ("report.csv", b"a,b")}
    sent = client.post(f"{base}/sendDocument", data=form, files=file).json()["result"]
    assert (sent["document"]["file_name"], sent["caption"]) == ("report.csv", "report")
    client.post(f"{base}/sendPhoto", data=form, files={"photo": ("p.png", b"\x89PNG")})
    kinds = [(m.attachment.kind, m.attachment.content) for m in chat.received() if m.attachment]
    assert kinds == [("document", b"a,b"), ("photo", b"\x89PNG")]
    missing = client.post(f"{base}/sendPhoto", data=form).json()
    assert missing["description"] == "Bad Request: there is no photo in the request"


@pytest.mark.usefixtures("chat")
def test_commands_and_actions_when_set_then_they_are_kept_by_audience(
    ask: Ask, client: httpx.Client, state: BotApiState
) -> None:
    menu = [{"command": "halt", "description": "Stop trading"}]
    query = {"commands": json.dumps(menu), "language_code": "de"}
    assert client.get(f"https://{HOST}/bot{state.token}/setMyCommands", params=query).json()["ok"]
    assert ask("setMyCommands", commands=menu, scope={"type": "all_private_chats"})["ok"]
    assert state.commands == {"default de": menu, "all_private_chats": menu}
    ask("deleteMyCommands", language_code="de")
    assert list(state.commands) == ["all_private_chats"]
    assert ask("setMyCommands", commands={})["error_code"] == 400
    assert ask("sendChatAction", chat_id=CHAT, action="typing")["ok"]
    assert ask("sendChatAction", chat_id=CHAT, action="dance")["error_code"] == 400
    assert not state.unknown


def test_records_when_a_chat_is_very_busy_then_they_stay_bounded(
    chat: Chat, state: BotApiState
) -> None:
    for number in range(1_100):
        chat.say(str(number))
    assert len(state.messages(CHAT)) == len(state.pending()) == 1_000
    assert state.messages(CHAT)[-1].text == "1099"


def test_wait_for_when_nothing_comes_then_it_says_what_came_instead(ask: Ask, chat: Chat) -> None:
    ask("sendMessage", chat_id=CHAT, text="something else")
    with pytest.raises(AssertionError, match=r"expected 'hello' .*\n'something else'"):
        chat.wait_for("hello", timeout_s=0.1)
    chat.say("/status")
    with pytest.raises(AssertionError):  # written before the person spoke
        chat.wait_for("something else", timeout_s=0.1)
