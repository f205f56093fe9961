"""Who a bot is: the exchange names the account, and where it does not, the key's print does."""

from __future__ import annotations

import logging
import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode

from models.base.errors import ControlError
from models.base.files import wall_clock_ms
from models.operate.control.owner import BotStage
from strategies.account import identity
from strategies.account.identity import (
    account_uid,
    bot_identity,
    hold_account,
    hold_watch,
    stage_of,
)
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.client import trading_ccxt_config
from tests.exchange.faults import Answer, Drop, HalfBody, Page
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState

BALANCE = "GET /fapi/v3/balance"


@pytest.fixture
def state() -> ExchangeState:
    now = wall_clock_ms()
    market = ReplayedMarket(feeds={"BTCUSDT": scripted_feed(60_000.0, now)})
    venue = LoopbackVenue(market=market, clock=wall_clock_ms)
    venue.open_account("a-key", "secret")
    venue.open_account("b-key", "secret")
    return ExchangeState(venue=venue)


@pytest.fixture
def url(state: ExchangeState) -> Iterator[str]:
    with running_exchange(state, tls=True) as address:
        yield address


def config(url: str, key: str = "a-key", **more: Any) -> dict[str, Any]:
    ccxt = {**trading_ccxt_config(url), "enableRateLimit": False}
    block = {"name": "binance", "key": key, "secret": "secret", "ccxt_config": ccxt}
    return {"stake_currency": "USDT", "strategy": "S", "dry_run": False, "exchange": block, **more}


def test_identity_when_live_then_the_exchange_names_the_account_whatever_the_key(
    url: str, state: ExchangeState
) -> None:
    first, second = bot_identity(config(url)), bot_identity(config(url, "b-key"))
    assert first.uid != second.uid
    assert (first.key, first.strategy, first.stake) == ("a-key", "S", "USDT")
    assert first.exchange == "binance"
    assert "a-key" not in f"{first} {first!r}"
    venue = state.venue
    assert venue is not None
    venue.renew_key(venue.accounts["a-key"], "c-key")
    assert bot_identity(config(url, "c-key")).uid == first.uid
    assert bot_identity(config(url, "a-key")).uid == ""  # worth nothing any more
    asked = [request for request in state.requests if "/balance" in request]
    assert len(asked) == 4
    assert state.unknown == []


def test_identity_when_the_bot_has_wiped_its_keys_then_the_original_config_has_them(
    url: str,
) -> None:
    whole = config(url)
    wiped = {**whole, "exchange": {"name": "binance", "key": "", "secret": ""}}
    assert bot_identity({**wiped, "original_config": whole}) == bot_identity(whole)


