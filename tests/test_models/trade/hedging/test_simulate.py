"""The hedge in amounts: by hand, to the cent; and the measured baselines on real candles."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.trade.hedging.policy import HedgeAction, HedgeSignal, PolicyConfig
from models.trade.hedging.rounding import OrderRules
from models.trade.hedging.simulate import Costs, HedgeMarket, PolicyDecider, banded, simulate
from tests.places import SHARED

TIMES = np.arange(4) * 3_600_000


def market(pair: str, opens: list[float], closes: list[float], **more: object) -> HedgeMarket:
    rate = np.array(more.pop("funding", np.zeros(len(opens))), dtype=float)
    return HedgeMarket(
        pair=pair, open=np.array(opens), close=np.array(closes), funding_rate=rate, **more
    )  # fmt: skip


LTC = market("LTC", [100, 100, 90, 99], [100, 90, 99, 99], funding=[0, 0, 0.001, 0])
BTC = market("BTC", [1000, 1000, 950, 1000], [1000, 950, 1000, 1000], funding=[0, 0, 0.002, 0])


def test_simulate_when_done_by_hand_then_every_cent_agrees() -> None:
    wanted = [(0.5,), None, (0.0,), None]
    path = simulate(TIMES, LTC, 10.0, [BTC], lambda t, held: wanted[t],
                    Costs(fee_frac=0.0005, slippage_frac=0.0001))  # fmt: skip
    # Close 0: half of 10 x 100 is 500, at 1000 a BTC 0.5; sold at the open of candle 1, 1000.
    assert path.amount_base[:, 0] == pytest.approx([0, -0.5, -0.5, 0])
    assert path.cost == pytest.approx([0, 0.3, 0, 0.3])
    # Candle 1: 0.5 x 50 gained. Candle 2: 0.5 x 50 lost, funding 0.5 x 950 x 0.002 received.
    assert path.funding == pytest.approx([0, 0, 0.95, 0])
    assert path.hedge_pnl == pytest.approx([0, 25 - 0.3, -25 + 0.95, -0.3])
    # The primary pays 10 x 90 x 0.001 at the open of candle 2.
    assert path.primary_pnl == pytest.approx([0, -100, 90 - 0.9, 0])
    assert path.notional == pytest.approx([1000, 1000, 900, 990])
    assert path.ratio[:, 0] == pytest.approx([0, 475 / 900, 500 / 990, 0])
    assert [(f.time_ms, f.amount_base, f.fee_quote) for f in path.fills] == [
        (3_600_000, pytest.approx(-0.5), pytest.approx(0.25)),
        (3 * 3_600_000, pytest.approx(0.5), pytest.approx(0.25)),
    ]


def test_simulate_when_the_primary_is_short_then_the_hedge_is_long() -> None:
    path = simulate(TIMES, LTC, -10.0, [BTC], lambda t, held: (0.5,) if t == 0 else None)
    assert path.amount_base[1:, 0] == pytest.approx([0.5] * 3)
    assert path.primary_pnl[1] == pytest.approx(100)


def test_simulate_when_the_open_jumps_then_the_fill_is_there_and_not_at_the_close() -> None:
    gap = market("BTC", [1000, 900, 900, 900], [1000, 900, 900, 900])
    path = simulate(TIMES, LTC, 10.0, [gap], lambda t, held: (0.5,) if t == 0 else None,
                    Costs(fee_frac=0, slippage_frac=0))  # fmt: skip
    assert path.hedge_pnl == pytest.approx([0, 0, 0, 0])  # the fall came before the hedge
    assert path.fills[0].price_quote == 900


def test_simulate_when_the_account_is_small_then_orders_keep_the_exchange_rules() -> None:
    rules = OrderRules(lot_base=0.001, min_notional_quote=20.0)
    small = market("BTC", [1000, 1000, 950, 1000], [1000, 950, 1000, 1000], rules=rules)
    path = simulate(TIMES, LTC, 0.5, [small], lambda t, held: (0.9, 0.2, 0.5, 0.5)[t : t + 1])
    # 45 dollars of 50 are sold; down to 0.2 would leave 9 dollars: closed; 25 are sold again.
    assert path.amount_base[:, 0] == pytest.approx([0, -0.045, 0, -0.024])


def test_simulate_when_markets_do_not_fit_then_it_is_refused() -> None:
    short = market("BTC", [1.0], [1.0])
    with pytest.raises(AlignmentError, match="BTC"):
        simulate(TIMES, LTC, 1.0, [short], lambda t, held: None)
    holes = market("BTC", [1.0, np.nan, 1.0, 1.0], [1.0] * 4)
    with pytest.raises(InputError, match="row 1"):
        simulate(TIMES, LTC, 1.0, [holes], lambda t, held: None)
    with pytest.raises(InputError, match="amount"):
        simulate(TIMES, LTC, 0.0, [BTC], lambda t, held: None)


def test_policy_decider_when_the_model_dies_in_a_crash_then_hold_and_baseline_follow() -> None:
    n = 60
    price = np.concatenate((np.full(30, 100.0), 100.0 * 0.97 ** np.arange(1, 31)))
    falling = HedgeMarket(pair="LTC", open=price, close=price, funding_rate=np.zeros(n))
    signals = [HedgeSignal(age_candles=max(0, t - 32)) for t in range(n)]
    signals[31] = signals[32] = HedgeSignal(false_alarms_against=0.05)
    target, width = np.full((n, 1), 0.6), np.full((n, 1), 0.1)
    target[:, 0] += np.where(np.arange(n) > 34, 0.3, 0.0)  # the crash raises the baseline's beta
    decider = PolicyDecider(target, width, PolicyConfig(), signals=signals)
    path = simulate(np.arange(n) * 3_600_000, falling, 1.0, [falling], decider)
    held = path.ratio[:, 0]
    assert held[31] == pytest.approx(0.5, abs=0.01)  # the band's edge
    assert held[33] == pytest.approx(0.7, abs=0.01)  # two alarms, a step each
    assert held[36] == pytest.approx(held[33])  # silent: held
    assert held[-1] == pytest.approx(0.8, abs=0.01)  # the baseline's edge
    assert decider.actions[HedgeAction.INCREASE] >= 7
    assert path.hedge_pnl[30:].sum() > 0


SPOT = SHARED / "data" / "binance"


@pytest.mark.skipif(not SPOT.is_dir(), reason="needs the shared spot candles, which is not there")
def test_baselines_when_measured_on_spot_2021_to_2023_then_published_numbers_come_out() -> None:
    """Effectiveness and cost of ratios held one candle late at 6 bp, proportionally rebalanced."""
    import pandas as pd

    from models.trade.hedging.band import jump
    from models.trade.hedging.ratios import ewma_ratio, rolling_ols_ratio

    close = pd.concat(
        {c: pd.read_feather(SPOT / f"{c}_USDT-1h.feather").set_index("date")["close"]
         for c in ("LTC", "BTC", "ETH")}, axis=1, sort=True,
    ).dropna()["2021-04-04":"2023-12-30 23:00"]  # fmt: skip
    returns = np.diff(np.log(close.to_numpy()), axis=0)
    primary, hedges = returns[:, 0], returns[:, 1:]
    tested = slice(60 * 24, None)

    def measured(ratio: np.ndarray) -> tuple[float, float]:
        held = np.vstack([np.zeros((1, 2)), np.nan_to_num(ratio[:-1])])
        cost = 6e-4 * np.abs(np.diff(held, axis=0, prepend=held[:1])).sum(axis=1)
        left = primary - (held * hedges).sum(axis=1) - cost
        years = len(left[tested]) / 8766
        gone = 1 - left[tested].var() / primary[tested].var()
        return round(float(gone), 3), round(float(100 * cost[tested].sum() / years), 1)

    ewma = ewma_ratio(primary, hedges, 48)
    assert measured(np.tile([1.0, 0.0], (len(primary), 1))) == (0.566, 0.0)
    assert measured(rolling_ols_ratio(primary, hedges, 720)) == (0.625, 2.9)
    assert measured(ewma) == (0.635, pytest.approx(16.0, abs=0.2))
    assert measured(jump(ewma, 0.10)) == (0.632, pytest.approx(8.2, abs=0.1))
    assert measured(jump(ewma, 0.25)) == (0.628, pytest.approx(5.1, abs=0.1))


def test_banded_when_the_target_is_unknown_then_nothing_is_traded() -> None:
    decider = banded(np.array([[np.nan], [0.5]]), 0.1)
    assert decider(0, (0.3,)) is None
    assert decider(1, (0.45,)) is None
    assert list(decider(1, (0.3,)) or ()) == [0.5]
