"""The hedged position and its worst day: opened no larger, told, and with leave cut in stages."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException

from models.base.errors import ConfigError, InputError
from models.trade.risk.worst_hours import recorded_day
from strategies.account.acknowledgement import leverage_digest, leverage_settings
from strategies.bot.config import pack_config
from strategies.LitecoinHedge import LitecoinHedge
from tests.test_strategies.hedges import (
    ANN,
    BTC,
    CLOSED,
    ELSEWHERE,
    LTC,
    NOW,
    Held,
    Order,
    adjust,
    config,
    hedging,
    leg,
    no_trades_but,
    stake,
)

FALL = recorded_day(LTC, at_marks=True).fall_frac
LARGEST = 0.15 * 10_000 / FALL  # quote; the price is 100, the wallet has 10,000
PERSON = {"side": "long", "entry_tag": "force_entry", "max_stake": 9e3}
OWN = {**ELSEWHERE, "mode": "own", "primary": {"amount_base": 50.0}}
HELD_ELSEWHERE = {"amount_base": 60.0, "entry_price": 100.0, "collateral_quote": 9_000.0,
                  "venue": "X"}  # fmt: skip


@pytest.fixture
def trades(monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    return no_trades_but([], monkeypatch)


@pytest.fixture
def make(tmp_path: Path, trades: list[Held]):
    def made(hedge: dict[str, Any] | None = None, **more: Any) -> LitecoinHedge:
        settings = config({**OWN, **(hedge or {})}, tmp_path, **more)
        # One order may be the whole position, and the gap limit's 0.39x is above the day's 0.25x.
        settings["breakwater"]["limits"] = {"max_order_equity_frac": 2.0}
        return hedging(settings)

    return made


def position(amount: float, **more: Any) -> Held:
    order = Order("sell" if more.get("is_short") else "buy", amount, CLOSED - timedelta(days=3))
    return Held(LTC, amount, orders=[order], **{"is_short": False} | more)


def about_the_day(s: LitecoinHedge) -> list[str]:
    """Return what was said of the worst day."""
    return [text for text in s.dp.said if "worst day" in text]


# -- opening --------------------------------------------------------------------------------------


def test_opening_when_the_position_is_too_large_then_it_is_cut_to_the_largest_and_said_why(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make()
    assert stake(s, LTC, **PERSON) == pytest.approx(LARGEST / 2)  # at leverage 2
    [said] = about_the_day(s)
    assert said.startswith(
        "LTC/USDT:USDT: the order of 50 LTC is cut to 24.5942 LTC: a repeat of LTC's worst day "
        "(-61.0%) would cost 30.5% of equity, and 15 % of equity is what it may "
        "(breakwater.hedge.worst_day_equity_frac). The largest position that can: 24.59 LTC, "
        "0.2459x of equity."
    )
    assert stake(s, LTC, **PERSON) > 0
    assert about_the_day(s) == [said]  # once a day
    monkeypatch.setattr(s._worst_day, "_told", {"order": NOW.toordinal() - 1})
    assert stake(s, LTC, **PERSON) > 0
    assert about_the_day(s) == [said, said]


def test_opening_when_a_repeat_is_bearable_then_the_position_is_whole_and_nothing_is_said(
    make,
) -> None:
    s = make({"primary": {"amount_base": 24.59}})
    assert stake(s, LTC, **PERSON) == pytest.approx(24.59 * 100 / 2)
    assert about_the_day(s) == []


def test_opening_when_the_largest_is_below_the_smallest_order_then_it_is_refused(make) -> None:
    s = make()
    s.wallets.get_total = lambda currency: 80.0  # 19.68 of it can, the smallest order is 20
    assert stake(s, LTC, **PERSON) == 0.0
    [said] = about_the_day(s)
    assert "the order of 50 LTC is refused: a repeat of LTC's worst day" in said
    assert "19.68 is allowed, the smallest order is 20.00: " in s.control.reasons[LTC]
    assert "worst_day_bearable: a repeat of LTC's worst day" in s.control.reasons[LTC]
    s.wallets.get_total = lambda currency: 82.0
    assert stake(s, LTC, **PERSON) == pytest.approx(0.15 * 82 / FALL / 2)


def test_opening_when_another_guard_cuts_it_further_then_that_one_tells_why(make) -> None:
    s = make({"worst_day_equity_frac": 0.3})
    assert 2 * stake(s, LTC, **PERSON) == pytest.approx(3_952.9, rel=1e-4)  # the gap limit's
    assert about_the_day(s) == []
    s = make()
    assert stake(s, LTC, **PERSON, current_time=NOW + timedelta(days=1)) == 0.0
    assert about_the_day(s) == []  # the candle is a day old
    assert "candles_fresh" in s.control.reasons[LTC]


def test_order_when_it_would_open_more_than_can_be_borne_then_it_is_not_confirmed(make) -> None:
    s, most = make(), LARGEST / 100
    common = {"pair": LTC, "side": "long", "order_type": "market", "rate": 100.0,
              "time_in_force": "GTC", "current_time": NOW, "entry_tag": None}  # fmt: skip
    assert not s.confirm_trade_entry(amount=most * 1.001, **common)
    assert s.confirm_trade_entry(amount=most * 0.999, **common)


def test_position_when_it_grows_then_only_up_to_the_largest_and_legs_grow_as_ever(
    make, trades: list[Held]
) -> None:
    trades.append(position(20.0))
    s = make()
    assert s.grown(trades[0], 1_000.0, 100.0, NOW) is None  # 20 more
    assert s.grown(trades[0], 200.0, 100.0, NOW) == 200.0  # 4 more: 24 of 24.59
    assert stake(s, BTC) > 0


# -- holding, without leave -----------------------------------------------------------------------


def test_position_when_it_has_outgrown_the_number_then_it_is_said_once_a_day_and_not_touched(
    make, trades: list[Held]
) -> None:
    trades.append(position(40.0))
    s = make()
    for _ in range(3):
        s.bot_loop_start(NOW)
        assert adjust(s, trades[0]) is None
    [said] = about_the_day(s)
    assert said.startswith("The position in LTC is too large: a repeat of LTC's worst day (-61.0%)")
    assert "would cost 24.4% of equity" in said
    assert "15.4058 LTC would have to be cut, and breakwater.hedge.may_reduce_primary" in said
    assert said.endswith("The hedge of what is held goes on.")
    assert stake(s, BTC) > 0  # and does
    s._worst_day.look(100.0, NOW + timedelta(days=1))
    assert len(about_the_day(s)) == 2
    kinds = [entry.kind for entry in s.control.journal.entries(since_ms=0)]
    assert kinds.count("worst.day") == 2


def test_figures_when_the_position_is_held_then_risk_shows_its_day_and_what_would_be_cut(
    make, trades: list[Held]
) -> None:
    trades.append(position(40.0))
    s = make()
    assert not any("worst day" in name for name in s._figures())
    s.bot_loop_start(NOW)
    figures = {name: value for name, value in s._figures().items() if "worst day" in name}
    assert figures == {
        "a repeat of LTC's worst day would cost, % of the equity behind it (limit 15)": 24.4
    }
    assert s._figures()["LTC that would have to be cut for it"] == pytest.approx(15.406, abs=1e-3)
    trades[0].amount = 24.0
    s.bot_loop_start(NOW)
    assert "LTC that would have to be cut for it" not in s._figures()
    trades.clear()
    s.bot_loop_start(NOW)
    assert not any("worst day" in name for name in s._figures())


def test_start_when_the_configured_position_cannot_be_opened_whole_then_it_is_named(make) -> None:
    s = make()
    s.bot_loop_start(NOW)
    [said] = about_the_day(s)
    assert said.startswith("The position in LTC cannot be opened as large as it is configured: ")
    assert "The largest position that can: 24.59 LTC" in said
    fits = make({"primary": {"amount_base": 24.59}})
    fits.bot_loop_start(NOW)
    assert about_the_day(fits) == []
    unsized = make({"primary": {}})
    unsized.bot_loop_start(NOW)
    assert about_the_day(unsized) == []


# -- holding, with leave --------------------------------------------------------------------------

LEAVE = {"may_reduce_primary": True}


def test_position_when_the_bot_may_then_it_is_cut_to_the_largest_that_can_and_no_further(
    make, trades: list[Held]
) -> None:
    trades += [position(40.0), leg(BTC, 0.9)]
    s = make(LEAVE)
    s.bot_loop_start(NOW)
    assert "15.4058 LTC are cut in stages." in about_the_day(s)[0]
    assert "LTC that is cut for it" in s._figures()
    closing = adjust(s, trades[0])
    assert closing == pytest.approx(-(1 - LARGEST / 4_000) * trades[0].stake_amount)
    trades[0].amount *= 1 + closing / trades[0].stake_amount
    assert trades[0].amount == pytest.approx(LARGEST / 100)
    later = NOW + timedelta(minutes=2)
    assert adjust(s, trades[0], current_time=later) is None
    [cut] = [e for e in s.control.journal.entries(since_ms=0) if e.kind == "reduce"]
    assert cut.record["pair"] == LTC
    # The legs are hedged by the plan, whatever the position's day would cost.
    assert s._too_large(trades[1], 1_000.0, 20.0) == 0.0


def test_position_when_the_market_is_thin_then_it_is_cut_step_by_step_as_the_guards_do(
    make, trades: list[Held]
) -> None:
    trades.append(position(40.0))
    s = make(LEAVE)
    s.dp.volume = 6_000.0  # a twentieth of a minute's: 500 a step
    now, taken = NOW, []
    for _ in range(8):
        change = adjust(s, trades[0], current_time=now)
        if change is not None:
            taken.append(-change / trades[0].stake_amount * trades[0].amount * 100)
            trades[0].amount *= 1 + change / trades[0].stake_amount
        assert adjust(s, trades[0], current_time=now + timedelta(seconds=30)) is None
        now += timedelta(seconds=61)
        s.guarding.loop(now)
    assert taken == pytest.approx([500.0, 500.0, 500.0, 4_000 - 1_500 - LARGEST])
    assert trades[0].amount == pytest.approx(LARGEST / 100)


def test_position_when_less_than_the_smallest_order_is_too_much_then_it_waits(
    make, trades: list[Held]
) -> None:
    s = make(LEAVE)
    trades.append(position((LARGEST + 19.9) / 100))
    assert adjust(s, trades[0]) is None
    trades[0].amount = (LARGEST + 20.1) / 100
    change = adjust(s, trades[0])
    assert change == pytest.approx(-20.1 / 2, rel=1e-3)


def test_position_when_guards_want_more_closed_then_their_target_holds_and_when_less_then_this(
    make, trades: list[Held]
) -> None:
    trades.append(position(40.0))
    for shed, left in ((0.9, 400.0), (0.1, LARGEST)):
        s = make(LEAVE)
        s.guarding.standing._shed_pairs[LTC] = shed
        notional = s.guarding.reduction_quote(trades[0], 100.0, 20.0, NOW)
        assert 4_000 - notional == pytest.approx(left)
    s = make()
    s.guarding.standing._shed_pairs[LTC] = 0.1
    assert s.guarding.reduction_quote(trades[0], 100.0, 20.0, NOW) == pytest.approx(400.0)


def test_position_when_its_day_cannot_be_counted_then_what_the_guards_want_is_closed_all_the_same(
    make, trades: list[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    trades.append(position(40.0))
    s = make(LEAVE)

    def broken(*_: Any) -> float:
        raise RuntimeError("no account")

    monkeypatch.setattr(s._worst_day, "share_to_cut", broken)
    assert adjust(s, trades[0]) is None
    s.guarding.standing._shed_all = 1.0
    assert adjust(s, trades[0]) == pytest.approx(-trades[0].stake_amount)


def test_position_when_control_is_halted_then_it_is_cut_all_the_same(
    make, trades: list[Held]
) -> None:
    trades.append(position(40.0))
    s = make(LEAVE)
    s.control.store.halt(ANN, "a test")
    assert adjust(s, trades[0]) < 0


def test_position_when_backtested_then_it_is_opened_and_cut_as_it_would_be_live(
    make, trades: list[Held]
) -> None:
    live, tested = make(LEAVE), make(LEAVE, runmode=RunMode.BACKTEST)
    assert tested.control is None
    assert stake(tested, LTC, **PERSON) == stake(live, LTC, **PERSON) == pytest.approx(LARGEST / 2)
    trades.append(position(40.0))
    cut = adjust(live, trades[0])
    assert cut is not None
    assert adjust(tested, trades[0]) == pytest.approx(cut)
    assert adjust(make(runmode=RunMode.BACKTEST), trades[0]) is None


def test_short_when_hedged_then_the_coins_worst_rise_counts(make, trades: list[Held]) -> None:
    short = {"primary": {"side": "short", "amount_base": 50.0}}
    rise = recorded_day(LTC, at_marks=True).rise_frac
    s = make({**short, **LEAVE})
    asked = {**PERSON, "side": "short"}
    assert stake(s, LTC, **asked) == pytest.approx(1_500 / rise / 2)
    trades.append(position(50.0, is_short=True))
    assert adjust(s, trades[0]) == pytest.approx(
        -(1 - 1_500 / rise / 5_000) * trades[0].stake_amount
    )
    assert s._too_large(position(50.0), 100.0, 20.0) == 0.0  # of the other side


# -- held elsewhere -------------------------------------------------------------------------------


def test_position_when_held_elsewhere_then_its_own_equity_bears_the_day_and_its_venue_is_named(
    make,
) -> None:
    for mode in ("elsewhere", "advice"):
        s = make({"mode": mode, "primary": HELD_ELSEWHERE})
        s.bot_loop_start(NOW)
        [said] = about_the_day(s)
        assert f"would cost {60 * 100 * FALL / 9_000:.1%} of equity" in said
        assert "37.8652 LTC would have to be cut at X. The hedge of what is held goes on" in said
        assert s._figures()["LTC that would have to be cut for it"] == pytest.approx(
            37.865, abs=1e-3
        )
        fits = make({"mode": mode, "primary": {**HELD_ELSEWHERE, "amount_base": 22.0}})
        fits.bot_loop_start(NOW)
        assert about_the_day(fits) == []


def test_position_when_the_equity_behind_it_is_not_given_then_that_is_said_once(make) -> None:
    s = make({"mode": "elsewhere"})
    s.bot_loop_start(NOW)
    s.bot_loop_start(NOW)
    s._worst_day.look(100.0, NOW + timedelta(days=1))
    [said] = about_the_day(s)
    assert "not known: give breakwater.hedge.primary.collateral_quote and entry_price" in said
    assert not any("worst day" in name for name in s._figures())


def test_position_when_nobody_answers_for_its_size_then_that_is_said_once_a_day(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = make({"mode": "elsewhere", "primary": HELD_ELSEWHERE})

    def silent(now: datetime) -> float:
        raise InputError("the hedged position is not known: timeout")

    monkeypatch.setattr(s._worst_day, "_size", silent)
    s.bot_loop_start(NOW)
    s.bot_loop_start(NOW)
    [said] = about_the_day(s)
    assert said.endswith("is not known: the hedged position is not known: timeout.")
    assert not any("worst day" in name for name in s._figures())


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"worst_day_equity_frac": 0.0}, r"0 < worst_day_equity_frac <= 1, got 0\.0"),
        ({"worst_day_equity_frac": 1.001}, "0 < worst_day_equity_frac <= 1"),
        ({"worst_day_equity_frac": float("nan")}, "0 < worst_day_equity_frac <= 1"),
        ({"worst_day_equity_fraction": 0.1}, "did you mean 'worst_day_equity_frac'"),
        ({"may_reduce_primary": "yes"}, "true or false for may_reduce_primary"),
        (
            {"may_reduce_primary": True, "mode": "elsewhere"},
            "may_reduce_primary only with mode own",
        ),
        ({"may_reduce_primary": True, "mode": "advice"}, "may_reduce_primary only with mode own"),
    ],
)
def test_settings_when_wrong_then_they_say_what_was_expected(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    settings = config({**OWN, **changes}, tmp_path)
    with pytest.raises(ConfigError, match=said):
        pack_config(settings)
    with pytest.raises(OperationalException):
        LitecoinHedge(settings)


def test_settings_when_left_out_then_the_number_is_15_percent_and_all_of_equity_is_the_most() -> (
    None
):
    def hedge(**changes: Any) -> Any:
        return pack_config({"breakwater": {"hedge": {**OWN, **changes}}}).hedge

    assert (hedge().worst_day_equity_frac, hedge().may_reduce_primary) == (0.15, False)
    assert hedge(worst_day_equity_frac=1.0).worst_day_equity_frac == 1.0


def test_acknowledgement_when_the_number_is_the_default_then_what_was_accepted_still_holds() -> (
    None
):
    def accepted(**changes: Any) -> dict[str, Any]:
        return {"breakwater": {"hedge": {**OWN, **changes}}}

    told = leverage_settings(accepted())["hedge"]
    assert not {"worst_day_equity_frac", "may_reduce_primary"} & set(told)
    same = leverage_digest(accepted(worst_day_equity_frac=0.15, may_reduce_primary=False))
    assert same == leverage_digest(accepted())
    others = [leverage_digest(accepted(**LEAVE)),
              leverage_digest(accepted(worst_day_equity_frac=0.1499)),
              leverage_digest(accepted(worst_day_equity_frac=0.2))]  # fmt: skip
    assert len({same, *others}) == 4
