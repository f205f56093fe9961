"""A live bot with its trades on a real PostgreSQL server: entry to exit, past kills and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.state import ControlMode
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.postgres import PASSWORD, Server, rows, running_server
from tests.test_integration import guarded_bot, killed_bot
from tests.test_integration.killed_bot import Story
from tests.test_integration.live_bot import running_bot
from tests.test_integration.running import (
    PATIENCE_S,
    SECRET,
    RunningProcess,
    running,
    write_strategy,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as one:
        yield one


@pytest.fixture
def database(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database, told to every bot by the environment."""
    url = server.database()
    monkeypatch.setenv("FREQTRADE__DB_URL", url)
    return url


def configuration(url: str) -> dict[str, Any]:
    config = guarded_bot.configuration(url)
    config["breakwater"]["pacing"] = {"tick_s": 0.5, "look_s": 0.1}
    config.pop("db_url")
    return config


def ended(folder: Path, config: dict[str, Any], *arguments: str, **more: Any) -> str:
    """Start a bot that is to end by itself; return its log."""
    with running_bot(folder, config, *arguments, **more) as bot:
        assert bot.process.wait(120) != 0
        return bot.log()


def written_with(folder: Path, word: str) -> list[str]:
    """Return the files below a folder that hold a word."""
    return [str(p) for p in folder.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


@pytest.mark.slow
def test_live_run_when_its_trades_are_on_a_server_then_it_enters_survives_a_kill_and_leaves(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer, state: ExchangeState,
    database: str,
) -> None:  # fmt: skip
    arguments = write_strategy(tmp_path, killed_bot.STRATEGY)
    story, config = Story(tmp_path, account), configuration(url)
    story.want("enter")
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.protected(bot), "an entry, booked, and its stop")
        story.want("")
        # A second bot on the same trades, in a folder and on an account of its own.
        other = venue.open_account("other-key", SECRET)
        (tmp_path / "b").mkdir()
        log = ended(tmp_path / "b", config, *arguments, key=other.key)
        assert (
            f"is in use by KilledSignals, live on binance in USDT, process {bot.process.pid}"
            in (log)
        )
        assert other.orders == {}
        bot.kill()
    # Nobody holds it now, and it is not theirs all the same.
    theirs = {**config, "dry_run": True}
    log = ended(tmp_path / "b", theirs, *arguments)
    assert "belongs to KilledSignals, live on binance" in log
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.loops(bot) >= 2, "loops after the kill")
        bot.wait_for(lambda: story.protected(bot), "one stop, as large as the position")
        assert len(account.orders) == 1
        story.want("leave")
        bot.wait_for(lambda: not story.held() and not story.booked(bot), "a flat bot")
        bot.wait_for(lambda: not story.stops(), "its stop taken back")
        assert bot.troubles() == []
    assert story.desk.store.read().mode is ControlMode.ACTIVE
    assert [t["exit_reason"] for t in rows(database, "SELECT * FROM trades")] == ["wanted"]
    assert written_with(tmp_path, PASSWORD) == []
    assert state.unknown == []


@pytest.mark.slow
def test_live_run_when_its_server_is_stopped_then_it_ends_and_the_stop_and_the_watchdog_remain(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState, server: Server,
    database: str,
) -> None:  # fmt: skip
    arguments = write_strategy(tmp_path, killed_bot.STRATEGY)
    story, config = Story(tmp_path, account), configuration(url)
    story.want("enter")
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.protected(bot), "an entry, booked, and its stop")
        amount, before = story.held(), story.loops(bot)
        server.stop("fast")
        try:
            assert bot.process.wait(120) != 0
            # The loop that was on its way, and the next one at the latest.
            assert 0 < before <= story.loops(bot) <= before + 2
            assert story.stops() == [amount] == [story.held()]
            assert "the trades database refused: " in bot.log()
            (line,) = story.desk.journal.entries(kind="database.refused")
            assert "stops stay at the exchange" in line.record["done"]
            # Started again meanwhile, it says so and touches nothing.
            log = ended(tmp_path, config, *arguments)
            assert "the trades database" in log
            assert "cannot be reached" in log
            assert story.stops() == [amount] == [story.held()]
            watched = {**config, "user_data_dir": str(tmp_path / "user_data")}
            (tmp_path / "watched.json").write_text(json.dumps(watched), encoding="utf-8")
            module = ("strategies.desk.cli", "watchdog", "--config", str(tmp_path / "watched.json"),
                      "--userdir", str(tmp_path / "user_data"))  # fmt: skip
            with running(RunningProcess, tmp_path, "watchdog", module) as dog:
                dog.wait_for(
                    lambda: story.desk.store.read().mode is ControlMode.REDUCING, "its state moved"
                )
            assert story.stops() == [amount] == [story.held()]
        finally:
            server.start()
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.loops(bot) >= 2, "loops on a server that is back")
        bot.wait_for(lambda: story.protected(bot), "one stop, as large as the position")
        assert len(account.orders) == 1
        story.want("leave")
        bot.wait_for(lambda: not story.held() and not story.booked(bot), "a flat bot")
    assert written_with(tmp_path, PASSWORD) == []
    assert state.unknown == []


@pytest.mark.slow
def test_live_run_when_its_server_hangs_then_it_ends_in_words_and_the_next_one_goes_on(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState, server: Server,
    database: str,
) -> None:  # fmt: skip
    arguments = write_strategy(tmp_path, killed_bot.STRATEGY)
    story, config = Story(tmp_path, account), configuration(url)
    story.want("enter")
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.protected(bot), "an entry, booked, and its stop")
        amount = story.held()
        with server.hanging():  # its connections stay, and answer nothing
            assert bot.process.wait(PATIENCE_S) != 0
            assert "the server has said nothing for 30 s and counts as lost" in bot.log()
            (line,) = story.desk.journal.entries(kind="database.refused")
            assert "stops stay at the exchange" in line.record["done"]
            log = ended(tmp_path, config, *arguments)
            assert "cannot be reached: the server has said nothing" in log
            assert story.stops() == [amount] == [story.held()]
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.loops(bot) >= 2, "loops on a server that goes on")
        bot.wait_for(lambda: story.protected(bot), "one stop, as large as the position")
        story.want("leave")
        bot.wait_for(lambda: not story.held() and not story.booked(bot), "a flat bot")
    assert written_with(tmp_path, PASSWORD) == []
    assert state.unknown == []


@pytest.mark.slow
def test_entry_when_the_server_stops_between_fill_and_booking_then_it_is_stopped_first(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState, server: Server,
    database: str,
) -> None:  # fmt: skip
    arguments = write_strategy(tmp_path, killed_bot.STRATEGY)
    story, config, stopped = Story(tmp_path, account), configuration(url), list[bool]()

    def stop_once_filled() -> None:
        if story.held() and not stopped:
            stopped.append(True)
            server.stop()

    state.watchers.append(stop_once_filled)  # the worst moment: filled, and not yet booked
    story.want("enter")
    try:
        with running_bot(tmp_path, config, *arguments) as bot:
            bot.process.wait(120)
        assert sum(story.stops()) == story.held() > 0
        assert story.desk.journal.entries(kind="entry.unbooked")
    finally:
        state.watchers.clear()
        server.start()
    story.want("")
    with running_bot(tmp_path, config, *arguments) as bot:
        bot.wait_for(lambda: story.desk.store.read().mode is ControlMode.HALTED, "a halt")
        assert "the exchange holds" in story.desk.store.read().reason
        assert sum(story.stops()) == story.held() > 0
        assert len(account.orders) == 1
    assert written_with(tmp_path, PASSWORD) == []
