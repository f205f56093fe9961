"""The real bot is operated through its real Telegram client, on the loopback Bot API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.telegram.chat import Chat
from tests.telegram.faults import Drop, Fault, bad_gateway, too_many_requests
from tests.telegram.state import BotApiState
from tests.test_integration.live_bot import BTC, ETH, STRATEGY, LiveBot, Start

STRANGER = 2002


# Freqtrade's client loses what it is told to say before its thread has an event loop. The pack's
# waits for it, and so does the one here, which is Freqtrade's otherwise.
PATIENT = """
import time

from freqtrade.rpc import telegram


class Patient(telegram.Telegram):
    def _start_thread(self):
        super()._start_thread()
        while not hasattr(self, "_loop"):
            time.sleep(0.001)


telegram.Telegram = Patient
"""


@pytest.fixture
def strategy() -> str:
    return STRATEGY + PATIENT


def greeted(bot: LiveBot, api: BotApiState, chat: Chat) -> None:
    """Wait until the bot listens, holds two trades, and has said all it says by itself."""
    chat.wait_for("Searching for USDT pairs")
    api.wait_for_listener()
    bot.wait_for(bot.both_open, "two entries")
    for pair in (BTC, ETH):
        chat.wait_for(f"Pair: {pair}")


def test_telegram_when_the_owner_operates_the_bot_then_it_answers_and_does_as_told(
    start: Start, api: BotApiState, chat: Chat
) -> None:
    with start() as bot:
        greeted(bot, api, chat)

        chat.say("/status")
        assert BTC in chat.wait_for(f"Current Pair: {BTC}").text
        chat.say("/status table")
        chat.wait_for("ETH")
        chat.say("/balance")
        chat.wait_for("Estimated Value")
        chat.say("/profit")
        chat.wait_for("ROI")
        chat.say("/daily 3")
        chat.wait_for("Daily Profit over the last 3 days")

        chat.press("Refresh")  # asks anew, for the default number of days
        assert chat.wait_for("Daily Profit over the last 7 days").edited_s

        chat.say("/stopentry")
        chat.wait_for("paused, no more entries will occur from now")

        chat.say("/forceexit")
        chat.wait_for("Which trade?")
        query = chat.press(BTC)
        chat.wait_for(f"Manually exiting Trade #{bot.trades()[BTC]['id']}")
        bot.wait_for(lambda: not bot.trades()[BTC]["is_open"], "the trade closed")
        assert query.answered
        chat.wait_for("force_exit")
        chat.say("/forceexit")
        chat.wait_for("Which trade?")
        chat.press("Cancel")
        chat.wait_for("Force exit canceled.")
        trades, log, troubles = bot.trades(), bot.log(), bot.troubles()
    assert trades[BTC]["exit_reason"] == "force_exit"
    assert trades[ETH]["is_open"]
    assert not api.elsewhere
    assert troubles == []
    assert api.token not in log


def test_telegram_when_a_stranger_writes_then_nothing_is_answered_or_done(
    start: Start, api: BotApiState, chat: Chat
) -> None:
    stranger = Chat(api, STRANGER)
    with start() as bot:
        api.wait_for_listener()
        bot.wait_for(bot.both_open, "two entries")
        for command in ("/status", "/balance", "/forceexit all", "/stop"):
            stranger.say(command)
        chat.say("/show_config")  # updates are handled in order, so theirs have been
        shown = chat.wait_for("Current state:").text
        trades, log, troubles = bot.trades(), bot.log(), bot.troubles()
    assert "running" in shown
    assert all(trade["is_open"] for trade in trades.values())
    assert stranger.received() == []
    assert log.count(f"Rejected unauthorized message from: {STRANGER}") == 4
    assert troubles == []


def test_telegram_when_commands_waited_before_the_start_then_they_are_dropped(
    start: Start, api: BotApiState, chat: Chat
) -> None:
    chat.say("/stop")
    chat.say("/version")
    with start() as bot:
        api.wait_for_listener()
        assert api.pending() == []
        chat.say("/show_config")
        assert "running" in chat.wait_for("Current state:").text
        troubles = bot.troubles()
    assert not [m for m in chat.received() if "Version:" in m.text]
    assert troubles == []


@pytest.mark.slow
def test_telegram_when_the_config_is_reloaded_then_commands_are_not_replayed_and_it_listens_again(
    start: Start, api: BotApiState, chat: Chat
) -> None:
    with start() as bot:
        api.wait_for_listener()
        bot.wait_for(bot.both_open, "two entries")
        chat.say("/reload_config")
        chat.wait_for("Reloading config")
        api.wait_for_listener(times=2)
        chat.say("/show_config")
        assert "running" in chat.wait_for("Current state:").text
        answers = [m.text for m in chat.received() if "Reloading config" in m.text]
        troubles = bot.troubles()
    assert len(answers) == 1
    assert api.listens == 2
    assert troubles == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said", "answers"),
    [
        (bad_gateway("sendMessage", times=1), "Trying one more time", 1),
        (Drop(on="sendMessage", times=1), "Trying one more time", 1),
        # The first one arrived, only Freqtrade cannot know.
        (Drop(on="sendMessage", executed=True, times=1), "Trying one more time", 2),
        (bad_gateway("getUpdates", times=2), "while polling for updates", 1),
        (too_many_requests("getUpdates", times=1), "", 1),
        (Drop(on="getUpdates", times=2), "while polling for updates", 1),
        (Drop(on="getUpdates", executed=True, times=1), "while polling for updates", 1),
    ],
    ids=["send-502", "send-reset", "send-lost", "poll-502", "poll-429", "poll-reset", "poll-lost"],
)
def test_telegram_when_a_request_fails_then_the_command_is_answered_all_the_same(
    start: Start, api: BotApiState, chat: Chat, fault: Fault, said: str, answers: int
) -> None:
    fault = replace(fault)  # its count of strikes is its own
    with start() as bot:
        greeted(bot, api, chat)
        api.faults.add(fault)
        chat.say("/version")
        chat.wait_for("Version:")
        bot.wait_for(lambda: fault.times == 0, "the fault to strike")
        chat.say("/show_config")
        assert "running" in chat.wait_for("Current state:").text
        log, troubles = bot.log(), bot.troubles()
    assert len([m for m in chat.received() if "Version:" in m.text]) == answers
    assert said in log
    # The client itself logs a failed poll with its traceback; nothing else may.
    assert troubles == [] or said == "while polling for updates"
    assert [record for record in troubles if said not in record] == []


@pytest.mark.slow
def test_telegram_when_the_flood_limit_is_hit_then_that_answer_is_lost_and_the_next_is_not(
    start: Start, api: BotApiState, chat: Chat
) -> None:
    with start() as bot:
        greeted(bot, api, chat)
        api.faults.add(too_many_requests("sendMessage", times=1))
        chat.say("/version")
        chat.say("/show_config")
        chat.wait_for("Current state:")
        log, troubles = bot.log(), bot.troubles()
    assert not [m for m in chat.received() if "Version:" in m.text]
    assert "Giving up on that message" in log
    assert troubles == []


@pytest.mark.slow
@pytest.mark.parametrize("failures", [2, 3])
def test_telegram_when_it_is_down_at_the_start_then_the_bot_tries_three_times_and_trades_anyway(
    start: Start, api: BotApiState, chat: Chat, failures: int
) -> None:
    api.faults.add(bad_gateway("getMe", times=failures))
    with start() as bot:
        bot.wait_for(bot.both_open, "two entries")
        bot.wait_for(lambda: f"(attempt {failures}/3)" in bot.log(), "that many attempts")
        if failures < 3:
            api.wait_for_listener()
            chat.say("/version")
            chat.wait_for("Version:")
        else:
            bot.wait_for(lambda: "Telegram init failed" in bot.log(), "Freqtrade to give up")
            assert api.listens == 0
