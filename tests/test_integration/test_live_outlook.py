"""The outlook of a real bot's account: it stands in `risk` while it is of what is held, and only
then."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from models.base.files import wall_clock_ms
from models.base.units import HOUR_MS
from models.operate.control.outlook import OUTLOOK_FILE, read_outlook
from models.operate.control.shocks import CoinShocks, PairShock, read_shocks, write_shocks
from models.trade.risk.worst_hours import recorded
from strategies.bot.data_files import MARKER
from strategies.bot.outlook_request import LEAST_SPAN_MS
from strategies.desk.cli import main
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.state import ExchangeState
from tests.test_integration.guarded_bot import STRATEGY, configuration
from tests.test_integration.live_bot import BTC, LiveBot, running_bot
from tests.test_integration.running import write_strategy

PRICE = 60_000.0
MINUTES = 1_200 * 60


def write_minutes(userdir: Path, minutes: int = MINUTES, scale: float = 1e-3) -> None:
    """Write what a bot has downloaded: minutes up to yesterday, of a market that moves."""
    folder = userdir / "data" / "binance" / "futures"
    folder.mkdir(parents=True)
    (folder.parent / MARKER).write_text("{}", encoding="utf-8")
    last = pd.Timestamp(wall_clock_ms(), unit="ms", tz="UTC").floor("D")
    moves = np.random.default_rng(5).standard_t(4, minutes) * scale
    close = PRICE * np.exp(np.cumsum(moves) - moves.sum())
    before = np.append(PRICE, close[:-1])
    frame = pd.DataFrame({
        "date": pd.date_range(end=last, periods=minutes, freq="min").as_unit("ms"),
        "open": before, "high": np.maximum(before, close), "low": np.minimum(before, close),
        "close": close, "volume": 1.0,
    })  # fmt: skip
    frame.to_feather(folder / "BTC_USDT_USDT-1m-futures.feather")


def configured(url: str) -> dict[str, Any]:
    config = configuration(url)
    config["breakwater"]["outlook"] = {"engine": "bootstrap", "paths": 2_000}
    return config


def told(userdir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the outlook as `breakwater risk --json` has it."""
    capsys.readouterr()
    main(["risk", "--json", "--userdir", str(userdir)])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["outlook"]
    return found


def workers(bot: LiveBot) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(bot.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # or it has just ended: a zombie is one, too
            if any("outlook_worker" in word for word in child.cmdline()):
                found.append(child)
    return found


def test_live_outlook_when_a_position_is_held_then_risk_tells_it_and_no_order_waits_for_it(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    userdir = tmp_path / "user_data"
    write_minutes(userdir)
    with running_bot(tmp_path, configured(url), *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        bot.wait_for(lambda: told(userdir, capsys)["why"] is None, "its outlook")
        found = told(userdir, capsys)
        main(["risk", "--userdir", str(userdir)])
        said = capsys.readouterr().out
        troubles = bot.troubles()
    held = float(account.position("BTCUSDT").amount)
    assert [(p["pair"], p["amount_base"]) for p in found["positions"]] == [(BTC, held)]
    assert found["simulated"]
    assert [one["days"] for one in found["horizons"]] == [1, 3, 7]
    assert 0.6 < found["leverage"] < 0.75
    assert "SIMULATED candles: the outlook is about no real market" in said
    assert "2,000 paths of the engine 'bootstrap' (seed 0), which has not passed its tests" in said
    assert "\nin 7 d: equity " in said
    assert troubles == []
    assert state.unknown == []
    # The bot has ended: what it holds now is not known.
    assert told(userdir, capsys).keys() == {"why"}


@pytest.mark.slow
def test_live_entry_when_scenarios_hold_a_worse_hour_possible_then_it_bears_that_one(
    tmp_path: Path, url: str, account: Customer
) -> None:
    userdir = tmp_path / "user_data"
    control = userdir / "control"
    write_minutes(userdir, minutes=LEAST_SPAN_MS // 60_000 + 120)
    control.mkdir()
    # What a life before has left: the first entry leaves before anything new is said.
    left = PairShock(pair=BTC, until_ms=wall_clock_ms() // HOUR_MS * HOUR_MS - 24 * HOUR_MS,
                     fall_frac=0.8, rise_frac=0.1)  # fmt: skip
    write_shocks(control, CoinShocks(known=(left,), missing=()))

    def renewed() -> bool:
        found = read_shocks(control, now_ms=wall_clock_ms())
        return found is not None and found.known != (left,)

    with running_bot(tmp_path, configured(url), *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        bot.wait_for(renewed, "what its own process says of the hour")
        troubles = bot.troubles()
    notional = float(account.position("BTCUSDT").amount) * PRICE
    assert 0.9 * 0.225 / 0.8 < notional / float(account.wallet) <= 0.225 / 0.8
    found = read_shocks(control, now_ms=wall_clock_ms())
    assert found is not None
    (ahead,) = found.known
    assert ahead.pair == BTC
    assert ahead.until_ms > left.until_ms
    assert 0 < ahead.fall_frac < recorded(BTC).fall_frac
    assert troubles == []


@pytest.mark.slow
def test_live_outlook_when_its_process_is_killed_and_the_account_changes_then_each_is_said(
    tmp_path: Path, url: str, venue: LoopbackVenue, account: Customer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    userdir = tmp_path / "user_data"
    control = userdir / "control"
    write_minutes(userdir)
    with running_bot(tmp_path, configured(url), *write_strategy(tmp_path, STRATEGY)) as bot:
        bot.wait_for(lambda: workers(bot), "its process")
        (worker,) = workers(bot)
        worker.kill()
        bot.wait_for(lambda: "SIGKILL" in (told(userdir, capsys)["why"] or ""), "its end told")
        assert not (control / OUTLOOK_FILE).exists()
        whole = float(account.position("BTCUSDT").amount)
        venue.move("BTCUSDT", 1.008 * PRICE)
        bot.wait_for(lambda: told(userdir, capsys)["why"] is None, "an outlook of what is left")
        found = read_outlook(control)
        assert found is not None
        (position,) = found.positions
        assert position.amount_base == float(account.position("BTCUSDT").amount) < whole
