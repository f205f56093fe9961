"""Freqtrade's own REST API of a bot, as a person or a program uses it."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

import requests

_USER, _PASSWORD = "ann", "loopback-password"


@dataclass(frozen=True)
class Api:
    """The API at a port that was free a moment ago."""

    port: int

    @staticmethod
    def somewhere() -> Api:
        """Return one nobody listens at."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
            return Api(port)

    def settings(self) -> dict[str, Any]:
        """Return the blocks of a config that serve it, force-entry included."""
        return {
            "force_entry_enable": True,
            "api_server": {
                "enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": self.port,
                "verbosity": "error", "jwt_secret_key": "loopback-jwt-secret-of-32-characters",
                "CORS_origins": [], "username": _USER, "password": _PASSWORD,
            },
        }  # fmt: skip

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return requests.get(f"{self._url}/ping", timeout=5).ok
        except requests.ConnectionError:
            return False

    def post(self, what: str, **content: Any) -> tuple[int, str]:
        """Return the status and the text of the answer."""
        answer = requests.post(
            f"{self._url}/{what}", json=content, auth=(_USER, _PASSWORD), timeout=60
        )
        return answer.status_code, answer.text

    def delete(self, what: str) -> tuple[int, str]:
        """Return the status and the text of the answer."""
        answer = requests.delete(f"{self._url}/{what}", auth=(_USER, _PASSWORD), timeout=60)
        return answer.status_code, answer.text

    def ask(self, what: str) -> tuple[int, str]:
        """Return the status and the text of the answer."""
        answer = requests.get(f"{self._url}/{what}", auth=(_USER, _PASSWORD), timeout=60)
        return answer.status_code, answer.text

    def get(self, what: str) -> Any:
        """Return the answer."""
        status, text = self.ask(what)
        assert status == 200, f"{what}: {status} {text}"
        return json.loads(text)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"
