"""A target risk is held: entered, grown through the guards, cut without asking, never trapped."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException

from models.base import columns
from models.base.errors import ConfigError
from models.operate.control.state import Person
from models.trade.risk.run import HEDGING
from strategies.account.acknowledgement import leverage_digest, settings_line
from strategies.account.safety_rules import Purpose
from strategies.account.safety_table import SETTINGS
from strategies.bot.volatility_target import VolatilityTargetStrategy
from strategies.VolatilityTarget import VolatilityTarget
from tests.places import USER_DATA
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
    PAIR,
    RATE,
    BrokenProvider,
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
DAY = {"model_training_parameters": {"labels": {"horizon_candles": 24}}}
FALSE_ALARMS = columns.FALSE_ALARMS_DOWN
ANN = Person("ann", "command line")

userdir = Path()  # of the test that runs


@pytest.fixture(autouse=True)
def _own_userdir(tmp_path: Path) -> None:
    global userdir
    userdir = tmp_path


def strategy(frame: pd.DataFrame | None = None, **target: Any) -> Any:
    """Return a strategy of a market at 2 % a day: at 1 % target risk half the equity is held."""
    blocks = {"limits": {"max_order_equity_frac": 2.0}, "volatility_target": target}
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    made.dp = Provider(analysed() if frame is None else frame)
    made.wallets = Wallets(EQUITY)
    return running(made)


def trade(amount: float, **changes: Any) -> Any:
    """Return an open trade of `amount` at 100, with what the adjustment reads of it."""
    held = {"id": 1, "is_open": True, "amount": amount, "stake_amount": amount * RATE / 2.0,
            "orders": [], "has_open_orders": False, "stop_loss": 75.0, "initial_stop_loss": 75.0,
            "initial_stop_loss_pct": -0.5, "open_date_utc": OPENED, "enter_tag": "target",
            "nr_of_successful_entries": 1}  # fmt: skip
    return position(**held | changes)


def adjusted(s: Any, held: Any, open_trades: list[Any], **changes: Any) -> float:
    """Return the notional that is added (> 0) or taken out (< 0) in the hook Freqtrade calls."""
    open_trades[:] = [held]
    s.guarding.entries.orders.clear()
    asked = {
        "trade": held, "current_time": NOW, "current_rate": RATE, "current_profit": 0.0,
        "min_stake": 10.0, "max_stake": 9000.0, "current_entry_rate": RATE,
        "current_exit_rate": RATE, "current_entry_profit": 0.0, "current_exit_profit": 0.0,
    }  # fmt: skip
    answer = s.adjust_trade_position(**asked | changes)
    stake_quote = answer[0] if isinstance(answer, tuple) else answer or 0.0
    if stake_quote < 0:  # Freqtrade takes the same share of the amount as of the stake
        return float(stake_quote / held.stake_amount * held.amount * RATE)
    return float(stake_quote * held.leverage)


def band(s: Any, target: float, risk: float = 0.01) -> float:
    return float(target * s.target.band_frac * np.cbrt(0.03 * target / risk))


# -- entering ------------------------------------------------------------------------------------


def test_entry_when_a_trusted_forecast_exists_then_it_is_long_and_sized_for_the_target_risk() -> (
    None
):
    s = strategy()
    frame = s.populate_entry_trend(analysed(), {"pair": PAIR})
    assert (frame["enter_long"].tolist(), frame["enter_tag"].tolist()) == ([1], ["target"])
    assert "enter_short" not in frame
    # 1 % of equity at 2 % a day is half the equity: at leverage 2 a stake of 2,500.
    assert leverage(s) == 2.0
    assert stake(s) == pytest.approx(2_500.0)
    assert stake(strategy(analysed(sigma=0.04))) == pytest.approx(1_250.0)
    assert stake(strategy(target_risk=0.005)) == pytest.approx(1_250.0)
    # Freqtrade's own proposal and the risk per trade of the other strategies decide nothing here.
    assert stake(s, proposed_stake=100.0) == pytest.approx(2_500.0)
    assert stake(s, max_stake=50.0) == 50.0
    assert stake(s, min_stake=2_600.0) == 0.0


def test_entry_when_the_market_is_calm_then_the_limits_cap_it() -> None:
    calm = analysed(sigma=0.0001)
    # A repeat of bitcoin's worst hour, 29.31 % down, may cost 22.5 % of equity with a new entry.
    assert stake(strategy(calm), leverage=1.0) == pytest.approx(EQUITY * 0.225 / 0.2931, rel=2e-3)
    assert stake(strategy(calm, max_exposure=0.3), leverage=1.0) == pytest.approx(3_000.0)
    assert leverage(strategy(analysed(sigma=0.06))) == pytest.approx(1 / (3 * 3.69 * 0.06))


def test_entry_when_it_is_a_short_then_it_is_refused_whoever_asks() -> None:
    s = strategy()
    assert confirm(s) is True
    assert confirm(s, side="short") is False


@pytest.mark.parametrize(
    "changes",
    [
        {"do_predict": 0}, {"do_predict": np.nan}, {"abstain": 1.0}, {"abstain": np.nan},
        {"sigma": np.nan}, {"sigma": 0.0}, {"sigma": np.inf}, {FALSE_ALARMS: 0.25},
        {FALSE_ALARMS: np.nan},
    ],
    ids=str,
)  # fmt: skip
def test_new_risk_when_forecast_or_hazard_is_not_to_be_trusted_then_there_is_none(
    changes: dict[str, Any], open_trades: list[Any]
) -> None:
    s = strategy(analysed(**changes))
    frame = s.populate_entry_trend(analysed(**changes), {"pair": PAIR})
    assert frame["enter_long"].tolist() == [0]
    assert stake(s) == 0.0
    assert not adjusted(s, trade(1.0), open_trades) > 0
    # The control: the same position grows where all is sound.
    assert adjusted(strategy(), trade(1.0), open_trades) > 0


def test_new_risk_when_the_hazard_is_over_the_strategys_own_limit_then_there_is_none() -> None:
    """It may be more often than the guards', which then have nothing against it."""
    blocks = {"limits": {"max_order_equity_frac": 2.0}, "decision": {"false_alarms_per_week": 1.0}}
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    for rate, grows in ((0.9, False), (1.1, True)):
        made.dp, made.wallets = Provider(analysed(**{FALSE_ALARMS: rate})), Wallets(EQUITY)
        s = running(made)
        assert (stake(s) > 0) is grows
        assert (s.rebalance(PAIR, 1.0, NOW).wanted > 0.01) is grows


