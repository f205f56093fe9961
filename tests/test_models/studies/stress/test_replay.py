"""What the stress page tells is never better than every start lived through candle by candle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.errors import InputError
from models.studies.stress.crash import RecordedCrash, simulated_crash
from models.studies.stress.replay import ReplayRules, replay_crash
from models.studies.stress.summary import naive_summary, starting_hours, summarise
from models.trade.account.audit import audit_account
from models.trade.account.records import Fill
from models.trade.account.tiers import MarginTiers
from models.trade.decision.sizing import SizingConfig
from models.trade.risk import gap
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.worst_hours import WorstHour, recorded
from strategies.account.tiers import load_binance_tiers
from tests.test_models.studies.stress.brute import Brute, wild_crash

PAIR = "BTC/USDT:USDT"
SHIPPED = Limits(hard=HardLimits(max_order_equity_frac=2.0))
STOPS = SizingConfig(risk_per_trade_frac=0.02, max_notional_leverage=2.0)
CRASH_HOUR = 18 * 24  # at which `simulated_crash` begins to fall
MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture(scope="module")
def tiers() -> MarginTiers:
    return load_binance_tiers([PAIR])[PAIR]


@pytest.fixture
def no_gap_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: sizes as they were before a repeat of the worst hour limited them."""
    mild = WorstHour(fall_frac=1e-6, rise_frac=1e-6)
    monkeypatch.setattr(gap, "recorded", lambda pair, **_: mild)
    monkeypatch.setattr("models.studies.stress.replay.recorded", lambda pair: mild)


def cut(crash: RecordedCrash, start: int, stop: int) -> RecordedCrash:
    """Return candles [start, stop) of `crash`."""
    c = crash.candles
    columns = ("time_ms", "open", "high", "low", "close", "volume")
    part = replace(c, **{name: getattr(c, name)[start:stop] for name in columns})
    return replace(crash, candles=part, funding_rate=crash.funding_rate[start:stop])


# -- never better than brute force -------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("outage_ms", [0, 15 * MINUTE])
@pytest.mark.parametrize(
    ("candle_ms", "seed"),
    [
        (HOUR, 0),
        (30 * MINUTE, 1),
        pytest.param(15 * MINUTE, 2, marks=pytest.mark.slow),
        pytest.param(5 * MINUTE, 3, marks=pytest.mark.slow),
    ],
)
def test_worst_when_every_start_is_lived_candle_by_candle_then_the_page_tells_no_better(
    tiers: MarginTiers, seed: int, outage_ms: int, side: int, candle_ms: int
) -> None:
    crash = wild_crash(seed, candle_ms)
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS, side=side, outage_ms=outage_ms)
    told = summarise(crash, rules)
    lived = [Brute(crash, rules).live(h) for h in starting_hours(crash)]
    lowest = np.array([b.lowest for b in lived]) / 10_000
    replayed = [replay_crash(crash, rules, hour=h) for h in starting_hours(crash)]
    np.testing.assert_allclose([o.lowest_frac for o in replayed], lowest, rtol=1e-9)
    assert told.starts == len(lived) > 30
    assert told.lowest_frac <= lowest.min() * (1 + 1e-9)
    assert told.gap_frac == pytest.approx(max(b.gap for b in lived), abs=1e-9)


def test_worst_when_the_gap_limit_is_gone_then_the_reference_still_agrees_and_both_lose_more(
    tiers: MarginTiers, no_gap_limit: None
) -> None:
    crash = wild_crash(3, HOUR)
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS)
    starts = starting_hours(crash)
    lowest = [Brute(crash, rules).live(h).lowest / 10_000 for h in starts]
    replayed = [replay_crash(crash, rules, hour=h).lowest_frac for h in starts]
    np.testing.assert_allclose(replayed, lowest, rtol=1e-9)
    worst = min(lowest)
    with pytest.MonkeyPatch.context() as back:
        back.setattr(gap, "recorded", recorded)
        back.setattr("models.studies.stress.replay.recorded", recorded)
        assert summarise(crash, rules).lowest_frac > worst + 0.05


def test_worst_when_only_every_twelfth_hour_is_started_at_then_it_may_be_missed(
    tiers: MarginTiers,
) -> None:
    crash = wild_crash(1, HOUR)
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS)
    sampled, whole = summarise(crash, rules, every_hours=12), summarise(crash, rules)
    assert whole.lowest_frac <= sampled.lowest_frac
    assert whole.starts >= 11 * sampled.starts
    assert (whole.between_starts_s, sampled.between_starts_s) == (3600.0, 43_200.0)


# -- one start -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("limits", [Limits(), SHIPPED], ids=["defaults", "shipped"])
def test_crash_when_it_comes_then_the_naive_account_dies_and_the_guarded_one_lives(
    tiers: MarginTiers, seed: int, limits: Limits
) -> None:
    crash = simulated_crash(seed=seed)
    rules = ReplayRules(tiers=tiers, limits=limits, sizing=STOPS)
    for hours_before in (25, 8, 1):
        outcome = replay_crash(crash, rules, hour=CRASH_HOUR - hours_before)
        assert outcome.survived
        assert len(outcome.fills) > 1  # it did trade
        assert "losses_bearable" in outcome.halted
        assert outcome.final_frac > 0.8
        assert outcome.nearest_frac > 0.15
        leverage = outcome.audit.gross_notional / outcome.audit.equity_close
        assert leverage.max() < 0.9  # a repeat of the worst hour is borne, and what was lost since
    assert naive_summary(crash, rules).liquidated > 0


