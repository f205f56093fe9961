"""One position on Brownian paths: liquidation as often as the reflection principle says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from models.scenarios.paths import PathBlock
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.first_passage import liquidation_ratio
from models.trade.account.scenario_account import ScenarioAccount
from models.trade.account.scenario_paths import PathOutcomes
from models.trade.account.scenario_scale import largest_with_chance
from models.trade.account.scenario_summary import account_outcomes, distribution_of
from strategies.account.tiers import load_binance_tiers

PAIR = "LTC/USDT:USDT"
TIERS = load_binance_tiers([PAIR])[PAIR]
DRIFT, SIGMA, STEPS = 0.002, 0.02, 48  # of the log price, a candle
HORIZONS = (12, 48)
EQUITY = 1_000.0


@cache
def brownian() -> tuple[PathBlock, ...]:
    """Paths whose lows and highs within a candle are those of the Brownian bridge, exactly."""
    rng, out = np.random.default_rng(11), []
    for _ in range(20):
        close = DRIFT + SIGMA * rng.standard_normal((1_000, STEPS, 1))
        reach = [np.sqrt(close**2 - 2 * SIGMA**2 * np.log(rng.random(close.shape)))
                 for _ in range(2)]  # fmt: skip
        out.append(PathBlock(
            close=close, low=(close - reach[0]) / 2, high=(close + reach[1]) / 2,
            funding=np.zeros_like(close), answers=np.ones((1_000, STEPS), dtype=np.bool_),
        ))  # fmt: skip
    return tuple(out)


def reached(barrier: float, steps: int) -> float:
    """P(a Brownian path with drift meets a log barrier on either side of 0 by `steps`)."""
    side = np.sign(barrier)
    drift, spread = side * DRIFT * steps, SIGMA * np.sqrt(steps)
    far = abs(barrier)
    again = np.exp(2 * side * DRIFT * far / SIGMA**2)
    return float(norm.cdf((drift - far) / spread) + again * norm.cdf((-far - drift) / spread))


def lived(side: int, leverage: float, largest: float | None = None) -> PathOutcomes:
    position = Position(pair=PAIR, amount_base=side * leverage * EQUITY, entry_price=1.0)
    account = CrossAccount(wallet_quote=EQUITY, positions=(position,), tiers={PAIR: TIERS})
    setup = ScenarioAccount(account=account, marks={PAIR: 1.0})
    (out,) = account_outcomes([setup], [PAIR], brownian(), HORIZONS, largest_scale=largest)
    return out


def barrier_of(side: int, leverage: float) -> float:
    return float(np.log(liquidation_ratio(TIERS, leverage, side, leverage * EQUITY)))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("leverage", [3.0, 5.0, 10.0])
def test_liquidations_when_paths_are_brownian_then_as_often_as_by_the_closed_form(
    side: int, leverage: float
) -> None:
    known = distribution_of(lived(side, leverage), HORIZONS)
    for horizon, extremes, closes in zip(HORIZONS, known.at_extremes, known.at_closes, strict=True):
        truth = reached(barrier_of(side, leverage), horizon)
        spread = np.sqrt(truth * (1 - truth) / known.paths)
        assert extremes.share == pytest.approx(truth, abs=4 * spread)
        if truth > 0.01:  # what happens between two closes is not seen at them
            assert closes.share < truth - 4 * spread


@pytest.mark.parametrize("side", [1, -1])
def test_largest_size_when_paths_are_brownian_then_near_that_of_the_closed_form(side: int) -> None:
    chance = 0.05
    found = largest_with_chance(lived(side, 1.0, 20.0).scale[:, -1], chance, 20.0)
    exact = brentq(lambda x: reached(barrier_of(side, x), STEPS) - chance, 1.01, 20.0)
    # The upper end of the interval is held against the chance, so a little less is found.
    assert 0.95 * exact < found.factor < exact
