"""The client of a module: it takes seconds to end."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from freqtrade.enums import TradingMode
from freqtrade.persistence import init_db

from models.operate.control.commands import Commands
from models.operate.control.state import ControlMode, Person
from models.operate.control.store import HALT_FILE
from strategies.human import telling
from strategies.human.telegram import PackTelegram
from tests.telegram.chat import Chat
from tests.telegram.server import running_bot_api
from tests.telegram.state import BotApiState
from tests.test_strategies.human.desk import ANN, BOB, CARL, GROUP, Clock, Desk


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    api, clock = BotApiState(), Clock()
    commands = Commands(tmp_path_factory.mktemp("user_data"), clock)
    control = SimpleNamespace(commands=commands, has_looped=True)
    bot = SimpleNamespace(
        strategy=SimpleNamespace(control=control), trading_mode=TradingMode.FUTURES
    )
    config = {
        "stake_currency": "USDT",
        "telegram": {
            "token": api.token,
            "chat_id": str(GROUP),
            "authorized_users": [str(ANN), str(BOB)],
            "keyboard": [["/status", "/help"]],
        },
    }
    ann, bob, carl = (Chat(api, GROUP, user_id=user) for user in (ANN, BOB, CARL))
    init_db("sqlite://")
    with running_bot_api(api) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name, value in endpoint.environment().items():
            environment.setenv(name, value)
        environment.setattr(telling, "_LOOK_S", 0.02)
        environment.setattr(PackTelegram, "again_s", 0.2)
        rpc = SimpleNamespace(_freqtrade=bot)
        client = PackTelegram(rpc, config, clock)
        try:
            api.wait_for_listener()
            yield Desk(api, commands, clock, ann, bob, carl, rpc, client)
        finally:
            client.cleanup()


@pytest.fixture
def desk(listening: Desk) -> Iterator[Desk]:
    """The desk with nothing said yet; nothing the client asked for was unknown to the server."""
    (listening.commands.store.folder / HALT_FILE).unlink(missing_ok=True)
    if listening.mode is not ControlMode.ACTIVE:
        listening.ann.say("a new test begins")
        listening.commands.store.resume(Person("fixture", "test"))
        listening.ann.wait_for("fixture by test: resumed")
    yield listening
    listening.api.faults.clear()
    assert not listening.api.unknown
