"""What the client says arrives: through refusals, limits, a second reader, at once and late."""

from __future__ import annotations

import asyncio
import threading

import pytest

from models.operate.control.reach import reach_lines
from models.operate.control.state import ControlMode, GuardActor, Person
from tests.telegram.errors import BotApiError
from tests.telegram.faults import Refusal, bad_gateway, too_many_requests
from tests.test_strategies.human.desk import Desk

LOSS = GuardActor("loss_day")


def texts(desk: Desk) -> list[str]:
    return [message.text for message in desk.ann.received()]


def test_halt_when_it_falls_between_an_answer_and_its_sending_then_it_is_told(desk: Desk) -> None:
    store, real = desk.commands.store, desk.client.send

    async def send(reply: object) -> bool:
        if "REDUCING" in getattr(reply, "text", ""):
            store.halt(LOSS, "between the two")
            desk.client.send = real  # type: ignore[method-assign]
        return await real(reply)  # type: ignore[arg-type]

    desk.client.send = send  # type: ignore[method-assign]
    desk.ann.say("/reduce")
    assert "between the two" not in desk.ann.wait_for("REDUCING").text
    assert "HALTED" in desk.ann.wait_for("guard loss_day: between the two").text


def test_resume_when_a_halt_came_since_it_was_asked_then_the_yes_is_answered_with_the_new_state(
    desk: Desk,
) -> None:
    desk.ann.say("/reduce")
    desk.ann.wait_for("REDUCING")
    desk.ann.say("/resume")
    desk.ann.wait_for("Trade again?")
    desk.commands.store.halt(LOSS, "2.1 % lost today")
    desk.ann.wait_for("2.1 % lost today")
    desk.ann.press("Yes")
    answer = desk.ann.wait_for("Not done: what holds is no longer what was shown").text
    assert "HALTED" in answer
    assert "2.1 % lost today" in answer
    assert "Trade again?" in answer
    assert desk.mode is ControlMode.HALTED
    desk.ann.press("Yes")  # of what is shown now
    desk.ann.wait_for("ACTIVE")
    assert desk.mode is ControlMode.ACTIVE


def test_resume_when_two_people_ask_then_the_second_yes_lifts_nothing_that_came_after_the_first(
    desk: Desk,
) -> None:
    desk.commands.store.halt(LOSS, "2.1 % lost today")
    desk.bob.say("/resume")
    desk.bob.wait_for("Trade again?")
    desk.ann.say("/resume")
    desk.ann.wait_for("Trade again?")
    desk.ann.press("Yes")  # the newest: hers
    desk.ann.wait_for("ACTIVE")
    desk.commands.store.halt(LOSS, "2.1 % lost today")  # the same words, and a new halt
    desk.ann.wait_for("HALTED")
    desk.bob.press("Yes")
    desk.bob.wait_for("Not done: what holds is no longer what was shown")
    assert desk.mode is ControlMode.HALTED


def test_resume_when_given_a_number_then_only_that_reason_is_lifted(desk: Desk) -> None:
    desk.commands.store.reduce(GuardActor("margin"), "0.6")
    number = desk.commands.store.halt(LOSS, "lost").strictest
    assert number is not None
    desk.ann.say(f"/resume {number.n}")
    desk.ann.wait_for(f"Lift reason {number.n}, and leave the others?")
    desk.ann.press("Yes")
    desk.ann.wait_for("REDUCING: no new positions")
    assert desk.mode is ControlMode.REDUCING
    desk.ann.say("/resume 9999")
    desk.ann.wait_for("Not done: no reason 9999 stands")
    desk.ann.say("/resume all")
    desk.ann.wait_for("expected the number of a reason, got 'all'")


def test_question_when_it_was_answered_or_is_of_another_run_then_the_reason_is_the_true_one(
    desk: Desk,
) -> None:
    desk.ann.say("/hedge 0.2")
    asked = desk.ann.wait_for("Hold the hedge at 20%?")
    yes = next(b.data for row in asked.keyboards.buttons for b in row if b.label == "Yes")
    desk.ann.press("Yes")
    desk.ann.wait_for("hedge: held at 20%")
    for data, why in (
        (yes, "this question was answered already"),
        ("pack yes 0123456789abcdef", "this question is older than the bot's last start"),
    ):
        desk.ann.press_data(asked, data)
        desk.ann.wait_for(f"Not done: {why}")
    desk.commands.store.release_hedge(Person("fixture", "test"))


