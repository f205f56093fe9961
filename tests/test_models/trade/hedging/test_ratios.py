"""Hedge ratios: golden numbers, planted relations, and no look into the future."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from models.base.errors import AlignmentError, InputError
from models.base.types import FloatArray
from models.trade.hedging.band import cost_width, jump, nearest_inside, wander
from models.trade.hedging.cvar import cvar_ratio, least_cvar
from models.trade.hedging.dcc import dcc_garch_ratio
from models.trade.hedging.kalman import kalman_ratio
from models.trade.hedging.ratios import ewma_ratio, ewma_variance, rolling_ols_ratio, static_ratio

Estimator = Callable[[FloatArray, FloatArray], FloatArray]

ESTIMATORS: dict[str, Estimator] = {
    "static": partial(static_ratio, train_rows=200),
    "rolling-ols": partial(rolling_ols_ratio, window=100),
    "ewma": partial(ewma_ratio, halflife=24),
    "kalman": partial(kalman_ratio, train_rows=200),
    "dcc-garch": partial(dcc_garch_ratio, train_rows=200, refit_rows=150),
    "cvar": partial(cvar_ratio, window=200, refit_rows=24),
}
every = pytest.mark.parametrize("estimate", ESTIMATORS.values(), ids=ESTIMATORS)


def planted(betas: list[float], rows: int = 600, noise: float = 0.2, seed: int = 1):
    """Return (primary, hedges) with ``primary = betas . hedges + noise``."""
    rng = np.random.default_rng(seed)
    hedges = 0.01 * rng.standard_normal((rows, len(betas)))
    hedges[:, 1:] = 0.6 * hedges[:, :1] + 0.8 * hedges[:, 1:]
    primary = hedges @ np.array(betas) + noise * 0.01 * rng.standard_normal(rows)
    return primary, hedges


@every
@pytest.mark.parametrize("betas", [[0.8], [0.5, 0.4]], ids=["one-leg", "two-legs"])
def test_ratio_when_the_relation_is_planted_then_it_is_found(
    estimate: Estimator, betas: list[float]
) -> None:
    primary, hedges = planted(betas)
    ratio = estimate(primary, hedges)
    assert ratio.shape == hedges.shape
    assert np.nanmean(ratio[-100:], axis=0) == pytest.approx(betas, abs=0.06)


@every
def test_ratio_when_the_future_changes_then_no_earlier_row_does(estimate: Estimator) -> None:
    primary, hedges = planted([0.5, 0.4])
    cut = 430
    other_primary, other_hedges = primary.copy(), hedges.copy()
    other_primary[cut:] *= -3.0
    other_hedges[cut:] = other_hedges[cut:][::-1] * 2.0
    before, after = estimate(primary, hedges), estimate(other_primary, other_hedges)
    np.testing.assert_array_equal(before[:cut], after[:cut])
    if estimate is not ESTIMATORS["static"]:
        assert not np.allclose(before[-1], after[-1], atol=1e-3)  # the change was not nothing


@every
def test_ratio_when_history_is_short_then_the_first_rows_are_unknown(estimate: Estimator) -> None:
    ratio = estimate(*planted([0.8]))
    known = np.isfinite(ratio).all(axis=1)
    assert 90 <= int(np.argmax(known)) <= 199
    assert known[np.argmax(known) :].all()


@every
def test_ratio_when_a_return_is_missing_then_it_is_refused(estimate: Estimator) -> None:
    primary, hedges = planted([0.8])
    hedges[5, 0] = np.nan
    with pytest.raises(InputError, match="row 5"):
        estimate(primary, hedges)
    with pytest.raises(AlignmentError):
        estimate(primary[1:], hedges)


def test_rolling_ols_when_done_by_hand_then_it_agrees() -> None:
    primary, hedges = planted([0.5, 0.4], rows=60)
    ratio = rolling_ols_ratio(primary, hedges, 30)
    design = np.column_stack([np.ones(30), hedges[21:51]])
    expected = np.linalg.lstsq(design, primary[21:51], rcond=None)[0][1:]
    assert ratio[50] == pytest.approx(expected, rel=1e-9)


def test_ewma_when_done_by_hand_then_it_agrees() -> None:
    # Three rows, half-life 1: weights 1/4, 1/2, 1. Means (2.5+.. )/1.75, by hand below.
    x, y, w = np.array([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 5.0]), np.array([0.25, 0.5, 1.0])
    mx, my = w @ x / w.sum(), w @ y / w.sum()
    expected = (w @ (x * y) / w.sum() - mx * my) / (w @ x**2 / w.sum() - mx**2)
    got = ewma_ratio(y, x[:, None], halflife=1, warmup=0)[-1, 0]
    assert got == pytest.approx(expected)
    assert ewma_variance(x, 1)[-1] == pytest.approx((0.25 * 1 + 0.5 * 4 + 16) / 1.75)


def test_ewma_when_given_less_history_then_the_live_ratio_is_that_of_the_backtest() -> None:
    primary, hedges = planted([0.5, 0.4], rows=3000)
    whole = ewma_ratio(primary, hedges, 24)[-1]
    tail = ewma_ratio(primary[-480:], hedges[-480:], 24)[-1]  # twenty half-lives
    assert tail == pytest.approx(whole, abs=1e-5)


def test_ratio_when_two_hedges_are_one_then_it_is_unknown_not_huge() -> None:
    primary, hedges = planted([0.8])
    twice = np.column_stack([hedges, hedges])
    assert np.isnan(ewma_ratio(primary, twice, 24)).all()


def test_kalman_when_the_beta_jumps_then_it_follows() -> None:
    primary, hedges = planted([0.3], rows=1200)
    primary[600:] = primary[600:] + 0.6 * hedges[600:, 0]
    ratio = kalman_ratio(primary, hedges, 200, walks=(1e-3,))[:, 0]
    assert ratio[590] == pytest.approx(0.3, abs=0.1)
    assert ratio[-1] == pytest.approx(0.9, abs=0.15)


def test_dcc_when_correlation_changes_then_the_ratio_does() -> None:
    rng = np.random.default_rng(3)
    common, own = rng.standard_normal((2, 2400))
    hedge = 0.01 * common
    weight = np.where(np.arange(2400) < 1200, 0.9, 0.2)
    primary = 0.01 * (weight * common + np.sqrt(1 - weight**2) * own)
    ratio = dcc_garch_ratio(primary, hedge[:, None], 600, 200)[:, 0]
    assert ratio[900:1200].mean() == pytest.approx(0.9, abs=0.08)
    assert ratio[2000:].mean() == pytest.approx(0.2, abs=0.12)


def test_cvar_when_only_the_worst_hours_co_move_then_it_hedges_those() -> None:
    rng = np.random.default_rng(5)
    hedge = 0.01 * rng.standard_t(4, 2000)
    crash = hedge < np.quantile(hedge, 0.1)
    primary = np.where(crash, hedge, 0.3 * hedge) + 0.001 * rng.standard_normal(2000)
    tail = least_cvar(primary, hedge[:, None], 0.02)[0]
    variance = rolling_ols_ratio(primary, hedge[:, None], 2000)[-1, 0]
    assert tail > variance + 0.05

    def worst(ratio: float) -> float:
        return -float(np.sort(primary - ratio * hedge)[:40].mean())

    assert worst(tail) == pytest.approx(min(worst(r) for r in np.linspace(0, 1, 401)), rel=1e-3)


def test_cvar_when_the_sum_is_limited_then_the_limit_holds() -> None:
    primary, hedges = planted([0.9, 0.9])
    assert least_cvar(primary, hedges, 0.05, max_ratio=1.0).sum() == pytest.approx(1.0, abs=1e-9)


def test_cost_width_when_costs_are_eight_times_then_the_band_is_twice() -> None:
    one = np.full((3, 1), 1e-4)
    narrow = cost_width(0.0001, one, one, 5.0)
    assert cost_width(0.0008, one, one, 5.0) == pytest.approx(2 * narrow)
    assert cost_width(0.0, one, one, 5.0) == pytest.approx(np.zeros((3, 1)))
    assert cost_width(0.04, one, one, 1e-6, max_width=0.4) == pytest.approx(np.full((3, 1), 0.4))


def test_wander_when_the_target_stands_still_then_only_prices_drift() -> None:
    target = np.full((4, 1), 0.5)
    primary, hedges = np.array([0.0, 0.02, 0.02, 0.02]), np.zeros((4, 1))
    assert wander(target, primary, hedges, 10.0)[1:] == pytest.approx(np.full((3, 1), 0.01**2))
    assert np.isnan(wander(target, primary, hedges, 10.0)[0]).all()


def test_jump_when_inside_the_band_then_nothing_is_traded() -> None:
    target = np.array([[0.3, 0.5], [0.5, 0.5], [0.56, 0.5], [0.5, 0.2]])
    held = jump(target, 0.25)
    assert held.tolist() == [[0.3, 0.5], [0.3, 0.5], [0.56, 0.5], [0.5, 0.2]]
    with pytest.raises(InputError):
        jump(target, float("nan"))
    assert nearest_inside(0.9, 0.5, 0.1) == pytest.approx(0.6)
