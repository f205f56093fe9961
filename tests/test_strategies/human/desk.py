"""A client of the pack that listens on the loopback Bot API, and the people in its group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

from models.operate.control.commands import Commands
from models.operate.control.state import ControlMode
from strategies.human.telegram import PackTelegram
from tests.telegram.chat import Chat
from tests.telegram.state import BotApiState

GROUP, ANN, BOB, CARL, STRANGER = -1001, 1, 2, 3, 4


class Clock:
    """Starts at the time of day, which the trades in Freqtrade's database go by."""

    def __init__(self) -> None:
        self.now = round(datetime.now(UTC).timestamp() * 1000)

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Desk:
    """A client that listens to a group, in which Ann and Bob are authorised and Carl is not."""

    api: BotApiState
    commands: Commands
    clock: Clock
    ann: Chat
    bob: Chat
    carl: Chat
    rpc: SimpleNamespace
    client: PackTelegram

    @property
    def mode(self) -> ControlMode:
        return self.commands.store.read().mode


def after_all_others(desk: Desk, chat: Chat) -> None:
    """Wait until every command and press so far was handled: they are, in order."""
    chat.say("/risk")
    assert "ACTIVE" in chat.wait_for("no sign of life from a bot").text


def proposed(desk: Desk, key: str) -> str:
    return desk.commands.store.propose(
        key=key, pair=f"{key}/USDT:USDT", side="long", notional_quote=1000.0, rate=60_000.0,
        note="p_up 0.6", expires_ms=desk.clock() + 600_000,
    ).id  # fmt: skip
