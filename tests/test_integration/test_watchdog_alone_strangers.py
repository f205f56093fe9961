"""What strangers do to the real watchdog while no bot is there: its folder, its log, its state."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from models.base.files import wall_clock_ms
from models.operate.control.home import state_place
from models.operate.control.owner import BotIdentity, BotStage, owner_of, write_owner
from models.operate.control.state import ControlMode
from models.operate.control.state_file import STATE_FILE
from tests.telegram.chat import Chat
from tests.test_integration.controlled_bot import running_watchdog
from tests.test_integration.live_bot import BTC
from tests.test_integration.lone_watchdog import ANN, CLOSED, DEAD, PID, Abandoned, told

# -- another bot's state ---------------------------------------------------------------------------


def owned(left: Abandoned, **other: Any) -> None:
    """Write down that the state is this bot's, or another's."""
    mine: dict[str, Any] = {"stage": BotStage.LIVE, "exchange": "binance", "stake": "USDT",
                            "strategy": "Mine"}  # fmt: skip
    place = state_place(left.folder / "user_data", BotIdentity(**mine))
    write_owner(place, owner_of(BotIdentity(**{**mine, **other}), wall_clock_ms()))


def test_watchdog_when_the_state_is_of_a_dry_run_then_it_does_not_start_and_says_what_to_do(
    left: Abandoned,
) -> None:
    owned(left, strategy="Theirs", stage=BotStage.DRY_RUN)
    left.hold(0.02)
    asked = len(left.state.requests)
    with running_watchdog(left.folder) as dog:
        assert dog.process.wait(120) == 2
        said = dog.log()
    assert "belongs to Theirs, dry-run on binance in USDT" in said
    assert "these config files are of another bot: stage live, not dry-run" in said
    assert "give the watchdog the bot's own config files and keys" in said
    assert left.sent() == []
    assert all(request.startswith("GET") for request in left.state.requests[asked:])
    assert left.desk.store.read().mode is ControlMode.ACTIVE


def test_watchdog_when_the_state_becomes_another_bots_then_it_protects_and_never_obeys_that(
    left: Abandoned, chat: Chat
) -> None:
    owned(left)
    left.hold(0.02)
    left.bid(50_000)
    with ExitStack() as lives:
        lives.enter_context(left.alive(PID))
        with left.watched() as dog:
            left.rounds(dog, 3)
            assert left.bare()  # its own bot lives
            owned(left, strategy="Theirs", stage=BotStage.DRY_RUN)
            left.desk.flatten(ANN, "theirs")
            kept = (left.control / STATE_FILE).read_bytes()
            said = chat.wait_for("the control state is not obeyed: ").text
            assert "belongs to Theirs, dry-run on binance in USDT" in said
            chat.wait_for("heartbeat.json: it is another bot's")
            dog.wait_for(lambda: not left.bare(), "a stop")
            dog.wait_for(lambda: not left.account.open_orders(), "the entry taken back")
            left.rounds(dog)
            assert left.held() == {"BTCUSDT": 0.02}
            assert (left.control / STATE_FILE).read_bytes() == kept
            assert not told(chat, "closed")
            owned(left)
            chat.wait_for("over: the control state is not obeyed")
            left.rounds(dog, 2)
            assert left.held() == {"BTCUSDT": 0.02}  # its bot lives, and closes by itself
            lives.close()
            chat.wait_for(CLOSED)
    assert len(told(chat, DEAD)) == 1
    assert left.held() == {}


# -- what it stands on -----------------------------------------------------------------------------


def test_watchdog_when_the_whole_folder_of_control_is_gone_then_a_bot_it_knew_counts_as_silent(
    left: Abandoned, chat: Chat
) -> None:
    left.beat(0.0)
    left.hold(0.02)
    left.bid(50_000)
    with left.watched() as dog:
        with left.alive(PID):
            left.rounds(dog, 2)
        left.control.rename(left.folder / "away")
        chat.wait_for("heartbeat.json: the bot's sign of life is gone, and its folder with it")
        dog.wait_for(lambda: not left.bare(), "a stop")
        dog.wait_for(lambda: not left.account.open_orders(), "the entry taken back")
    assert left.held() == {"BTCUSDT": 0.02}


class Terminal:
    """What a process writes to: a pipe that a person reads, or pauses."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._reads = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def launch(self, command: Sequence[str], **more: Any) -> Any:
        """Start a process that writes here."""
        with self._path.open("ab", buffering=0) as out:
            return subprocess.Popen(command, **{**more, "stdout": out, "stderr": out})

    def pause(self) -> None:
        """Let not one more byte be written; what fills it is there to be read in the end."""
        self.read()
        writes = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        for size in (65_536, 1):
            try:
                while True:
                    os.write(writes, b"." * size)
            except BlockingIOError:
                continue
        os.close(writes)

    def read(self) -> str:
        """Return what has been written since."""
        parts = []
        try:
            while part := os.read(self._reads, 65_536):
                parts.append(part)
        except BlockingIOError:
            pass  # no more for now
        return b"".join(parts).decode()

    def close(self) -> None:
        """Go away, as a terminal whose window is closed."""
        os.close(self._reads)


def test_watchdog_when_its_terminal_is_paused_or_gone_then_it_acts_and_tells_the_chat_all_the_same(
    left: Abandoned, chat: Chat
) -> None:
    terminal = Terminal(left.folder / "terminal")
    with left.watched(launch=terminal.launch) as dog:
        left.rounds(dog, 2)
        terminal.pause()
        for amount in (0.01, 0.02):  # the first one's word is where a writer would wait
            left.hold(amount)
            dog.wait_for(lambda: not left.bare(), "a stop")
            chat.wait_for(f"{amount:g} {BTC} had no stop; one placed at 57000")
        left.rounds(dog, 3)
        said = ""

        def written() -> bool:
            nonlocal said
            said += terminal.read()
            return f"0.02 {BTC} had no stop" in said

        dog.wait_for(written, "what was said meanwhile, once it can be read again")
        assert f"0.01 {BTC} had no stop" in said
        terminal.close()
        left.hold(0.03)
        dog.wait_for(lambda: not left.bare(), "a stop without a terminal")
        chat.wait_for(f"0.03 {BTC} had no stop; one placed at 57000")
        left.rounds(dog, 2)