@pytest.mark.parametrize(
    "fault",
    [Drop(on=BALANCE), Answer(on=BALANCE, status=401, code=-2015, message="no"),
     HalfBody(on=BALANCE), Page(on=BALANCE)],
    ids=["silent", "revoked", "half", "a page"],
)  # fmt: skip
def test_identity_when_the_exchange_tells_no_account_then_the_key_is_left_and_nobody_dies(
    url: str, state: ExchangeState, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    state.faults.add(fault)
    with caplog.at_level(logging.WARNING):
        bot = bot_identity(config(url))
    assert (bot.uid, bot.key) == ("", "a-key")
    assert "does not tell the account's name" in caplog.text
    assert "a-key" not in caplog.text


@pytest.mark.parametrize("answer", [[], {"a": 1}, [{}], None, "text", [None]])
def test_identity_when_the_answer_has_another_form_then_it_names_no_account(answer: Any) -> None:
    client = SimpleNamespace(
        walletAddress="", id="binance", apiKey="k", fapiPrivateV3GetBalance=lambda: answer
    )
    assert account_uid(client) == ""


@pytest.mark.parametrize(("exchange", "key"), [("okx", "k"), ("binance", "")])
def test_identity_when_the_exchange_cannot_be_asked_then_nobody_asks_it(
    exchange: str, key: str
) -> None:
    client = SimpleNamespace(walletAddress="", id=exchange, apiKey=key)  # asked, it would raise
    assert account_uid(client) == ""


def test_identity_when_settings_stand_in_another_order_then_it_is_the_same_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Else an edit of the config that changes nothing would read as another bot's.
    wallets = ({"USDT": 1_000, "BTC": 0.1}, {"BTC": 0.1, "USDT": 1_000})
    first, second = (bot_identity({"dry_run": True, "dry_run_wallet": w}) for w in wallets)
    assert first == second
    addresses = ({"public": "https://a", "private": "https://b"},
                 {"private": "https://b", "public": "https://a"})  # fmt: skip
    clients = iter(
        SimpleNamespace(walletAddress="0x1", apiKey="", urls={"api": urls}) for urls in addresses
    )
    monkeypatch.setattr(identity, "account_client", lambda block: next(clients))
    live = {"dry_run": False, "exchange": {"name": "hyperliquid"}}
    assert bot_identity(live).where == bot_identity(live).where


def test_identity_when_dry_then_the_exchange_is_not_asked_and_no_key_is_taken(
    url: str, state: ExchangeState
) -> None:
    bot = bot_identity(config(url, dry_run=True, dry_run_wallet=1_000), "Named")
    assert (bot.stage, bot.key, bot.uid, bot.strategy) == (BotStage.DRY_RUN, "", "1000", "Named")
    assert state.requests == []


def test_identity_when_a_wallet_is_the_account_then_its_address_is_the_name() -> None:
    block = {"name": "hyperliquid", "walletAddress": "0xABc", "privateKey": "0x1"}
    bot = bot_identity({"exchange": block, "dry_run": False})
    assert (bot.uid, bot.key) == ("0xabc", "0xABc")


@pytest.mark.parametrize(
    ("settings", "stage"),
    [({"runmode": RunMode.LIVE, "dry_run": True}, BotStage.LIVE),
     ({"runmode": RunMode.DRY_RUN}, BotStage.DRY_RUN),
     ({"runmode": RunMode.OTHER, "dry_run": True}, BotStage.DRY_RUN),
     ({"runmode": RunMode.OTHER, "dry_run": False}, BotStage.LIVE),
     ({}, BotStage.LIVE)],
)  # fmt: skip
def test_stage_when_a_bot_or_a_command_asks_then_it_is_that_of_the_money(
    settings: dict[str, Any], stage: BotStage
) -> None:
    assert stage_of(settings) is stage


def test_account_when_another_bot_of_this_machine_trades_it_then_the_second_is_refused_by_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("strategies.account.identity.LOCKS_IN", tmp_path)
    first, other = bot_identity(config(url)), bot_identity(config(url, "b-key"))
    renewed = replace(first, key="c-key", strategy="Another")
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        hold_account(first)
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    try:
        with pytest.raises(ControlError, match=rf"in use by S, live on .*process {pid}") as refused:
            hold_account(renewed)
        assert "sub-account" in refused.value.cure
        hold_account(other)
        hold_account(replace(first, where="another exchange's address"))
        locks = len(list(tmp_path.rglob("*.lock")))
        hold_account(bot_identity(config(url, dry_run=True, dry_run_wallet=1_000)))
        assert len(list(tmp_path.rglob("*.lock"))) == locks == 3
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    hold_account(renewed)
    (folder,) = tmp_path.glob("breakwater-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = "".join(f"{p.name} {p.read_text()}" for p in tmp_path.rglob("*.lock"))
    assert not any(name in written for name in ("a-key", "b-key", first.uid))
    monkeypatch.setattr(os, "access", lambda *_: False)
    hold_account(first)  # where nothing can be locked it is said, and nobody is kept from trading
    assert "a second bot on this account would go unnoticed" in caplog.text


def test_account_when_another_watchdog_of_this_machine_watches_it_then_the_second_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("strategies.account.identity.LOCKS_IN", tmp_path)
    first, other = bot_identity(config(url)), bot_identity(config(url, "b-key"))
    hold_account(first)  # a bot and its watchdog are not in each other's way
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        hold_watch(first, Path("user_data_a"))
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    try:
        name = rf"in use by the watchdog of user_data_a, process {pid}"
        with pytest.raises(ControlError, match=name) as refused:
            hold_watch(replace(first, key="c-key"), Path("user_data_b"))
        assert "one watchdog, one account" in refused.value.cure
        hold_watch(other, Path("user_data_b"))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    hold_watch(first, Path("user_data_b"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    hold_watch(first, Path("user_data_b"))
    assert "a second watchdog on this account would go unnoticed" in caplog.text


def test_account_when_two_bots_have_other_folders_for_temporary_files_then_they_meet_all_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategies.account.identity.LOCKS_IN", tmp_path, raising=False)
    bot = bot_identity(config(url))
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        (tmp_path / "a").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "a"))
        monkeypatch.setattr(tempfile, "tempdir", None)
        hold_account(bot)
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    try:
        (tmp_path / "b").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "b"))
        monkeypatch.setattr(tempfile, "tempdir", None)
        with pytest.raises(ControlError, match=f"process {pid}"):
            hold_account(bot)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    hold_account(bot)  # a lock dies with its holder
    (lock,) = tmp_path.rglob("*.lock")
    assert stat.S_IMODE(lock.stat().st_mode) == 0o1600  # not tidied away by age


@pytest.mark.parametrize("kind", ["link", "file", "nowhere"])
def test_account_when_the_folder_of_locks_is_not_the_users_then_that_is_said_and_it_is_not_used(
    kind: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    folder, elsewhere = tmp_path / f"breakwater-{os.getuid()}", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        folder.symlink_to(elsewhere)
    elif kind == "file":
        folder.touch()
    place = tmp_path / "none" if kind == "nowhere" else tmp_path
    monkeypatch.setattr("strategies.account.identity.LOCKS_IN", place)
    hold_account(bot_identity(config(url)))
    assert "a second bot on this account would go unnoticed: " in caplog.text
    assert not list(elsewhere.iterdir())