def test_new_risk_when_a_model_without_hazard_is_waived_then_it_enters() -> None:
    blocks = {"limits": {"max_order_equity_frac": 2.0}, "decision": {"without": ["hazard"]}}
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    frame = analysed(**{FALSE_ALARMS: np.nan})
    made.dp, made.wallets = Provider(frame), Wallets(EQUITY)
    s = running(made)
    assert s.populate_entry_trend(frame.copy(), {"pair": PAIR})["enter_long"].tolist() == [1]
    assert stake(s) == pytest.approx(2_500.0)


# -- adjusting -----------------------------------------------------------------------------------


def test_adjustment_when_exposure_has_strayed_then_it_goes_to_the_edge_of_the_band(
    open_trades: list[Any],
) -> None:
    s = strategy()
    width = band(s, 0.5)
    assert width == pytest.approx(0.1431, abs=1e-4)
    # Held are 20 % and 90 % of equity; the band around half of it ends at 35.7 and 64.3 %.
    assert adjusted(s, trade(20.0), open_trades) == pytest.approx((0.3 - width) * EQUITY)
    assert adjusted(s, trade(90.0), open_trades) == pytest.approx((width - 0.4) * EQUITY)
    for inside in (36.0, 50.0, 64.0):
        assert adjusted(s, trade(inside), open_trades) == 0.0


CLOSED = OPENED + timedelta(hours=1)


def order(side: str, after_s: float) -> Any:
    """Return an order sent so long after the close of the last analysed candle."""
    sent = CLOSED + timedelta(seconds=after_s)
    return SimpleNamespace(ft_order_side=side, order_date_utc=sent, safe_filled=1.0)


@pytest.mark.parametrize(
    ("orders", "acts"),
    [
        ([order("buy", 0)], False),
        ([order("sell", 1)], False),
        ([order("buy", -60)], True),
        ([], True),
        # A stop that follows the price is placed anew before adjustments are asked for.
        ([order("buy", -60), order("stoploss", 1)], True),
        ([order("buy", -60), *(order("stoploss", n) for n in range(5))], True),
        ([order("sell", 1), *(order("stoploss", n) for n in range(2, 5))], False),
    ],
)
def test_adjustment_when_the_bot_has_traded_in_this_candle_then_it_waits_for_the_next_close(
    orders: list[Any], acts: bool, open_trades: list[Any]
) -> None:
    assert (adjusted(strategy(), trade(80.0, orders=orders), open_trades) < 0) is acts


def test_adjustment_when_an_order_waits_then_nothing_is_added_to_it(
    open_trades: list[Any],
) -> None:
    assert adjusted(strategy(), trade(80.0, has_open_orders=True), open_trades) == 0.0


