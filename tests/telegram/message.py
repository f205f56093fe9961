"""Users, keyboards and messages, as the Bot API describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.telegram.errors import bad_request
from tests.telegram.markup import Entity

_DATA_BYTES = 64  # of a button's callback_data, at most


@dataclass(frozen=True, kw_only=True)
class User:
    """A person or a bot (https://core.telegram.org/bots/api#user)."""

    user_id: int
    first_name: str
    username: str
    is_bot: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as the API sends it."""
        return {
            "id": self.user_id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
            "username": self.username,
        }


@dataclass(frozen=True, kw_only=True)
class Button:
    """An inline button: pressing it sends `data` to the bot, or opens `url`."""

    label: str
    data: str = ""
    url: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as the API sends it."""
        if self.url:
            return {"text": self.label, "url": self.url}
        return {"text": self.label, "callback_data": self.data}


@dataclass(frozen=True, kw_only=True)
class Keyboards:
    """What ``reply_markup`` brought: buttons under the message, or keys to type with."""

    buttons: tuple[tuple[Button, ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()


def keyboards(markup: Any) -> Keyboards:
    """Return the keyboards of a ``reply_markup``; empty rows do not count.

    Raises
    ------
    BotApiError
        400 where Telegram refuses the keyboard.
    """
    if markup is None:
        return Keyboards()
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = (tuple(map(_button, row)) for row in markup["inline_keyboard"])
        return Keyboards(buttons=tuple(row for row in rows if row))
    if "keyboard" in markup:
        keys = (tuple(map(_key, row)) for row in markup["keyboard"])
        return Keyboards(keys=tuple(row for row in keys if row))
    if "remove_keyboard" in markup or "force_reply" in markup:
        return Keyboards()
    raise bad_request("can't parse reply keyboard markup JSON object")


def _button(button: dict[str, Any]) -> Button:
    data, url = button.get("callback_data", ""), button.get("url", "")
    if not button.get("text") or not (data or url):
        raise bad_request("Text buttons are unallowed in the inline keyboard")
    if len(data.encode()) > _DATA_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return Button(label=button["text"], data=data, url=url)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key["text"])


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that came with a message."""

    kind: str  # document or photo
    name: str
    content: bytes

    def to_json(self) -> dict[str, Any]:
        """Return a Document, or a list with one PhotoSize."""
        file_id = f"{self.kind}-{self.name}"
        file = {"file_id": file_id, "file_unique_id": file_id, "file_size": len(self.content)}
        if self.kind == "photo":
            return {"photo": [{**file, "width": 1, "height": 1}]}
        return {"document": {**file, "file_name": self.name}}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message, as it is shown after its last edit."""

    message_id: int
    chat_id: int
    sender: User
    date_s: int
    text: str  # as shown; of a file its caption
    source: str = ""  # as sent, with its markup
    entities: tuple[Entity, ...] = ()
    keyboards: Keyboards = Keyboards()
    thread_id: int | None = None
    silent: bool = False
    attachment: Attachment | None = None
    edited_s: int | None = None
    sequence: int = 0  # grows over all chats, with every message and every edit

    def to_json(self, chat: dict[str, Any]) -> dict[str, Any]:
        """Return it as the API sends it, in a chat described by `chat`."""
        words, marks = ("caption", "caption_entities") if self.attachment else ("text", "entities")
        rows = [[button.to_json() for button in row] for row in self.keyboards.buttons]
        body = {
            "message_id": self.message_id,
            "from": self.sender.to_json(),
            "chat": chat,
            "date": self.date_s,
            words: self.text,
            marks: list(self.entities),
            "edit_date": self.edited_s,
            "message_thread_id": self.thread_id,
            "is_topic_message": self.thread_id is not None,
            "reply_markup": {"inline_keyboard": rows} if rows else None,
            **(self.attachment.to_json() if self.attachment else {}),
        }
        return {name: value for name, value in body.items() if value}