# -- what Telegram refuses ------------------------------------------------------------------------


def test_answer_when_telegram_takes_none_for_a_while_then_it_comes_later_and_says_of_when(
    desk: Desk,
) -> None:
    outage = bad_gateway("sendMessage", times=5)
    desk.api.faults.add(outage)
    desk.ann.say("/why 77")
    late = desk.ann.wait_for("the journal has nothing about trade 77").text
    assert late.startswith("As of ")
    assert outage.times == 0


def test_news_when_the_flood_limit_is_hit_then_they_wait_as_long_as_told_and_arrive(
    desk: Desk,
) -> None:
    limit = too_many_requests("sendMessage", retry_after_s=1, times=1)
    desk.api.faults.add(limit)
    before = len(desk.api.called("sendMessage"))
    desk.commands.store.halt(LOSS, "2.1 % lost today")
    desk.ann.wait_for("2.1 % lost today")
    assert len(desk.api.called("sendMessage")) == before + 2  # not tried again at once


def test_halt_when_a_message_hangs_at_telegram_then_it_holds_all_the_same(desk: Desk) -> None:
    going, free, real = threading.Event(), threading.Event(), desk.client.send

    async def send(reply: object) -> bool:
        desk.client.send = real  # type: ignore[method-assign]
        going.set()
        while not free.is_set():
            await asyncio.sleep(0.01)
        return await real(reply)  # type: ignore[arg-type]

    desk.client.send = send  # type: ignore[method-assign]
    desk.commands.store.reduce(GuardActor("margin"), "0.6")
    assert going.wait(60)
    desk.ann.say("/halt")
    desk.ann.wait_for("HALTED")
    assert desk.mode is ControlMode.HALTED
    free.set()
    desk.ann.say("/why 78")
    desk.ann.wait_for("nothing about trade 78")


@pytest.mark.parametrize("size", [3_900, 9_000])
def test_news_when_they_are_long_or_hold_markup_then_all_of_it_arrives(
    desk: Desk, size: int
) -> None:
    words = ("<b> & </i> " * size)[:size] + "the end"
    desk.commands.store.halt(LOSS, words)
    desk.ann.wait_for("the end")
    told = "".join(texts(desk)[-4:])
    assert told.count("<b> & </i>") >= words.count("<b> & </i>") - 3  # cut where a message ends


def test_messages_when_the_chat_is_gone_then_risk_says_so_and_news_wait(desk: Desk) -> None:
    error = BotApiError(400, "Bad Request: chat not found")
    desk.api.faults.add(Refusal(on="sendMessage", error=error))
    desk.commands.store.halt(LOSS, "2.1 % lost today")
    folder = desk.commands.store.folder
    desk.api.wait_until(lambda: reach_lines(folder), "the refusals noticed", 60)
    assert "Telegram takes no message" in desk.commands.risk().text
    assert "chat not found" in desk.commands.risk().text.lower()
    desk.api.faults.clear()
    desk.ann.wait_for("2.1 % lost today")
    desk.ann.wait_for("takes no message")  # that it was so is told as well
    desk.api.wait_until(lambda: not reach_lines(folder), "the end of it noticed", 60)


@pytest.mark.parametrize("code", [401, 404])
def test_commands_when_the_token_was_refused_for_a_while_then_they_are_heard_again(
    desk: Desk, code: int
) -> None:
    desk.api.faults.add(Refusal(on="getUpdates", times=2, error=BotApiError(code, "Unauthorized")))
    desk.ann.say("good morning")  # ends the request that waits
    desk.ann.say("/why 79")
    desk.ann.wait_for("nothing about trade 79")
    folder = desk.commands.store.folder
    desk.api.wait_until(lambda: not reach_lines(folder), "the end of it noticed", 60)


def test_commands_when_a_second_program_reads_them_then_people_are_told_and_risk_shows_it(
    desk: Desk,
) -> None:
    folder = desk.commands.store.folder

    def noticed() -> bool:
        desk.api.poll_elsewhere()
        return any("(409)" in line for line in reach_lines(folder))

    desk.api.wait_until(noticed, "the second program noticed", 60)
    desk.ann.wait_for("another program reads this bot's Telegram commands too (409)")
    assert "(409)" in desk.commands.risk().text
    (line,) = desk.commands.journal.entries(kind="telegram.deaf")[-1:]
    assert "(409)" in line.record["what"]
