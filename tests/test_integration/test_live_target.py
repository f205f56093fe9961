"""The volatility target, live: entered at it, cut and grown at closes, never without a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import Person
from strategies.desk.loopback.account import Customer
from tests.exchange.state import ExchangeState
from tests.places import USER_DATA
from tests.test_integration.live_bot import BTC, LiveBot, running_bot, settings
from tests.test_integration.running import write_strategy

ANN = Person("ann", "command line")
EQUITY = 10_000.0

# All of the pack's hooks; only the forecast is given: the volatility of a day, from a file.
STRATEGY = '''
from pathlib import Path

from models.base import columns
from strategies.bot.volatility_target import VolatilityTargetStrategy


class GivenVolatility(VolatilityTargetStrategy):
    """Bitcoin at a target risk, the volatility of a day read from a file at each close."""

    timeframe = "1m"
    startup_candle_count = 10

    def populate_indicators(self, dataframe, metadata):
        horizon = self.labels.horizon_candles * self.candle_ms / 86_400_000
        given = dict.fromkeys(columns.FORECAST, 0.0)
        given |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}  # calm
        given[columns.SIGMA] = float(Path("VOLATILITY").read_text()) * horizon**0.5
        return dataframe.assign(do_predict=1, **given)
'''


def configuration(url: str) -> dict[str, Any]:
    shipped = json.loads((USER_DATA / "config_volatility_target.json").read_text(encoding="utf-8"))
    return {
        **settings(url, [BTC], dry_run=False),
        "stake_amount": "unlimited",
        "max_open_trades": 1,
        "breakwater": shipped["breakwater"],
    }


def forecast(folder: Path, sigma_day: float) -> None:
    """Have the next close forecast this; written whole or not at all."""
    (folder / "NEXT").write_text(str(sigma_day), encoding="utf-8")
    (folder / "NEXT").replace(folder / "VOLATILITY")


def exposure(account: Customer) -> float:
    return float(account.position("BTCUSDT").amount) * 60_000 / EQUITY


def is_protected(bot: LiveBot, account: Customer) -> bool:
    """Whether one stop as large as the position rests, and trade and exchange agree on it."""
    held = float(account.position("BTCUSDT").amount)
    stops = [float(stop.quantity) for stop in account.open_algos()]
    return stops == [held] and bot.trades()[BTC]["amount"] == held


@pytest.mark.slow
def test_live_run_when_volatility_moves_then_exposure_follows_and_a_halt_lets_it_fall_only(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    forecast(tmp_path, 0.02)
    desk = Commands(tmp_path / "user_data")
    arguments = write_strategy(tmp_path, STRATEGY)
    with running_bot(tmp_path, configuration(url), *arguments) as bot:
        bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
        assert exposure(account) == pytest.approx(0.5, rel=0.02)
        assert bot.trades()[BTC]["leverage"] == 2.0
        [stop] = account.open_algos()
        assert float(stop.trigger) == pytest.approx(0.75 * 60_000, rel=1e-3)
        # Twice the volatility: a target of 0.25, a band of 0.057 around it.
        forecast(tmp_path, 0.04)
        bot.wait_for(lambda: exposure(account) < 0.32, "the cut")
        assert exposure(account) == pytest.approx(0.307, rel=0.02)
        bot.wait_for(lambda: is_protected(bot, account), "a stop as large as what is left")
        # A quarter of that: 1.0 is wanted, 0.77 is what a repeat of the worst hour leaves.
        forecast(tmp_path, 0.01)
        bot.wait_for(lambda: exposure(account) > 0.4, "the growth")
        grown = exposure(account)
        assert 0.45 < grown < 0.77
        bot.wait_for(lambda: is_protected(bot, account), "a stop as large as what was added")
        # Halted, the same position may be cut, and not grown again.
        desk.halt(ANN, "a test")
        forecast(tmp_path, 0.08)
        bot.wait_for(lambda: exposure(account) < 0.2, "the cut under a halt")
        bot.wait_for(lambda: is_protected(bot, account), "its stop")
        troubles = bot.troubles()
        sides = [order["ft_order_side"] for order in bot.orders()]
    assert [side for side in sides if side != "stoploss"] == ["buy", "sell", "buy", "sell"]
    kinds = [entry.record["action"] for entry in desk.journal.entries(kind="reduce")]
    assert kinds == ["reduce", "reduce"]
    assert state.unknown == []
    assert troubles == []
