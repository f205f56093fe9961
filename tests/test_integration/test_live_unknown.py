"""What the exchange tells no more: the live bot says so, reduces, and comes back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.state import ControlMode
from tests.exchange.faults import REFUSALS, refused_requests
from tests.test_integration.fault_rounds import ANN, Rounds, running_rounds


def entered(rounds: Rounds) -> None:
    rounds.desk.resume(ANN)
    rounds.bot.wait_for(lambda: rounds.stopped() == rounds.held() > 0, "an entry and its stop")
    rounds.bot.wait_for(lambda: rounds.open_trade() is not None, "its trade")


def minutes(rounds: Rounds, number: float) -> None:
    until = rounds.clock() + number * 60_000
    rounds.bot.wait_for(lambda: rounds.clock() >= until, f"{number} minutes")


@pytest.mark.parametrize("refusal", list(REFUSALS))
def test_exchange_when_it_refuses_every_signed_request_then_it_is_told_reduces_and_comes_back(
    tmp_path: Path, refusal: str
) -> None:
    code = REFUSALS[refusal][1]
    with running_rounds(tmp_path) as rounds:
        entered(rounds)
        rounds.state.faults.add(*refused_requests(refusal))
        rounds.bot.wait_for(lambda: open_unknown(rounds), "it to stand in the state at once")
        shown = rounds.desk.risk().text
        assert f"{code}" in shown
        assert "new positions are allowed" not in shown
        assert "unknown since" in shown
        began = rounds.clock()
        rounds.bot.wait_for(lambda: rounds.desk.store.read().mode is ControlMode.REDUCING, "it")
        assert rounds.clock() - began < 6 * 60_000
        minutes(rounds, 30)
        shown = rounds.desk.risk().text
        assert shown.startswith("REDUCING")
        assert "the exchange's positions" in shown
        assert "room for new" not in shown
        lasting = [e.record["what"] for e in rounds.desk.journal.entries(kind="unknown.lasts")]
        assert any("the exchange's positions: unknown for 1 min" in what for what in lasting)
        assert rounds.desk.journal.entries(kind="unknown.reduces")
        for ends in ("no new risk that it concerns", "until it is known again"):
            (said,) = [text for text in messages(rounds) if text.endswith(ends)]
            assert "the exchange's positions" in said
            assert f"{code}" in said
        rounds.state.faults.clear()
        rounds.bot.wait_for(lambda: rounds.desk.store.read().mode is ControlMode.ACTIVE, "ACTIVE")
        shown = rounds.desk.risk().text
        assert "known again since" in shown
        assert rounds.stopped() == rounds.held() > 0
        over = [e.record["what"] for e in rounds.desk.journal.entries(kind="unknown.over")]
        assert any("the exchange's positions: known again after" in what for what in over)


def messages(rounds: Rounds) -> list[str]:
    """Return what people have been told of the unknown: one message for one cause."""
    return [n.reason for n in rounds.desk.store.read().notices if n.what == "unknown"]


def open_unknown(rounds: Rounds) -> list[str]:
    return [u.what for u in rounds.desk.store.read().unknown if u.lasts]