def test_adjustment_when_the_price_moves_within_a_candle_then_the_close_has_decided(
    open_trades: list[Any],
) -> None:
    """In a backtest nobody is asked before the next close; live it is the same decision."""
    s = strategy()
    # 60 % at the close is within the band; a tenth higher it would be 62 and 66 % of equity.
    for rate in (90.0, 110.0, 120.0):
        assert adjusted(s, trade(60.0), open_trades, current_rate=rate) == 0.0
    cut = (band(s, 0.5) - 0.3) * EQUITY
    held = trade(80.0)
    open_trades[:] = [held]
    for rate in (90.0, 110.0):
        answer = VolatilityTarget.adjust_trade_position(s, held, NOW, rate, 0.0, 10.0, 9000.0)
        assert isinstance(answer, tuple)
        assert answer[0] / held.stake_amount == pytest.approx(cut / 8_000.0)


@pytest.mark.parametrize(
    "changes", [{"do_predict": 0}, {"abstain": 1.0}, {FALSE_ALARMS: np.nan}], ids=str
)
def test_reduction_when_the_forecast_is_not_trusted_but_volatility_is_known_then_it_is_made(
    changes: dict[str, Any], open_trades: list[Any]
) -> None:
    s = strategy(analysed(**changes))
    assert adjusted(s, trade(90.0), open_trades) == pytest.approx((band(s, 0.5) - 0.4) * EQUITY)


def test_reduction_when_control_forbids_new_risk_then_it_is_made_and_growth_is_not(
    open_trades: list[Any],
) -> None:
    s = strategy()
    s.control.store.reduce(ANN, "a test")
    assert stake(s) == 0.0
    assert adjusted(s, trade(20.0), open_trades) == 0.0
    assert adjusted(s, trade(90.0), open_trades) < 0


def test_growth_when_the_guards_allow_a_part_then_that_part_is_added(
    open_trades: list[Any],
) -> None:
    blocks = {"limits": {"max_order_equity_frac": 0.05}}
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    made.dp, made.wallets = Provider(analysed()), Wallets(EQUITY)
    s = running(made)
    assert adjusted(s, trade(20.0), open_trades) == pytest.approx(0.05 * EQUITY)
    # What is too small for the exchange is left alone, and never rounded up.
    assert adjusted(s, trade(20.0), open_trades, min_stake=260.0) == 0.0


def test_growth_when_it_passes_then_it_carries_a_permit_for_one_order(
    open_trades: list[Any],
) -> None:
    s = strategy()
    added = adjusted(s, trade(20.0), open_trades)
    assert added > 0
    assert s.guarding.permits.pending_quote(1) == pytest.approx(added)


def test_growth_when_the_hook_itself_is_called_then_it_has_asked_the_guards(
    open_trades: list[Any],
) -> None:
    """Without the layer around the hook, which a backtest does not have."""
    s = strategy()
    held = trade(20.0)
    open_trades[:] = [held]
    answer = VolatilityTarget.adjust_trade_position(s, held, NOW, RATE, 0.0, 10.0, 9000.0)
    assert isinstance(answer, tuple)
    assert s.guarding.permits.pending_quote(1) == pytest.approx(answer[0] * 2.0)
    assert "2.00% a day" in answer[1]


def test_adjustment_when_the_guards_want_a_part_closed_then_that_comes_first(
    open_trades: list[Any],
) -> None:
    # At 2 % target risk the cap is wanted, 0.77 of equity, and 0.95 is still within its band; a
    # repeat of the worst hour would cost 27.8 % of equity, over the limit of 25 %.
    s = strategy(target_risk=0.02)
    held = trade(95.0)
    open_trades[:] = [held]
    assert VolatilityTarget.adjust_trade_position(s, held, NOW, RATE, 0.0, 1.0, 9000.0) is None
    s.guarding.loop(NOW)
    answer = VolatilityTarget.adjust_trade_position(s, held, NOW, RATE, 0.0, 1.0, 9000.0)
    assert isinstance(answer, float)
    assert answer < 0


def test_growth_when_the_limits_leave_no_room_for_more_then_none_is_asked_for(
    open_trades: list[Any],
) -> None:
    # Without the cap the target would be the whole equity, and every candle ask for a crumb.
    s = strategy(analysed(sigma=0.0001), band_frac=0.05)
    assert adjusted(s, trade(75.0), open_trades) == 0.0


