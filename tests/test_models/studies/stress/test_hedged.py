"""The hedged account in a crash: no stop, no relief it may not have, and within the guards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import AlignmentError
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.hedged import (
    HedgedCrash,
    HedgedOutcome,
    HedgeRules,
    hedged_starts,
    replay_hedged,
)
from models.trade.account.records import MarketPath
from models.trade.hedging.policy import PolicyConfig
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.worst_hours import recorded
from strategies.account.tiers import load_binance_tiers
from tests.test_models.studies.stress.brute import wild_crash

PAIRS = ("LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
HOUR = 3_600_000


def hedged(seed: int = 0, fall: float = 0.0, at: int = 200) -> HedgedCrash:
    """Return three coins on one path; the first falls by `fall` within hour `at`, and recovers."""
    base = wild_crash(seed, HOUR)
    calm = replace(base.candles, **{
        n: 100 + 0.1 * np.sin(np.arange(len(base.candles)) + k)
        for k, n in enumerate(("open", "close"))
    })  # fmt: skip
    calm = replace(calm, high=np.maximum(calm.open, calm.close) + 0.1,
                   low=np.minimum(calm.open, calm.close) - 0.1)  # fmt: skip
    traded = [replace(base, pair=pair, candles=calm) for pair in PAIRS]
    if fall:
        low = calm.low.copy()
        low[at] = calm.close[at - 1] * (1 - fall)
        traded[0] = replace(traded[0], candles=replace(calm, low=low))
    return HedgedCrash(traded=tuple(traded), marks=tuple(marked(c) for c in traded))


def marked(crash: RecordedCrash) -> MarketPath:
    return crash.path(0)


def rules(amount: float = 50.0, wallet: float = 10_000.0) -> HedgeRules:
    return HedgeRules(
        tiers=load_binance_tiers(PAIRS), limits=Limits(hard=HardLimits(max_order_equity_frac=2.0)),
        amount_base=amount, wallet_quote=wallet, policy=PolicyConfig(max_ratio=1.25),
    )  # fmt: skip


def signed(o: HedgedOutcome, pair: str, until_ms: float = np.inf) -> float:
    return sum(f.amount_base for f in o.fills if f.pair == pair and f.time_ms < until_ms)


def test_hedge_when_switched_on_then_the_position_comes_first_and_the_legs_step_by_step() -> None:
    crash = hedged()
    out = replay_hedged(crash, rules(amount=30.0), hour=100)
    assert out.fills[0].pair == PAIRS[0]
    assert out.fills[0].amount_base == pytest.approx(30.0)
    for pair in PAIRS[1:]:
        legs = [f for f in out.fills if f.pair == pair]
        assert all(abs(f.amount_base) <= 3.1 for f in legs)  # a tenth of the position
        assert signed(out, pair) == pytest.approx(-15.0, abs=3.1)  # half of it, to the band
    assert (out.survived, out.halted, out.deleveraged) == (True, "", 0)


def test_hedge_when_the_position_is_too_large_for_its_worst_hour_then_it_is_opened_smaller() -> (
    None
):
    out = replay_hedged(hedged(), rules(amount=500.0), hour=100)
    most = 0.9 * 0.25 * 10_000 / recorded(PAIRS[0], at_marks=True).fall_frac / 100
    assert out.fills[0].amount_base == pytest.approx(most, rel=2e-3)
    # What it hedges takes no room from it: the legs are there as well.
    assert signed(out, PAIRS[1]) < -0.3 * most


def test_hedge_when_the_coin_falls_as_in_its_worst_hour_then_the_legs_earn_nothing() -> None:
    fall, at = recorded(PAIRS[0], at_marks=True).fall_frac, 200
    crash = hedged(fall=fall, at=at)
    out = replay_hedged(crash, rules(amount=500.0), hour=100)
    opened = int(crash.traded[0].candles.time_ms[at])
    assert signed(out, PAIRS[1], opened) < 0
    assert signed(out, PAIRS[1], opened + 1) == pytest.approx(0.0)  # closed at that hour's open
    assert out.deleveraged == 2
    assert -0.26 < out.lowest_frac - 1 < -0.2
    assert out.survived
    assert out.nearest_frac == np.nanmin(out.audit.distance_worst_frac)
    control = replay_hedged(hedged(fall=0.05, at=at), rules(amount=500.0), hour=100)
    assert control.deleveraged == 0


def test_hedge_when_a_tenth_is_lost_then_everything_is_closed_in_stages_and_stays_closed() -> None:
    crash = hedged()
    down = crash.marks[0].close.copy()
    down[150:] *= 0.6
    mark = replace(crash.marks[0], close=down, low=np.minimum(crash.marks[0].low, down),
                   high=np.maximum(crash.marks[0].high, down))  # fmt: skip
    traded = replace(crash.traded[0], candles=replace(
        crash.traded[0].candles, open=np.where(np.arange(len(down)) > 150, 60.0, 100.0), close=down,
        low=np.minimum(crash.traded[0].candles.low, 60.0)))  # fmt: skip
    out = replay_hedged(
        HedgedCrash(traded=(traded, *crash.traded[1:]), marks=(mark, *crash.marks[1:])),
        rules(amount=500.0), hour=100,
    )  # fmt: skip
    assert "lost from the peak" in out.halted
    assert [signed(out, pair) for pair in PAIRS] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    assert out.final_frac < 0.9


def test_hedge_when_marks_and_candles_are_of_other_times_then_they_are_refused() -> None:
    crash = hedged()
    late = replace(crash.marks[1], time_ms=crash.marks[1].time_ms + HOUR)
    with pytest.raises(AlignmentError, match="hourly candles and marks of BTC"):
        HedgedCrash(traded=crash.traded, marks=(crash.marks[0], late, crash.marks[2]))
    assert hedged_starts(crash)[0] == 24
    assert len(hedged_starts(crash)) == len(crash.traded[0].candles) - 48
