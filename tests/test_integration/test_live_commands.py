"""A running `freqtrade trade` with the pack's strategy is commanded by Telegram and by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.commands import CONTROL_FOLDER, JOURNAL_FOLDER
from models.operate.control.heartbeat import last_beat
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.state import ControlMode
from models.operate.control.store import HALT_FILE, ControlStore
from models.operate.journal.journal import Journal
from tests.telegram.chat import Chat
from tests.telegram.faults import Drop, bad_gateway
from tests.telegram.state import BotApiState
from tests.test_integration.given_bot import STRATEGY
from tests.test_integration.live_bot import BTC, ETH, LiveBot, Start

STRANGER = 2002


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    """The bot's control state, seen from another process."""
    return ControlStore(tmp_path / "user_data" / DRY_RUN_HOME / CONTROL_FOLDER)


@pytest.fixture
def strategy() -> str:
    return STRATEGY


def none_open(bot: LiveBot) -> bool:
    return not any(trade["is_open"] for trade in bot.trades().values())


def exposed(store: ControlStore) -> bool:
    """Whether the bot's last sign of life knows of a position, and that more could be opened.

    In the moment a candle turns nothing can.
    """
    beat = last_beat(store.folder)
    return (
        beat is not None
        and beat.numbers["gross exposure"] > 0
        and any(name.startswith("room for") for name in beat.numbers)
    )


def refused(store: ControlStore) -> set[str]:
    """Return the pairs whose entries control has refused, from the journal."""
    entries = Journal(store.folder.parent / JOURNAL_FOLDER).entries(kind="entry.refused")
    return {e.record["pair"] for e in entries if "control is HALTED" in e.record["rules"][-1]}


def heard(bot: LiveBot, mode: ControlMode) -> bool:
    """Whether the bot's loop has read this mode."""
    return f"control: {mode}" in bot.log()


def test_commands_when_the_bot_trades_then_each_is_answered_and_obeyed(
    start: Start, api: BotApiState, chat: Chat, store: ControlStore
) -> None:
    stranger = Chat(api, STRANGER)
    with start() as bot:
        api.wait_for_listener()
        bot.wait_for(bot.both_open, "two entries")
        for said in ("/halt", "/flatten", "/risk"):
            stranger.say(said)

        bot.wait_for(lambda: exposed(store), "a loop that has seen the positions")
        chat.say("/risk")
        shown = chat.wait_for("ACTIVE: new positions are allowed").text
        for figure in ("equity: 9,9", "room for new longs in BTC: ", "margin ratio, % ",
                       "a repeat of the worst hour would cost, % of equity (limit 25): ",
                       "lost today, % "):  # fmt: skip
            assert figure in shown
        assert f"bot {bot.process.pid} alive" in shown

        chat.say(f"/why {bot.trades()[BTC]['id']}")
        story = chat.wait_for("order.filled").text
        assert "enter long BTC/USDT:USDT" in story
        assert "forecast: up 40%" in story

        chat.say("/reduce too hot")
        chat.wait_for("REDUCING")
        bot.wait_for(lambda: heard(bot, ControlMode.REDUCING), "the loop to read it")
        chat.say("/halt")
        chat.wait_for("HALTED")
        bot.wait_for(lambda: heard(bot, ControlMode.HALTED), "the loop to read it")
        chat.say("/resume")
        chat.wait_for("Trade again?")
        chat.press("Yes")
        chat.wait_for("ACTIVE")
        chat.say("/hedge 30%")
        chat.wait_for("got '30%'")
        chat.say("/hedge 0.3")
        chat.wait_for("this bot hedges nothing")
        chat.say("/approve")
        chat.wait_for("No entry waits for you.")
        chat.say("/flatten storm")
        assert BTC in chat.wait_for("close every position?").text
        chat.press("Yes")
        chat.wait_for("every position is to be closed")
        bot.wait_for(lambda: none_open(bot), "every position closed")
        bot.wait_for(lambda: store.read().flatten is None, "the request done")
        chat.say(f"/why {bot.trades()[BTC]['id']}")
        assert "closed by" in chat.wait_for("trade.closed").text
        chat.say("/help")
        chat.wait_for("/flatten [reason]")
        log, troubles = bot.log(), bot.troubles()
    state = store.read()
    assert state.mode is ControlMode.HALTED
    assert state.hedge is None
    assert stranger.received() == []
    assert log.count(f"Rejected unauthorized message from: {STRANGER}") == 3
    assert troubles == []
    assert api.token not in log
    journal = Journal(store.folder.parent / JOURNAL_FOLDER)
    lines = [e.record for e in journal.entries(kind="control")]
    commands = [line["command"] for line in lines if line.get("command")]  # and not what followed
    assert commands == ["reduce", "halt", "resume", "flatten"]
    assert journal.verify().fault == ""


@pytest.mark.slow
def test_commands_when_the_bot_reloads_and_restarts_then_they_hold_and_are_not_replayed(
    start: Start, api: BotApiState, chat: Chat, store: ControlStore
) -> None:
    with start() as bot:
        api.wait_for_listener()
        bot.wait_for(bot.both_open, "two entries")
        chat.say("/reduce")
        chat.wait_for("REDUCING")
        chat.say("/flatten")
        chat.wait_for("close every position?")
        chat.say("/reload_config")
        chat.wait_for("Reloading config")
        api.wait_for_listener(times=2)
        chat.press("Yes")  # the question was asked by a client that is gone
        chat.wait_for("Not done: this question is older than")
        troubles = bot.troubles()
    chat.say("/halt")  # nobody listens; whoever sends this looks for the answer
    reduced_ms, ended = store.read().since_ms, len(bot.troubles())
    with start() as bot:
        api.wait_for_listener(times=3)
        chat.wait_for("REDUCING")  # told unasked: it does not trade as it is expected to
        chat.say("/risk")
        chat.wait_for("alive")
        troubles += bot.troubles()[ended:]
        log = bot.log()
    assert (store.read().mode, store.read().since_ms) == (ControlMode.REDUCING, reduced_ms)
    assert troubles == []
    assert log.count("rpc.telegram is listening") == 3


@pytest.mark.slow
def test_telegram_when_it_is_out_of_reach_then_the_bot_trades_on_and_a_file_still_halts_it(
    start: Start, api: BotApiState, chat: Chat, store: ControlStore
) -> None:
    file = store.folder / HALT_FILE
    file.touch()
    with start() as bot:
        api.wait_for_listener()
        api.faults.add(Drop())
        bot.wait_for(lambda: refused(store) == {BTC, ETH}, "two refused entries")
        assert bot.trades() == {}
        file.unlink()
        bot.wait_for(bot.both_open, "two entries, at the next candle")
        file.touch()
        bot.wait_for(lambda: bot.log().count("control: HALTED") == 2, "the second halt")
        chat.say("are you there?")
        api.faults.clear()
        chat.wait_for("the file HALT is there")
        chat.say("go on")
        file.unlink()
        chat.wait_for("ACTIVE: new positions are allowed")


@pytest.mark.slow
def test_telegram_when_it_is_down_at_the_start_then_it_listens_as_soon_as_it_is_back(
    start: Start, api: BotApiState, chat: Chat, store: ControlStore
) -> None:
    outage = bad_gateway("getMe", times=4)  # Freqtrade alone gives up after three
    api.faults.add(outage)
    with start() as bot:
        bot.wait_for(bot.both_open, "two entries")
        api.wait_for_listener()
        chat.say("/halt")
        chat.wait_for("HALTED")
        bot.wait_for(lambda: heard(bot, ControlMode.HALTED), "the halt")
    assert outage.times == 0