@pytest.mark.parametrize("name", ["max_gross_leverage", "max_net_leverage"])
def test_growth_when_a_limit_on_exposure_is_lower_then_the_target_stays_below_it(
    name: str, open_trades: list[Any]
) -> None:
    blocks = {"limits": {"max_order_equity_frac": 2.0, name: 0.5},
              "volatility_target": {"band_frac": 0.05}}  # fmt: skip
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    made.dp, made.wallets = Provider(analysed(sigma=0.001)), Wallets(EQUITY)
    s = running(made)
    assert adjusted(s, trade(49.0), open_trades) == 0.0
    assert adjusted(s, trade(40.0), open_trades) > 0


def test_entry_when_a_subclass_drops_the_guards_of_the_model_then_a_forecast_is_needed_still() -> (
    None
):
    class Unguarded(VolatilityTarget):
        guards = HEDGING

    for changes, opens in (({}, True), ({"do_predict": 0}, False), ({"abstain": 1.0}, False)):
        made = Unguarded(
            config(user_data_dir=userdir, freqai=DAY,
                   breakwater={"limits": {"max_order_equity_frac": 2.0}})
        )  # fmt: skip
        made.dp, made.wallets = Provider(analysed(**changes)), Wallets(EQUITY)
        assert (stake(running(made)) > 0) is opens


def test_reduction_when_it_is_made_then_the_journal_has_it(open_trades: list[Any]) -> None:
    s = strategy()
    assert adjusted(s, trade(80.0), open_trades) < 0
    (entry,) = s.control.journal.entries(kind="reduce")
    assert entry.record["notional_quote"] == pytest.approx((0.3 - band(s, 0.5)) * EQUITY)


@pytest.mark.parametrize(("keep", "expected"), [(0.5, 0.25), (1.0, 0.5)])
@pytest.mark.parametrize("rate", [0.25, 0.1])
def test_adjustment_when_a_cascade_threatens_then_the_configured_part_of_the_target_is_kept(
    keep: float, expected: float, rate: float, open_trades: list[Any]
) -> None:
    s = strategy(analysed(**{FALSE_ALARMS: rate}), cascade_keep_frac=keep)
    kept = expected + band(s, expected)
    assert adjusted(s, trade(90.0), open_trades) == pytest.approx((kept - 0.9) * EQUITY)
    assert adjusted(s, trade(10.0), open_trades) == 0.0
    assert s.populate_exit_trend(analysed(**{FALSE_ALARMS: 0.1}), {})["exit_long"].tolist() == [0]


def test_adjustment_when_nothing_is_kept_in_a_cascade_then_all_is_closed_and_an_exit_signalled(
    open_trades: list[Any],
) -> None:
    s = strategy(analysed(**{FALSE_ALARMS: 0.1}), cascade_keep_frac=0.0)
    assert adjusted(s, trade(40.0), open_trades) == pytest.approx(-4_000.0)
    for rate, leave in ((0.1, 1), (0.25, 1), (0.3, 0), (np.nan, 0)):
        frame = s.populate_exit_trend(analysed(**{FALSE_ALARMS: rate}), {"pair": PAIR})
        assert frame["exit_long"].tolist() == [leave]
        assert frame["exit_short"].tolist() == [0]


def test_reduction_when_it_would_leave_a_crumb_then_all_is_closed(open_trades: list[Any]) -> None:
    s = strategy(analysed(sigma=1.0))  # a target of 1 % of equity
    assert adjusted(s, trade(90.0), open_trades, min_stake=100.0) == pytest.approx(-9_000.0)
    assert adjusted(s, trade(90.0), open_trades, min_stake=10.0) > -9_000.0


def test_position_when_volatility_is_not_known_then_it_is_left_as_it_is(
    open_trades: list[Any],
) -> None:
    for sigma in (np.nan, 0.0, np.inf):
        assert adjusted(strategy(analysed(sigma=sigma)), trade(80.0), open_trades) == 0.0
    s = strategy()
    s.dp = BrokenProvider()
    assert adjusted(s, trade(80.0), open_trades) == 0.0


def test_size_when_a_reserve_is_set_then_it_is_never_staked(open_trades: list[Any]) -> None:
    blocks = {"limits": {"max_order_equity_frac": 2.0, "reserve_quote": 6_000.0}}
    made = VolatilityTarget(config(user_data_dir=userdir, breakwater=blocks, freqai=DAY))
    made.dp, made.wallets = Provider(analysed()), Wallets(EQUITY)
    s = running(made)
    assert stake(s) == pytest.approx(1_000.0)  # half of the other 4,000, at leverage 2
    made.wallets = Wallets(5_000.0)
    assert stake(s) == 0.0


# -- the stop, and leaving -----------------------------------------------------------------------


