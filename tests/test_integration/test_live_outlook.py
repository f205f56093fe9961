"""The outlook of a real bot's account: it stands in `risk` while it is of what is held, and only
then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from models.base.files import wall_clock_ms
from models.operate.control.outlook import OUTLOOK_FILE, read_outlook
from models.operate.control.shocks import read_shocks
from models.trade.risk.worst_hours import ASSUMED, recorded
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
AHEAD = "BTC in the hour to come by scenarios, % down"
COST_AHEAD = (
    "the worst hour to come that scenarios hold possible would cost, % of equity (limit 25)"
)


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
    children = psutil.Process(bot.process.pid).children()
    return [
        child for child in children if any("outlook_worker" in word for word in child.cmdline())
    ]


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
def test_live_sizes_when_scenarios_hold_a_worse_hour_possible_than_the_record_then_they_bear_it(
    tmp_path: Path, url: str, account: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    userdir = tmp_path / "user_data"
    write_minutes(userdir, minutes=LEAST_SPAN_MS // 60_000 + 120, scale=0.012)

    def figures() -> dict[str, float]:
        capsys.readouterr()
        main(["risk", "--json", "--userdir", str(userdir)])
        bot = json.loads(capsys.readouterr().out)["bot"]
        return {} if bot is None else dict(bot["numbers"])

    def borne() -> bool:
        found = figures()
        return AHEAD in found and found.get(COST_AHEAD, 100.0) <= 25.0

    with running_bot(tmp_path, configured(url), *write_strategy(tmp_path, STRATEGY)) as bot:
        # An entry sent before anything was said of the hour is cut in stages once it is.
        bot.wait_for(borne, "a position that bears the hour to come")
        held, found = float(account.position("BTCUSDT").amount), figures()
        bot.wait_for(lambda: account.open_algos(), "its stop")
    shocks = read_shocks(userdir / "control")
    assert shocks is not None
    (ahead,) = shocks.known
    assert ahead.pair == BTC
    assert ahead.fall_frac > 1.2 * recorded(BTC).fall_frac
    assert found[AHEAD] == round(100 * min(ahead.fall_frac, ASSUMED.fall_frac), 1)
    assert 0 < held * PRICE / found["equity"] * found[AHEAD] <= 25.1


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
