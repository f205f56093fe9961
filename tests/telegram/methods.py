"""The Bot API's methods, each named as in https://core.telegram.org/bots/api#available-methods."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from tests.telegram.errors import BotApiError, bad_request
from tests.telegram.markup import Formatted, formatted
from tests.telegram.message import Attachment, Message, keyboards
from tests.telegram.params import Params
from tests.telegram.state import BotApiState, Room, now_s

Method = Callable[[BotApiState, Params], Awaitable[Any]]

MAX_TEXT, MAX_CAPTION = 4096, 1024
_LOOK_EVERY_S = 0.01
_ACTIONS = ("typing", "upload_photo", "upload_document")


async def get_me(state: BotApiState, params: Params) -> Any:
    """``getMe``: who the bot is."""
    groups = {"can_join_groups": True, "can_read_all_group_messages": False}
    return {**state.bot.to_json(), **groups, "supports_inline_queries": False}


async def delete_webhook(state: BotApiState, params: Params) -> Any:
    """``deleteWebhook``: there never is one; pending updates go if asked to."""
    if params.flag("drop_pending_updates"):
        state.drop_pending()
    state.bootstrapped = True
    return True


async def get_updates(state: BotApiState, params: Params) -> Any:
    """``getUpdates``: confirm what lies before `offset`; wait up to `timeout` for something new.

    Only one client may wait: a newer request ends an older one with 409, as on Telegram.
    """
    offset, limit = params.integer("offset"), params.integer("limit", 100) or 100
    wait_s = params.integer("timeout", 0) or 0
    allowed = params.document("allowed_updates")
    if allowed is not None:
        state.allow(allowed)
    if offset is not None:
        state.confirm(offset)
    with state.changed:
        state.polls += 1
        turn = state.polls
        if wait_s and state.bootstrapped:
            state.bootstrapped = False
            state.listens += 1
        state.changed.notify_all()
    until = time.monotonic() + wait_s
    while not state.pending() and time.monotonic() < until:
        await asyncio.sleep(_LOOK_EVERY_S)
        if turn != state.polls:
            raise BotApiError(
                409,
                "Conflict: terminated by other getUpdates request; "
                "make sure that only one bot instance is running",
            )
    return state.pending()[:limit]


async def send_message(state: BotApiState, params: Params) -> Any:
    """``sendMessage``: text with markup and a keyboard, into a chat or one of its topics."""
    params.document("link_preview_options")  # there are no previews to shape
    return _post(state, params, _read_text(params, "text", MAX_TEXT), None)


async def send_document(state: BotApiState, params: Params) -> Any:
    """``sendDocument``: an uploaded file with a caption."""
    file = params.file("document")
    return _post(state, params, _read_text(params, "caption", MAX_CAPTION), file)


async def send_photo(state: BotApiState, params: Params) -> Any:
    """``sendPhoto``: an uploaded picture with a caption."""
    file = params.file("photo")
    return _post(state, params, _read_text(params, "caption", MAX_CAPTION), file)


async def edit_message_text(state: BotApiState, params: Params) -> Any:
    """``editMessageText``: another text and other buttons for a message of the bot's own."""
    room = state.room(params.integer("chat_id"))
    message = room.messages.get(params.integer("message_id") or 0)
    if message is None:
        raise bad_request("message to edit not found")
    if message.sender != state.bot:
        raise bad_request("message can't be edited")
    source, shown = _read_text(params, "text", MAX_TEXT)
    params.document("link_preview_options")
    edited = replace(
        message,
        text=shown.text,
        source=source,
        entities=tuple(shown.entities),
        keyboards=keyboards(params.document("reply_markup")),
    )
    if edited == message:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly "
            "the same as a current content and reply markup of the message"
        )
    return state.keep(replace(edited, edited_s=now_s())).to_json(room.to_json())


async def answer_callback_query(state: BotApiState, params: Params) -> Any:
    """``answerCallbackQuery``: ends the progress bar on a pressed button."""
    query = state.queries.get(params.text("callback_query_id"))
    if query is None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    with state.changed:
        query.answered = True
        state.changed.notify_all()
    return True


async def send_chat_action(state: BotApiState, params: Params) -> Any:
    """``sendChatAction``: "typing ..." in a chat."""
    _thread(state.room(params.integer("chat_id")), params)
    if params.text("action") not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    return True


async def set_my_commands(state: BotApiState, params: Params) -> Any:
    """``setMyCommands``: the menu of commands, by scope and language."""
    commands = params.document("commands")
    if not isinstance(commands, list):
        raise bad_request("can't parse commands: expected an Array of BotCommand")
    state.commands[_audience(params)] = commands
    return True


async def delete_my_commands(state: BotApiState, params: Params) -> Any:
    """``deleteMyCommands``: no menu of its own for this scope and language."""
    state.commands.pop(_audience(params), None)
    return True


def _audience(params: Params) -> str:
    scope = params.document("scope") or {"type": "default"}
    return f"{scope['type']} {params.text('language_code')}".strip()


def _read_text(params: Params, name: str, longest: int) -> tuple[str, Formatted]:
    """Return text as sent and as shown, refused where Telegram would."""
    source = params.text(name)
    shown = formatted(source, params.text("parse_mode"))
    if name == "text" and not shown.text.strip():
        raise bad_request("message text is empty")
    if len(shown.text) > longest:
        raise bad_request(f"message {'' if name == 'text' else 'caption '}is too long")
    return source, shown


def _thread(room: Room, params: Params) -> int | None:
    thread = params.integer("message_thread_id")
    if thread is not None and thread not in room.topics:
        raise bad_request("message thread not found")
    return thread


def _post(
    state: BotApiState,
    params: Params,
    words: tuple[str, Formatted],
    attachment: Attachment | None,
) -> Any:
    """Write a message of the bot into a chat; return it as the API does."""
    room = state.room(params.integer("chat_id"))
    source, shown = words
    message = Message(
        message_id=state.next_id(),
        chat_id=room.chat_id,
        sender=state.bot,
        date_s=now_s(),
        text=shown.text,
        source=source,
        entities=tuple(shown.entities),
        keyboards=keyboards(params.document("reply_markup")),
        thread_id=_thread(room, params),
        silent=params.flag("disable_notification"),
        attachment=attachment,
    )
    return state.keep(message).to_json(room.to_json())


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "deleteWebhook": delete_webhook,
    "getUpdates": get_updates,
    "sendMessage": send_message,
    "sendDocument": send_document,
    "sendPhoto": send_photo,
    "editMessageText": edit_message_text,
    "answerCallbackQuery": answer_callback_query,
    "sendChatAction": send_chat_action,
    "setMyCommands": set_my_commands,
    "deleteMyCommands": delete_my_commands,
}
