"""The watchdog as a process: how often it looks, whose state it takes, and its settings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.base.errors import ConfigError, ControlError
from models.operate.control.heartbeat import FILE
from models.operate.control.home import state_place
from models.operate.control.owner import occupy
from models.operate.control.state import ControlMode
from models.operate.control.watch import WITHIN_S, WatchdogConfig
from models.operate.control.watch_sign import sign_watch, watched_ago_s
from strategies.account.identity import bot_identity
from strategies.desk.watch.process import check_watchdog, run_watchdog
from strategies.desk.watch.unhurried import UnhurriedHandler
from tests.test_strategies.desk.watch.loopback_world import (
    ANN,
    BTC,
    KEY,
    SECRET,
    World,
    running_world,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as made:
        yield made


class Ended(Exception):
    """The process is ended while it sleeps."""


@pytest.fixture(autouse=True)
def _never_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts where none should ends at its first pause, and fails its test."""

    def sleep(seconds: float) -> None:
        raise Ended

    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep)
    monkeypatch.setattr("strategies.desk.watch.process.time", clock)


def run_twice(
    world: World, config: Path, monkeypatch: pytest.MonkeyPatch, *, dry: bool,
    userdir: Path | None = None, **more: Any,
) -> list[float]:  # fmt: skip
    """Run the process for two rounds, of one and of five seconds; return how long it slept."""
    exchange = {**world.config["exchange"], "pair_whitelist": [BTC]}
    content = {**world.config, "exchange": exchange, "dry_run": dry, "stake_currency": "USDT",
               **more}  # fmt: skip
    config.write_text(json.dumps(content), encoding="utf-8")
    readings, slept = iter((100.0, 101.0, 103.0, 108.0)), []
    # This process holds what it watches to its end: another one may be served at that address.
    monkeypatch.setattr("strategies.account.identity.LOCKS_IN", config.parent)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Ended

    clock = SimpleNamespace(monotonic=lambda: next(readings), sleep=sleep)
    monkeypatch.setattr("strategies.desk.watch.process.time", clock)
    with pytest.raises(Ended):
        run_watchdog([config], userdir)
    for handler in logging.getLogger().handlers:
        handler.flush()
    return slept


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.usefixtures("log_restored")
def test_process_when_it_runs_then_it_looks_every_few_seconds_and_logs_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], dry: bool,
) -> None:  # fmt: skip
    if dry:
        world.dry_run(tmp_path)
    world.alive()  # long ago by the wall clock, which the process reads
    slept = run_twice(world, tmp_path / "config.json", monkeypatch, dry=dry, userdir=tmp_path)
    assert slept == [2.0, 0.0]  # every 3 s, and at once after a round that took longer
    assert world.mode() is ControlMode.REDUCING
    asked = [request for request in world.state.requests if "positionRisk" in request]
    assert len(asked) == (0 if dry else 2)
    (handler,) = logging.getLogger().handlers  # not Freqtrade's, which keeps lines back
    assert type(handler) is UnhurriedHandler
    said = [line.partition("WARNING ")[2] for line in capsys.readouterr().err.splitlines()]
    watching = f"watchdog: watching {tmp_path}"
    assert watching + (", dry-run: heartbeat and feed only" if dry else "") in said


@pytest.mark.usefixtures("log_restored")
def test_process_when_no_bot_has_ever_run_there_then_it_says_so_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    word = f"no bot has given a sign of life in {tmp_path} yet"
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert capsys.readouterr().err.count(word) == 1
    (world.commands.store.folder / FILE).mkdir()
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert word not in capsys.readouterr().err


@pytest.mark.usefixtures("log_restored")
def test_process_when_no_user_directory_is_named_then_the_configs_counts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dry_run(tmp_path)
    world.alive()
    config, elsewhere = tmp_path / "config.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run_twice(world, config, monkeypatch, dry=True, user_data_dir=str(tmp_path))
    assert world.mode() is ControlMode.REDUCING
    world.commands.resume(ANN)
    more = {"user_data_dir": str(tmp_path)}
    run_twice(world, config, monkeypatch, dry=True, userdir=elsewhere, **more)
    assert world.mode() is ControlMode.ACTIVE  # nobody looked there


