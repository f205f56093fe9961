"""LitecoinHedge's hooks: what a leg becomes, who may say so, the safe answer when things break."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import init_db

from models.base import columns
from models.base.errors import ConfigError
from models.operate.control.heartbeat import last_beat
from models.operate.control.state import GuardActor
from models.trade.hedging.baseline import BaselineConfig
from strategies.account.hedge_config import HedgeConfig, HedgeMode, required_hedge
from strategies.bot import hedge_book, hedge_frame
from strategies.bot.config import pack_config
from strategies.bot.hedge import HedgeStrategy
from strategies.guard.gate import OrderRefusedError
from strategies.LitecoinHedge import LitecoinHedge
from tests.places import USER_DATA
from tests.test_strategies.hedges import (
    ANN,
    BTC,
    CLOSED,
    ELSEWHERE,
    ETH,
    LTC,
    NOW,
    OPENED,
    RATES,
    Held,
    Order,
    adjust,
    config,
    hedging,
    leg,
    no_trades_but,
    row,
    stake,
)


@pytest.fixture
def trades(monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    return no_trades_but([], monkeypatch)


@pytest.fixture
def make(tmp_path: Path, trades: list[Held]):
    def made(hedge: dict[str, Any] | None = None, **changes: Any) -> LitecoinHedge:
        return hedging(config(hedge or ELSEWHERE, tmp_path), **changes)

    return made


# -- opening, growing, shrinking, closing ---------------------------------------------------------


def test_opening_when_a_leg_is_missing_then_one_step_of_the_position_is_sold(make) -> None:
    # A tenth of 20 x 100 = 200: above the smallest BTC order of 120, and of ETH.
    assert stake(make()) == pytest.approx(100.0)  # at leverage 2
    assert stake(make(), ETH) == pytest.approx(100.0)


def test_leverage_when_the_exchange_or_the_limits_allow_less_then_no_leg_has_more(make) -> None:
    def leverage(pair: str, most: float, hedge: dict[str, Any] | None = None) -> float:
        return make(hedge).leverage(pair, NOW, RATES[pair], 1.0, most, None, "short")

    assert leverage(BTC, 20.0) == 2.0  # as configured
    assert leverage(BTC, 1.5) == 1.5
    high = {**ELSEWHERE, "leverage": 5.0}
    assert leverage(BTC, 20.0, high) == 3.0  # the limit of the pack
    own = {**ELSEWHERE, "primary": {"amount_base": 20.0, "leverage": 50.0}}
    assert leverage(LTC, 125.0, own) == 3.0


def test_opening_when_the_position_is_small_then_the_smallest_order_decides(make) -> None:
    small = {**ELSEWHERE, "primary": {"amount_base": 3.0}}  # 300 dollars
    assert stake(make(small)) == pytest.approx(60.0)  # 120 of 150, not a tenth of 300
    tiny = {**ELSEWHERE, "primary": {"amount_base": 2.0}}  # half of 200 cannot be ordered
    assert stake(make(tiny)) == 0.0
    assert stake(make(tiny), ETH) == pytest.approx(12.0)  # ETH takes its part


def test_leg_when_inside_the_band_then_it_is_left(make, trades: list[Held]) -> None:
    trades += [leg(BTC, 0.9), leg(ETH, 12.0)]  # ratios 0.45 and 0.30
    assert adjust(make(), trades[0]) is None
    assert adjust(make(), trades[1]) is None


def test_why_when_a_leg_wants_no_more_then_its_plan_is_told_and_where_it_does_nothing_stops_it(
    make, trades: list[Held]
) -> None:
    assert make().forecast_stop(BTC, None, NOW) is None  # a leg is missing
    trades += [leg(BTC, 0.9), leg(ETH, 12.0)]
    stop = make().forecast_stop(BTC, None, NOW)
    assert stop.why.startswith("the leg holds 0.9 and is to hold 0.9: ")
    assert make().forecast_stop(LTC, None, NOW).change == "/forcelong or /forceshort"
    assert [make().grows(pair) for pair in (BTC, LTC)] == [True, False]


def test_leg_when_too_small_then_it_grows_and_when_too_large_then_it_shrinks(
    make, trades: list[Held]
) -> None:
    trades += [leg(BTC, 0.7), leg(ETH, 12.0)]  # 0.35, and its band begins at 0.40
    stake_quote, why = adjust(make(), trades[0])
    assert stake_quote == pytest.approx(0.06 * 2000 / 2, rel=1e-3)  # at least the smallest order
    assert why.startswith("increase")
    trades[1].amount = trades[1].orders[0].safe_filled = 20.0  # 0.50, and its band ends at 0.40
    change, why = adjust(make(), trades[1])
    assert change == pytest.approx(-0.1 * 2000 / 50 / 20 * trades[1].stake_amount)
    assert why.startswith("decrease")


def test_leg_when_it_grows_then_one_order_of_that_size_passes_the_gate(
    make, trades: list[Held]
) -> None:
    trades += [leg(BTC, 0.7), leg(ETH, 12.0)]
    s = make()
    stake_quote, _ = adjust(s, trades[0])
    order = {"pair": BTC, "ordertype": "market", "side": "sell", "rate": RATES[BTC],
             "leverage": 2.0, "amount": stake_quote * 2 / RATES[BTC]}  # fmt: skip
    assert s.dp._exchange.create_order(**order)["id"] == "1"
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        s.dp._exchange.create_order(**order)
    s.control.store.halt(ANN, "a test")
    more = {**order, "pair": LTC, "side": "buy"}  # the position, by force-enter
    with pytest.raises(OrderRefusedError, match="control is HALTED"):
        s.dp._exchange.create_order(**more)


def test_leg_when_asked_again_in_the_same_candle_then_it_does_not_act_twice(
    make, trades: list[Held]
) -> None:
    trades += [leg(BTC, 0.7), leg(ETH, 12.0)]
    trades[0].orders.append(Order("sell", 0.12, NOW))
    trades[0].amount = 0.82
    assert adjust(make(), trades[0]) is None
    # The other leg still decides on what was held when the candle closed.
    plan = make().plan(ETH, NOW)
    assert plan.step is not None
    assert plan.step.ratio[0] == pytest.approx(0.41, abs=1e-3)


def test_leg_when_there_is_no_position_any_more_then_it_is_closed_whole(
    make, trades: list[Held]
) -> None:
    own = {**ELSEWHERE, "mode": "own"}
    trades.append(leg(BTC, 0.5))
    change, why = adjust(make(own), trades[0])
    assert change == pytest.approx(-trades[0].stake_amount)
    assert why == "there is no position to hedge"


def test_own_position_when_the_bot_holds_it_then_its_amount_is_hedged(
    make, trades: list[Held]
) -> None:
    own = {**ELSEWHERE, "mode": "own", "primary": {}}
    ltc = Held(LTC, 20.0, is_short=False, orders=[Order("buy", 20.0, CLOSED - timedelta(days=1))])
    trades.append(ltc)
    assert stake(make(own)) == pytest.approx(100.0)
    ltc.orders[0].order_filled_utc = CLOSED  # bought just now: hedged from the next close on
    assert stake(make(own)) == 0.0


def test_own_position_when_a_person_opens_it_then_it_has_the_configured_size(make) -> None:
    person = {"side": "long", "entry_tag": "force_entry", "max_stake": 9e3}
    own = {**ELSEWHERE, "mode": "own", "primary": {"amount_base": 5.0}}
    s = make(own)
    assert stake(s, LTC, **person) == pytest.approx(5.0 * RATES[LTC] / 2.0)
    assert stake(make(), LTC, **person) == 0.0  # held elsewhere: not to be held twice


def test_own_position_when_live_then_it_is_never_opened_by_itself(tmp_path: Path) -> None:
    own = {**ELSEWHERE, "mode": "own", "primary": {"amount_base": 5.0}, "open_primary": True}
    LitecoinHedge(config(own, tmp_path))
    with pytest.raises(OperationalException, match="open again what a person has closed"):
        LitecoinHedge(config(own, tmp_path, runmode=RunMode.LIVE))


NO_KEYS = {"exchange": "okx", "symbol": LTC, "key_env": "NO_KEY", "secret_env": "NO_SECRET"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "own", "primary": {"amount_base": 5.0}, "open_primary": True}, "open_primary"),
        ({"instruments": [ETH, BTC]}, "pair whitelist"),
        ({"primary": {"read": NO_KEYS}}, "environment variables NO_KEY, NO_SECRET"),
    ],
)
def test_reload_when_the_hedge_would_not_start_with_it_then_it_is_refused_beforehand(
    make, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    s = make()
    live = {"runmode": RunMode.LIVE, "dry_run": False}
    running = {**s.config, **live}
    s._check_reload(running, config(ELSEWHERE, tmp_path, **live))
    with pytest.raises(ConfigError, match=said):
        s._check_reload(running, config({**ELSEWHERE, **changes}, tmp_path, **live))


# -- who decides ----------------------------------------------------------------------------------


def test_hedge_word_when_said_to_the_bot_that_hedges_then_it_is_taken_and_its_sign_of_life_tells(
    make,
) -> None:
    s = make()
    assert s.control is not None
    s.bot_loop_start(NOW)
    assert last_beat(s.control.store.folder).hedges is True
    assert s.control.commands.hedge(ANN, "0.5").startswith("hedge: held at 50%")


def test_a_person_when_setting_the_ratio_then_the_legs_follow_and_frozen_legs_stay(
    make, trades: list[Held]
) -> None:
    trades += [leg(BTC, 0.9), leg(ETH, 12.0)]
    s = make()
    assert s.control is not None
    s.control.store.set_hedge(ANN, 0.0)
    change, why = adjust(s, trades[0])
    assert change < 0
    assert "person" in why
    s.control.store.freeze_hedge(ANN)
    assert adjust(s, trades[0]) is None
    s.control.store.release_hedge(ANN)
    assert adjust(s, trades[0]) is None  # inside its band


def test_control_when_not_active_then_the_legs_are_left_alone(make, trades: list[Held]) -> None:
    trades += [leg(BTC, 0.3), leg(ETH, 30.0)]
    s = make()
    assert adjust(s, trades[0]) is not None
    assert s.control is not None
    s.control.store.reduce(GuardActor("test"), "for the test")
    assert adjust(s, trades[0]) is None
    assert adjust(s, trades[1]) is None
    assert stake(s) == 0.0


def test_limits_when_an_adjustment_would_pass_them_then_it_is_refused(
    make, trades: list[Held]
) -> None:
    trades += [leg(BTC, 0.3), leg(ETH, 12.0)]
    s = make()
    s.wallets.get_total = lambda currency: 400.0  # net 2 x 400 is already there
    assert adjust(s, trades[0]) is None


def test_side_when_an_order_does_not_hedge_then_it_is_refused(make) -> None:
    common = {"order_type": "market", "amount": 0.1, "rate": 1000.0, "time_in_force": "GTC",
              "current_time": NOW, "entry_tag": None}  # fmt: skip
    assert make().confirm_trade_entry(pair=BTC, side="short", **common)
    assert not make().confirm_trade_entry(pair=BTC, side="long", **common)


# -- what is broken -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"date": OPENED - timedelta(hours=5)},
        {hedge_frame.PRIMARY: math.nan},
        {"hedge_close_1": math.nan},
        {"hedge_target_0": math.nan},
        {"hedge_width_1": math.nan},
    ],
    ids=["stale", "no-primary-price", "no-leg-price", "no-target", "no-band"],
)
def test_hooks_when_a_feed_fails_then_nothing_is_opened_and_the_legs_are_held(
    make, trades: list[Held], changes: dict[str, Any]
) -> None:
    assert stake(make(**changes)) == 0.0
    trades += [leg(BTC, 0.3), leg(ETH, 30.0)]
    assert adjust(make(**changes), trades[0]) is None
    assert adjust(make(**changes), trades[1]) is None


def test_advice_when_configured_then_no_entry_is_ever_signalled(make) -> None:
    s = make({**ELSEWHERE, "mode": "advice"})
    assert s.populate_entry_trend(pd.DataFrame([row()]), {"pair": BTC}).get("enter_short") is None


def test_advice_when_a_leg_should_change_then_it_is_said_once_and_counted_as_done(make) -> None:
    init_db("sqlite://")
    said: list[str] = []
    s = make({**ELSEWHERE, "mode": "advice"})
    s.dp.send_msg = lambda text, *, always_send: said.append(text)
    s._advise(BTC, NOW)
    s._advise(BTC, NOW)  # the same candle
    assert said == [
        "Hedge advice: sell 0.2 BTC/USDT:USDT, 0 -> 0.2 (increase: baseline)"
    ]  # a tenth of 2000 dollars
    assert s.plan(BTC, NOW).held == pytest.approx(0.2)


def test_transfer_when_the_position_is_near_its_margin_then_the_amount_is_said_once(make) -> None:
    said: list[str] = []
    # 405 - 20 x 20 is 5, less than twice the margin of 2,000 dollars of Litecoin.
    held = {"amount_base": 20.0, "entry_price": 120.0, "collateral_quote": 405.0, "venue": "X"}
    s = make({**ELSEWHERE, "primary": held})
    s.dp.send_msg = lambda text, *, always_send: said.append(text)
    s._ask_for_transfer(NOW)
    s._ask_for_transfer(NOW)
    [text] = said
    assert text.startswith("Transfer ")
    assert "to X: the position's equity is 5," in text
    comfortable = make({**ELSEWHERE, "primary": {**held, "collateral_quote": 2000.0}})
    comfortable.dp.send_msg = lambda text, *, always_send: said.append(text)
    comfortable._ask_for_transfer(NOW)
    assert said == [text]


# -- frames ---------------------------------------------------------------------------------------


def candles(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC")
    close = 100 * np.exp(0.01 * rng.standard_normal(rows)).cumprod()
    return pd.DataFrame({"date": dates, "close": close})


def test_baseline_columns_when_a_feed_stops_then_only_those_rows_are_unknown() -> None:
    ltc, btc, eth = (candles(300, seed) for seed in (1, 2, 3))
    ltc["close"] = ltc["close"] * btc["close"]  # so that there is something to hedge
    settings = BaselineConfig(halflife_candles=20.0)
    whole = hedge_frame.baseline_columns(btc, ltc, [btc, eth], settings, 1.0)
    cut = hedge_frame.baseline_columns(btc, ltc, [btc, eth[:-5]], settings, 1.0)
    targets = ["hedge_target_0", "hedge_target_1"]
    assert whole[targets].iloc[-5:].notna().all(axis=None)
    assert cut[targets].iloc[-5:].isna().all(axis=None)
    pd.testing.assert_frame_equal(cut[targets].iloc[:-5], whole[targets].iloc[:-5])
    assert (whole[targets].dropna().sum(axis=1) <= 1.0 + 1e-9).all()


def test_signal_when_the_model_stops_then_its_answer_ages_with_every_candle() -> None:
    frame = candles(6, 1)
    forecast = frame[:4].assign(
        do_predict=[0, 1, 1, 0], **{columns.ABSTAIN: [1.0, 0.0, 0.0, 1.0]},
        **{columns.FALSE_ALARMS_DOWN: [math.nan, 0.1, 0.2, math.nan]},
        **{columns.FALSE_ALARMS_UP: [math.nan, 0.3, 0.4, math.nan]},
    )  # fmt: skip
    got = hedge_frame.with_signal(frame, hedge_frame.signal_columns(forecast, "long"))
    assert got[hedge_frame.AGE].tolist() == [math.inf, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert hedge_frame.signal_of(got.iloc[2]).false_alarms_against == 0.2
    assert hedge_frame.signal_of(got.iloc[2]).false_alarms_for == 0.4
    short = hedge_frame.signal_columns(forecast, "short")
    assert (
        hedge_frame.signal_of(hedge_frame.with_signal(frame, short).iloc[2]).false_alarms_against
        == 0.4
    )
    assert hedge_frame.signal_of(got.iloc[3]).false_alarms_against is None
    never = hedge_frame.with_signal(frame, None)
    assert never[hedge_frame.AGE].eq(math.inf).all()


def test_signal_when_the_model_has_the_action_head_then_its_columns_are_read() -> None:
    dates = pd.date_range("2024-01-01", periods=2, freq="1h", tz="UTC")
    forecast = pd.DataFrame(
        {"date": dates, "do_predict": 1, **dict.fromkeys(columns.FORECAST, 0.0)}
    )
    forecast[columns.P_INCREASE], forecast[columns.P_DECREASE] = [0.5, 0.6], [0.2, math.nan]
    frame = pd.DataFrame({"date": dates})
    got = hedge_frame.with_signal(frame, hedge_frame.signal_columns(forecast, "long"))
    assert hedge_frame.signal_of(got.iloc[0]).p_increase == 0.5
    assert hedge_frame.signal_of(got.iloc[0]).p_decrease == 0.2
    assert hedge_frame.signal_of(got.iloc[1]).p_decrease is None


def test_plot_when_drawn_then_a_leg_has_its_ratios_and_its_signal() -> None:
    btc, ltc, eth = (candles(300, seed) for seed in (1, 2, 3))
    baseline = BaselineConfig(halflife_candles=20.0)
    frame = hedge_frame.baseline_columns(btc, ltc, [btc, eth], baseline, 1.0)
    leg = set(hedge_frame.with_signal(frame, None).columns)
    subplots = HedgeStrategy.plot_config["subplots"]
    # A name that no column has would be left out of the plot in silence.
    assert {*subplots["ratio"], *subplots["signal"]} <= leg
    assert {columns.P_UP, columns.P_DOWN} <= set(subplots["probability"])


def test_book_when_orders_came_after_the_close_then_they_are_undone() -> None:
    orders = [Order("sell", 2.0, CLOSED - timedelta(hours=30)),
              Order("buy", 0.5, CLOSED - timedelta(hours=3)),
              Order("sell", 0.7, CLOSED)]  # fmt: skip
    held = [Held(BTC, 2.2, orders=orders)]
    assert hedge_book.amount_at(held, BTC, CLOSED) == pytest.approx(1.5)
    assert hedge_book.amount_at(held, BTC, CLOSED + timedelta(seconds=1)) == pytest.approx(2.2)
    hour = timedelta(hours=1)
    assert hedge_book.changes_in_a_day(held, [BTC], CLOSED, hour) == 1
    gone = [Held(BTC, 0.0, is_open=False, orders=[*orders[:2], Order("buy", 1.5, CLOSED)])]
    assert hedge_book.amount_at(gone, BTC, CLOSED) == pytest.approx(1.5)


def test_changes_when_legs_fill_one_after_the_other_then_a_step_counts_once() -> None:
    """Live, each leg has an instant of its own; in a backtest both fill as the candle opens."""
    hour, second = timedelta(hours=1), timedelta(seconds=1)

    def legs(*filled: tuple[timedelta, timedelta]) -> list[Held]:
        return [
            Held(pair, 1.0, orders=[Order("sell", 0.1, CLOSED - hours[leg]) for hours in filled])
            for leg, pair in enumerate((BTC, ETH))
        ]

    live = legs((3 * hour - second, 3 * hour - 2 * second), (hour - second, second))
    tested = legs((3 * hour, 3 * hour), (hour, hour))
    assert hedge_book.changes_in_a_day(live, [BTC, ETH], CLOSED, hour) == 2
    assert hedge_book.changes_in_a_day(tested, [BTC, ETH], CLOSED, hour) == 2


# -- settings -------------------------------------------------------------------------------------


def hedge_of(settings: dict[str, Any]) -> HedgeConfig:
    return required_hedge(settings, pack_config(settings).hedge)


def test_shipped_config_when_read_then_it_is_sound() -> None:
    loaded = json.loads((USER_DATA / "config_litecoin_hedge.json").read_text())
    hedge = hedge_of(loaded)
    assert (hedge.mode, hedge.side, hedge.instruments) == (HedgeMode.OWN, "short", (BTC, ETH))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "both"}, "expected mode"),
        ({"instruments": []}, "instruments"),
        ({"instruments": "BTC/USDT:USDT"}, "list of pairs"),
        ({"primary": {"amount_bas": 1}}, "did you mean 'amount_base'"),
        ({"primary": {"amount_base": 0}}, "size of the position"),
        ({"primary": {"side": "flat", "amount_base": 1}}, "long or short"),
        ({"mode": "own", "instruments": [LTC]}, "cannot hedge itself"),
        ({"instruments": [ETH, BTC]}, "pair whitelist"),
        ({"open_primary": True}, "open_primary"),
        ({"policy": {"max_ratio": 3.0}}, "max_ratio"),
        ({"baseline": {"aversion": 0.0}}, "aversion"),
    ],
)
def test_hedge_config_when_wrong_then_it_says_what_and_where(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        hedge_of(config({**ELSEWHERE, **changes}, tmp_path))
    with pytest.raises(OperationalException):
        LitecoinHedge(config({**ELSEWHERE, **changes}, tmp_path))


def test_same_coin_when_held_elsewhere_then_its_perpetual_may_hedge_it(tmp_path: Path) -> None:
    settings = config({**ELSEWHERE, "instruments": [LTC]}, tmp_path)
    settings["exchange"]["pair_whitelist"] = [LTC]
    hedge = hedge_of(settings)
    assert hedge.instruments == (LTC,)
