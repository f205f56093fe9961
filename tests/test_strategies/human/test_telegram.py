"""The pack's Telegram commands, through the real client, on the loopback Bot API.

One client for all tests: it takes seconds to end. A running `freqtrade trade` is driven in
`tests/test_integration/test_live_commands.py`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RPCMessageType
from freqtrade.persistence import Trade
from freqtrade.rpc import telegram as freqtrade_telegram

from models.operate.control.commands import Commands
from models.operate.control.model_book import MODEL_BOOK, forget_wish, read_wish, write_book
from models.operate.control.review import Answer
from models.operate.control.state import ControlMode, GuardActor
from models.operate.control.store import HALT_FILE
from models.operate.journal.records import DecisionRecord
from strategies.human.questions import VALID_MS
from strategies.human.telegram import PackTelegram, install
from strategies.seams import telegram_client
from tests.telegram.chat import Chat
from tests.telegram.faults import Drop, bad_gateway
from tests.telegram.state import BotApiState
from tests.test_models.operate.control.books import BOOK, PAIR
from tests.test_strategies.human.desk import STRANGER, Desk, after_all_others, proposed


def test_news_when_the_bot_opens_nothing_though_active_then_it_is_told_unasked_and_when_it_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = ["nobody has acknowledged the risk of these settings: breakwater acknowledge"]
    monkeypatch.setattr(desk.commands, "_obstacles", lambda: why)
    desk.ann.wait_for("ACTIVE, but nothing is opened: nobody has acknowledged")
    desk.ann.say("/risk")
    shown = desk.ann.wait_for("ACTIVE, but nothing is opened").text
    assert "new positions are allowed" not in shown
    why.clear()
    desk.ann.wait_for("ACTIVE: new positions are allowed")


def test_halt_when_said_then_it_holds_at_once_with_who_and_why_in_the_journal(desk: Desk) -> None:
    desk.ann.say("/halt strange <prices> & a_b")
    answer = desk.ann.wait_for("HALTED: positions are only closed").text
    assert "person_1 (1) by Telegram: strange <prices> & a_b" in answer
    assert desk.mode is ControlMode.HALTED
    (line,) = desk.commands.journal.entries(kind="control.halt", limit=1)
    assert (line.record["by"], line.record["after"]) == ("person_1 (1) by Telegram", "HALTED")


def test_strategy_when_it_says_what_looks_like_markdown_then_the_text_arrives_as_it_is(
    desk: Desk,
) -> None:
    said = "without open_interest: expected *one [of `these"
    desk.client.send_msg({"type": RPCMessageType.STRATEGY_MSG, "msg": said})
    assert desk.ann.wait_for("without").text == said


def test_reduce_when_said_then_it_holds_at_once_and_risk_shows_it(desk: Desk) -> None:
    desk.bob.say("/reduce")
    desk.bob.wait_for("REDUCING: no new positions")
    assert desk.mode is ControlMode.REDUCING
    desk.ann.say("/risk")
    shown = desk.ann.wait_for("REDUCING").text
    assert "person_2 (2) by Telegram" in shown
    assert "no sign of life from a bot" in shown


def test_resume_when_said_then_only_a_yes_does_it(desk: Desk) -> None:
    desk.ann.say("/halt")
    desk.ann.wait_for("HALTED")
    desk.ann.say("/resume")
    desk.ann.wait_for("Trade again?")
    desk.ann.press("No")
    desk.ann.wait_for("Nothing was changed.")
    assert desk.mode is ControlMode.HALTED
    desk.ann.say("/resume")
    desk.ann.wait_for("Trade again?")
    query = desk.ann.press("Yes")
    desk.ann.wait_for("ACTIVE: new positions are allowed")
    assert desk.mode is ControlMode.ACTIVE
    desk.api.wait_until(lambda: query.answered, "the progress bar ended")


def test_resume_when_the_file_halt_is_there_then_the_person_is_told_what_to_do(desk: Desk) -> None:
    file = desk.commands.store.folder / HALT_FILE
    file.touch()
    desk.ann.say("/resume")
    assert "the file HALT is there" in desk.ann.wait_for("Trade again?").text
    desk.ann.press("Yes")
    assert "remove it, then resume" in desk.ann.wait_for("Not done").text


def test_flatten_when_confirmed_then_it_halts_and_asks_for_every_position(desk: Desk) -> None:
    Trade.session.add(
        Trade(
            pair="BTC/USDT:USDT",
            stake_amount=100.0,
            amount=0.05,
            open_rate=60_000.0,
            leverage=3.0,
            is_short=True,
            is_open=True,
            exchange="binance",
            fee_open=0.0,
            fee_close=0.0,
            open_date=datetime.now(UTC),
        )
    )
    Trade.commit()
    desk.ann.say("/flatten storm")
    asked = desk.ann.wait_for("close every position?").text
    assert "BTC/USDT:USDT short 0.05" in asked
    assert desk.mode is ControlMode.ACTIVE
    desk.ann.press("Yes")
    desk.ann.wait_for("every position is to be closed")
    flatten = desk.commands.store.read().flatten
    assert flatten is not None
    assert flatten.reason == "storm"


def test_hedge_when_the_bot_hedges_nothing_then_it_says_so_and_asks_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.commands, "_hedges", False)  # the desk is every test's
    desk.ann.say("/hedge 0.5")
    said = desk.ann.wait_for("Not done: this bot hedges", 20.0).text
    assert "a strategy that hedges a position" in said
    assert desk.commands.store.read().hedge is None
    desk.ann.say("/hedge")
    desk.ann.wait_for("this bot hedges nothing", 20.0)


def test_rollback_when_said_then_only_a_yes_leaves_the_wish_and_without_a_model_it_is_refused(
    desk: Desk,
) -> None:
    folder = desk.commands.store.folder
    desk.ann.say("/rollback")
    desk.ann.wait_for("Not done: there is no earlier model to go back to")
    write_book(folder, replace(BOOK, pairs=(PAIR,)))
    try:
        desk.ann.say("/rollback BTC/USDT:USDT")
        desk.ann.wait_for("serve model 1 (lstm 1) again instead of model 2")
        assert read_wish(folder) is None
        desk.ann.press("Yes")
        desk.ann.wait_for("the bot does it in its next loop")
        wish = read_wish(folder)
        assert wish is not None
        assert (wish.pair, wish.by) == ("BTC/USDT:USDT", "person_1 (1) by Telegram")
    finally:  # the desk is every test's
        forget_wish(folder)
        (folder / MODEL_BOOK).unlink()


def test_hedge_when_set_frozen_and_released_then_each_is_asked_and_shown(desk: Desk) -> None:
    desk.ann.say("/hedge")
    desk.ann.wait_for("hedge: the model's")
    for word, asked, shown in (
        ("0.4", "Hold the hedge at 40%?", "hedge: held at 40%"),
        ("freeze", "Leave the hedge as it is?", "hedge: frozen as it is"),
        ("release", "Let the model choose the hedge?", "hedge: the model's"),
    ):
        before = desk.commands.store.read().hedge
        desk.ann.say(f"/hedge {word}")
        desk.ann.wait_for(asked)
        assert desk.commands.store.read().hedge == before
        desk.ann.press("Yes")
        desk.ann.wait_for(shown)
    assert desk.commands.store.read().hedge is None


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("/hedge 1.5", "expected a hedge ratio from 0 to 1, got 1.5"),
        ("/hedge much", "got 'much'"),
        ("/why", "nothing is opened: no bot has given a sign of life here"),
        ("/why all", "expected a trade's number, as in /why 3"),
        ("/why 77", "the journal has nothing about trade 77"),
        ("/approve r99", "no proposal 'r99'"),
        ("/deny", "No entry waits for you."),
    ],
)
def test_commands_when_they_cannot_be_carried_out_then_the_answer_says_why(
    desk: Desk, said: str, answer: str
) -> None:
    before = desk.commands.store.read()
    desk.ann.say(said)
    desk.ann.wait_for(answer)
    assert desk.commands.store.read() == before


def test_why_when_the_journal_knows_the_trade_then_it_tells_however_long_it_is(desk: Desk) -> None:
    for number in range(60):
        desk.commands.journal.append(
            "entry.refused",
            DecisionRecord(
                action="refuse",
                pair="BTC/USDT:USDT",
                side="long",
                trade_id=3,
                reason=f"no {number}",
                rules=("net exposure limited to 2 x equity",) * 2,
                forecast={"p_up": 0.5},
            ),
        )
    desk.ann.say("/why 3")
    told = desk.ann.wait_for("because: no 0").text
    assert "because: no 59" in told
    assert "lines left out)" in told
    assert "forecast: up 50%" in told


def test_review_when_entries_wait_then_they_are_answered_by_word_or_button(desk: Desk) -> None:
    one, two, three = (proposed(desk, base) for base in ("BTC", "ETH", "LTC"))
    desk.ann.say("/approve")
    assert "1,000.00 at 60,000.00; p_up 0.6" in desk.ann.wait_for(f"{three} waits until").text
    desk.ann.press(f"Deny {two}")
    left = desk.ann.wait_for(f"{two}: deny noted")
    assert [[b.label for b in row] for row in left.keyboards.buttons] == [
        [f"Approve {one}", f"Deny {one}"],
        [f"Approve {three}", f"Deny {three}"],
    ]
    desk.bob.say(f"/approve {one}")
    desk.bob.wait_for(f"{one}: approve noted")
    desk.ann.press(f"Approve {three}")
    desk.ann.wait_for(f"{three}: approve noted")
    answers = {p.id: p.answer for p in desk.commands.store.read().proposals}
    assert [answers[i] for i in (one, two, three)] == [
        Answer.APPROVED, Answer.DENIED, Answer.APPROVED,
    ]  # fmt: skip


# -- who may, and until when ----------------------------------------------------------------------


def test_commands_when_the_chat_or_the_person_is_not_authorised_then_nothing_happens(
    desk: Desk,
) -> None:
    outside = Chat(desk.api, STRANGER)
    heard = len(desk.carl.received())
    for chat in (outside, desk.carl):
        for said in ("/halt", "/reduce", "/flatten", "/risk", "/hedge 0.5", "/help"):
            chat.say(said)
    desk.api.wait_until(lambda: not desk.api.pending(), "every command was read")
    after_all_others(desk, desk.ann)
    assert outside.received() == []
    assert len(desk.ann.received()) == heard + 1
    assert desk.mode is ControlMode.ACTIVE


def test_question_when_somebody_else_presses_then_nothing_happens_and_the_asker_still_can(
    desk: Desk,
) -> None:
    desk.ann.say("/flatten")
    desk.ann.wait_for("close every position?")
    desk.carl.press("Yes")  # not authorised: not even an answer
    after_all_others(desk, desk.bob)
    assert desk.mode is ControlMode.ACTIVE
    desk.bob.press("Yes")
    desk.bob.wait_for("Not done: only person_1 (1), who asked for it, can answer this")
    assert desk.mode is ControlMode.ACTIVE


@pytest.mark.parametrize("late", [0, 1])
def test_question_when_its_time_is_over_then_a_yes_does_nothing(desk: Desk, late: int) -> None:
    desk.ann.say("/flatten")
    desk.ann.wait_for("close every position?")
    desk.clock.now += VALID_MS - 1 + late
    desk.ann.press("Yes")
    if late:
        desk.ann.wait_for("Not done: this question was open for 60 seconds and is closed")
    else:
        desk.ann.wait_for("HALTED")
    assert (desk.commands.store.read().flatten is None) == bool(late)


def test_question_when_a_newer_one_was_asked_then_the_old_button_is_dead(desk: Desk) -> None:
    desk.ann.say("/hedge 0.1")
    desk.ann.wait_for("Hold the hedge at 10%?")
    desk.ann.say("/flatten")
    newest = desk.ann.wait_for("close every position?")
    desk.api.forget(newest)
    desk.ann.press("Yes")  # of the hedge
    desk.ann.wait_for("Not done: a newer question of yours has taken its place")
    state = desk.commands.store.read()
    assert (state.hedge, state.flatten) == (None, None)


def test_review_when_somebody_unauthorised_presses_then_the_entry_still_waits(desk: Desk) -> None:
    waiting = proposed(desk, "unauthorised")
    desk.ann.say("/deny")
    desk.ann.wait_for(f"{waiting} waits until")
    desk.carl.press(f"Approve {waiting}")
    after_all_others(desk, desk.ann)
    desk.ann.say(f"/deny {waiting}")
    desk.ann.wait_for(f"{waiting}: deny noted")


def test_freqtrades_buttons_when_somebody_unauthorised_presses_then_nothing_happens(
    desk: Desk,
) -> None:
    desk.rpc._rpc_status_table = lambda *_: ([("7", "L", "BTC/USDT", "1 %")], [], 0.0, 0.0)
    desk.rpc._rpc_whitelist = lambda: {"whitelist": ["ETH/USDT"]}
    for asks, button, does in (
        ("/forceexit", "BTC/USDT", "Trade 7 not found."),
        ("/forceshort", "Cancel", "Force enter canceled."),
    ):
        desk.ann.say(asks)
        desk.ann.wait_for("Which ")
        desk.carl.press(button)
        after_all_others(desk, desk.ann)
        assert does not in [message.text for message in desk.ann.received()]
        desk.ann.press(button)
        desk.ann.wait_for(does)


def test_edited_message_when_it_reads_like_a_command_then_it_is_none(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.ann.edit(desk.ann.say("hello"), "/halt")
    after_all_others(desk, desk.ann)
    assert desk.mode is ControlMode.ACTIVE
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# -- when Telegram or the disk fails --------------------------------------------------------------


def test_halt_when_its_answer_is_lost_then_it_holds_and_is_told_anew(desk: Desk) -> None:
    outage = bad_gateway("sendMessage", times=3)
    desk.api.faults.add(outage)
    desk.ann.say("/halt storm")
    desk.ann.wait_for("HALTED")
    assert desk.mode is ControlMode.HALTED
    assert outage.times == 0


@pytest.mark.parametrize("method", ["answerCallbackQuery", "editMessageText"])
def test_yes_when_its_answer_is_lost_then_it_is_done_once_and_told_anew(
    desk: Desk, method: str
) -> None:
    before = len(desk.commands.journal.entries(kind="control.flatten"))
    desk.ann.say("/flatten")
    desk.ann.wait_for("close every position?")
    desk.api.faults.add(Drop(on=method, times=1))
    desk.ann.press("Yes")
    desk.ann.wait_for("every position is to be closed")
    assert len(desk.commands.journal.entries(kind="control.flatten")) == before + 1


def test_commands_when_something_breaks_then_the_person_hears_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(desk.commands, "risk", broken)
    desk.ann.say("/risk")
    desk.ann.wait_for("Not done, because of a fault in the bot: RuntimeError('out of <memory>')")


def test_halt_when_the_journal_cannot_be_written_then_it_holds_and_the_answer_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(desk.commands.journal, "folder", tmp_path / "file")
    desk.ann.say("/halt")
    assert "HALTED" in desk.ann.wait_for("not journalled").text
    assert desk.mode is ControlMode.HALTED


# -- news -----------------------------------------------------------------------------------------


def test_news_when_a_guard_or_a_file_halts_then_it_is_told_unasked_and_once(desk: Desk) -> None:
    before = [message.text for message in desk.ann.received()]
    desk.commands.store.reduce(GuardActor("margin"), "margin ratio 0.52")
    desk.ann.wait_for("guard margin: margin ratio 0.52")
    file = desk.commands.store.folder / HALT_FILE
    (file.parent / "draft").write_text("power works", encoding="utf-8")
    (file.parent / "draft").rename(file)  # whole at once: a look in between would be news too
    desk.ann.wait_for("the file HALT is there: power works")
    desk.ann.say("the file goes now")
    file.unlink()
    desk.ann.wait_for("REDUCING")
    desk.commands.store.request_flatten(GuardActor("loss_peak"), "10 % lost")
    desk.ann.wait_for("every position is to be closed")
    desk.ann.say("/risk")
    desk.ann.wait_for("no sign of life from a bot")
    told = [message.text.split(":")[0] for message in desk.ann.received()[len(before) :]]
    assert told == ["REDUCING", "HALTED", "REDUCING", "HALTED", "HALTED"]  # the last is /risk


def test_news_when_telegram_is_out_of_reach_then_it_is_told_when_it_is_back(desk: Desk) -> None:
    outage = bad_gateway("sendMessage", times=5)
    desk.api.faults.add(outage)
    desk.commands.store.halt(GuardActor("loss_day"), "2.1 % lost today")
    desk.ann.wait_for("guard loss_day: 2.1 % lost today")
    assert outage.times == 0


def test_news_when_an_entry_waits_then_it_comes_with_its_buttons(desk: Desk) -> None:
    desk.ann.say("good morning")
    waiting = proposed(desk, "news")
    desk.ann.wait_for(f"{waiting} waits until")
    desk.ann.press(f"Approve {waiting}")
    desk.ann.wait_for(f"{waiting}: approve noted")


# -- beside Freqtrade's own -----------------------------------------------------------------------


def test_help_and_keyboard_when_asked_for_then_they_have_both_freqtrades_and_the_packs(
    desk: Desk,
) -> None:
    desk.ann.say("/help")
    own = desk.ann.wait_for("/flatten [reason]")
    assert "/forceexit" in desk.ann.wait_for("Bot Control").text
    assert own.keyboards.keys == (("/status", "/help"), ("/risk", "/hedge", "/reduce", "/halt"))
    for name in ("risk", "halt", "reduce", "resume", "flatten", "hedge", "why", "approve", "deny"):
        assert f"/{name}" in own.text


def test_client_when_its_thread_is_slow_to_start_then_it_can_be_spoken_through_all_the_same() -> (
    None
):
    class Slow(PackTelegram):
        def _init(self) -> None:
            threading.Event().wait(0.2)
            self._loop = asyncio.new_event_loop()
            self._init_telegram_app()
            self._loop.close()

    settings = {"telegram": {"token": BotApiState().token, "chat_id": "1"}}
    assert Slow(SimpleNamespace(), settings)._loop is not None


def test_client_when_it_ends_with_an_error_then_it_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts: list[int] = []

    class Unlucky(PackTelegram):
        async def _startup_telegram(self) -> None:
            starts.append(len(starts))
            if len(starts) < 3:
                raise RuntimeError("the event loop is closed")

    monkeypatch.setattr(PackTelegram, "again_s", 0.01)
    settings = {"telegram": {"token": BotApiState().token, "chat_id": "1"}}
    client = Unlucky(SimpleNamespace(), settings)
    client._thread.join(30)
    assert not client._thread.is_alive()
    assert starts == [0, 1, 2]


def test_client_when_it_has_no_token_then_risk_says_that_no_command_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PackTelegram, "again_s", 0.01)
    commands = Commands(tmp_path)
    control = SimpleNamespace(commands=commands)
    rpc = SimpleNamespace(_freqtrade=SimpleNamespace(strategy=SimpleNamespace(control=control)))
    client = PackTelegram(rpc, {"telegram": {"token": "", "chat_id": "1"}})
    assert waited(lambda: "Telegram gives the bot no commands" in str(commands.risk()))
    client.closing.set()
    client._thread.join(30)
    assert "no valid token" in str(commands.risk())


def test_client_when_telegram_is_out_of_reach_from_the_start_then_risk_says_so_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Alone(PackTelegram):
        """Freqtrade's own gives up without a word."""

        async def watch(self) -> None:
            await asyncio.Event().wait()

    async def given_up(self: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(telegram_client._stock(), "_startup_telegram", given_up)
    monkeypatch.setattr("strategies.human.hearing._LASTS_S", 0.05)
    monkeypatch.setattr(PackTelegram, "again_s", 0.02)
    commands = Commands(tmp_path)
    control = SimpleNamespace(commands=commands)
    rpc = SimpleNamespace(_freqtrade=SimpleNamespace(strategy=SimpleNamespace(control=control)))
    client = Alone(rpc, {"telegram": {"token": BotApiState().token, "chat_id": "1"}})
    assert waited(lambda: "it cannot be reached, or refuses the token" in str(commands.risk()))
    client.closing.set()
    client._thread.join(30)


def waited(happens: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + 30
    while not happens() and time.monotonic() < end_s:
        time.sleep(0.01)
    return happens()


def test_client_when_it_is_closed_after_an_error_then_it_is_not_started_again() -> None:
    failed = threading.Event()

    class Unlucky(PackTelegram):
        async def _startup_telegram(self) -> None:
            failed.set()
            raise RuntimeError("the event loop is closed")

    settings = {"telegram": {"token": BotApiState().token, "chat_id": "1"}}
    client = Unlucky(SimpleNamespace(), settings)
    assert failed.wait(30)
    client.closing.set()
    client._thread.join(30)
    assert not client._thread.is_alive()


@pytest.mark.parametrize("closing", [False, True])
def test_client_when_it_ends_then_it_leaves_no_task_behind(
    monkeypatch: pytest.MonkeyPatch, closing: bool
) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def listens(self: Any) -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(0.05 if closing else 3600)))
        tasks.append(asyncio.create_task(asyncio.sleep(3600)))
        if closing:
            self.closing.set()
            return
        raise RuntimeError("another event loop")

    monkeypatch.setattr(telegram_client._stock(), "_startup_telegram", listens)
    monkeypatch.setattr(telegram_client, "_SETTLES_S", 1.0)
    monkeypatch.setattr(PackTelegram, "again_s", 0.01)
    settings = {"telegram": {"token": BotApiState().token, "chat_id": "1"}}
    client = PackTelegram(SimpleNamespace(_freqtrade=SimpleNamespace(strategy=None)), settings)
    assert waited(lambda: len(tasks) > 1)
    client.closing.set()
    client._thread.join(30)
    assert not client._thread.is_alive()
    assert all(task.done() for task in tasks)
    assert tasks[0].cancelled() is not closing  # what `cleanup` has begun comes to its end
    assert tasks[1].cancelled()


def test_install_when_repeated_then_the_client_is_wrapped_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freqtrade_telegram, "Telegram", freqtrade_telegram.Telegram)
    install()
    once = freqtrade_telegram.Telegram
    install()
    assert freqtrade_telegram.Telegram is once is PackTelegram
    stock = [c for c in once.__mro__ if c.__module__ == "freqtrade.rpc.telegram"]
    assert [c.__name__ for c in stock] == ["Telegram"]