@pytest.mark.usefixtures("log_restored")
def test_process_when_the_state_is_another_bots_then_it_does_not_start_and_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.json"
    world.alive()
    bot = bot_identity({**world.config, "stake_currency": "USDT", "strategy": "Mine"})
    occupy(state_place(tmp_path, bot), bot)
    run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path)  # no strategy named
    world.commands.resume(ANN)
    with pytest.raises(ControlError, match="belongs to Mine, live on binance"):
        run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path, strategy="Other")
    world.state.venue.open_account("another-key", SECRET)
    world.config["exchange"]["key"] = "another-key"
    with pytest.raises(ControlError, match="another account of the exchange"):
        run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path)
    assert world.mode() is ControlMode.ACTIVE


@pytest.mark.usefixtures("log_restored")
def test_process_when_the_config_names_collateral_in_another_asset_then_it_is_refused_as_the_bot_is(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alive()
    config, more = tmp_path / "config.json", {"proxy_coin": "BNFCR"}
    with pytest.raises(ConfigError, match="expected collateral in USDT, got proxy_coin 'BNFCR'"):
        run_twice(world, config, monkeypatch, dry=False, userdir=tmp_path, **more)
    assert world.state.requests == []
    (tmp_path / "dry_run").mkdir()
    run_twice(world, config, monkeypatch, dry=True, userdir=tmp_path, **more)  # nor the dry bot


@pytest.mark.usefixtures("log_restored")
def test_process_when_nobody_can_tell_whose_the_state_is_then_it_watches_and_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.alive()
    (tmp_path / "control" / "owner.json").write_text("{", encoding="utf-8")
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    assert "watching all the same, but it cannot be read whose this is" in capsys.readouterr().err
    assert world.mode() is ControlMode.REDUCING


@pytest.mark.usefixtures("log_restored")
@pytest.mark.parametrize("key", [KEY, "a-key-of-before"])
def test_process_when_its_key_is_not_the_bots_then_it_watches_and_says_that_nobody_can_tell(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], key: str,
) -> None:  # fmt: skip
    world.alive()
    bot = bot_identity({**world.config, "stake_currency": "USDT", "strategy": "Mine"})
    before = replace(bot, key=key, uid="")  # when the exchange did not tell whose it was
    occupy(state_place(tmp_path, before), before)
    run_twice(world, tmp_path / "config.json", monkeypatch, dry=False, userdir=tmp_path)
    doubt = "watching all the same, but nobody can tell whether its key is of the bot's account"
    assert (doubt in capsys.readouterr().err) is (key != KEY)


@pytest.mark.usefixtures("log_restored")
def test_process_when_the_user_directory_is_not_there_then_it_does_not_start(
    world: World, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({**world.config, "dry_run": True, "user_data_dir": str(tmp_path)}),
        encoding="utf-8",
    )
    with pytest.raises(ControlError, match="expected the bot's user directory"):
        run_watchdog([config], tmp_path / "none")


def test_check_when_it_is_asked_then_only_a_watchdog_that_has_looked_in_time_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"dry_run": False, "exchange": {"name": "binance"}}))

    def checked() -> tuple[int, str]:
        return check_watchdog([config], tmp_path), capsys.readouterr().out.strip()

    assert checked() == (1, "no watchdog")
    (tmp_path / "control").mkdir()
    sign_watch(tmp_path / "control", 7, lambda: 1000.0)
    for ago_s, status in ((0.0, 0), (WITHIN_S, 0), (WITHIN_S + 0.5, 1), (3600.0, 1)):
        monkeypatch.setattr(
            "strategies.desk.watch.process.watched_ago_s",
            partial(watched_ago_s, monotonic=lambda ago_s=ago_s: 1000.0 + ago_s),
        )
        assert checked() == (status, f"a watchdog looked {ago_s:.0f} s ago")


@pytest.mark.parametrize(
    "settings",
    [{"silence_s": 24.0}, {"silence_s": 0.0}, {"every_s": 0.0}, {"on_silence": "panic"},
     {"margin_reducing": 0.8}, {"stop_frac": 0.0}, {"unprotected_s": float("nan")},
     {"silence_s": float("nan")}],
)  # fmt: skip
def test_settings_when_they_would_be_too_late_or_make_no_sense_then_they_are_refused(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        WatchdogConfig(**settings)
