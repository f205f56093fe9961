"""What the real bot says of its account and its chat is true when it is said."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.home import home_of
from models.operate.control.owner import BotStage
from models.operate.control.reach import reach_lines
from models.operate.control.state import ControlMode, GuardActor, Person
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.faults import Latency
from tests.telegram.state import BotApiState
from tests.test_integration.controlled_bot import STRATEGY, commands, configuration
from tests.test_integration.given_bot import STRATEGY as GIVEN
from tests.test_integration.live_bot import Start, running_bot
from tests.test_integration.running import write_strategy

ANN = Person("ann", "telegram")


@pytest.fixture
def strategy() -> str:
    return GIVEN


def test_flatten_when_the_exchange_holds_what_the_bot_does_not_know_then_it_is_not_called_done(
    tmp_path: Path, url: str, state: ExchangeState, venue: LoopbackVenue, account: Customer
) -> None:
    arguments, desk = write_strategy(tmp_path, STRATEGY), commands(tmp_path)
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: "BTCUSDT" in account.open_positions(), "a position")
        with venue.lock:  # a person trades by hand on the bot's account
            account.position("ETHUSDT").fill(Decimal("0.5"), Decimal(3_000))
        desk.flatten(ANN, "storm")
        bot.wait_for(lambda: desk.journal.entries(kind="control.flattening"), "what is left said")
        assert list(account.open_positions()) == ["ETHUSDT"]
        (said,) = desk.journal.entries(kind="control.flattening", limit=1)
        assert "the exchange still holds ETH/USDT:USDT 0.5: close it there" in said.record["what"]
        assert desk.store.read().flatten is not None
        assert desk.journal.entries(kind="control.flattened") == []
        with venue.lock:
            account.position("ETHUSDT").fill(Decimal("-0.5"), Decimal(3_000))
        bot.wait_for(lambda: desk.store.read().flatten is None, "the request done")
    (done,) = desk.journal.entries(kind="control.flattened")
    assert done.record["what"] == "every position is closed, and the exchange holds none"
    assert desk.store.read().mode is ControlMode.HALTED


def test_chat_when_another_program_reads_its_commands_and_halts_cross_its_messages_then_it_is_told(
    start: Start, api: BotApiState, chat: Chat, tmp_path: Path
) -> None:
    desk = Commands(home_of(tmp_path / "user_data", BotStage.DRY_RUN))
    with start() as bot:
        api.wait_for_listener()

        def noticed() -> bool:
            api.poll_elsewhere()
            return bool(reach_lines(desk.store.folder))

        bot.wait_for(noticed, "the other program noticed")
        chat.wait_for("another program reads this bot's Telegram commands too (409)")
        assert "(409)" in desk.risk().text
        assert desk.journal.entries(kind="telegram.deaf")
        # A halt that falls while an answer is on its way.
        api.faults.add(Latency(on="sendMessage", before_s=lambda _: 1.5, times=1))
        desk.reduce(ANN, "too hot")
        api.wait_until(lambda: slow_one(api), "a message on its way")
        desk.store.halt(GuardActor("loss_day"), "2.1 % lost today")
        chat.wait_for("2.1 % lost today")
        shown = desk.store.read()
        assert [n.reason for n in shown.standing] == ["too hot", "2.1 % lost today"]
        chat.say("/resume")
        chat.wait_for("Trade again?")
        desk.store.halt(GuardActor("margin"), "margin ratio 0.81")
        chat.wait_for("margin ratio 0.81")
        chat.press("Yes")
        chat.wait_for("Not done: what holds is no longer what was shown")
        assert desk.store.read().mode is ControlMode.HALTED
        chat.press("Yes")
        chat.wait_for("ACTIVE: new positions are allowed")


def slow_one(api: BotApiState) -> bool:
    """Whether a message about the word has been asked for."""
    return any("too hot" in call.params.get("text", "") for call in api.called("sendMessage"))
