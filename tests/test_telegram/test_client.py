"""The real python-telegram-bot, unchanged, finds the loopback Bot API by its environment."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from telegram import (
    Bot,
    BotCommand,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyKeyboardMarkup,
    Update,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from tests.telegram.chat import Chat
from tests.telegram.faults import Drop, bad_gateway, too_many_requests
from tests.telegram.server import Endpoint
from tests.telegram.state import BotApiState
from tests.test_telegram.conftest import CHAT

WithBot = Callable[[Callable[[Bot], Awaitable[Any]]], Any]


@pytest.fixture(autouse=True)
def _environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def with_bot(state: BotApiState) -> WithBot:
    """Run a coroutine function with the real client."""

    def run(use: Callable[[Bot], Awaitable[Any]]) -> Any:
        async def used() -> Any:
            async with Bot(state.token) as bot:
                return await use(bot)

        return asyncio.run(used())

    return run


def test_bot_when_it_uses_every_method_then_it_understands_every_answer(
    with_bot: WithBot, chat: Chat, state: BotApiState
) -> None:
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("Go", callback_data="go")]])

    async def use(bot: Bot) -> None:
        assert (await bot.get_me()).username == state.bot.username
        sent = await bot.send_message(
            CHAT, "*Sure?* `1.5`", parse_mode=ParseMode.MARKDOWN, reply_markup=buttons
        )
        assert (sent.text, sent.chat_id, sent.reply_markup) == ("Sure? 1.5", CHAT, buttons)
        chat.press("Go")
        (update,) = await bot.get_updates(timeout=5)
        assert update.callback_query is not None
        assert await update.callback_query.answer()
        edited = await update.callback_query.edit_message_text("Gone.")
        assert getattr(edited, "text", None) == "Gone."
        keys = ReplyKeyboardMarkup([["/status"]], resize_keyboard=True)
        await bot.send_message(CHAT, "keys", reply_markup=keys, disable_notification=True)
        await bot.send_message(CHAT, "reply", reply_markup=ForceReply())
        assert await bot.send_chat_action(CHAT, ChatAction.TYPING)
        assert await bot.set_my_commands([BotCommand("halt", "Stop trading")])
        assert await bot.delete_my_commands()
        document = await bot.send_document(CHAT, io.BytesIO(b"a,b"), filename="a.csv", caption="c")
        assert document.document is not None
        assert document.document.file_name == "a.csv"
        assert (await bot.send_photo(CHAT, b"\x89PNG")).photo
        assert await bot.delete_webhook(drop_pending_updates=True)

    with_bot(use)
    assert [m.text for m in chat.received()] == ["Gone.", "keys", "reply", "c", ""]
    assert not state.unknown


def test_bot_when_requests_fail_then_it_raises_its_own_errors(
    with_bot: WithBot, chat: Chat, state: BotApiState
) -> None:
    state.faults.add(
        bad_gateway("sendMessage", times=1),
        too_many_requests("sendMessage", retry_after_s=7, times=1),
        Drop(on="sendChatAction", times=1),
    )

    async def use(bot: Bot) -> None:
        with pytest.raises(NetworkError, match="Bad Gateway"):
            await bot.send_message(CHAT, "a")
        with pytest.raises(RetryAfter, match="7 seconds"):
            await bot.send_message(CHAT, "a")
        with pytest.raises(NetworkError, match="httpx"):
            await bot.send_chat_action(CHAT, ChatAction.TYPING)
        with pytest.raises(BadRequest, match="Chat not found"):
            await bot.send_message(77, "a")
        with pytest.raises(BadRequest, match="entity starting at byte offset 4"):
            await bot.send_message(CHAT, "exit_tag", parse_mode=ParseMode.MARKDOWN)

    with_bot(use)
    assert chat.received() == []


@pytest.mark.usefixtures("endpoint")
def test_bot_when_its_token_is_wrong_then_it_does_not_start() -> None:
    async def use() -> None:
        with pytest.raises(InvalidToken):
            await Bot("1:wrong").initialize()

    asyncio.run(use())


def test_application_when_it_polls_then_commands_and_presses_reach_its_handlers(
    chat: Chat, state: BotApiState
) -> None:
    async def ask_back(update: Update, _: Any) -> None:
        assert update.message is not None
        row = [InlineKeyboardButton(label, callback_data=label) for label in ("Yes", "No")]
        await update.message.reply_text("Sure?", reply_markup=InlineKeyboardMarkup([row]))

    async def confirm(update: Update, _: Any) -> None:
        assert update.callback_query is not None
        await update.callback_query.answer()
        await update.callback_query.edit_message_text(f"You said {update.callback_query.data}.")

    def person() -> None:
        state.wait_for_listener(timeout_s=10)
        chat.say("no command")
        chat.say("/halt")
        chat.wait_for("Sure?")
        query = chat.press("Yes")
        chat.wait_for("You said Yes.")
        assert query.answered

    async def use() -> None:
        application = Application.builder().token(state.token).build()
        application.add_handler(CommandHandler("halt", ask_back))
        application.add_handler(CallbackQueryHandler(confirm))
        chat.say("/halt")  # before anyone listens: to be dropped
        async with application:
            await application.start()
            assert application.updater is not None
            await application.updater.start_polling(timeout=20, drop_pending_updates=True)
            try:
                await asyncio.to_thread(person)
            finally:
                await application.updater.stop()
                await application.stop()

    asyncio.run(use())
    assert [m.text for m in chat.received()] == ["You said Yes."]
    assert state.pending() == []
    assert not state.unknown