def test_crash_when_the_loss_guard_is_taken_away_then_the_account_loses_more(
    tiers: MarginTiers,
) -> None:
    crash = simulated_crash(seed=1)
    blind = Limits(
        hard=replace(SHIPPED.hard, loss_day_frac=1.0, loss_week_frac=1.0, loss_peak_frac=1.0)
    )
    guarded, unguarded = (
        replay_crash(crash, ReplayRules(tiers=tiers, limits=x, sizing=STOPS), hour=CRASH_HOUR)
        for x in (SHIPPED, blind)
    )
    assert unguarded.halted == ""
    assert len(unguarded.fills) > len(guarded.fills)
    assert 1 - unguarded.final_frac > 2 * (1 - guarded.final_frac) > 0


def test_replay_when_the_future_is_cut_off_then_no_earlier_order_changes(
    tiers: MarginTiers,
) -> None:
    crash = simulated_crash(seed=2)
    shorter = cut(crash, 0, (CRASH_HOUR + 20) * 12)
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS)
    whole = replay_crash(crash, rules, hour=CRASH_HOUR - 5)
    part = replay_crash(shorter, rules, hour=CRASH_HOUR - 5)
    end = int(shorter.close_ms[-1])
    assert [f for f in whole.fills if f.time_ms < end] == list(part.fills)


def test_stop_when_the_exchange_refuses_it_then_it_fills_at_the_worst_price_until_it_is_taken(
    tiers: MarginTiers,
) -> None:
    crash = wild_crash(0, 15 * MINUTE)
    c = crash.candles
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS)
    late = replace(rules, outage_ms=30 * MINUTE)
    seen = 0
    for hour in starting_hours(crash):
        at_once, refused = (replay_crash(crash, r, hour=hour) for r in (rules, late))
        stops = [next((f for f in o.fills if f.time_ms % 1000 == 1), None)
                 for o in (at_once, refused)]  # fmt: skip
        if None in stops:
            continue
        row = int(np.searchsorted(c.time_ms, stops[0].time_ms, side="right")) - 1
        assert stops[0].price_quote == pytest.approx(c.low[row] * 0.9995)
        assert stops[1].time_ms - stops[0].time_ms == 30 * MINUTE
        assert stops[1].price_quote == pytest.approx(c.low[row : row + 3].min() * 0.9995)
        seen += 1
    assert seen > 10


def test_distance_when_a_stop_fills_in_a_candle_then_it_is_measured_before_the_stop(
    tiers: MarginTiers,
) -> None:
    crash = cut(simulated_crash(), 0, 12)
    path = crash.path(0)
    price = float(path.open[0])
    low = price * 0.7
    path = replace(path, low=np.concatenate(([low], path.low[1:])))
    fills = [
        Fill(time_ms=int(path.time_ms[0]), pair=PAIR, amount_base=2e4 / price, price_quote=price,
             fee_quote=0.0),
        Fill(time_ms=int(path.time_ms[0]) + 1, pair=PAIR, amount_base=-2e4 / price,
             price_quote=low, fee_quote=0.0),
    ]  # fmt: skip
    a = audit_account(fills, {PAIR: path}, wallet_quote=10_000.0, tiers={PAIR: tiers})
    assert np.isnan(a.distance_to_liquidation_frac).all()  # at every close it is flat
    # 4,000 left of 10,000 behind 14,000: 4,000 - 14,000 x = 0.4 % of 14,000 (1 - x).
    assert a.distance_worst_frac[0] == pytest.approx((4_000 - 56) / (14_000 - 56), rel=1e-6)
    assert a.summary()["min_distance_worst_frac"] == a.distance_worst_frac[0]
    assert np.isnan(a.distance_worst_frac[1:]).all()


# -- over all starts --------------------------------------------------------------------------


def test_summary_when_a_crash_has_many_starts_then_the_worst_its_start_and_quantiles_are_told(
    tiers: MarginTiers,
) -> None:
    crash = cut(simulated_crash(seed=0), (CRASH_HOUR - 180) * 12, (CRASH_HOUR + 48) * 12)
    rules = ReplayRules(tiers=tiers, limits=SHIPPED, sizing=STOPS)
    told, starts = summarise(crash, rules), starting_hours(crash)
    outcomes: list[Any] = [replay_crash(crash, rules, hour=h) for h in starts]
    lowest = [o.lowest_frac for o in outcomes]
    worst = outcomes[int(np.argmin(lowest))]
    assert told.starts == len(outcomes) == len(crash.hours.known) - 24
    assert told.quantiles_frac[0] == told.lowest_frac == min(lowest)
    assert told.quantiles_frac == sorted(told.quantiles_frac)
    assert set(told.quantiles_frac) <= set(lowest)  # of accounts, not between two of them
    assert told.worst_start_ms == worst.start_ms
    assert told.worst.equity_frac[0] <= 1
    assert min(told.worst.equity_frac) == pytest.approx(min(lowest), abs=1e-5)
    assert told.worst_final_frac == min(o.final_frac for o in outcomes)
    assert told.halts == sum(bool(o.halted) for o in outcomes)
    assert told.liquidated == 0
    naive = naive_summary(crash, rules)
    assert naive.starts == told.starts
    assert 0 < naive.liquidated <= naive.starts
    assert naive.fastest_ms is not None
    assert naive.median_ms is not None
    assert 0 < naive.fastest_ms <= naive.median_ms


def test_summary_when_there_is_no_room_to_start_then_it_says_so(tiers: MarginTiers) -> None:
    with pytest.raises(InputError, match="more than a day of candles"):
        summarise(cut(simulated_crash(), 0, 400), ReplayRules(tiers=tiers, limits=SHIPPED))
    with pytest.raises(InputError, match="a whole part of it"):
        replace(simulated_crash(), candle_ms=7 * HOUR)
