"""Words to a person: the log at once, and Telegram as soon as it can be reached."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections import deque
from collections.abc import Mapping
from threading import Thread
from typing import Any, Final
from urllib.error import HTTPError

logger = logging.getLogger(__name__)

_URL: Final = "https://api.telegram.org/bot{token}/sendMessage"
_KEPT: Final = 50  # unsent messages; the oldest go first
_LONGEST: Final = 4000  # characters; Telegram refuses more than 4,096
_TIMEOUT_S: Final = 5.0
_REFUSED: Final = 400  # this text, whatever the hour


class Alerts:
    """Sends texts to the chat of a Freqtrade config; without one, to the log only."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        block = config.get("telegram") or {}
        self._token = str(block.get("token") or "")
        self._chat = str(block.get("chat_id") or "")
        self._on = bool(block.get("enabled") and self._token and self._chat)
        self._unsent: deque[str] = deque(maxlen=_KEPT)
        self._sender: Thread | None = None

    def say(self, text: str) -> None:
        """Log a text and queue it for the chat."""
        logger.warning("%s", text)
        if self._on:
            self._unsent.append(text[:_LONGEST])

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
                self._send(text)
            except Exception as error:  # noqa: BLE001 - of any kind: the next ones wait their turn
                # The address holds the token: only the error's kind is told.
                logger.warning("Telegram cannot be reached: %s", type(error).__name__)
                if isinstance(error, HTTPError) and error.code == _REFUSED:
                    continue  # sent again it would be refused again, and keep all others back
                if len(self._unsent) < _KEPT:
                    self._unsent.appendleft(text)
                return

    def _send(self, text: str) -> None:
        body = json.dumps({"chat_id": self._chat, "text": text}).encode()
        request = urllib.request.Request(
            _URL.format(token=self._token), body, {"Content-Type": "application/json"}
        )
        # urlopen would keep the proxy of its first call for good.
        with urllib.request.build_opener().open(request, timeout=_TIMEOUT_S) as answer:
            answer.read()
