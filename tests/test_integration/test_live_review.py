"""Review mode: entries of the real bot wait for a person, who answers by Telegram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.review import Answer, Proposal
from tests.telegram.chat import Chat
from tests.telegram.state import BotApiState
from tests.test_integration import given_bot
from tests.test_integration.live_bot import BTC, ETH, LiveBot, Start


@pytest.fixture
def strategy() -> str:
    # A question is about one candle; no person answers within a minute.
    return given_bot.STRATEGY.replace('timeframe = "1m"', 'timeframe = "1h"')


@pytest.fixture
def expire_s() -> float:
    return 900.0


@pytest.fixture
def blocks(expire_s: float) -> dict[str, Any]:
    return {"review": {"enabled": True, "expire_s": expire_s}}


@pytest.fixture
def desk(tmp_path: Path) -> Commands:
    return Commands(tmp_path / "user_data" / DRY_RUN_HOME)


def newest(desk: Commands, pair: str) -> Proposal | None:
    """Return what was asked last about a pair."""
    return next((p for p in reversed(desk.store.read().proposals) if p.pair == pair), None)


def asked(desk: Commands, pair: str) -> bool:
    """Whether a question about the pair is open."""
    proposal = newest(desk, pair)
    return proposal is not None and proposal.answer is Answer.WAITING


def answer(bot: LiveBot, chat: Chat, desk: Commands, pair: str, word: str) -> None:
    """Answer the open question; another one if the hour has ended meanwhile."""
    bot.wait_for(lambda: asked(desk, pair), f"a question about {pair}")
    proposal = newest(desk, pair)
    assert proposal is not None
    chat.say(f"/{word} {proposal.id}")
    said = chat.wait_for(f"{proposal.id}").text
    if "expired" in said:
        answer(bot, chat, desk, pair, word)
    else:
        assert f"{proposal.id}: {word} noted" in said


def test_review_when_the_bot_is_killed_over_an_open_question_then_it_asks_again_and_obeys(
    start: Start, api: BotApiState, chat: Chat, desk: Commands
) -> None:
    with start() as bot:
        chat.wait_for("waits until")
        bot.wait_for(lambda: asked(desk, BTC) and asked(desk, ETH), "two questions")
        bot.kill()
        assert bot.trades() == {}
    before = {p.id: p.pair for p in desk.store.read().proposals if p.answer is Answer.WAITING}
    told = chat.received()
    with start() as bot:
        api.wait_for_listener(times=2)
        bot.wait_for(lambda: [m for m in chat.received() if m not in told and
                              "waits until" in m.text], "the question told again")  # fmt: skip
        after = {p.id: p.pair for p in desk.store.read().proposals if p.pair in (BTC, ETH)}
        assert before.items() <= after.items()
        answer(bot, chat, desk, ETH, "deny")
        answer(bot, chat, desk, BTC, "approve")
        bot.wait_for(lambda: desk.journal.entries(kind="order.filled"), "the approved entry")
        trades, troubles = bot.trades(), bot.troubles()
    assert list(trades) == [BTC]
    assert troubles == []
    journal = desk.journal
    accepted = [entry.record["pair"] for entry in journal.entries(kind="entry.accepted")]
    assert accepted == [BTC]
    assert {e.record["pair"] for e in journal.entries(kind="entry.waiting")} == {BTC, ETH}
    assert [e.kind for e in journal.why(trades[BTC]["id"])] == ["entry.accepted", "order.filled"]
    assert journal.verify().fault == ""


@pytest.mark.slow
@pytest.mark.parametrize("expire_s", [3.0])
def test_review_when_nobody_answers_then_the_entry_expires_and_cannot_be_approved_any_more(
    start: Start, chat: Chat, desk: Commands
) -> None:
    with start() as bot:
        bot.wait_for(lambda: newest(desk, BTC) is not None, "a question")
        bot.wait_for(lambda: not asked(desk, BTC), "its end")
        proposal = newest(desk, BTC)
        assert proposal is not None
        chat.say(f"/approve {proposal.id}")
        chat.wait_for(f"Not done: {proposal.id} is expired")
        bot.wait_for(lambda: "is expired" in bot.log(), "the bot looking once more")
        assert bot.trades() == {}
    assert desk.journal.entries(kind="entry.accepted") == []
