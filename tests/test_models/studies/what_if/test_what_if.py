"""An account before it is opened: what the exchange, the gap limit and recorded crashes say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.units import DAY_MS, HOUR_MS
from models.scenarios.paths import CoinHistory
from models.studies.hedge.crashes import NamedCrash
from models.studies.what_if.gap import ask_gap_limit
from models.studies.what_if.proposal import Hedge, Opening, proposed_account, with_hedge
from models.studies.what_if.replay import COVID, REPLAYED_CRASHES, replayed_crashes
from models.trade.account.audit import audit_account
from models.trade.account.records import Fill, MarketPath
from models.trade.risk.limits import HardLimits, Limits
from models.trade.risk.worst_hours import WorstHour, recorded
from strategies.account.tiers import load_binance_tiers

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
MARKS = {BTC: 100_000.0, LTC: 100.0}
TIERS = load_binance_tiers([BTC, LTC])


def proposed(*openings: Opening, equity: float = 1_000.0, **more: Any) -> Any:
    return proposed_account(openings, equity_quote=equity, marks=MARKS, tiers=TIERS, **more)


def test_account_when_proposed_then_it_holds_what_was_asked_and_owes_the_costs() -> None:
    setup = proposed(Opening(LTC, 1, 2.0), Opening(BTC, -1, 0.5), cost_frac=0.001)
    held = {p.pair: p.amount_base for p in setup.account.positions}
    assert held == {LTC: 20.0, BTC: pytest.approx(-0.005)}
    assert setup.account.equity(setup.marks) == pytest.approx(1_000 - 2.5)


@pytest.mark.parametrize(
    ("openings", "equity", "said"),
    [
        ([Opening(LTC, 1, 1.0), Opening(LTC, -1, 1.0)], 1_000.0, "LTC is opened twice"),
        ([Opening(LTC, 1, 0.0)], 1_000.0, "a leverage > 0"),
        ([Opening(LTC, 1, float("nan"))], 1_000.0, "a leverage > 0"),
        ([Opening(LTC, 1, 200.0)], 1_000.0, "grants 25x at most"),
        ([Opening(LTC, 1, 2.0)], 1e9, "the exchange takes up to"),
        ([Opening(LTC, 1, 40.0), Opening(BTC, 1, 80.0)], 1_000.0, "of initial margin"),
        ([Opening(LTC, 1, 1.0)], float("nan"), "equity > 0"),
    ],
)
def test_account_when_the_exchange_would_refuse_it_then_so_it_is(
    openings: list[Opening], equity: float, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        proposed(*openings, equity=equity)


@pytest.mark.parametrize(
    ("openings", "ratio", "said"),
    [
        ([Opening(LTC, 1, 1.0)], 1.6, "up to 1.5"),
        ([Opening(LTC, 1, 1.0)], float("nan"), "up to 1.5"),
        ([Opening(BTC, 1, 1.0)], 0.5, "BTC is opened already"),
        ([Opening(LTC, -1, 1.0)], 0.5, "net -1x"),
    ],
)
def test_hedge_when_it_hedges_nothing_then_it_is_refused(
    openings: list[Opening], ratio: float, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        with_hedge(openings, Hedge(BTC, ratio))


def test_gap_when_asked_then_cost_and_largest_are_those_of_the_record() -> None:
    worst = recorded(LTC).fall_frac
    gap = ask_gap_limit(proposed(Opening(LTC, 1, 2.0), cost_frac=0.0), Limits())
    assert gap.cost_frac == pytest.approx(2 * worst)
    assert gap.largest_factor == pytest.approx(0.225 / (2 * worst))
    assert not gap.allowed
    least = proposed(Opening(LTC, 1, 2.0 * gap.largest_factor * 0.999))
    assert ask_gap_limit(least, Limits()).allowed
    hedged = with_hedge([Opening(LTC, 1, 2.0)], Hedge(BTC, 1.0))
    assert ask_gap_limit(proposed(*hedged), Limits()).cost_frac >= gap.cost_frac


def test_gap_when_candles_show_worse_or_equity_is_kept_back_then_less_may_be_opened() -> None:
    setup = proposed(Opening(LTC, 1, 0.3))
    calm = ask_gap_limit(setup, Limits())
    wild = ask_gap_limit(setup, Limits(), {LTC: WorstHour(fall_frac=0.9, rise_frac=0.0)})
    kept = ask_gap_limit(setup, Limits(hard=HardLimits(reserve_quote=500.0)))
    assert calm.allowed
    assert wild.cost_frac == pytest.approx(0.27)
    assert kept.largest_factor == pytest.approx(calm.largest_factor / 2)
    with pytest.raises(InputError, match="beyond reserve"):
        ask_gap_limit(setup, Limits(hard=HardLimits(reserve_quote=1_000.0)))


STEPS = 24
CRASH = NamedCrash("test crash", 10 * DAY_MS, 11 * DAY_MS)


def history(*, gap_at: int | None = None) -> CoinHistory:
    rng, rows = np.random.default_rng(5), 20 * 24
    time_ms = np.arange(rows, dtype=np.int64) * HOUR_MS
    if gap_at is not None:
        time_ms[gap_at:] += HOUR_MS
    close = 0.01 * rng.standard_normal((rows, 2))
    close[10 * 24 + 5] = (-0.15, -0.4)
    reach = 0.004 * np.abs(rng.standard_normal((2, rows, 2)))
    return CoinHistory(
        coins=(BTC, LTC), candle_ms=HOUR_MS, time_ms=time_ms, close=close,
        low=np.minimum(close, 0) - reach[0], high=np.maximum(close, 0) + reach[1],
        funding=np.where(np.arange(rows)[:, None] % 8 == 0, 1e-4, 0.0) * np.ones(2),
    )  # fmt: skip


@pytest.mark.parametrize("leverage", [1.0, 3.0])
def test_replay_when_each_start_is_audited_then_the_worst_of_them_is_told(leverage: float) -> None:
    setup, past = proposed(Opening(LTC, 1, leverage), Opening(BTC, -1, 0.5)), history()
    (got,) = replayed_crashes(setup, past, STEPS, [CRASH])
    audits = [audited(setup, past, row) for row in range(9 * 24, 11 * 24)]
    assert got.starts == 48
    assert got.liquidated == sum(a.liquidated_at_ms is not None for a in audits)
    assert (got.liquidated > 0) == (leverage == 3.0)
    lowest = min(a.equity_close.min() for a in audits) / setup.account.equity(setup.marks)
    assert got.lowest_equity_frac == pytest.approx(lowest)
    least = min(np.nanmin(a.distance_worst_frac) for a in audits)
    assert got.least_distance_frac == pytest.approx(least)


def audited(setup: Any, past: CoinHistory, row: int) -> Any:
    rows = slice(row, row + STEPS)
    markets = {}
    for k, pair in enumerate(past.coins):
        close = MARKS[pair] * np.exp(np.cumsum(past.close[rows, k]))
        before = np.concatenate(([MARKS[pair]], close[:-1]))
        markets[pair] = MarketPath(
            pair=pair, time_ms=np.arange(1, STEPS + 1) * HOUR_MS, open=before, close=close,
            low=before * np.exp(past.low[rows, k]), high=before * np.exp(past.high[rows, k]),
            funding_rate=past.funding[rows, k],
        )  # fmt: skip
    # The account exists when the first candle opens, and pays what is due then.
    owed = setup.account.pending_quote
    due = sum(
        p.amount_base * MARKS[p.pair] * past.funding[row, past.coins.index(p.pair)]
        for p in setup.account.positions
    )
    first = setup.account.positions[0].pair
    fills = [
        Fill(time_ms=HOUR_MS, pair=p.pair, amount_base=p.amount_base, price_quote=p.entry_price,
             fee_quote=owed + due if p.pair == first else 0.0)
        for p in setup.account.positions
    ]  # fmt: skip
    return audit_account(fills, markets, wallet_quote=1_000.0, tiers=TIERS)


def test_replay_when_candles_are_missing_then_only_whole_spans_are_starts() -> None:
    setup = proposed(Opening(LTC, 1, 1.0))
    (cut,) = replayed_crashes(setup, history(gap_at=10 * 24), STEPS, [CRASH])
    assert cut.starts < 48
    (late,) = replayed_crashes(setup, history().until(10 * DAY_MS), STEPS, [CRASH])
    assert late.starts == 1
    assert replayed_crashes(setup, history().until(10 * DAY_MS - 1), STEPS, [CRASH]) == []


def test_crashes_when_listed_then_days_are_utc_and_the_first_is_of_march_2020() -> None:
    assert all(c.start_ms % DAY_MS == c.stop_ms % DAY_MS == 0 for c in REPLAYED_CRASHES)
    assert REPLAYED_CRASHES[0] is COVID
    assert [c.start_ms for c in REPLAYED_CRASHES] == sorted(c.start_ms for c in REPLAYED_CRASHES)
