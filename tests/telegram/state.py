"""What the loopback Bot API knows: chats, updates that wait for the bot, and what was asked.

One lock guards it all. The server's thread and the test's both go through it, and every change
wakes whoever waits for one. All records are bounded, so that a bot can run on it for days.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.telegram.errors import bad_request
from tests.telegram.faults import Faults
from tests.telegram.message import Message, User

TOKEN = "123456789:a-loopback-token-that-opens-nothing"
BOT = User(user_id=123456789, first_name="Loopback", username="loopback_bot", is_bot=True)

_CALLS = 10_000
_UPDATES = 1_000
_MESSAGES = 1_000  # in each chat
_QUERIES = 1_000
_RECORD = partial(deque[Any], maxlen=_CALLS)


@dataclass(frozen=True)
class Call:
    """A request: the method as it is written in the documentation, and its parameters."""

    method: str
    params: Mapping[str, str]


@dataclass
class Query:
    """A press on an inline button, and whether answerCallbackQuery was called for it."""

    query_id: str
    data: str
    answered: bool = False


@dataclass
class Room:
    """A chat as the server keeps it; a negative id is a group, which may have topics."""

    chat_id: int
    topics: frozenset[int]
    messages: OrderedDict[int, Message] = field(default_factory=OrderedDict)

    def to_json(self) -> dict[str, Any]:
        """Return the Chat object."""
        if self.chat_id > 0:
            return {"id": self.chat_id, "type": "private", "first_name": "Person"}
        group = {"id": self.chat_id, "type": "supergroup", "title": "Desk"}
        return {**group, "is_forum": True} if self.topics else group


@dataclass(kw_only=True)
class BotApiState:
    """One bot and its chats; methods change it, persons write into it, tests look into it."""

    token: str = TOKEN
    bot: User = BOT
    faults: Faults = field(default_factory=Faults)
    calls: deque[Call] = field(default_factory=_RECORD, repr=False)  # oldest first
    unknown: deque[str] = field(default_factory=_RECORD)  # methods, "method(parameter)"
    elsewhere: deque[str] = field(default_factory=_RECORD)  # other hosts asked for
    commands: dict[str, list[Any]] = field(default_factory=dict)  # by scope and language
    queries: OrderedDict[str, Query] = field(default_factory=OrderedDict)
    polls: int = 0  # getUpdates calls
    listens: int = 0  # how often a client began to wait for updates, after its deleteWebhook
    bootstrapped: bool = False  # deleteWebhook was called, and nobody has waited since

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._updates: deque[dict[str, Any]] = deque(maxlen=_UPDATES)
        self._allowed: frozenset[str] = frozenset()
        self._rooms: dict[int, Room] = {}
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        """Return a number not used before."""
        return next(self._ids)

    def open_room(self, chat_id: int, topics: frozenset[int] = frozenset()) -> Room:
        """Return the chat with this id, a new one where there is none."""
        with self.changed:
            return self._rooms.setdefault(chat_id, Room(chat_id, topics))

    def room(self, chat_id: int | None) -> Room:
        """Return a chat the bot may write to.

        Raises
        ------
        BotApiError
            400 if nobody opened it.
        """
        if chat_id is None or chat_id not in self._rooms:
            raise bad_request("chat not found")
        return self._rooms[chat_id]

    def keep(self, message: Message) -> Message:
        """Put a message, new or edited, into its chat, and wake who waits for it."""
        with self.changed:
            messages = self._rooms[message.chat_id].messages
            kept = replace(message, sequence=self.next_id())
            messages[message.message_id] = kept
            while len(messages) > _MESSAGES:
                messages.popitem(last=False)
            self.changed.notify_all()
            return kept

    def forget(self, message: Message) -> None:
        """Let a message be deleted, as a person can."""
        with self.changed:
            del self._rooms[message.chat_id].messages[message.message_id]
            self.changed.notify_all()

    def messages(self, chat_id: int) -> list[Message]:
        """Return the messages of a chat, in the order of their last change."""
        with self.changed:
            kept = self._rooms[chat_id].messages.values()
            return sorted(kept, key=lambda message: message.sequence)

    def queue(self, kind: str, content: dict[str, Any]) -> None:
        """Let an Update wait for the bot, unless it said that it does not want this kind."""
        with self.changed:
            if not self._allowed or kind in self._allowed:
                self._updates.append({"update_id": self.next_id(), kind: content})

    def poll_elsewhere(self) -> None:
        """Let another client ask for updates: the one that waits now is ended with 409."""
        with self.changed:
            self.polls += 1
            self.changed.notify_all()

    def allow(self, kinds: list[str]) -> None:
        """Remember which updates the bot wants; none named means all."""
        with self.changed:
            self._allowed = frozenset(kinds)

    def pending(self) -> list[dict[str, Any]]:
        """Return the updates the bot has not confirmed, oldest first."""
        with self.changed:
            return list(self._updates)

    def confirm(self, offset: int) -> None:
        """Forget updates before `offset`; a negative one keeps that many of the last."""
        with self.changed:
            while self._updates and (
                len(self._updates) > -offset
                if offset < 0
                else self._updates[0]["update_id"] < offset
            ):
                self._updates.popleft()
            self.changed.notify_all()

    def drop_pending(self) -> None:
        """Forget every update that waits."""
        with self.changed:
            self._updates.clear()
            self.changed.notify_all()

    def ask(self, data: str) -> Query:
        """Note a press on a button with this data."""
        with self.changed:
            query = Query(str(self.next_id()), data)
            self.queries[query.query_id] = query
            while len(self.queries) > _QUERIES:
                self.queries.popitem(last=False)
            return query

    def note(self, call: Call) -> None:
        """Keep a request on record."""
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()

    def called(self, method: str) -> list[Call]:
        """Return the requests of one method on record, oldest first."""
        with self.changed:
            return [call for call in self.calls if call.method == method]

    def wait_until(self, holds: Callable[[], Any], what: str, timeout_s: float = 120.0) -> None:
        """Wait until `holds`; it is asked anew after each change.

        Raises
        ------
        AssertionError
            With the last requests, if it does not within `timeout_s`.
        """
        with self.changed:
            if not self.changed.wait_for(holds, timeout_s):
                last = "\n".join(map(str, list(self.calls)[-20:]))
                raise AssertionError(f"expected {what} within {timeout_s} s; requests:\n{last}")

    def wait_for_listener(self, times: int = 1, timeout_s: float = 120.0) -> None:
        """Wait until a client has started to listen for the nth time: now it may be spoken to."""
        self.wait_until(lambda: self.listens >= times, f"a client that listens: {times}", timeout_s)


def now_s() -> int:
    """Return the time a message carries, seconds UTC."""
    return int(time.time())
