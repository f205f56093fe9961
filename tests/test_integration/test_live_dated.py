"""Files dated a month ahead, by a clock that was wrong, when the real bot starts again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from models.base.units import DAY_MS
from models.operate.control.heartbeat import FILE, last_beat
from models.operate.control.review import Answer, Proposal
from models.operate.control.state import ControlMode
from models.operate.control.state_file import STATE_FILE
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import BTC
from tests.test_integration.told_bot import ToldBot, running_told_bot

MONTH_MS = 30 * DAY_MS
# A question is about one candle; no person answers within a minute.
HOURLY = STRATEGY.replace('timeframe = "1m"', 'timeframe = "1h"')
REVIEWED = {"breakwater": {**configuration("")["breakwater"],
                           "review": {"enabled": True, "expire_s": 3600.0}}}  # fmt: skip


def waiting(told: ToldBot) -> list[Proposal]:
    return [p for p in told.desk.store.read().proposals if p.answer is Answer.WAITING]


def unusable(told: ToldBot) -> bool:
    """Whether an entry waits in vain since this start: what was approved counts no more."""
    lines = told.desk.journal.entries(kind="entry.waiting")
    return any("is expired" in line.record["rules"][-1] for line in lines)


def changed(path: Path, change: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def a_month_ahead(values: dict[str, Any], *names: str) -> None:
    for name in names:
        values[name] += MONTH_MS


def losses(control: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((control / "losses.json").read_text(encoding="utf-8"))
    kept: dict[str, Any] = found["losses"]
    return kept


def date_ahead(control: Path) -> None:
    """Leave what a bot writes whose clock is a month ahead: losses, an approval, a sign of life."""

    def lost(content: dict[str, Any]) -> None:
        a_month_ahead(content["losses"], "time_ms")
        content["losses"]["peak_quote"] = 10_400.0

    def approved(content: dict[str, Any]) -> None:
        for proposal in content["proposals"]:
            a_month_ahead(proposal, "since_ms", "expires_ms")
            proposal.update(answer="approved", by="ann, telegram")

    changed(control / "losses.json", lost)
    changed(control / STATE_FILE, approved)
    changed(control / FILE, lambda content: a_month_ahead(content, "time_ms"))


@pytest.mark.slow
def test_live_restart_when_files_are_dated_a_month_ahead_then_it_is_told_and_counting_goes_on(
    tmp_path: Path,
) -> None:
    with running_told_bot(tmp_path, strategy=HOURLY, changes=REVIEWED) as told:
        told.bot.wait_for(lambda: waiting(told), "a question")
        told.bot.wait_for((told.control / "losses.json").is_file, "losses that are counted")
        told.bot.kill()  # one that ends by itself leaves word of it
    date_ahead(told.control)
    assert "a clock is wrong" in told.desk.risk().text
    with running_told_bot(tmp_path, strategy=HOURLY, changes=REVIEWED) as told:
        told.chat.wait_for("the losses were dated 259")
        assert told.desk.journal.entries(kind="losses.redated")
        beat = last_beat(told.control)
        assert beat is not None
        now_ms = time.time_ns() // 1_000_000
        assert abs(beat.time_ms - now_ms) < DAY_MS
        told.bot.wait_for(
            lambda: abs(losses(told.control)["time_ms"] - now_ms) < DAY_MS, "the date set aside"
        )
        assert losses(told.control)["peak_quote"] == 10_400.0  # what was lost stays
        # Nobody knows how old that approval is: nothing is entered on it.
        told.bot.wait_for(lambda: unusable(told), "the approval looked at")
        told.loops()
        assert told.account.orders == {}
        told.reloaded(breakwater=REVIEWED["breakwater"] | {"review": {"enabled": False}})
        told.bot.wait_for(told.protected, "an entry nobody is asked about, and its stop")
        told.venue.move("BTCUSDT", 54_000.0)  # beyond the stop
        told.bot.wait_for(
            lambda: told.desk.store.read().mode is ControlMode.HALTED, "the loss counted"
        )
        assert "lost" in told.desk.store.read().reason
        assert told.bot.trades()[BTC]["is_open"] == 0
