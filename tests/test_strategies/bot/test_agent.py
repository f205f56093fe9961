"""What an agent names is held: entered, turned, resized and stopped; refused where nothing is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import Trade

from models.base import columns
from models.base.errors import ConfigError
from strategies.account.acknowledgement import leverage_digest, settings_line
from strategies.account.safety_rules import Purpose
from strategies.account.safety_table import SETTINGS
from strategies.BitcoinAgent import BitcoinAgent
from strategies.bot.agent import AgentStrategy
from tests.places import USER_DATA
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
    PAIR,
    RATE,
    Provider,
    Wallets,
    analysed,
    config,
    confirm,
    leverage,
    position,
    running,
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

EQUITY = 10_000.0
BLOCKS = {
    "limits": {"max_order_equity_frac": 1.0},
    "decision": {"without": ["quantiles", "hazard"]},
}
# Tables by what is held, short to long: 1 and 2 are shorts, 3 is flat, 4 and 5 are longs.
KEEPS, LONG, SHORT, FLAT, TURNS = 12345.0, 55555.0, 11111.0, 33333.0, 55311.0
CLOSED_MS = int((OPENED.timestamp() + 3600) * 1000)

userdir = Path()  # of the test that runs
closed: list[Any] = []  # trades


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_trades: list[Any]) -> None:
    global userdir
    userdir = tmp_path
    closed.clear()

    def trades(**asked: Any) -> list[Any]:
        if asked.get("close_date") is None:
            return open_trades
        return [t for t in closed if t.close_date_utc > asked["close_date"]]

    monkeypatch.setattr(Trade, "get_trades_proxy", staticmethod(trades))


def strategy(policy: float = LONG, **changes: Any) -> Any:
    made = BitcoinAgent(config(user_data_dir=userdir, breakwater=BLOCKS, **changes))
    made.dp = Provider(analysed(**{columns.POLICY: policy}))
    made.wallets = Wallets(EQUITY)
    return running(made)


def trade(amount: float, **changes: Any) -> Any:
    """Return an open trade of `amount` at 100 at leverage 1, and what it keeps."""
    kept: dict[str, Any] = dict(changes.pop("kept", {}))
    held = {"id": 1, "is_open": True, "amount": amount, "stake_amount": amount * RATE,
            "leverage": 1.0, "orders": [], "has_open_orders": False, "open_date_utc": OPENED,
            "stop_loss": 95.0, "stop_loss_pct": -0.05, "get_custom_data": kept.get,
            "set_custom_data": kept.__setitem__, "kept": kept, "enter_tag": "agent",
            "nr_of_successful_entries": 1}  # fmt: skip
    return position(**held | changes)


def adjusted(s: Any, held: Any, open_trades: list[Any], **changes: Any) -> Any:
    open_trades[:] = [held]
    s.guarding.entries.orders.clear()
    asked = {
        "trade": held, "current_time": NOW, "current_rate": RATE, "current_profit": 0.0,
        "min_stake": 10.0, "max_stake": 9000.0, "current_entry_rate": RATE,
        "current_exit_rate": RATE, "current_entry_profit": 0.0, "current_exit_profit": 0.0,
    }  # fmt: skip
    return s.adjust_trade_position(**asked | changes)


def leaves(s: Any, held: Any, open_trades: list[Any], now: Any = NOW) -> Any:
    open_trades[:] = [held]
    return s.custom_exit(PAIR, held, now, RATE, 0.0)


def filled(s: Any, held: Any, side: str = "buy", **order: Any) -> None:
    told = {"ft_order_side": side, "ft_order_tag": "agent", "safe_price": RATE,
            "safe_filled": held.amount, "safe_remaining": 0.0, "order_date_utc": NOW,
            "order_id": "1"}  # fmt: skip
    s._note_fill = lambda *_: None  # the journal has its own tests
    s.order_filled(PAIR, held, SimpleNamespace(**told | order), NOW)


# -- entering ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "side", "share"),
    [(LONG, "long", 0.6), (SHORT, "short", 0.6), (44444.0, "long", 0.3), (22222.0, "short", 0.3)],
)
def test_entry_when_the_agent_names_a_position_then_it_has_that_side_and_size(
    policy: float, side: str, share: float
) -> None:
    s = strategy(policy)
    frame = s.populate_entry_trend(s.dp.frame, {"pair": PAIR})
    assert frame[f"enter_{side}"].tolist() == [1]
    assert frame[["enter_long", "enter_short"]].to_numpy().sum() == 1
    assert leverage(s) == 1.0
    assert stake(s, leverage=1.0, side=side, entry_tag="agent") == pytest.approx(share * EQUITY)
    assert confirm(s, side=side, amount=share * EQUITY / RATE)
    other = "short" if side == "long" else "long"
    assert stake(s, leverage=1.0, side=other, entry_tag="agent") == 0.0
    assert not confirm(s, side=other)


def test_entry_when_flat_is_named_or_nothing_then_there_is_none() -> None:
    for changes in ({columns.POLICY: FLAT}, {columns.POLICY: KEEPS}):
        s = strategy(changes[columns.POLICY])
        frame = s.populate_entry_trend(s.dp.frame, {"pair": PAIR})
        assert frame[["enter_long", "enter_short"]].to_numpy().sum() == 0
        assert stake(s, leverage=1.0) == 0.0
        assert not confirm(s)
    for changes in ({"do_predict": 0}, {columns.ABSTAIN: 1.0}, {columns.SIGMA: np.nan}):
        s = strategy()
        s.dp.frame = s.dp.frame.assign(**changes)
        frame = s.populate_entry_trend(s.dp.frame, {"pair": PAIR})
        assert frame["enter_long"].tolist() == [0]
        assert stake(s, leverage=1.0) == 0.0


def test_entry_when_a_guard_limits_it_then_it_is_cut_and_when_small_then_refused() -> None:
    tight = {**BLOCKS, "limits": {"max_order_equity_frac": 0.05}}
    s = strategy()
    s.guarding.limits = SimpleNamespace(hard=s.limits, soft=s.guarding.limits.soft)
    made = BitcoinAgent(config(user_data_dir=userdir / "tight", breakwater=tight))
    made.dp, made.wallets = s.dp, Wallets(EQUITY)
    assert stake(running(made), leverage=1.0) == pytest.approx(500.0)
    assert stake(s, leverage=1.0, min_stake=6_500.0) == 0.0


def test_person_when_forcing_a_side_the_agent_does_not_name_then_the_reason_is_kept() -> None:
    s = strategy(LONG)
    assert stake(s, leverage=1.0, side="short", entry_tag="force_entry") == 0.0
    (entry,) = s.control.journal.entries(kind="entry.refused")
    assert "the agent does not go short here" in str(entry.record)


@pytest.mark.parametrize(
    ("reason", "expected"), [("agent turns", 6_000.0), ("stop_loss", 0.0), ("force_exit", 0.0)]
)
def test_entry_when_a_position_was_closed_since_the_close_then_only_a_turn_goes_on(
    reason: str, expected: float
) -> None:
    s = strategy(TURNS)  # from flat nothing, from the larger short the larger long
    closed.append(trade(30.0, exit_reason=reason, close_date_utc=NOW, kept={"agent_position": 0}))
    assert stake(s, leverage=1.0, entry_tag="agent") == pytest.approx(expected)
    closed[0].close_date_utc = NOW - timedelta(hours=2)  # of an earlier close: it is flat
    assert stake(s, leverage=1.0, entry_tag="agent") == 0.0


# -- what is held --------------------------------------------------------------------------------


def test_fill_when_the_agent_asked_for_it_then_position_and_stop_are_kept_with_the_trade() -> None:
    s, held = strategy(LONG), trade(60.0)
    stake(s, leverage=1.0)
    filled(s, held)
    assert held.kept == {
        "agent_position": 4, "agent_decided_ms": CLOSED_MS, "stop_frac": pytest.approx(0.04),
    }  # fmt: skip
    # The order of somebody else leaves it as it is, and so does a stop's.
    stake(s, leverage=1.0)
    held.kept["agent_position"] = 3
    filled(s, held, "sell", ft_order_tag="partial_exit")
    filled(s, held, "stoploss", ft_order_tag="agent 4")
    assert held.kept["agent_position"] == 3
    filled(s, held, "buy", ft_order_tag="agent 4")
    assert held.kept["agent_position"] == 4


def test_size_when_the_agent_names_another_then_it_is_traded_once_a_candle(
    open_trades: list[Any],
) -> None:
    half = {"agent_position": 3, "agent_decided_ms": CLOSED_MS - 3_600_000}
    s = strategy(LONG)
    stake_quote, tag = adjusted(s, trade(30.0, kept=half), open_trades)
    assert (stake_quote, tag) == (pytest.approx(3_000.0), "agent 4")
    done = {**half, "agent_decided_ms": CLOSED_MS}
    assert adjusted(s, trade(30.0, kept=done), open_trades) is None
    assert adjusted(s, trade(30.0, kept=half, has_open_orders=True), open_trades) is None
    whole = {**half, "agent_position": 4}
    assert adjusted(s, trade(60.0, kept=whole), open_trades) is None
    stake_quote, tag = adjusted(strategy(44444.0), trade(60.0, kept=whole), open_trades)
    assert (stake_quote, tag) == (pytest.approx(-3_000.0), "agent 3")
    for policy in (FLAT, SHORT):  # leaving is not resizing
        assert adjusted(strategy(policy), trade(60.0, kept=whole), open_trades) is None


def test_growth_when_control_is_halted_then_it_is_refused_and_a_reduction_is_not(
    open_trades: list[Any],
) -> None:
    from models.operate.control.state import Person

    half = {"agent_position": 3, "agent_decided_ms": 0}
    s = strategy(LONG)
    s.control.store.halt(Person("ann", "command line"), "a test")
    assert adjusted(s, trade(30.0, kept=half), open_trades) is None
    s.dp.frame = analysed(**{columns.POLICY: 44444.0})
    whole = {"agent_position": 4, "agent_decided_ms": 0}
    assert adjusted(s, trade(60.0, kept=whole), open_trades)[0] == pytest.approx(-3_000.0)


def test_position_when_nobody_named_it_then_the_nearest_is_held(open_trades: list[Any]) -> None:
    open_trades[:] = [trade(25.0)]
    s = strategy(KEEPS)
    assert s._held(trade(25.0), RATE) == 3
    assert s._held(trade(70.0), RATE) == 4
    assert s._held(trade(25.0, is_short=True), RATE) == 1
    assert s._held(trade(25.0, kept={"agent_position": 9}), RATE) == 3


# -- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "is_short", "reason"),
    [(LONG, False, None), (FLAT, False, "agent leaves"), (SHORT, False, "agent turns"),
     (44444.0, False, None), (LONG, True, "agent turns"), (SHORT, True, None)],
)  # fmt: skip
def test_exit_when_the_agent_names_flat_or_the_other_side_then_it_leaves(
    policy: float, is_short: bool, reason: str | None, open_trades: list[Any]
) -> None:
    kept = {"agent_position": 0 if is_short else 4, "agent_decided_ms": 0}
    assert (
        leaves(strategy(policy), trade(60.0, is_short=is_short, kept=kept), open_trades) == reason
    )


def test_exit_when_the_row_was_acted_on_or_is_not_trusted_then_it_stays(
    open_trades: list[Any],
) -> None:
    kept = {"agent_position": 4, "agent_decided_ms": CLOSED_MS}
    assert leaves(strategy(FLAT), trade(60.0, kept=kept), open_trades) is None
    s, kept = strategy(FLAT), {"agent_position": 4, "agent_decided_ms": 0}
    blind = s.dp.frame.assign(**{columns.ABSTAIN: 1.0})
    s.dp.frame = pd.concat([s.dp.frame, blind], ignore_index=True)
    assert leaves(s, trade(60.0, kept=kept), open_trades) is None
    s.dp.frame = pd.concat([blind] * 25, ignore_index=True)
    assert leaves(s, trade(60.0, kept=kept), open_trades) == "agent is blind"


# -- the stop ------------------------------------------------------------------------------------


def stop(s: Any, held: Any, rate: float = RATE, *, after_fill: bool) -> Any:
    return s.custom_stoploss(PAIR, held, NOW, rate, 0.0, after_fill)


@pytest.mark.parametrize(("is_short", "rate", "level"), [(False, 100.5, 96.0), (True, 99.0, 104.0)])
def test_stop_when_a_fill_is_the_agents_then_it_stands_its_distance_from_it(
    is_short: bool, rate: float, level: float
) -> None:
    s = strategy(SHORT if is_short else LONG)
    for now in (RATE, rate):  # a backtest asks at the fill's price, a live bot a moment later
        held = trade(60.0, is_short=is_short, leverage=2.0)
        stake(s, leverage=1.0, side="short" if is_short else "long")
        filled(s, held, "sell" if is_short else "buy")
        told = stop(s, held, now, after_fill=True) / held.leverage
        assert now * (1 + told if is_short else 1 - told) == pytest.approx(level)
        assert stop(s, held, now, after_fill=True) is None  # somebody else's fill
        assert stop(s, held, now, after_fill=False) is None


def test_stop_when_the_price_has_passed_it_since_the_fill_then_it_is_hit_at_once() -> None:
    s, held = strategy(LONG), trade(60.0)
    stake(s, leverage=1.0)
    filled(s, held)
    assert 0 < stop(s, held, 90.0, after_fill=True) <= 1e-6


def test_stop_when_only_the_last_resort_stands_then_it_is_placed_anew() -> None:
    s, held = strategy(LONG), trade(60.0, stop_loss_pct=-0.5, kept={"stop_frac": 0.04})
    assert stop(s, held, after_fill=False) == pytest.approx(0.04)


# -- what training is told ------------------------------------------------------------------------


def history(paid: bool) -> Any:
    """Return what `historic_ohlcv` reads from disk: funding every eight hours, hourly marks."""
    hours = pd.date_range(OPENED, periods=48, freq="1h")

    def read(pair: str, timeframe: str, candle_type: str) -> pd.DataFrame:
        assert (pair, timeframe) == (PAIR, "1h")
        if not paid:
            return pd.DataFrame()
        if candle_type == "mark":
            return pd.DataFrame({"date": hours, "open": 110.0})
        return pd.DataFrame({"date": hours[hours.hour % 8 == 0], "open": 0.0002})

    return read


@pytest.mark.parametrize("paid", [True, False])
def test_targets_when_funding_is_on_disk_or_not_then_each_row_is_told_or_unknown(
    paid: bool,
) -> None:
    s = strategy()
    s.dp.historic_ohlcv = history(paid)
    dates = pd.date_range(OPENED, periods=40, freq="1h")
    price = 100 * np.exp(0.01 * np.random.default_rng(0).normal(size=40).cumsum())
    frame = pd.DataFrame({"date": dates, "open": price, "high": price, "low": price,
                          "close": price, "volume": 1.0})  # fmt: skip
    told = s.set_freqai_targets(frame, {"pair": PAIR})[columns.AHEAD_FUNDING].to_numpy()
    if not paid:
        assert np.isnan(told).all()
        return
    ahead = (dates + timedelta(hours=1)).hour % 8 == 0
    known = np.isfinite(told)
    np.testing.assert_allclose(told[known & ahead], 0.022 / price[known & ahead])
    assert (told[known & ~ahead] == 0).all()
    assert known.sum() > 24


# -- settings ------------------------------------------------------------------------------------


def test_model_when_it_names_no_positions_then_the_bot_says_which_do() -> None:
    s = strategy()
    for number in (np.nan, 0.01, 123.0):  # of no agent, and of one with other sizes
        frame = analysed(**{columns.POLICY: number})
        with pytest.raises(OperationalException, match="use PPOForecaster or A2CForecaster"):
            s.populate_entry_trend(frame, {"pair": PAIR})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exchange": {"pair_whitelist": [PAIR, "ETH/USDT:USDT"]}}, "expected one pair"),
        ({"timeframe": "4h"}, "at most 1h"),
        ({"freqai": {"model_training_parameters": {"network": {"leverages": [2.0, 1.0]}}}},
         "rising"),
    ],
)  # fmt: skip
def test_start_when_the_market_could_not_be_the_agents_then_it_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises((OperationalException, ConfigError), match=said):
        BitcoinAgent(config(user_data_dir=userdir, breakwater=BLOCKS, **changes))


def test_acknowledgement_when_the_sizes_change_then_it_is_another_risk() -> None:
    def training(**network: Any) -> dict[str, Any]:
        return {"freqai": {"model_training_parameters": {"network": network}}}

    default = training(leverages=[0.3, 0.6], stop_sigmas=[4.0, 2.0], steps=5)
    larger = training(leverages=[0.3, 0.9])
    assert leverage_digest(default) == leverage_digest({})
    assert leverage_digest(larger) != leverage_digest({})
    assert "'leverages': (0.3, 0.9)" in settings_line(larger)


def test_strategy_when_judged_by_the_safety_table_then_it_is_held_to_what_forecasts_are() -> None:
    assert BitcoinAgent.kind is Purpose.FORECAST
    by_name = {setting.name: setting for setting in SETTINGS}
    for name in ("stoploss", "use_custom_stoploss", "position_adjustment_enable"):
        assert by_name[name].rule(Purpose.FORECAST).holds(getattr(BitcoinAgent, name), {})
    assert BitcoinAgent.order_types["stoploss_on_exchange"] is True


def test_shipped_config_when_read_then_no_guard_cuts_a_position_it_names() -> None:
    shipped = json.loads((USER_DATA / "config_agent.json").read_text(encoding="utf-8"))
    assert shipped["strategy"] == BitcoinAgent.__name__
    for policy, side in ((LONG, "long"), (SHORT, "short")):
        s: Any = BitcoinAgent(
            config(user_data_dir=userdir / side, breakwater=shipped["breakwater"],
                   freqai=shipped["freqai"])
        )  # fmt: skip
        assert isinstance(s, AgentStrategy)
        s.dp, s.wallets = Provider(analysed(**{columns.POLICY: policy})), Wallets(EQUITY)
        assert stake(running(s), leverage=1.0, side=side) == pytest.approx(6_000.0)
