"""Settings that switch the safety off, at the real bot on the loopback exchange.

Each came from somewhere else than the strategy: a file, two files, the environment, the command
line, a parameter file, a subclass.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import Person
from strategies.desk.cli import main
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.state import BotApiState
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import LiveBot, acknowledge_risk, running_bot
from tests.test_integration.running import write_strategy

ANN = Person("ann", "command line")
NO_STOP = {
    "use_custom_stoploss": False,
    "stoploss": -0.99,
    "order_types": {
        "entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False,
    },
}  # fmt: skip


def refused(bot: LiveBot, account: Customer) -> str:
    """Wait until the bot has ended by itself, having ordered nothing; return what it said."""
    code = bot.process.wait(120)
    assert code != 0, bot.log()[-3000:]
    assert account.orders == {}
    assert "the bot does not start" in bot.log(), bot.log()[-3000:]
    return bot.log()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("file", ["use_custom_stoploss", "stoploss", "order_types.stoploss_on_exchange"]),
        ("second file", ["position_adjustment_enable"]),
        ("environment", ["position_adjustment_enable", "trailing_stop"]),
        ("command line", ["db_url"]),
        ("parameter file", ["stoploss"]),
        ("subclass", ["use_custom_stoploss"]),
    ],
)
def test_live_start_when_a_setting_switches_safety_off_then_it_is_refused_wherever_it_came_from(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState,
    monkeypatch: pytest.MonkeyPatch, source: str, names: list[str],
) -> None:  # fmt: skip
    config, code, more = configuration(url), STRATEGY, []
    if source == "file":
        config |= NO_STOP
    elif source == "second file":
        (tmp_path / "more.json").write_text(json.dumps({"position_adjustment_enable": False}))
        more = ["--config", "more.json"]
    elif source == "environment":
        monkeypatch.setenv("FREQTRADE__POSITION_ADJUSTMENT_ENABLE", "false")
        monkeypatch.setenv("FREQTRADE__TRAILING_STOP", "true")
    elif source == "command line":
        more = ["--db-url", "sqlite://"]
    elif source == "subclass":
        code = STRATEGY.replace(
            "    timeframe =", "    use_custom_stoploss = False\n    timeframe ="
        )
    arguments = write_strategy(tmp_path, code)
    if source == "parameter file":
        params = {"strategy_name": "GuardedSignals", "params": {"stoploss": {"stoploss": -0.99}}}
        (tmp_path / "strategies" / "GuardedSignals.json").write_text(json.dumps(params))
    with running_bot(tmp_path, config, *arguments, *more) as bot:
        said = refused(bot, account)
    for name in names:
        assert f"- {name}: expected" in said
    where = {"environment": "(FREQTRADE__POSITION_ADJUSTMENT_ENABLE)", "subclass": "the strategy"}
    assert where.get(source, "") in said


def open_port(config: dict[str, Any]) -> str:
    """Give the bot a REST server; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config["api_server"] = {
        "enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": port,
        "username": "ann", "password": "loopback-password", "jwt_secret_key": "loopback-jwt" * 4,
    }  # fmt: skip
    return f"http://127.0.0.1:{port}/api/v1"


def say(address: str, word: str) -> None:
    """Give the bot a command over its REST server."""
    done = requests.post(f"{address}/{word}", auth=("ann", "loopback-password"), timeout=60)
    assert done.status_code == 200, done.text


def test_live_bot_when_safety_is_switched_off_with_a_position_open_then_reload_refuses_start_holds(
    tmp_path: Path, url: str, account: Customer, venue: LoopbackVenue, state: ExchangeState
) -> None:
    config = configuration(url) | {"initial_state": "stopped"}
    address = open_port(config)
    desk = Commands(tmp_path / "user_data")
    with running_bot(tmp_path, config, *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(lambda: desk.journal.entries(kind="setting"), "what was overridden")
        bot.wait_for(lambda: "to: PAUSED" in bot.log(), "a bot that looks after what there is")
        say(address, "start")
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        wrong = {**config, **NO_STOP, "position_adjustment_enable": False,
                 "initial_state": "running"}  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps(wrong))
        with pytest.raises(AssertionError, match="the bot goes on with the settings it has") as no:
            say(address, "reload_config")
        assert "stoploss: expected" in str(no.value)
        before = last_beat(desk.store.folder)
        bot.wait_for(lambda: last_beat(desk.store.folder) != before, "the bot going on")
    with running_bot(tmp_path, wrong, *write_strategy(tmp_path, STRATEGY)) as bot:
        # A pair may have nothing to be opened for of its own, and did so before the restart.
        bot.wait_for(lambda: "unsafe settings" in desk.risk().text, "the bot saying so")
        told = desk.risk().text
        for name in ("use_custom_stoploss", "stoploss", "position_adjustment_enable"):
            assert f"{name}: expected" in told
        assert "new positions are allowed" not in told
        assert [a.reduce_only for a in account.open_algos()] == [True]
        desk.flatten(ANN, "enough")
        bot.wait_for(lambda: not account.open_positions(), "the position closed")
        bot.wait_for(lambda: desk.store.read().flatten is None, "the request done with")
        ordered, refusals = len(account.orders), len(desk.journal.entries(kind="entry.refused"))
        assert "ACTIVE, but nothing is opened: unsafe settings" in desk.resume(ANN).text
        bot.wait_for(
            lambda: len(desk.journal.entries(kind="entry.refused")) > refusals, "an entry refused"
        )
        assert len(account.orders) == ordered
    assert account.open_positions() == {}


@pytest.mark.slow
def test_live_bot_when_nobody_has_acknowledged_then_it_never_reads_as_one_that_trades(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState, telegram: None,
    api: BotApiState, chat: Chat, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config, userdir = configuration(url), tmp_path / "user_data"
    desk, arguments = Commands(userdir), write_strategy(tmp_path, STRATEGY)
    nothing = "ACTIVE, but nothing is opened: nobody has acknowledged the risk of these settings"

    def refused() -> list[Any]:
        return desk.journal.entries(kind="entry.refused")

    with running_bot(tmp_path, config, *arguments, acknowledged=False) as bot:
        assert "breakwater acknowledge" in chat.wait_for(nothing).text  # told unasked
        api.wait_for_listener()
        bot.wait_for(refused, "an entry refused")
        assert "nobody has acknowledged" in refused()[0].record["rules"][-1]
        for word in ("/risk", "/start"):
            chat.say(word)
            chat.wait_for(nothing if word == "/risk" else "already running")
        desk.reduce(ANN, "a look")
        chat.wait_for("a look")
        chat.say("/resume")
        chat.wait_for("Trade again?")
        chat.press("Yes")
        chat.wait_for(nothing)
        assert nothing in desk.risk().text
        capsys.readouterr()
        assert main(["risk", "--userdir", str(userdir)]) == 0
        assert nothing in capsys.readouterr().out
        before = last_beat(desk.store.folder)
        bot.wait_for(lambda: last_beat(desk.store.folder) != before, "a bot that lives")
        assert account.orders == {}
        trades = "new positions are allowed"
        assert [m.text for m in chat.received() if trades in m.text] == []
        acknowledge_risk(userdir, tmp_path / "config.json")  # nothing else was in its way
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        chat.wait_for(trades)
        assert trades in desk.risk().text
