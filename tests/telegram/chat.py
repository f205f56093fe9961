"""The person on the other side, who types, presses buttons and reads."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.telegram.markup import Entity
from tests.telegram.message import Button, Message, User
from tests.telegram.state import BotApiState, Query, now_s

_COMMAND = re.compile(r"(?<!\S)/\w{1,32}(@\w+)?")


class Chat:
    """One chat with the bot, seen by one person.

    Parameters
    ----------
    chat_id
        Positive for a private chat, negative for a group.
    user_id
        Who types; in a private chat the chat's own id.
    topics
        Thread ids of a group that has topics.
    """

    def __init__(
        self,
        state: BotApiState,
        chat_id: int,
        *,
        user_id: int | None = None,
        topics: tuple[int, ...] = (),
    ) -> None:
        self.chat_id = chat_id
        self._state = state
        self._room = state.open_room(chat_id, frozenset(topics))
        user_id = user_id or abs(chat_id)
        self._user = User(user_id=user_id, first_name="Person", username=f"person_{user_id}")
        self._spoke = 0  # sequence number of the last word or press

    def say(self, text: str, *, thread_id: int | None = None) -> Message:
        """Send a message to the bot."""
        message = Message(
            message_id=self._state.next_id(),
            chat_id=self.chat_id,
            sender=self._user,
            date_s=now_s(),
            text=text,
            source=text,
            entities=tuple(_commands(text)),
            thread_id=thread_id,
        )
        with self._state.changed:
            kept = self._state.keep(message)
            self._spoke = kept.sequence
            self._state.queue("message", kept.to_json(self._room.to_json()))
        return kept

    def edit(self, message: Message, text: str) -> None:
        """Change a message sent before."""
        with self._state.changed:
            edited = replace(message, text=text, source=text, edited_s=now_s())
            kept = self._state.keep(replace(edited, entities=tuple(_commands(text))))
            self._spoke = kept.sequence
            self._state.queue("edited_message", kept.to_json(self._room.to_json()))

    def press(self, label: str) -> Query:
        """Press the newest inline button whose label contains `label`."""
        message, button = self._find(label)
        return self.press_data(message, button.data)

    def press_data(self, message: Message, data: str) -> Query:
        """Press a button with this data under a message, be it one that is shown no longer."""
        with self._state.changed:
            self._spoke = self._state.next_id()
            query = self._state.ask(data)
            content = {
                "id": query.query_id,
                "from": self._user.to_json(),
                "message": message.to_json(self._room.to_json()),
                "chat_instance": str(self.chat_id),
                "data": data,
            }
            self._state.queue("callback_query", content)
        return query

    def received(self) -> list[Message]:
        """Return what the bot wrote, in the order of the last change."""
        bot = self._state.bot
        return [m for m in self._state.messages(self.chat_id) if m.sender == bot]

    def wait_for(self, text: str, timeout_s: float = 300.0) -> Message:
        """Wait for a message with `text`, written or edited since the person last spoke.

        Raises
        ------
        AssertionError
            With what was received instead.
        """

        def answers() -> list[Message]:
            new = (m for m in self.received() if m.sequence > self._spoke)
            return [m for m in new if text in m.text]

        with self._state.changed:
            if not self._state.changed.wait_for(answers, timeout_s):
                heard = "\n".join(repr(m.text) for m in self.received()[-10:])
                raise AssertionError(f"expected {text!r} within {timeout_s} s, received:\n{heard}")
            return answers()[0]

    def _find(self, label: str) -> tuple[Message, Button]:
        seen: list[str] = []
        for message in reversed(self.received()):
            for button in (b for row in message.keyboards.buttons for b in row):
                if label in button.label:
                    return message, button
                seen.append(button.label)
        raise AssertionError(f"expected a button {label!r}, there are {seen}")


def _commands(text: str) -> list[Entity]:
    """Return the bot_command entities, by which a client tells commands from talk."""
    return [
        {
            "type": "bot_command",
            "offset": len(text[: found.start()].encode("utf-16-le")) // 2,
            "length": len(found.group()),
        }
        for found in _COMMAND.finditer(text)
    ]
