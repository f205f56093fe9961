"""Returns of an audited backtest and of spot hedged with its own perpetual, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.studies.hedge.backtest import AuditedBacktest, backtest_returns
from models.studies.hedge.effectiveness import effectiveness
from models.studies.hedge.same_coin import same_coin_returns
from models.trade.account.audit import audit_account
from models.trade.account.records import Fill, MarketPath
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.hedging.simulate import Costs, HedgeMarket

HOUR = 3_600_000
ROWS = 400
TIER = MarginTier(floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.01,
                  maintenance_amount_quote=0, max_leverage=50)  # fmt: skip


def prices(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(ROWS))))


def path(pair: str, close: np.ndarray) -> MarketPath:
    opened = np.concatenate((close[:1], close[:-1]))
    return MarketPath(
        pair=pair, time_ms=HOUR * np.arange(ROWS), open=opened, high=np.maximum(opened, close),
        low=np.minimum(opened, close), close=close, funding_rate=np.full(ROWS, np.nan),
    )  # fmt: skip


def test_backtest_returns_when_half_is_hedged_then_they_are_the_accounts_own() -> None:
    markets = {"LTC": path("LTC", prices(1)), "BTC": path("BTC", prices(2))}
    at = HOUR * 10
    fills = [
        Fill(time_ms=at, pair="LTC", amount_base=10.0, price_quote=100.0, fee_quote=1.0),
        Fill(time_ms=at, pair="BTC", amount_base=-5.0, price_quote=100.0, fee_quote=0.5),
    ]
    tiers = {pair: MarginTiers(pair, (TIER,)) for pair in markets}
    run = AuditedBacktest(
        both=audit_account(fills, markets, wallet_quote=1e5, tiers=tiers),
        alone=audit_account(fills[:1], markets, wallet_quote=1e5, tiers=tiers),
        fills=fills,
        markets=markets,
    )
    r = backtest_returns(run)
    own, leg = markets["LTC"], markets["BTC"]
    assert r.time_ms[0] == at + HOUR  # the hour of its own opening is not the hedge's
    rows = slice(11, None)
    np.testing.assert_allclose(r.primary, (own.close / own.open - 1)[rows], atol=1e-12)
    hedge = -0.5 * (leg.close - leg.open)[rows] / own.open[rows]
    np.testing.assert_allclose(r.hedge, hedge, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(r.ratio, (0.5 * leg.close / own.close)[rows])
    assert r.cost.sum() == r.traded.sum() == 0.0


def test_backtest_returns_when_the_position_is_closed_in_parts_then_its_end_is_the_end() -> None:
    markets = {"LTC": path("LTC", prices(1)), "BTC": path("BTC", prices(2))}
    parts = [(10, 0.3), (100, -0.1), (200, -0.1), (300, -0.1)]
    assert sum(amount for _, amount in parts) != 0.0  # but for a rounding
    own = [
        Fill(time_ms=HOUR * row, pair="LTC", amount_base=amount, price_quote=100.0, fee_quote=0.0)
        for row, amount in parts
    ]
    tiers = {pair: MarginTiers(pair, (TIER,)) for pair in markets}
    audited = audit_account(own, markets, wallet_quote=1e5, tiers=tiers)
    r = backtest_returns(AuditedBacktest(both=audited, alone=audited, fills=own, markets=markets))
    assert (r.time_ms[0], r.time_ms[-1]) == (HOUR * 11, HOUR * 299)
    rows = [row for row in range(11, 300) if row not in (100, 200)]  # those of the fills cost more
    close, opened = markets["LTC"].close, markets["LTC"].open
    got = r.primary[np.array(rows) - 11]
    np.testing.assert_allclose(got, (close / opened - 1)[rows], rtol=1e-6, atol=1e-9)


def test_same_coin_when_spot_and_perpetual_are_one_then_nothing_is_left_but_costs() -> None:
    close = prices(3)
    opened = np.concatenate((close[:1], close[:-1]))
    spot, perpetual = (
        HedgeMarket(pair=pair, open=opened, close=close, funding_rate=np.zeros(ROWS))
        for pair in ("spot", "LTC")
    )
    r = same_coin_returns(HOUR * np.arange(ROWS), spot, perpetual, 10.0, Costs())
    assert effectiveness(r, np.random.default_rng(0))["effectiveness"]["value"] > 0.98
    assert r.cost.sum() == pytest.approx(0.0006, rel=0.3)
