"""The naive 20x model dies in a crash; behind the guards the account lives, by its audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.studies.stress.replay import RecordedCrash, replay_crash, simulated_crash, summarise
from models.trade.account.tiers import MarginTiers
from models.trade.risk.limits import HardLimits, Limits
from strategies.account.tiers import load_binance_tiers

PAIR = "BTC/USDT:USDT"
SHIPPED = Limits(hard=HardLimits(max_order_equity_frac=2.0))
CRASH_START = 18 * 288  # candle at which `simulated_crash` begins to fall


@pytest.fixture(scope="module")
def tiers() -> MarginTiers:
    return load_binance_tiers([PAIR])[PAIR]


def cut(crash: RecordedCrash, start: int, stop: int) -> RecordedCrash:
    """Return candles [start, stop) of `crash`."""
    c = crash.candles
    columns = ("time_ms", "open", "high", "low", "close", "volume")
    part = replace(c, **{name: getattr(c, name)[start:stop] for name in columns})
    return replace(crash, candles=part, funding_rate=crash.funding_rate[start:stop])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("limits", [Limits(), SHIPPED], ids=["defaults", "shipped"])
def test_crash_when_it_comes_then_the_naive_account_dies_and_the_guarded_one_lives(
    tiers: MarginTiers, seed: int, limits: Limits
) -> None:
    crash = cut(simulated_crash(seed=seed), CRASH_START - 1000, CRASH_START + 2 * 288)
    for start in (700, 900, 990):
        outcome = replay_crash(crash, tiers, limits, start=start)
        assert outcome.naive.liquidated_at_ms is not None
        assert outcome.survived
        assert outcome.orders > 1  # it did trade
        assert "losses_bearable" in outcome.halted
        summary = outcome.guarded.summary()
        assert summary["final_equity_quote"] > 8_000
        assert summary["min_distance_frac"] > 0.15
        leverage = outcome.guarded.gross_notional / outcome.guarded.equity_close
        assert leverage.max() < 2.2  # the net limit, but for what was lost since


def test_crash_when_the_loss_guard_is_taken_away_then_the_account_loses_much_more(
    tiers: MarginTiers,
) -> None:
    crash = cut(simulated_crash(seed=1), CRASH_START - 1000, CRASH_START + 2 * 288)
    blind = Limits(
        hard=replace(SHIPPED.hard, loss_day_frac=1.0, loss_week_frac=1.0, loss_peak_frac=1.0)
    )
    guarded = replay_crash(crash, tiers, SHIPPED, start=990)
    unguarded = replay_crash(crash, tiers, blind, start=990)
    assert unguarded.halted == ""
    assert unguarded.orders > guarded.orders
    lost = [10_000 - float(o.guarded.equity_close[-1]) for o in (guarded, unguarded)]
    assert lost[1] > 3 * lost[0] > 0


def test_replay_when_the_future_is_cut_off_then_no_earlier_order_changes(
    tiers: MarginTiers,
) -> None:
    crash = cut(simulated_crash(seed=2), CRASH_START - 1000, CRASH_START + 200)
    shorter = cut(crash, 0, len(crash.candles) - 100)
    whole = replay_crash(crash, tiers, SHIPPED, start=900).guarded
    part = replay_crash(shorter, tiers, SHIPPED, start=900).guarded
    np.testing.assert_array_equal(part.equity_close, whole.equity_close[: len(part.equity_close)])


def test_summary_when_a_crash_has_many_starts_then_the_worst_of_them_is_told(
    tiers: MarginTiers,
) -> None:
    crash = cut(simulated_crash(seed=0), CRASH_START - 600, CRASH_START + 2 * 288)
    told = summarise(crash, tiers, SHIPPED, every_ms=12 * 3_600_000)
    known = 168
    starts = range(known, len(crash.candles) - 288, 144)
    outcomes = [replay_crash(crash, tiers, SHIPPED, start=i) for i in starts]
    assert told.starts == len(outcomes) == 5
    assert told.naive_liquidated == sum(bool(o.naive.liquidated_at_ms) for o in outcomes) == 4
    assert told.guarded_liquidated == 0
    finals = [float(o.guarded.equity_close[-1]) / 10_000 for o in outcomes]
    assert told.worst_final_frac == min(finals)
    assert told.nearest_frac == min(o.guarded.summary()["min_distance_frac"] for o in outcomes)
    assert told.halts == sum(bool(o.halted) for o in outcomes)
    lives = [o.naive.liquidated_at_ms - o.start_ms for o in outcomes if o.naive.liquidated_at_ms]
    assert (told.naive_fastest_ms, told.naive_median_ms) == (min(lives), int(np.median(lives)))


def test_summary_when_there_is_no_room_to_start_then_it_says_so(tiers: MarginTiers) -> None:
    with pytest.raises(InputError, match="more than a day of candles"):
        summarise(cut(simulated_crash(), 0, 400), tiers, SHIPPED, every_ms=1)
