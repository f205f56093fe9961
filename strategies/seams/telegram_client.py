"""Freqtrade's Telegram client, with public places for the pack's commands.

`/halt` hangs on it. The client listens in a thread of its own, is started again whatever ends it,
and has the pack's handlers beside Freqtrade's; Freqtrade takes its client's class by its name from
the module, where a subclass is put.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from freqtrade.enums import RPCMessageType
from freqtrade.rpc import RPC, rpc_manager
from freqtrade.rpc import telegram as freqtrade_telegram
from telegram import Message, Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, BaseHandler, CallbackContext, ExtBot
from telegram.helpers import escape_markdown

from strategies.seams.record import (
    Library,
    Seam,
    lacks_attributes,
    lacks_method,
    lacks_text,
    problems,
)

logger = logging.getLogger(__name__)

_SETTLES_S: Final = 5.0  # what `cleanup` has begun may take so long

Context = CallbackContext[Any, Any, Any, Any]
Handler = BaseHandler[Any, Any, Any]


class _PollingBot(ExtBot[None]):
    """The library's bot: requests for commands are reported and never end, texts go out clean."""

    def __init__(
        self, token: str, polled: Callable[[TelegramError | None], None],
        clean: Callable[[str], str],
    ) -> None:  # fmt: skip
        super().__init__(token)
        self._polled, self._clean = polled, clean

    async def send_message(self, chat_id: int | str, text: str, *how: Any, **more: Any) -> Message:
        """Send a text, Freqtrade's own too, without what nobody may read."""
        return await super().send_message(chat_id, self._clean(text), *how, **more)

    async def edit_message_text(self, text: str, *how: Any, **more: Any) -> Message | bool:
        """Put a text in another's place, in the same way."""
        return await super().edit_message_text(self._clean(text), *how, **more)

    async def get_updates(self, *args: Any, **options: Any) -> tuple[Update, ...]:
        """As ever; a refused token is an error like others, for which it is asked again.

        The library would ask no more, and Freqtrade take it for listening.
        """
        try:
            updates: tuple[Update, ...] = await super().get_updates(*args, **options)
        except TelegramError as error:
            self._polled(error)
            if isinstance(error, InvalidToken):
                raise TelegramError(error.message) from error
            raise
        self._polled(None)
        return updates


class TelegramClient(freqtrade_telegram.Telegram):  # type: ignore[misc]  # freqtrade has no types
    """Freqtrade's client; a subclass adds handlers, keys, help, and what it tells unasked."""

    _keyboard: list[list[Any]]
    again_s: ClassVar[float] = 10.0  # after Telegram was out of reach

    def __init__(self, rpc: RPC, config: dict[str, Any]) -> None:
        self.closing = threading.Event()
        self._ready = threading.Event()
        super().__init__(rpc, config)  # starts to listen

    # -- what a subclass fills ----------------------------------------------------------------

    @abstractmethod
    def own_keys(self) -> Sequence[str]:
        """Return the keys of one more row of the keyboard."""

    @abstractmethod
    def own_handlers(self) -> Sequence[Handler]:
        """Return what answers the pack's commands and buttons."""

    @abstractmethod
    async def watch(self) -> None:
        """Tell what nobody has asked for, until cancelled."""

    def polled(self, error: TelegramError | None) -> None:
        """Be told of each request for commands: None where Telegram has answered it."""

    @abstractmethod
    def clean(self, text: str) -> str:
        """Return a text, marked up or not, without what nobody may read."""

    @abstractmethod
    async def say_help(self) -> None:
        """Answer /help, after Freqtrade's own."""

    # -- what it is given ---------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name by which Freqtrade enables the client, that of its own."""
        return "telegram"

    @property
    def app(self) -> Application[Any, Any, Any, Any, Any, Any]:
        """The library's application, of the thread that listens."""
        application: Application[Any, Any, Any, Any, Any, Any] = self._app
        return application

    @property
    def settings(self) -> dict[str, Any]:
        """Block `telegram` of the config."""
        block: dict[str, Any] = self._config["telegram"]
        return block

    @property
    def keys(self) -> list[list[Any]]:
        """The keyboard, Freqtrade's rows and the pack's."""
        return self._keyboard

    @property
    def strategy(self) -> Any:
        """The strategy of the bot the client speaks for."""
        return self._rpc._freqtrade.strategy

    def cleanup(self) -> None:
        """Stop listening, for good."""
        self.closing.set()
        super().cleanup()

    def compose_message(self, msg: Any) -> str | None:
        """As ever; what a strategy says is text: a name with one underscore would be refused."""
        message: str | None = super().compose_message(msg)
        if message and msg["type"] == RPCMessageType.STRATEGY_MSG:
            return escape_markdown(message)
        return message

    # -- Freqtrade's private side -------------------------------------------------------------

    def _init_keyboard(self) -> None:
        super()._init_keyboard()
        self._keyboard = [*self._keyboard, list(self.own_keys())]

    def _start_thread(self) -> None:
        super()._start_thread()
        # Freqtrade speaks at once; a message without an event loop to send it on would be lost.
        self._ready.wait(timeout=10)

    def _init(self) -> None:
        """As ever, and anew after an error: in silence nobody would be left to command the bot."""
        while True:
            try:
                super()._init()
            except Exception as error:
                logger.exception("Telegram's client raised exception; it is started again")
                refused = isinstance(error, InvalidToken)
                self._hears_nothing(InvalidToken("no valid token") if refused else _not_started())
            else:
                return
            if self.closing.wait(self.again_s):
                return

    def _hears_nothing(self, error: TelegramError) -> None:
        """Report that nobody asks for commands now; the error's own words could hold the token."""
        try:
            self.polled(error)
        except Exception:  # of any kind: it must be started again
            logger.exception("that Telegram is out of reach cannot be noted")

    def _init_telegram_app(self) -> Application[Any, Any, Any, Any, Any, Any]:
        """As ever, with a bot that says how its requests for commands fare."""
        self._ready.set()
        bot = _PollingBot(self.settings["token"], self.polled, self.clean)
        app: Application[Any, Any, Any, Any, Any, Any] = Application.builder().bot(bot).build()
        for handler in self.own_handlers():
            app.add_handler(handler)
        return app

    async def _startup_telegram(self) -> None:
        """Listen until `cleanup`; Freqtrade's own gives up when three attempts to start fail."""
        watching = asyncio.create_task(self.watch())
        try:
            while True:
                try:
                    await super()._startup_telegram()
                except TelegramError as error:
                    logger.warning("Telegram is out of reach: %s", error.message)
                if self.closing.is_set():
                    return
                self._hears_nothing(_not_started())  # Freqtrade logs why and keeps it to itself
                if self._app.running:
                    await self._app.stop()
                await asyncio.sleep(self.again_s)
        finally:
            watching.cancel()
            await self._settle()

    async def _settle(self) -> None:
        """Leave no task behind: the event loop runs no more, and an error of theirs comes anywhere.

        Freqtrade looks every ten seconds whether `cleanup` has stopped the listening, and may find
        it so before the rest of `cleanup` is done.
        """
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others and self.closing.is_set():
            _, others = await asyncio.wait(others, timeout=_SETTLES_S)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @freqtrade_telegram.authorized_only  # type: ignore[untyped-decorator]
    async def _help(self, update: Update, context: Context) -> None:
        await super()._help(update, context)
        await self.say_help()

    # Freqtrade's own buttons open and close trades for whoever in the chat presses them.

    @freqtrade_telegram.authorized_only  # type: ignore[untyped-decorator]
    async def _force_exit_inline(self, update: Update, context: Context) -> None:
        await super()._force_exit_inline(update, context)

    @freqtrade_telegram.authorized_only  # type: ignore[untyped-decorator]
    async def _force_enter_inline(self, update: Update, context: Context) -> None:
        await super()._force_enter_inline(update, context)