def stop(s: Any, held: Any, rate: float) -> float | None:
    """Return the price at which Freqtrade puts the stop (Trade.adjust_stop_loss), or None."""
    distance = s.custom_stoploss(PAIR, held, NOW, rate, 0.0, False)
    return None if distance is None else rate * (1 - distance / held.leverage)


def test_stop_when_the_price_rises_then_it_follows_in_steps_and_never_goes_back() -> None:
    s = strategy(stop_frac=0.2)
    assert stop(s, trade(20.0), 100.0) == pytest.approx(80.0)  # Freqtrade's own stands at 75
    moved = {"stop_loss": 80.0, "initial_stop_loss": 75.0}
    assert stop(s, trade(20.0, **moved), 101.0) is None  # less than a step of 1 %
    assert stop(s, trade(20.0, **moved), 103.0) == pytest.approx(82.4)
    assert stop(s, trade(20.0, **moved), 85.0) is None


def test_stop_when_forecasts_and_providers_break_then_it_stands_all_the_same() -> None:
    s = strategy()
    s.dp = BrokenProvider()
    assert stop(s, trade(20.0, stop_loss=50.0, initial_stop_loss=50.0), 100.0) == 75.0


def test_exit_when_time_passes_then_nothing_is_closed_for_it() -> None:
    s = strategy()
    later = NOW + timedelta(days=400)
    assert s.custom_exit(PAIR, trade(20.0), later, RATE, 0.0) is None


# -- settings ------------------------------------------------------------------------------------


def test_settings_when_a_stop_on_the_exchange_is_switched_off_then_the_table_refuses_it() -> None:
    """The kind is that of a forecast: every row of the table holds of the class as it is."""
    assert VolatilityTarget.kind is Purpose.FORECAST
    by_name = {setting.name: setting for setting in SETTINGS}
    for name in ("use_custom_stoploss", "stoploss", "use_exit_signal", "can_short"):
        assert by_name[name].rule(Purpose.FORECAST).holds(getattr(VolatilityTarget, name), {})
    assert VolatilityTarget.order_types["stoploss_on_exchange"] is True
    assert VolatilityTarget.order_types["stoploss"] == "market"
    assert VolatilityTarget.has_stops is True


def test_settings_when_there_are_several_pairs_then_the_start_is_refused() -> None:
    two = {"exchange": {"pair_whitelist": [PAIR, "ETH/USDT:USDT"]}}
    with pytest.raises(OperationalException, match="expected one pair, got 2"):
        VolatilityTarget(config(user_data_dir=userdir, **two))
    s = strategy()
    with pytest.raises(ConfigError, match="expected one pair, got 2"):
        s._check_reload(s.config, {**s.config, **two})
    s._check_reload(s.config, s.config)


def test_settings_when_one_is_wrong_then_the_start_is_refused_by_name() -> None:
    wrong = {"breakwater": {"volatility_target": {"target_rsk": 0.01}}}
    with pytest.raises(OperationalException, match="did you mean 'target_risk'"):
        VolatilityTarget(config(user_data_dir=userdir, **wrong))


def test_acknowledgement_when_the_target_changes_then_it_is_another_risk() -> None:
    def digest(**target: Any) -> str:
        return leverage_digest({"breakwater": {"volatility_target": target}})

    assert digest() == digest(target_risk=0.01) == leverage_digest({})
    assert len({digest(), digest(target_risk=0.02), digest(band_frac=0.1)}) == 3
    told = settings_line({"breakwater": {"volatility_target": {"target_risk": 0.02}}})
    assert "volatility_target {'target_risk': 0.02}" in told


def test_shipped_config_when_read_then_it_forecasts_a_day_and_one_order_may_be_the_position() -> (
    None
):
    shipped = json.loads((USER_DATA / "config_volatility_target.json").read_text(encoding="utf-8"))
    assert shipped["strategy"] == VolatilityTarget.__name__
    labels = shipped["freqai"]["model_training_parameters"]["labels"]
    assert labels["horizon_candles"] == 24
    pack, made = shipped["breakwater"], VolatilityTarget(
        config(user_data_dir=userdir, breakwater=shipped["breakwater"], freqai=shipped["freqai"])
    )  # fmt: skip
    assert pack["limits"]["max_order_equity_frac"] >= made.target.max_exposure
    # A day's loss that halts is further than what the target risk brings every few days.
    assert made.limits.loss_day_frac >= 3 * made.target.target_risk
    assert isinstance(made, VolatilityTargetStrategy)
    assert math.isclose(made.target.stop_frac * made.target.leverage, 0.5)
