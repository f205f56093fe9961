"""Every guard: lets a sound order pass, and stops at its own threshold, exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from models.base.errors import InputError
from models.trade.risk import margin, model
from models.trade.risk.limits import GuardConfig, HardLimits, Limits
from models.trade.risk.run import (
    GUARDS,
    HEDGING,
    OWN_SIGNALS,
    SECOND_SOURCE,
    Guard,
    Standing,
    decide_order,
    watch,
)
from models.trade.risk.snapshot import Effect, Snapshot, Stage
from models.trade.risk.verdict import PASSED, Demand, RiskDecision, Verdict, limited, refused
from tests.test_models.trade.risk.worlds import (
    LIMITS,
    LOSSES,
    NOW,
    OTHER,
    PAIR,
    SOUND,
    exposure,
    held,
    lost,
    sent,
    world,
)

BY_NAME = {guard.name: guard for guard in GUARDS}
HIDDEN = (
    "exposure", "market", "model", "sent", "losses", "control_mode", "differences", "exchange",
    "unknown", "intent",
)  # fmt: skip


def ask(name: str, s: Snapshot, limits: Limits = LIMITS) -> Verdict:
    return BY_NAME[name].check(s, limits)


def test_a_sound_order_passes_whole_and_nothing_has_anything_to_say() -> None:
    decision = decide_order(SOUND, LIMITS)
    assert (decision.notional_quote, decision.findings) == (1000.0, ())
    assert decision.allowed
    assert (decision.reason, decision.demand, decision.shed_frac) == ("", Demand.NONE, 0.0)


# What is wrong, which guards refuse it, with what in the reason, and what they demand.
REFUSED: list[tuple[str, dict[str, Any], str, Demand]] = [
    ("sound_order", {"intent__side": 0}, "a side", Demand.NONE),
    ("sound_order", {"intent__side": 2}, "a side", Demand.NONE),
    ("sound_order", {"intent__pair": ""}, "a pair", Demand.NONE),
    ("sound_order", {"intent__key": ""}, "a key", Demand.NONE),
    ("sound_order", {"intent__notional_quote": 0.0}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__notional_quote": -1.0}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__notional_quote": math.nan}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__notional_quote": math.inf}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__leverage": None}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__leverage": math.inf}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__price": None}, "finite and > 0", Demand.NONE),
    ("sound_order", {"intent__price": 0.0}, "finite and > 0", Demand.NONE),
    ("no_duplicate", {"sent": (sent(7200, OTHER, -1, "now"),)}, "sent before", Demand.NONE),
    ("no_burst", {"sent": tuple(sent(59.999, OTHER, key=f"{i}") for i in range(10))},
     "10 orders in the last minute", Demand.NONE),
    ("no_repeats", {"sent": (sent(3599.999), sent(60), sent(1))}, "3 entries on this side",
     Demand.HALTED),
    ("leverage_within", {"intent__leverage": 3.001}, "leverage 3.001 > 3", Demand.NONE),
    ("leverage_within", {"intent__leverage": 0.999}, "leverage >= 1", Demand.NONE),
    ("leverage_within", {"intent__leverage": 20.0, "exposure__isolated": True},
     "isolated leverage 20 > 0", Demand.NONE),
    ("equity_left", {"exposure": exposure(wallet=0.0)}, "no equity beyond", Demand.NONE),
    ("margin_ratio", {"exposure": exposure(held(100.0), wallet=200.0)}, "0.50 of equity",
     Demand.REDUCING),
    ("margin_ratio", {"exchange__maintenance_quote": 5000.0}, "0.50 of equity", Demand.REDUCING),
    ("margin_ratio", {"exchange__equity_quote": 0.0, "exchange__maintenance_quote": 0.5},
     "inf of equity: closing in stages", Demand.REDUCING),
    ("margin_agrees", {"exchange__maintenance_quote": 500.1},
     "0.050 by the exchange, 0.000 by the pack", Demand.WARN),
    ("margin_agrees", {"exchange__time_ms": NOW - 60_001}, "60 s old", Demand.WARN),
    ("margin_agrees", {"exchange__time_ms": NOW + 60_001}, "-60 s old", Demand.WARN),
    ("candles_fresh", {"market__candle_age_s": 3600.1}, "closed 3600 s ago", Demand.NONE),
    ("candles_fresh", {"market__candle_age_s": -0.1}, "closed -0 s ago", Demand.NONE),
    ("price_collar", {"intent__price": 101.01, "market__index": 101.01}, "from the mark",
     Demand.NONE),
    ("price_collar", {"intent__price": 98.99, "market__index": 98.99}, "from the mark",
     Demand.NONE),
    ("price_collar", {"intent__price": 100.501}, "from the index", Demand.NONE),
    ("price_collar", {"market__mark": 0.0}, "mark price is 0.0", Demand.WARN),
    ("price_collar", {"market__index": None}, "index price unknown", Demand.WARN),
    ("prices_agree", {"market__mark": 101.011}, "apart", Demand.WARN),
    ("prices_agree", {"market__index": 98.98}, "apart", Demand.WARN),
    ("prices_agree", {"market__bid": 101.1, "market__ask": 101.2}, "apart", Demand.WARN),
    ("price_fresh", {"market__price_age_s": 10.001}, "10 s old", Demand.WARN),
    ("price_fresh", {"market__price_age_s": -3.001}, "-3 s old", Demand.WARN),
    ("price_fresh", {"market__price_age_s": 60.001}, "60 s old", Demand.REDUCING),
    ("spread_tight", {"market__bid": 99.89}, "apart", Demand.WARN),
    ("spread_tight", {"market__bid": 100.02}, "apart", Demand.WARN),
    ("funding_bearable", {"market__funding_8h_frac": 0.0010001}, "would pay 0.100%", Demand.NONE),
    ("funding_bearable", {"market__funding_8h_frac": -0.0010001, "intent__side": -1},
     "would pay", Demand.NONE),
    ("forecast_trusted", {"model__vouched": False}, "no trusted forecast", Demand.NONE),
    ("forecast_trusted", {"model__abstains": True}, "abstains", Demand.NONE),
    ("forecast_trusted", {"model__sigma_day": 0.0}, "volatility > 0", Demand.NONE),
    ("calibrated", {"model__coverage": 0.7499}, "held 75% of recent outcomes", Demand.WARN),
    ("in_distribution", {"model__novelty": 1.001}, "novel", Demand.WARN),
    ("not_drifted", {"model__drift": 1.001}, "drifted from the training", Demand.WARN),
    ("fast_enough", {"model__latency_ms": 36_000.1}, "leave 36000 ms after", Demand.WARN),
    ("fast_enough", {"model__latency_ms": 200.1, "market__candle_s": 15.0}, "200 ms", Demand.WARN),
    ("no_cascade", {"model__false_alarms": 0.25}, "wrong 0.25 times a week", Demand.WARN),
    ("losses_bearable", {"losses": lost(day=0.0201)}, "2.0% lost today", Demand.HALTED),
    ("losses_bearable", {"losses": lost(week=0.0501)}, "5.0% lost this week", Demand.HALTED),
    ("losses_bearable", {"losses": lost(peak=0.1001)}, "10.0% lost from the peak", Demand.HALTED),
    ("control_active", {"control_mode": "REDUCING"}, "control is REDUCING", Demand.NONE),
    ("control_active", {"control_mode": "HALTED"}, "control is HALTED", Demand.NONE),
    ("all_known", {"unknown": ("the account", "the orders of LTC")},
     "unknown: the account, the orders of LTC", Demand.NONE),
    ("reconciled", {"differences": ("LTC: one", "BTC: two")}, "LTC: one; BTC: two", Demand.HALTED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoiled", "said", "demand"), REFUSED)
def test_guard_when_its_limit_is_passed_then_it_refuses_and_the_decision_with_it(
    name: str, spoiled: dict[str, Any], said: str, demand: Demand
) -> None:
    decision = decide_order(world(**spoiled), LIMITS)
    assert decision.notional_quote == 0.0
    assert not decision.allowed
    mine = [v for v in decision.findings if v.guard == name]
    assert len(mine) == 1, decision.reason
    assert mine[0].limit_quote == 0.0
    assert said in mine[0].reason
    assert f"{name}: {mine[0].reason}" in decision.reason
    assert mine[0].demand == demand
    assert decision.demand >= demand


# At the threshold itself, or in a case that looks alike, the guard has nothing against it.
ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("sound_order", {"intent__side": -1}),
    ("sound_order", {"intent__notional_quote": 0.5, "intent__leverage": 0.5, "intent__price": 0.5}),
    ("price_collar", {"intent__price": 0.5, "market__mark": 0.5, "market__index": 0.5}),
    ("no_duplicate", {"sent": (sent(1, key="another"),)}),
    ("no_burst", {"sent": tuple(sent(60, OTHER, key=f"{i}") for i in range(10))}),
    ("no_burst", {"sent": tuple(sent(1, OTHER, key=f"{i}") for i in range(9))}),
    ("no_repeats", {"sent": (sent(3600), sent(60), sent(1))}),
    ("no_repeats", {"sent": (sent(60, OTHER), sent(60, side=-1), sent(60), sent(1))}),
    ("leverage_within", {"intent__leverage": 3.0}),
    ("leverage_within", {"intent__leverage": 1.0}),
    ("margin_ratio", {"exposure": exposure(held(100.0), wallet=400.0)}),
    ("margin_ratio", {"exposure": exposure(wallet=-1.0)}),  # flat: nothing to liquidate
    ("margin_ratio", {"exchange": None}),  # in a backtest and a dry-run nobody can be asked
    ("margin_ratio", {"exchange__maintenance_quote": 2999.0}),
    ("margin_agrees", {"exchange__maintenance_quote": 500.0}),
    ("margin_agrees", {"exchange__computed_ratio": 0.05}),
    ("margin_agrees", {"exchange__computed_ratio": 0.04, "exchange__maintenance_quote": 400.0}),
    ("margin_agrees", {"exchange__time_ms": NOW - 60_000}),
    ("margin_agrees", {"exchange__time_ms": NOW + 60_000}),
    ("candles_fresh", {"market__candle_age_s": 3600.0}),
    ("candles_fresh", {"market__candle_age_s": 0.0}),
    ("price_collar", {"intent__price": 100.999, "market__index": 100.999}),
    ("price_collar", {"intent__price": 100.499}),
    ("price_collar", {"intent__price": 99.501}),
    ("prices_agree", {"market__mark": 100.99}),
    ("price_fresh", {"market__price_age_s": 3.0}),
    ("price_fresh", {"market__price_age_s": -3.0}),
    ("spread_tight", {"market__bid": 99.92}),
    ("spread_tight", {"market__bid": 100.01}),
    ("funding_bearable", {"market__funding_8h_frac": 0.001}),
    ("funding_bearable", {"market__funding_8h_frac": -0.5}),  # receives
    ("funding_bearable", {"market__funding_8h_frac": 0.5, "intent__side": -1}),
    ("calibrated", {"model__coverage": 0.75}),
    ("calibrated", {"model__coverage": 0.1, "model__outcomes": 199}),
    ("calibrated", {"model__outcomes": None, "model__without": ("quantiles",)}),
    ("calibrated", {"model__coverage": None, "model__without": ("quantiles",)}),
    ("in_distribution", {"model__novelty": 1.0}),
    ("not_drifted", {"model__drift": 1.0}),
    ("not_drifted", {"model__drift": None}),  # too few candles or training rows to tell
    ("fast_enough", {"model__latency_ms": 36_000.0}),
    ("fast_enough", {"model__latency_ms": 200.0, "market__candle_s": 15.0}),
    ("fast_enough", {"model__latency_ms": None}),  # too few candles to tell
    ("no_cascade", {"model__false_alarms": 0.2501}),
    ("no_cascade", {"model__false_alarms": None, "model__without": ("hazard",)}),
    ("losses_bearable", {"losses": lost(day=0.0199, week=0.0499, peak=0.0999)}),
    ("losses_bearable", {"losses": lost(day=-0.5)}),
]


@pytest.mark.parametrize(("name", "changes"), ALLOWED)
def test_guard_when_its_limit_is_only_reached_then_it_passes(
    name: str, changes: dict[str, Any]
) -> None:
    assert ask(name, world(**changes)) == PASSED


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("margin_ratio", {"exposure": exposure(held(30.0), wallet=100.0)}, "0.30 of equity"),
        ("margin_ratio", {"exchange__maintenance_quote": 3000.0}, "0.30 of equity"),
        ("margin_agrees", {"exchange__computed_ratio": 0.0501}, "by the exchange, 0.050 by"),
        ("price_fresh", {"market__price_age_s": 3.001}, "3 s old"),
    ],
)
def test_guard_when_only_a_warning_is_due_then_the_order_passes_with_it(
    name: str, changes: dict[str, Any], said: str
) -> None:
    verdict = ask(name, world(**changes))
    assert (verdict.limit_quote, verdict.demand) == (math.inf, Demand.WARN)
    assert said in verdict.reason


@pytest.mark.parametrize(
    ("name", "changes", "limit", "said"),
    [
        # of 10,000 of equity at the defaults: 5 % x 2.0, 1 % of 1e8, 3 x 2 stake ...
        ("share_of_equity", {}, 20_000.0, "2 x usable equity"),
        ("share_of_volume", {"market__volume_1h_quote": 50_000.0}, 500.0, "0.01 of an hour"),
        ("equity_left", {}, 20_000.0, "stake limited"),
        ("gross_within", {}, 30_000.0, "3 x usable equity"),
        ("gross_within", {"exposure": exposure(held(-50.0), pending_long_quote=700.0,
                                               pending_short_quote=300.0)}, 24_000.0, "gross"),
        ("net_within", {}, 20_000.0, "2 x usable equity"),
        ("net_within", {"exposure": exposure(held(50.0), pending_long_quote=700.0,
                                             pending_short_quote=300.0)}, 14_300.0, "net"),
        ("net_within", {"exposure": exposure(held(50.0), pending_long_quote=700.0,
                                             pending_short_quote=300.0), "intent__side": -1},
         24_700.0, "net"),
        ("net_within", {"exposure": exposure(held(300.0))}, 0.0, "net"),
        ("depth_enough", {"market__bid_depth_quote": 4000.0}, 400.0, "0.1 of the visible book"),
        ("depth_enough", {"market__ask_depth_quote": 3000.0}, 300.0, "visible book"),
    ],
)  # fmt: skip
def test_guard_when_it_limits_the_size_then_by_hand_it_is_this_much(
    name: str, changes: dict[str, Any], limit: float, said: str
) -> None:
    verdict = ask(name, world(**changes))
    assert verdict.limit_quote == pytest.approx(limit)
    assert said in verdict.reason
    assert verdict.demand == Demand.NONE


def test_the_reserve_and_planned_withdrawals_are_never_used() -> None:
    hard = replace(LIMITS.hard, reserve_quote=3000.0, planned_withdrawals_quote=2000.0)
    kept = Limits(hard=hard)
    assert ask("gross_within", SOUND, kept).limit_quote == 15_000.0
    assert ask("equity_left", SOUND, kept).limit_quote == 10_000.0
    poor = world(exposure=exposure(wallet=5000.0))
    assert "no equity beyond" in ask("equity_left", poor, kept).reason
    assert ask("equity_left", world(exposure=exposure(wallet=5000.01)), kept).limit_quote > 0
    # Unrealised loss counts: 100 long from 130 leave 7,000 of 10,000.
    assert ask("share_of_equity", world(exposure=exposure(held(100.0, 130.0)))).limit_quote == 14e3


def test_leverage_beyond_the_limit_is_for_a_small_isolated_stake_only() -> None:
    hard = replace(LIMITS.hard, isolated_leverage=20.0)
    opted = Limits(hard=hard)
    cross = world(intent__leverage=20.0)
    assert "leverage 20 > 3" in ask("leverage_within", cross, opted).reason
    isolated = world(intent__leverage=20.0, exposure__isolated=True)
    verdict = ask("leverage_within", isolated, opted)
    assert verdict.limit_quote == pytest.approx(0.01 * 10_000 * 20)
    assert "isolated stake limited to 100" in verdict.reason
    # 15 at 100 are held already: 1,500 of the 2,000 that 100 carry at 20x.
    grown = replace(isolated, exposure=replace(exposure(held(15.0, pair=PAIR)), isolated=True))
    assert ask("leverage_within", grown, opted).limit_quote == pytest.approx(500.0)
    more = world(intent__leverage=20.001, exposure__isolated=True)
    assert ask("leverage_within", more, opted).limit_quote == 0.0
    assert ask("leverage_within", world(intent__leverage=3.0), opted) == PASSED


@pytest.mark.parametrize(
    ("ours", "theirs", "demand"), [(90.0, 90.0, Demand.WARN), (90.0, 10.0, Demand.WARN),
                                   (10.0, 90.0, Demand.WARN), (10.0, 140.0, Demand.REDUCING),
                                   (140.0, 10.0, Demand.REDUCING), (10.0, 10.0, Demand.NONE)],
)  # fmt: skip
def test_margin_ratio_when_the_exchange_counts_another_then_the_worse_one_decides(
    ours: float, theirs: float, demand: Demand
) -> None:
    s = world(
        exposure=exposure(held(ours), wallet=250.0),  # maintenance 1 % of 100 each
        exchange__equity_quote=250.0, exchange__maintenance_quote=theirs,
    )  # fmt: skip
    assert ask("margin_ratio", s).demand == demand


def test_margin_ratio_when_the_account_cannot_be_valued_then_the_exchanges_word_still_counts() -> (
    None
):
    hidden = world(exposure=None, exchange__maintenance_quote=3_000.0)
    verdict = ask("margin_ratio", hidden)
    assert (verdict.reason, verdict.demand) == (
        "maintenance margin is 0.30 of equity", Demand.WARN
    )  # fmt: skip
    fine = world(exposure=None, exchange__maintenance_quote=2_999.0)
    with pytest.raises(InputError, match="account"):  # its own number may be worse
        ask("margin_ratio", fine)
    worse = world(exposure=exposure(held(100.0), wallet=100.0), exchange__maintenance_quote=3_000.0)
    assert ask("margin_ratio", worse).demand == Demand.REDUCING


@pytest.mark.parametrize(
    ("wallet", "demand", "shed"),
    [(401.0, Demand.NONE, 0.0), (334.0, Demand.NONE, 0.0), (333.3, Demand.WARN, 0.0),
     (200.1, Demand.WARN, 0.0), (200.0, Demand.REDUCING, 0.0), (142.9, Demand.REDUCING, 0.0),
     (142.8, Demand.REDUCING, 1.0), (-5.0, Demand.REDUCING, 1.0)],
)  # fmt: skip
def test_margin_ratio_when_it_rises_then_it_warns_then_reduces_then_closes_in_stages(
    wallet: float, demand: Demand, shed: float
) -> None:
    # 100 at 100, maintenance 1 %: margin 100.
    verdict = ask("margin_ratio", world(exposure=exposure(held(100.0), wallet=wallet)))
    assert (verdict.demand, verdict.shed_frac) == (demand, shed)
    assert (verdict.limit_quote == 0.0) == (demand >= Demand.REDUCING)


def test_distance_when_an_order_is_too_large_then_exactly_what_keeps_it_is_left() -> None:
    # Equity 10,000, long N at maintenance 1 %: 10,000 - N x = 0.01 N (1 - x) at x = 15 %.
    most = 10_000 / (0.15 + 0.01 * 0.85)
    assert ask("distance_kept", world(intent__notional_quote=most * 0.999999)) == PASSED
    verdict = ask("distance_kept", world(intent__notional_quote=most * 3))
    assert verdict.limit_quote == pytest.approx(most, rel=1e-6)
    assert "15.0% away" in verdict.reason
    # Volatile: 3 days of ES 99 % at 3.69 sigmas of 3 % are 33.2 %.
    far = 3 * 3.69 * 0.03
    wild = world(intent__notional_quote=most * 3, model__sigma_day=0.03)
    expected = 10_000 / (far + 0.01 * (1 - far))
    assert ask("distance_kept", wild).limit_quote == pytest.approx(expected, rel=1e-6)


def test_hedging_when_there_is_no_model_and_markets_are_wild_then_only_the_floor_limits() -> None:
    most = 10_000 / (0.15 + 0.01 * 0.85)
    wild = world(intent__notional_quote=most * 3, model__sigma_day=0.3)
    assert margin.distance_floor(wild, LIMITS).limit_quote == pytest.approx(most, rel=1e-6)
    blind = world(model=None)
    assert decide_order(blind, LIMITS, HEDGING).allowed
    assert not decide_order(blind, LIMITS).allowed
    assert {guard.check for guard in GUARDS} - {guard.check for guard in HEDGING} == {
        margin.distance_kept, model.forecast_trusted, model.calibrated, model.in_distribution,
        model.not_drifted, model.fast_enough, model.no_cascade,
    }  # fmt: skip


def test_own_signals_when_no_forecast_is_held_against_the_market_then_all_other_guards_ask() -> (
    None
):
    assert {g.check for g in GUARDS} - {g.check for g in OWN_SIGNALS} == {
        model.calibrated, model.in_distribution, model.not_drifted, model.no_cascade,
    }  # fmt: skip
    assert set(OWN_SIGNALS) < set(GUARDS)


def test_distance_when_there_are_positions_and_pending_orders_then_they_count() -> None:
    most = 10_000 / (0.15 + 0.01 * 0.85)
    large = {"intent__notional_quote": 1e6}
    same = exposure(held(100.0, pair=PAIR))
    assert ask("distance_kept", world(exposure=same, **large)).limit_quote == pytest.approx(
        most - 10_000, rel=1e-6
    )
    # Bought at 150, now 100: the loss of 5,000 is gone from equity already.
    losing = exposure(held(100.0, 150.0, pair=PAIR))
    assert ask("distance_kept", world(exposure=losing, **large)).limit_quote == pytest.approx(
        most / 2 - 10_000, rel=1e-6
    )
    # A short elsewhere is assumed to move against us as well: margin grows with the price.
    short = exposure(held(-100.0))
    rest = 10_000 - 10_000 * (0.15 + 0.01 * 1.15)
    assert ask("distance_kept", world(exposure=short, **large)).limit_quote == pytest.approx(
        rest / (0.15 + 0.01 * 0.85), rel=1e-6
    )
    waiting = exposure(pending_long_quote=20_000.0, pending_short_quote=5_000.0)
    assert ask("distance_kept", world(exposure=waiting, **large)).limit_quote == pytest.approx(
        most - 20_000, rel=1e-6
    )
    sell = world(exposure=waiting, intent__side=-1, **large)
    assert ask("distance_kept", sell).limit_quote == pytest.approx(
        10_000 / (0.15 + 0.01 * 1.15) - 5_000, rel=1e-6
    )


def exactly(**values: float) -> Limits:
    """Return limits whose thresholds are halves, which floats hold exactly."""
    hard = {"loss_day_frac": 1.0, "loss_week_frac": 1.0, "loss_peak_frac": 1.0,
            "margin_warn": 0.25, "margin_reduce": 0.25, "margin_flatten": 0.5}  # fmt: skip
    soft = {"collar_mark_frac": 0.5, "collar_index_frac": 0.5, "max_gap_frac": 0.5,
            "max_spread_frac": 0.5}  # fmt: skip
    return Limits(hard=HardLimits(**{**hard, **values}), soft=GuardConfig(**soft))


@pytest.mark.parametrize("name", ["day", "week", "peak"])
def test_losses_when_they_are_exactly_the_limit_then_they_halt(name: str) -> None:
    at = exactly(**{f"loss_{name}_frac": 0.5})
    verdict = ask("losses_bearable", world(losses=lost(**{name: 0.5})), at)
    assert verdict.demand == Demand.HALTED
    assert verdict.shed_frac == (1.0 if name == "peak" else 0.0)


def test_thresholds_when_they_are_exactly_met_then_margin_acts_and_prices_pass() -> None:
    full = world(exposure=exposure(held(100.0), wallet=200.0))
    assert ask("margin_ratio", full, exactly()).shed_frac == 1.0
    for name, spoiled in (
        ("price_collar", {"intent__price": 150.0}),
        ("price_collar", {"intent__price": 50.0}),
        ("prices_agree", {"market__mark": 150.0, "market__bid": 100.0, "market__ask": 100.0}),
        ("spread_tight", {"market__bid": 100.0, "market__ask": 150.0}),
    ):
        assert ask(name, world(**spoiled), exactly()) == PASSED
    assert ask("price_fresh", world(market__price_age_s=60.0)).demand == Demand.WARN
    assert ask("price_fresh", world(market__price_age_s=10.0)).limit_quote == math.inf
    # An order that flattens an account without a penny leaves nothing to be liquidated.
    flat = world(exposure=exposure(held(-10.0, pair=PAIR), wallet=0.0))
    assert ask("distance_kept", flat) == PASSED


def test_decision_when_a_limit_is_just_what_was_asked_then_it_is_no_objection() -> None:
    half_equity = Limits(hard=replace(LIMITS.hard, max_order_equity_frac=0.5))
    exact = decide_order(world(intent__notional_quote=5_000.0), half_equity)
    assert (exact.notional_quote, exact.findings) == (5_000.0, ())
    half = [Guard(check=lambda s, limits: limited(0.5, "half"))]
    small = decide_order(world(intent__notional_quote=0.4), LIMITS, half)
    assert (small.notional_quote, small.findings) == (0.4, ())
    assert decide_order(world(intent__notional_quote=0.5), LIMITS).notional_quote == 0.5


def test_distance_when_another_position_is_a_fraction_of_a_coin_then_it_moves_the_same_way() -> (
    None
):
    coin = exposure(held(0.5, 20_000.0), marks={OTHER: 20_000.0})
    rest = 10_000 - 10_000 * (0.15 + 0.01 * 0.85)
    s = world(exposure=coin, intent__notional_quote=1e6)
    assert ask("distance_kept", s).limit_quote == pytest.approx(
        rest / (0.15 + 0.01 * 0.85), rel=1e-6
    )


def test_distance_when_it_is_too_small_already_then_nothing_more_is_allowed() -> None:
    near = world(exposure=exposure(held(900.0)))  # 90,000 long on 10,000
    assert ask("distance_kept", near).limit_quote == 0.0
    # Nothing falls below zero: at leverage 1 a long survives any fall, whatever is asked for.
    far = Limits(hard=replace(LIMITS.hard, distance_es99_days=1e6))
    assert ask("distance_kept", world(intent__notional_quote=9_999.0), far) == PASSED
    assert ask("distance_kept", world(intent__notional_quote=10_001.0), far).limit_quote > 9_999


def test_distance_when_days_may_move_a_whole_price_then_the_other_leg_counts_as_lost() -> None:
    far = 3 * 3.69 * 0.1  # of a price: more than all of it
    wild = {"intent__notional_quote": 1e6, "model__sigma_day": 0.1}
    leg = exposure(held(50.0))  # 5,000 long elsewhere
    assert ask("distance_kept", world(exposure=leg, **wild)).limit_quote == pytest.approx(
        5_000, rel=1e-6
    )
    small = exposure(held(0.5))  # 50 long elsewhere
    assert ask("distance_kept", world(exposure=small, **wild)).limit_quote == pytest.approx(
        9_950, rel=1e-6
    )
    short = exposure(held(-10.0))  # 1,000 short elsewhere rises by as much
    rest = 10_000 - 1_000 * (far + 0.01 * (1 + far))
    assert ask("distance_kept", world(exposure=short, **wild)).limit_quote == pytest.approx(
        rest, rel=1e-6
    )


def test_distance_when_the_order_closes_an_opposite_position_then_a_flat_account_is_safe() -> None:
    against = exposure(held(-10.0, pair=PAIR))
    assert ask("distance_kept", world(exposure=against)) == PASSED  # 1,000 long on 10 short


def test_latency_and_drift_when_they_are_no_numbers_then_they_refuse() -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert refuses("fast_enough", world(model__latency_ms=value))
        assert refuses("not_drifted", world(model__drift=value))


def test_no_cascade_and_peak_loss_when_they_fire_then_they_ask_for_staged_closing() -> None:
    assert ask("no_cascade", world(model__false_alarms=0.05)).shed_frac == 0.5
    assert ask("losses_bearable", world(losses=lost(peak=0.2))).shed_frac == 1.0
    assert ask("losses_bearable", world(losses=lost(week=0.2))).shed_frac == 0.0
    assert decide_order(world(model__false_alarms=0.05), LIMITS).shed_frac == 0.5


@pytest.mark.parametrize("name", ["day", "week", "peak"])
def test_losses_when_exactly_at_the_limit_then_they_halt(name: str) -> None:
    at = {"day": 0.02, "week": 0.05, "peak": 0.1}[name]
    # 10,000 is what is left of 10,000 / (1 - frac); rounding lands on either side, so go by a hair.
    assert ask("losses_bearable", world(losses=lost(**{name: at + 1e-12}))).limit_quote == 0.0
    assert ask("losses_bearable", world(losses=lost(**{name: at - 1e-12}))) == PASSED


# -- nothing unknown passes -----------------------------------------------------------------------


def reads(name: str) -> list[str]:
    """Return the fields of the sound world without which guard `name` cannot answer."""
    out = []
    for part in HIDDEN:
        inner = getattr(SOUND, part)
        fields = getattr(inner, "__dataclass_fields__", None)
        if fields is None or part in ("exposure", "intent", "losses"):
            changes = [{part: None}]
        else:
            changes = [{part: None}, *({f"{part}__{f}": None} for f in fields if f != "without")]
        out += [next(iter(c)) for c in changes if refuses(name, world(**c))]
    return out


def refuses(name: str, s: Snapshot) -> bool:
    (guard,) = [g for g in GUARDS if g.name == name]
    return decide_order(s, LIMITS, [guard]).notional_quote == 0.0


READS = {
    "sound_order": ["intent"],
    "no_duplicate": ["sent", "intent"],
    "no_burst": ["sent", "intent"],
    "no_repeats": ["sent", "intent"],
    "share_of_equity": ["exposure", "intent"],
    "share_of_volume": ["market", "market__volume_1h_quote", "intent"],
    "leverage_within": ["intent"],
    "equity_left": ["exposure", "intent"],
    "gross_within": ["exposure", "intent"],
    "net_within": ["exposure", "intent"],
    "worst_hour_bearable": ["exposure", "intent"],
    "margin_ratio": ["exposure", "exchange__equity_quote", "exchange__maintenance_quote",
                     "intent"],
    "margin_agrees": ["exchange", "exchange__time_ms", "exchange__equity_quote",
                      "exchange__maintenance_quote", "exchange__computed_ratio", "intent"],
    "distance_kept": ["exposure", "model", "model__sigma_day", "intent"],
    "candles_fresh": ["market", "market__candle_age_s", "market__candle_s", "intent"],
    "price_collar": ["market", "market__mark", "market__index", "intent"],
    "prices_agree": ["market", "market__mark", "market__index", "market__bid", "market__ask",
                     "intent"],
    "price_fresh": ["market", "market__price_age_s", "intent"],
    "spread_tight": ["market", "market__bid", "market__ask", "intent"],
    "depth_enough": ["market", "market__bid_depth_quote", "market__ask_depth_quote", "intent"],
    "funding_bearable": ["market", "market__funding_8h_frac", "intent"],
    "forecast_trusted": ["model", "model__vouched", "model__abstains", "model__sigma_day",
                         "intent"],
    "calibrated": ["model", "model__outcomes", "model__coverage", "intent"],
    "in_distribution": ["model", "model__novelty", "intent"],
    "not_drifted": ["model", "intent"],
    "fast_enough": ["market", "market__candle_s", "model", "intent"],
    "no_cascade": ["model", "model__false_alarms", "intent"],
    "losses_bearable": ["losses", "intent"],
    "control_active": ["control_mode", "intent"],
    "reconciled": ["differences", "intent"],
    "all_known": ["unknown", "intent"],
}  # fmt: skip


def test_guards_when_listed_then_each_one_is_in_the_table_of_what_it_reads() -> None:
    assert sorted(READS) == sorted(BY_NAME)
    assert len(GUARDS) == len(BY_NAME) == 31


@pytest.mark.parametrize("name", READS)
def test_guard_when_what_it_reads_is_unknown_then_it_refuses(name: str) -> None:
    assert reads(name) == READS[name]


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_guard_when_what_it_reads_is_not_finite_then_it_refuses(name: str, value: float) -> None:
    numbers = [f for f in READS[name] if "__" in f]
    numbers = [
        f for f in numbers if f not in ("model__vouched", "model__abstains", "model__outcomes")
    ]
    for field in numbers:
        assert refuses(name, world(**{field: value})), field


def test_guard_when_the_mark_of_a_position_is_missing_then_it_refuses() -> None:
    unmarked = world(exposure=replace(exposure(held(1.0)), marks={PAIR: 100.0}))
    for name in ("gross_within", "net_within", "margin_ratio", "distance_kept", "equity_left",
                 "worst_hour_bearable"):  # fmt: skip
        assert refuses(name, unmarked)
    assert refuses("distance_kept", world(exposure=replace(exposure(), marks={})))


# -- the runner -----------------------------------------------------------------------------------


def broken(s: Snapshot, limits: Limits) -> Verdict:
    raise ZeroDivisionError


def nonsense(s: Snapshot, limits: Limits) -> Any:
    return None


def not_a_number(s: Snapshot, limits: Limits) -> Verdict:
    return Verdict(limit_quote=math.nan)


def negative(s: Snapshot, limits: Limits) -> Verdict:
    return Verdict(limit_quote=-1.0)


def test_refusal_when_something_is_not_seen_then_it_counts_as_unknown_and_no_other_does() -> None:
    unseen = {
        (finding.guard, reason) for name, changes, reason, _ in REFUSED
        for finding in decide_order(world(**changes), LIMITS, [BY_NAME[name]]).findings
        if finding.unknown
    }  # fmt: skip
    assert unseen == {
        ("margin_agrees", "60 s old"), ("margin_agrees", "-60 s old"), ("price_fresh", "60 s old"),
        ("price_collar", "mark price is 0.0"), ("price_collar", "index price unknown"),
    }  # fmt: skip


@pytest.mark.parametrize("check", [broken, nonsense, not_a_number, negative])
def test_decision_when_a_guard_breaks_then_new_risk_is_refused_and_the_guard_named(
    check: Any,
) -> None:
    decision = decide_order(SOUND, LIMITS, [*GUARDS, Guard(check=check)])
    assert decision.notional_quote == 0.0
    (finding,) = decision.findings
    assert finding.guard == check.__name__
    assert finding.reason
    assert (decision.demand, finding.limit_quote) == (Demand.WARN, 0.0)
    assert finding.unknown  # it escalates as whatever is not known does


def test_decision_when_risk_is_only_reduced_then_no_guard_is_asked() -> None:
    out = replace(SOUND.intent, effect=Effect.REDUCE, notional_quote=123.0)
    ruined = Snapshot(now_ms=NOW, stage=Stage.LIVE, intent=out, control_mode="HALTED",
                      differences=("everything",), losses=lost(peak=0.99))  # fmt: skip
    decision = decide_order(ruined, LIMITS, [Guard(check=broken)] * 3)
    assert (decision.notional_quote, decision.findings) == (123.0, ())
    assert (decision.demand, decision.shed_frac) == (Demand.NONE, 0.0)
    # The control: the same order for new risk is refused.
    opening = replace(ruined, intent=replace(out, effect=Effect.OPEN))
    assert not decide_order(opening, LIMITS).allowed


def test_decision_when_several_guards_object_then_the_smallest_wins_and_all_reasons_are_kept() -> (
    None
):
    s = world(
        intent__notional_quote=50_000.0, market__bid_depth_quote=70_000.0, model__sigma_day=0.001
    )
    decision = decide_order(s, LIMITS)
    assert decision.notional_quote == 7_000.0
    assert {v.guard for v in decision.findings} == {
        "depth_enough", "share_of_equity", "equity_left", "gross_within", "net_within",
        "worst_hour_bearable",
    }  # fmt: skip
    assert decision.allowed


@pytest.mark.parametrize("notional", [math.nan, math.inf, -math.inf, 0.0, -5.0])
def test_decision_when_the_order_is_no_size_then_nothing_is_allowed_whatever_the_guards(
    notional: float,
) -> None:
    assert decide_order(world(intent__notional_quote=notional), LIMITS, []).notional_quote == 0.0
    lenient = [Guard(check=lambda s, limits: PASSED)]
    assert (
        decide_order(world(intent__notional_quote=notional), LIMITS, lenient).notional_quote == 0.0
    )


def test_decision_when_there_is_no_guard_or_no_order_then_nothing_is_allowed() -> None:
    assert decide_order(SOUND, LIMITS, []).notional_quote == 0.0
    assert decide_order(world(intent=None), LIMITS).notional_quote == 0.0


STAGES = {
    "no_burst": {"dry-run", "live"}, "no_repeats": {"dry-run", "live"},
    "price_collar": {"dry-run", "live"}, "prices_agree": {"dry-run", "live"},
    "price_fresh": {"dry-run", "live"}, "spread_tight": {"dry-run", "live"},
    "depth_enough": {"dry-run", "live"}, "funding_bearable": {"dry-run", "live"},
    "fast_enough": {"dry-run", "live"}, "losses_bearable": {"dry-run", "live"},
    "control_active": {"dry-run", "live"}, "reconciled": {"live"},
    "all_known": {"dry-run", "live"},
    "margin_agrees": {"live"},
}  # fmt: skip
STANDING = {
    "margin_ratio": Standing.ACCOUNT, "margin_agrees": Standing.ACCOUNT,
    "worst_hour_bearable": Standing.ACCOUNT,
    "losses_bearable": Standing.ACCOUNT,
    "reconciled": Standing.ACCOUNT, "price_fresh": Standing.POSITION,
    "no_cascade": Standing.POSITION,
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_guard_when_a_stage_cannot_have_its_input_then_it_is_not_applicable_there_and_only_there(
    name: str,
) -> None:
    assert BY_NAME[name].stages == STAGES.get(name, {"backtest", "dry-run", "live"})
    assert BY_NAME[name].standing is STANDING.get(name)
    unknown = dict.fromkeys(n for n in HIDDEN if n != "intent")
    hidden = world(**unknown, intent__leverage=20.0)
    for stage in Stage:
        decision = decide_order(replace(hidden, stage=stage), LIMITS)
        applies = stage in BY_NAME[name].stages
        asks = {v.guard for v in decision.findings}
        assert (name in asks) == (applies and name != "sound_order")


def test_watch_when_nobody_orders_anything_then_the_standing_guards_still_speak() -> None:
    quiet = replace(SOUND, intent=None)
    for scope in Standing:
        calm = watch(quiet, LIMITS, scope)
        assert (calm.notional_quote, calm.findings, calm.demand) == (0.0, (), Demand.NONE)
    losing = replace(quiet, losses=lost(peak=0.2), differences=("BTC: 1 and 2",))
    account = watch(losing, LIMITS, Standing.ACCOUNT)
    assert [v.guard for v in account.findings] == ["losses_bearable", "reconciled"]
    assert (account.demand, account.shed_frac) == (Demand.HALTED, 1.0)
    assert watch(losing, LIMITS, Standing.POSITION).findings == ()
    cascade = replace(quiet, model=replace(SOUND.model, false_alarms=0.1))
    position = watch(cascade, LIMITS, Standing.POSITION)
    assert (position.demand, position.shed_frac, position.notional_quote) == (Demand.WARN, 0.5, 0)
    assert watch(cascade, LIMITS, Standing.ACCOUNT).findings == ()
    backtest = replace(losing, stage=Stage.BACKTEST)
    assert watch(backtest, LIMITS, Standing.ACCOUNT).findings == ()


def test_watch_when_a_guard_breaks_or_an_input_is_missing_then_it_warns_and_does_not_halt() -> None:
    blind = Snapshot(now_ms=NOW, stage=Stage.LIVE)
    for scope in Standing:
        guards = (*GUARDS, SECOND_SOURCE)
        seen = watch(blind, LIMITS, scope, guards)
        assert seen.demand == Demand.WARN
        assert seen.shed_frac == 0.0
        assert len(seen.findings) == sum(g.standing is scope for g in guards)
    again = watch(SOUND, LIMITS, Standing.ACCOUNT,
                  [Guard(check=broken, standing=Standing.ACCOUNT)])  # fmt: skip
    assert again.demand == Demand.WARN
    assert "ZeroDivisionError" in again.reason


def test_verdicts_when_made_by_hand_then_a_refusal_allows_nothing_and_room_is_never_negative() -> (
    None
):
    assert refused("x", Demand.HALTED, 0.5) == Verdict(
        limit_quote=0.0, reason="x", demand=Demand.HALTED, shed_frac=0.5
    )
    assert limited(5.0, "y") == Verdict(limit_quote=5.0, reason="y")
    assert limited(-5.0, "y").limit_quote == 0.0
    assert Verdict(limit_quote=math.inf, reason="", demand=Demand.NONE, shed_frac=0.0) == PASSED
    assert (
        list(Demand) == [Demand.NONE, Demand.WARN, Demand.REDUCING, Demand.HALTED] == [0, 1, 2, 3]
    )
    assert LOSSES.peak_frac == 0.0
    assert RiskDecision(notional_quote=0.5).allowed
    assert not RiskDecision(notional_quote=0.0).allowed