def _not_started() -> TelegramError:
    return TelegramError("it cannot be reached, or refuses the token: see the log")


def authorised(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Have a handler called for the configured chat and people only, by Freqtrade's own rule."""
    checked: Callable[..., Any] = freqtrade_telegram.authorized_only(handler)
    return checked


def install_client(client: type[TelegramClient]) -> None:
    """Let Freqtrade make its Telegram client from `client`; safe to repeat."""
    if freqtrade_telegram.Telegram.__name__ != client.__name__:
        freqtrade_telegram.Telegram = client


def _stock() -> type:
    """Return Freqtrade's own class, also where a subclass is installed."""
    stock: type = TelegramClient.__mro__[1]
    return stock


def _command_probe() -> str:
    stock = _stock()
    return problems(
        lacks_attributes(stock, "_thread", set_in="_start_thread"),
        lacks_attributes(stock, "_loop", "_app", set_in="_init"),
        lacks_method(stock, "_init_telegram_app"),
        lacks_method(stock, "_startup_telegram"),
        lacks_method(stock, "_cleanup_telegram"),
        lacks_text(stock, "_init_telegram_app", "Application.builder().token("),
        lacks_text(stock, "__init__", "self._start_thread()"),
        lacks_text(stock, "_start_thread", "target=self._init"),
        lacks_text(stock, "_init", "self._init_telegram_app()", "self._startup_telegram()"),
        lacks_attributes(RPC, "_freqtrade"),
        lacks_method(freqtrade_telegram, "authorized_only", "command_handler"),
        ""
        if "from freqtrade.rpc.telegram import Telegram" in inspect.getsource(rpc_manager)
        else "freqtrade.rpc.rpc_manager takes its client from elsewhere",
    )


def _manner_probe() -> str:
    stock = _stock()
    return problems(
        lacks_attributes(stock, "_keyboard", set_in="_init_keyboard"),
        lacks_method(stock, "_help", "update", "context"),
        lacks_method(stock, "_force_exit_inline", "update"),
        lacks_method(stock, "_force_enter_inline", "update"),
        lacks_method(stock, "compose_message", "msg"),
    )


TELEGRAM_COMMANDS = Seam(
    name="Telegram._init, _start_thread, _init_telegram_app, _startup_telegram, RPC._freqtrade",
    what="overridden; Telegram replaced in its module",
    why="/halt, /reduce, /resume and /flatten, on a client that is always started again",
    since="freqtrade 2023.10",
    without="no command of the pack reaches the bot by Telegram",
    probe=_command_probe,
    library=Library.TELEGRAM,
    safety=True,
)
TELEGRAM_MANNER = Seam(
    name="Telegram._init_keyboard, _help, _force_exit_inline, _force_enter_inline",
    what="overridden",
    why="keys and help of the pack's commands; Freqtrade's own buttons for authorised people only",
    since="freqtrade 2023.10",
    without="whoever in the chat presses Freqtrade's buttons opens and closes trades",
    probe=_manner_probe,
    library=Library.TELEGRAM,
    safety=True,
)
