"""The commands: the same answers whichever way the word came, each in the journal."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import ControlError
from models.operate.control.commands import DANGEROUS, Commands
from models.operate.control.heartbeat import FILE, Heartbeat, beat, last_beat
from models.operate.control.hedge_words import hedge_meaning
from models.operate.control.state import ControlMode, Person
from models.operate.journal.records import DecisionRecord, JournalRecord, OrderFilled, TradeOutcome

ANN = Person("ann", "command line")
NOW = 1_700_000_000_000


@dataclass(frozen=True, kw_only=True)
class Noted(JournalRecord):
    """A record nobody has words for."""

    trade_id: int
    said: str


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path, lambda: NOW, secrets=["s3cret"])


def journalled(commands: Commands) -> list[tuple[str, str, str]]:
    return [
        (e.kind, e.record["before"], e.record["after"])
        for e in commands.journal.entries(kind="control")
    ]


def test_commands_when_said_in_turn_then_state_answer_and_journal_agree(
    commands: Commands,
) -> None:
    assert commands.reduce(ANN).text.splitlines() == [
        "REDUCING: no new positions, and none is made larger",
        "since 2023-11-14 22:13:20 UTC, ann by command line: a person said so",
        f"no bot has given a sign of life in {commands.store.folder}: it holds from the next start "
        "of the bot that keeps its state there; live and dry run have each their own",
    ]
    halted = commands.halt(ANN, "storm").text.splitlines()
    assert halted[1].endswith("ann by command line: storm (reason 2)")
    assert halted[2].startswith("also REDUCING since")
    assert commands.flatten(ANN).text.startswith("HALTED")
    assert commands.store.read().flatten is not None
    assert commands.resume(ANN).text.startswith("ACTIVE")
    assert journalled(commands) == [
        ("control.reduce", "ACTIVE", "REDUCING"),
        ("control.halt", "REDUCING", "HALTED"),
        ("control.flatten", "HALTED", "HALTED"),
        ("control.resume", "HALTED", "ACTIVE"),
    ]


def test_dangerous_commands_when_listed_then_none_of_them_stops_the_bot() -> None:
    assert {"resume", "flatten", "hedge", "rollback"} == DANGEROUS


def test_halt_when_the_journal_cannot_be_written_then_it_halts_and_says_so(
    commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "journal").touch()  # a file where the folder should be
    said = commands.halt(ANN, "storm").text
    assert "not journalled" in said
    assert commands.store.read().mode is ControlMode.HALTED


@pytest.mark.parametrize(
    ("word", "said"),
    [("0.4", "hedge: held at 40%, by ann by command line"),
     ("freeze", "hedge: frozen as it is, by ann by command line"),
     ("release", "hedge: the model's")],
)  # fmt: skip
def test_hedge_when_told_then_it_says_what_holds_now(
    commands: Commands, word: str, said: str
) -> None:
    assert commands.hedge(ANN, word) == said
    assert commands.hedge(ANN) == said
    assert [e.record["command"] for e in commands.journal.entries()] == [f"hedge {word}"]


def test_hedge_when_the_bot_hedges_nothing_then_no_word_is_taken_and_it_says_what_it_is_for(
    commands: Commands, tmp_path: Path
) -> None:
    folder = commands.store.folder
    commands.hedge(ANN, "0.2")  # by a bot that has not said what it is
    beat(folder, Heartbeat(time_ms=NOW, pid=42, loop=1, hedges=False))
    own = Commands(tmp_path, lambda: NOW, hedges=False)  # as the bot itself has them
    for asked in (commands, own):
        for word in ("0.5", "freeze"):
            for say in (asked.hedge_question, lambda w, c=asked: c.hedge(ANN, w)):
                with pytest.raises(ControlError, match="this bot hedges nothing") as refused:
                    say(word)
                assert "strategy that hedges a position" in str(refused.value)
    assert commands.hedge(ANN) == "hedge: held at 20%, by ann by command line"
    assert own.hedge(ANN, "release") == "hedge: the model's"  # what is left can be taken back
    assert commands.hedge(ANN).startswith("this bot hedges nothing")
    with pytest.raises(ControlError, match="this bot hedges nothing"):
        own.hedge(ANN, "release")
    assert len(commands.journal.entries()) == 2


@pytest.mark.parametrize("said", [True, None])
def test_hedge_when_the_bot_hedges_or_does_not_say_then_its_words_are_taken(
    commands: Commands, said: bool | None
) -> None:
    commands.store.folder.mkdir(exist_ok=True)
    beat(commands.store.folder, Heartbeat(time_ms=NOW, pid=42, loop=1, hedges=said))
    assert commands.hedge_question("freeze") == "leave the hedge as it is"
    assert commands.hedge(ANN, "0.5").startswith("hedge: held at 50%")


@pytest.mark.parametrize("word", ["1.5", "-1", "nan", "half"])
def test_hedge_when_the_word_is_no_ratio_then_nothing_changes(
    commands: Commands, word: str
) -> None:
    with pytest.raises(ControlError, match="from 0 to 1"):
        hedge_meaning(word)
    with pytest.raises(ControlError, match="from 0 to 1"):
        commands.hedge(ANN, word)
    assert commands.store.read().hedge is None
    assert commands.journal.entries() == []


def test_proposals_when_answered_then_the_answer_is_in_the_journal(commands: Commands) -> None:
    for key, pair in (("a", "BTC/USDT:USDT"), ("b", "ETH/USDT:USDT")):
        commands.store.propose(
            key=key, pair=pair, side="long", notional_quote=1000.0, rate=60_000.0,
            note="p_up 0.6", expires_ms=NOW + 1,
        )  # fmt: skip
    assert commands.waiting() == ["r1", "r2"]
    assert "UTC: long BTC/USDT:USDT, 1,000.00 at 60,000.00; p_up 0.6" in commands.risk().text
    assert commands.approve(ANN, "r1") == "r1: approve noted"
    assert commands.deny(ANN, "r2") == "r2: deny noted"
    assert commands.waiting() == []
    assert [(e.kind, e.record["reason"]) for e in commands.journal.entries()] == [
        ("control.approve", "r1"),
        ("control.deny", "r2"),
    ]


def test_why_when_asked_then_the_trades_story_is_told_in_order(commands: Commands) -> None:
    led = commands.journal.append(
        "entry.accepted",
        DecisionRecord(action="enter", pair="BTC/USDT:USDT", side="long", reason="key s3cret",
                 forecast={"p_up": 0.6123456789, "edge": 0.0031, "edge_low": 0.00162},
                 interval=(59_000.0, 62_000.0)),
    )  # fmt: skip
    commands.journal.append(
        "order.filled",
        OrderFilled(trade_id=3, pair="BTC/USDT:USDT", side="buy", order_id="77", amount_base=0.1,
                    rate=60_000.0, opens=True, decision=led.n),
    )  # fmt: skip
    assert commands.why(3).splitlines() == [
        "2023-11-14 22:13:20 UTC, line 1: entry.accepted",
        "enter long BTC/USDT:USDT",
        "because: key ***",
        "forecast: up 61%",
        "edge, lower bound: +16.2 bps over the horizon",
        "90 % interval: 59,000.00 to 62,000.00",
        "",
        "2023-11-14 22:13:20 UTC, line 2: order.filled",
        "buy 0.1 BTC/USDT:USDT at 60,000.00, opens trade 3",
    ]
    assert commands.why(4) == "the journal has nothing about trade 4"


def test_risk_when_the_bot_lives_then_its_age_feed_and_numbers_are_shown(
    commands: Commands,
) -> None:
    assert commands.risk().text.endswith("no sign of life from a bot")
    beat(
        commands.store.folder,
        Heartbeat(time_ms=NOW - 3000, pid=42, loop=7, feed_ms=NOW - 60_000,
                  numbers={"equity": 10_000.0}),
    )  # fmt: skip
    assert commands.risk().text.splitlines()[1:] == [
        "since 2023-11-14 22:13:20 UTC",
        "bot 42 alive 3 s ago", "newest candle closed 60 s ago", "equity: 10,000.00",
    ]  # fmt: skip


def test_risk_when_nothing_can_be_opened_then_no_room_is_listed_and_a_barred_pair_says_why(
    commands: Commands,
) -> None:
    why = "nothing is opened in BTC/USDT:USDT: no trusted forecast"
    numbers = {"equity": 10_000.0, "room for new longs in ETH": 500.0}
    life = Heartbeat(time_ms=NOW, pid=42, loop=7, barred=[why], numbers=numbers)
    beat(commands.store.folder, life)
    assert commands.risk().text.splitlines()[-3:] == [
        why, "equity: 10,000.00", "room for new longs in ETH: 500",
    ]  # fmt: skip
    commands.reduce(ANN)  # the bot has not looked since
    assert commands.risk().text.splitlines()[-1] == "equity: 10,000.00"
    assert why not in commands.risk().text
    commands.resume(ANN)
    beat(commands.store.folder, replace(life, obstacles=["no disk"]))
    assert "room" not in commands.risk().text


@pytest.mark.parametrize(("ago_ms", "old"), [(10_000, False), (10_001, True)])
def test_risk_when_the_last_sign_of_life_is_older_than_two_loops_then_its_figures_say_of_when(
    commands: Commands, ago_ms: int, old: bool
) -> None:
    life = Heartbeat(time_ms=NOW - ago_ms, pid=42, loop=7, numbers={"equity": 10_000.0})
    beat(commands.store.folder, life)
    assert ("as it was at 2023-11-14 22:13:" in commands.risk().text) is old


def test_risk_when_the_bot_says_why_it_opens_nothing_then_nobody_reads_that_it_trades(
    commands: Commands,
) -> None:
    why = "nobody has acknowledged the risk of these settings: breakwater acknowledge"
    beat(commands.store.folder, Heartbeat(time_ms=NOW, pid=42, loop=7, obstacles=[why, "no disk"]))
    first = f"ACTIVE, but nothing is opened: {why}; no disk"
    assert commands.risk().text.splitlines()[0] == first
    commands.halt(ANN)
    assert commands.risk().text.splitlines()[0] == "HALTED: positions are only closed"
    assert commands.resume(ANN).text.splitlines()[0] == first
    beat(commands.store.folder, Heartbeat(time_ms=NOW, pid=42, loop=8))
    assert commands.risk().text.splitlines()[0] == "ACTIVE: new positions are allowed"
    own = Commands(commands.store.folder.parent, commands.clock, obstacles=lambda: ["a lost key"])
    assert own.risk().text.splitlines()[0] == "ACTIVE, but nothing is opened: a lost key"


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"pid": 1}', b"[]"])
def test_heartbeat_when_broken_then_it_is_an_error_and_status_still_answers(
    commands: Commands, content: bytes
) -> None:
    assert last_beat(commands.store.folder) is None
    (commands.store.folder / FILE).write_bytes(content)
    with pytest.raises(ControlError, match="expected a heartbeat"):
        last_beat(commands.store.folder)
    assert "expected a heartbeat" in commands.risk().text
    assert commands.risk().text.startswith("ACTIVE")


def test_why_when_a_trade_has_every_kind_of_line_then_each_is_told_in_words(
    commands: Commands,
) -> None:
    told = {
        "entry.accepted": DecisionRecord(
            action="enter", pair="BTC/USDT:USDT", side="long", reason="", trade_id=3, rate=60_000.0,
            notional_quote=900.0, leverage=2.0, rules=("net exposure limited",),
            forecast={"p_up": float("nan"), "p_flat": 0.3, "p_down": 0.1, "sigma": 0.02,
                      "edge_low": float("nan")},
            inputs={"equity": 10_000.0},
        ),
        "trade.closed": TradeOutcome(
            trade_id=3, pair="BTC/USDT:USDT", exit_reason="stop_loss", profit_quote=-1234.5,
            profit_frac=-0.0123, held_s=5400.0,
        ),
        "trade.note": Noted(trade_id=3, said="by hand"),
    }  # fmt: skip
    for kind, record in told.items():
        commands.journal.append(kind, record)
    entry, outcome, note = commands.why(3).split("\n\n")
    assert entry.splitlines()[1:] == [
        "enter long BTC/USDT:USDT, 900 at 60,000.00, leverage 2",
        "rule: net exposure limited",
        "forecast: up nan, flat 30%, down 10%",
        "equity: 10,000.00",
    ]
    said = "trade 3 closed by stop_loss: -1,234.50, -1.23% of stake, after 1 h 30 min"
    assert outcome.splitlines()[1:] == [said]
    assert note.splitlines()[1:] == ["trade_id: 3", "said: by hand"]


@pytest.mark.parametrize(
    ("sign", "said"),
    [({"time_ms": NOW - 3_000}, "bot 42 alive 3 s ago"),
     ({"time_ms": NOW + 900}, "bot 42 alive 0 s ago"),
     ({"time_ms": NOW + 900_000}, "bot 42 gave a sign of life dated 900 s ahead: a clock is wrong"),
     ({"time_ms": NOW, "stopped": "/stop"},
      "bot 42 was stopped by a person (/stop): it looks after nothing")],
)  # fmt: skip
def test_risk_when_the_bot_is_stopped_or_a_clock_is_wrong_then_it_is_not_said_to_be_well(
    tmp_path: Path, sign: dict[str, Any], said: str
) -> None:
    commands = Commands(tmp_path, lambda: NOW)
    beat(commands.store.folder, Heartbeat(**{"pid": 42, "loop": 7, **sign}))
    assert said in commands.risk().text.splitlines()


def test_risk_when_a_bot_has_not_looped_yet_then_what_became_of_the_one_before_is_not_its_own(
    tmp_path: Path,
) -> None:
    now = [NOW]
    desk = Commands(tmp_path, lambda: now[0])  # of no bot: it has nothing but that sign
    before = Heartbeat(
        pid=42, loop=7, time_ms=NOW - 60_000, stopped="end of process", numbers={"equity": 1.0}
    )
    beat(desk.store.folder, before)
    started = Commands(tmp_path, lambda: now[0], obstacles=tuple)
    now[0] += 5_000
    assert "bot 42 was stopped by a person" in desk.risk().text
    said = started.risk().text
    assert f"bot {os.getpid()} alive 5 s ago" in said.splitlines()
    assert "42" not in said
    assert "equity" not in said
    assert "does nothing of this" not in str(started.halt(ANN))
    now[0] += 3_600_000  # its first loop never ends
    assert "no sign of life for 1 h" in started.risk().text
    beat(desk.store.folder, replace(before, time_ms=now[0], pid=43, stopped=""))
    assert "bot 43 alive 0 s ago" in started.risk().text.splitlines()


@pytest.mark.parametrize("ago_ms", [2_000, 3_600_000])
@pytest.mark.parametrize("word", ["halt", "reduce", "flatten"])
def test_word_when_a_person_has_stopped_the_bot_then_it_says_that_the_bot_does_nothing_of_it(
    tmp_path: Path, word: str, ago_ms: int
) -> None:
    commands = Commands(tmp_path, lambda: NOW)
    stopped = Heartbeat(pid=42, loop=7, time_ms=NOW - ago_ms, stopped="/stop", stopped_ms=NOW)
    beat(commands.store.folder, stopped)
    said = str(getattr(commands, word)(ANN)).splitlines()[-1]
    assert said.startswith("bot 42 was stopped by a person (/stop): it does nothing of this")
    assert "till then only the watchdog closes anything" in said
    beat(commands.store.folder, replace(stopped, stopped="/reload_config", time_ms=NOW))
    assert "bot 42" not in str(getattr(commands, word)(ANN))  # it is back in a moment
