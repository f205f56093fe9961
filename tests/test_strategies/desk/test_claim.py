"""A person says whose state is where no bot can know; what is another's cannot be claimed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.home import home_of, state_place
from models.operate.control.lease import take_lease
from models.operate.control.owner import BotIdentity, BotStage, occupy
from models.operate.control.state import ControlMode, GuardActor
from models.operate.journal.records import OrderFilled
from strategies.account.identity import stated_identity
from strategies.desk.cli import main
from tests.test_integration.live_bot import settings


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    answers: list[str] = []
    monkeypatch.setattr(
        "strategies.desk.terminal.typed.input", lambda _: answers.pop(0), raising=False
    )
    return answers


def write_config(folder: Path, *, dry: bool, **more: Any) -> Path:
    path = folder / "config.json"
    config = {**settings("https://127.0.0.1:1", ["BTC/USDT:USDT"], dry_run=dry),
              "strategy": "Mine", "db_url": f"sqlite:///{folder / 'trades.sqlite'}",
              "user_data_dir": str(folder), **more}  # fmt: skip
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def bot(config: Path, stage: BotStage) -> BotIdentity:
    return stated_identity(json.loads(config.read_text(encoding="utf-8")), stage)


def old_state(folder: Path) -> None:
    """Leave what an earlier version left: a halt, a flatten, losses, a journal, no owner."""
    desk = Commands(folder)
    desk.store.request_flatten(GuardActor("losses"), "lost 9 %")
    (folder / "control" / "losses.json").write_text("{}")


def claim(config: Path, *more: str) -> int:
    return main(["claim", "--config", str(config), *more])


@pytest.mark.parametrize("dry", [False, True], ids=["live", "dry-run"])
def test_claim_when_an_earlier_version_left_state_then_a_person_binds_it_and_nothing_is_lost(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str], dry: bool
) -> None:
    config, stage = write_config(tmp_path, dry=dry), (BotStage.LIVE, BotStage.DRY_RUN)[dry]
    old_state(tmp_path)
    typed += ["yes", "claim"]
    assert claim(config) == 2
    assert "was not confirmed; nothing has changed" in capsys.readouterr().err
    assert not list(tmp_path.rglob("owner.json"))
    assert claim(config) == 0
    out = capsys.readouterr().out
    assert "This bot is Mine, " + stage in out
    assert "nobody's so far" in out
    assert "lost 9 %" in out
    desk = Commands(home_of(tmp_path, stage))
    assert desk.store.read().mode is ControlMode.HALTED
    assert desk.store.read().flatten is not None
    assert (desk.store.folder / "losses.json").exists()
    (line,) = desk.journal.entries(kind="control.claim")
    assert line.record["before"] == line.record["after"] == "HALTED"
    mine = bot(config, stage)
    assert occupy(state_place(tmp_path, mine), mine).owner.strategy == "Mine"


@pytest.mark.parametrize(("order", "dry"), [("dry_run_sell_1", False), ("8389765", True)])
def test_claim_when_the_journal_tells_of_the_other_stages_orders_then_it_is_refused(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str], order: str, dry: bool
) -> None:
    old_state(tmp_path)
    fill = OrderFilled(trade_id=1, pair="BTC/USDT:USDT", side="sell", order_id=order,
                       amount_base=1.0, rate=1.0, opens=False)  # fmt: skip
    Commands(tmp_path).journal.append("order.filled", fill)
    assert claim(write_config(tmp_path, dry=dry)) == 2
    whose = "live bot" if dry else "dry run"
    assert f"the orders in its journal are of a {whose}" in capsys.readouterr().err
    assert not list(tmp_path.rglob("owner.json"))
    typed.append("claim")
    assert claim(write_config(tmp_path, dry=not dry)) == 0


def test_claim_when_it_is_another_bots_then_no_word_of_a_person_gives_it_away(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, dry=False)
    mine = bot(config, BotStage.LIVE)
    occupy(state_place(tmp_path, mine), mine)
    assert claim(config, "--strategy", "Theirs") == 2
    said = capsys.readouterr().err
    assert "belongs to Mine, live on binance" in said
    assert "That cannot be claimed" in said
    assert typed == []
    write_config(tmp_path, dry=False, strategy="")
    assert claim(config) == 2
    assert "expected a strategy" in capsys.readouterr().err


def test_claim_when_the_key_was_renewed_and_no_uid_is_told_then_the_new_key_counts_from_then_on(
    tmp_path: Path, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategies.account.identity.account_uid", lambda _: "")
    config = write_config(tmp_path, dry=False)
    known = bot(config, BotStage.LIVE)
    first = BotIdentity(stage=known.stage, exchange=known.exchange, stake=known.stake,
                        strategy=known.strategy, key="old-key")  # fmt: skip
    occupy(state_place(tmp_path, first), first)
    monkeypatch.setenv("FREQTRADE__EXCHANGE__KEY", "new-key")
    typed.append("claim")
    assert claim(config) == 0
    second = BotIdentity(stage=known.stage, exchange=known.exchange, stake=known.stake,
                         strategy=known.strategy, key="new-key")  # fmt: skip
    owner = occupy(state_place(tmp_path, second), second).owner
    assert len(owner.keys) == 2
    (line,) = Commands(tmp_path).journal.entries(kind="control.claim")
    assert "the API key is a new one" in line.record["reason"]
    assert "new-key" not in json.dumps(line.record)


@pytest.mark.parametrize(("content", "code"), [(b"{", 0), (b'{"format": 2}', 2)])
def test_claim_when_the_owner_is_broken_then_it_is_written_anew_but_a_newer_versions_is_not(
    tmp_path: Path, typed: list[str], content: bytes, code: int
) -> None:
    config = write_config(tmp_path, dry=False)
    mine = bot(config, BotStage.LIVE)
    place = state_place(tmp_path, mine)
    occupy(place, mine)
    place.owner.write_bytes(content)
    typed.append("claim")
    assert claim(config) == code
    assert (place.owner.read_bytes() == content) is bool(code)


def test_claim_when_the_bot_runs_then_it_is_refused_by_name(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, dry=False)
    place, (ready, told) = state_place(tmp_path, bot(config, BotStage.LIVE)), os.pipe()
    pid = os.fork()
    if not pid:
        take_lease(place.lock, "Mine, live")
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    try:
        assert claim(config) == 2
        assert f"is in use by Mine, live, process {pid}" in capsys.readouterr().err
        assert typed == []
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_claim_when_the_database_holds_trades_of_another_then_they_are_shown_before_it_is_asked(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, dry=False)
    with closing(sqlite3.connect(tmp_path / "trades.sqlite")) as made, made:
        made.execute("CREATE TABLE trades (id INTEGER, strategy TEXT, exchange TEXT, is_open INT)")
        made.execute("CREATE TABLE orders (ft_trade_id INTEGER, order_id TEXT)")
        made.execute("INSERT INTO trades VALUES (1, 'Old', 'binance', 1)")
        made.execute("INSERT INTO orders VALUES (1, '77')")
    typed.append("claim")
    assert claim(config) == 0
    assert "it holds open trades of Old, live on binance" in capsys.readouterr().out
    assert (tmp_path / "trades.sqlite.owner.json").is_file()


def test_claim_when_not_confirmed_then_it_leaves_nothing_that_a_command_takes_for_a_bot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, dry=True)
    monkeypatch.setattr("strategies.desk.terminal.typed.input", lambda _: "no", raising=False)
    assert claim(config) == 2
    assert "no control state yet" in capsys.readouterr().out
    assert main(["risk", "--userdir", str(tmp_path)]) == 2
    assert "no bot has run" in capsys.readouterr().err
