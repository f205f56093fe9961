"""A Bot API with one chat, and a real HTTP client that finds it as the bot does."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.telegram.chat import Chat
from tests.telegram.server import HOST, Endpoint, running_bot_api
from tests.telegram.state import BotApiState

CHAT = 1001
Ask = Callable[..., Any]


@pytest.fixture
def state() -> BotApiState:
    return BotApiState()


@pytest.fixture
def chat(state: BotApiState) -> Chat:
    return Chat(state, CHAT)


@pytest.fixture
def endpoint(state: BotApiState) -> Iterator[Endpoint]:
    with running_bot_api(state) as served:
        yield served


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[httpx.Client]:
    trusted = ssl.create_default_context(cafile=str(endpoint.certificate))
    trusted.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
    with httpx.Client(proxy=endpoint.proxy_url, verify=trusted, timeout=10) as made:
        yield made


@pytest.fixture
def ask(client: httpx.Client, state: BotApiState) -> Ask:
    """Call a method; returns the whole answer, a refusal too."""

    def call(method: str, **params: Any) -> Any:
        return client.post(f"https://{HOST}/bot{state.token}/{method}", json=params).json()

    return call
