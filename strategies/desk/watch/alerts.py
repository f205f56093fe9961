"""Words to a person: the log at once, and Telegram as soon as it can be reached.

What Telegram refuses (a closed topic, a character, a length) is sent once more as plainly as can
be. What it refuses even so is counted, and told of with the next text it takes; so is what there
are too many of to be kept while nothing can be sent. An alert is never lost without a word.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections import deque
from collections.abc import Mapping
from threading import Lock, Thread
from typing import Any, Final
from urllib.error import HTTPError

from models.operate.journal.records import masked
from strategies.human.secrets import secrets_of

logger = logging.getLogger(__name__)

_URL: Final = "https://api.telegram.org/bot{token}/sendMessage"
_KEPT: Final = 50  # unsent messages; the oldest go first
_LONGEST: Final = 4000  # characters; Telegram refuses more than 4,096
_PLAIN: Final = 1000  # of a text that was refused
_TIMEOUT_S: Final = 5.0
_REFUSED: Final = 400  # this text, whatever the hour
_WHY: Final = 200  # characters of Telegram's reason


class _RefusedError(Exception):
    """Telegram does not take this text, however often it is sent."""


class Alerts:
    """Sends texts to the chat of a Freqtrade config; without one, to the log only.

    Parameters
    ----------
    name
        Which bot it is about, where one chat hears of several; empty for the only one.
    """

    def __init__(self, config: Mapping[str, Any], name: str = "") -> None:
        self._secrets = secrets_of(config)
        block = config.get("telegram") or {}
        self._head = f"{name}: " if name else ""
        self._token = str(block.get("token") or "")
        self._chat = str(block.get("chat_id") or "")
        self._topic = block.get("topic_id")
        self._on = bool(block.get("enabled") and self._token and self._chat)
        self._unsent: deque[str] = deque()
        self._keeping = Lock()
        self._dropped = 0  # alerts too old to be kept since the last one that was sent
        self._sender: Thread | None = None
        self._refused, self._why = 0, ""  # alerts not taken since the last one that was

    def say(self, text: str) -> None:
        """Log a text and queue it for the chat."""
        text = masked(self._head + text, self._secrets)
        logger.warning("%s", text)
        if self._on:
            with self._keeping:
                self._unsent.append(text[:_LONGEST])
                while len(self._unsent) > _KEPT:
                    self._unsent.popleft()
                    self._dropped += 1

    def deliver_beside(self) -> None:
        """Send what is queued in a thread of its own: a slow Telegram must hold nobody up."""
        if self._unsent and (self._sender is None or not self._sender.is_alive()):
            self._sender = Thread(target=self.deliver, name="alerts", daemon=True)
            self._sender.start()

    def deliver(self) -> None:
        """Send what is queued; what cannot be sent now is tried again next time."""
        while self._unsent:
            text = self._unsent.popleft()
            try:
                self._send_somehow(text)
            except _RefusedError as error:
                # Sent again it would be refused again, and keep all others back.
                self._refused, self._why = self._refused + 1, str(error)
                logger.error("Telegram refuses an alert: %s", error)
            except Exception as error:  # noqa: BLE001 - of any kind: the next ones wait their turn
                # The address holds the token: only the error's kind is told.
                logger.warning("Telegram cannot be reached: %s", type(error).__name__)
                with self._keeping:
                    if len(self._unsent) < _KEPT:
                        self._unsent.appendleft(text)
                    else:
                        self._dropped += 1
                return

    def _send_somehow(self, text: str) -> None:
        """Send a text as it is, else plain, and with it that others were lost."""
        if self._refused:
            text = f"{text}\n({self._refused} before this were refused: {self._why}; see the log)"
        dropped = self._dropped
        if dropped:
            text = f"{text}\n({dropped} before this could not be sent in time; see the log)"
        try:
            self._send(text[-_LONGEST:], self._topic)
        except _RefusedError as error:
            logger.warning("Telegram refuses an alert, it is sent plain: %s", error)
            self._send(_plain(text), None)
        self._refused = 0
        with self._keeping:
            self._dropped -= dropped

    def _send(self, text: str, topic: object) -> None:
        content = {"chat_id": self._chat, "text": text}
        if topic is not None:
            content["message_thread_id"] = str(topic)
        request = urllib.request.Request(
            _URL.format(token=self._token), json.dumps(content).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        # urlopen would keep the proxy of its first call for good.
        try:
            with urllib.request.build_opener().open(request, timeout=_TIMEOUT_S) as answer:
                answer.read()
        except HTTPError as error:
            if error.code != _REFUSED:
                raise
            raise _RefusedError(_reason(error)) from None  # its address holds the token


def _plain(text: str) -> str:
    """Return a text that nothing can be wrong with.

    Examples
    --------
    >>> _plain("stop \\ud83d\\ude00 placed")
    'stop ?? placed'
    """
    plain = "".join(c if c.isascii() and (c.isprintable() or c == "\n") else "?" for c in text)
    return plain[:_PLAIN]


def _reason(error: HTTPError) -> str:
    try:
        return str(json.loads(error.read(_LONGEST))["description"])[:_WHY]
    except Exception:  # noqa: BLE001 - of any kind: a proxy's page
        return "no reason given"
