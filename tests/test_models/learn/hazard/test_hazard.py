"""The simple hazards: parameters come back from simulated data, and the future is not read."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.heads import hazard_targets, onset_probability
from models.learn.hazard.hawkes import Hawkes, fit_hawkes, memory, shocks
from models.learn.hazard.proportional import fit_proportional
from tests.test_models.markets import random_walk

EDGES = (1, 2, 4, 8)


def simulated(rows: int, slope: float, seed: int = 0):
    """Rows with one feature and an onset time drawn from a constant rate times its odds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    p = 1 / (1 + np.exp(-(-3.0 + slope * x[:, 0])))
    steps = np.minimum(rng.geometric(p), 9).astype(float)
    return x, *(a.astype(float) for a in hazard_targets(steps, EDGES))


def test_proportional_when_nothing_matters_then_bins_hold_the_constant_hazard():
    x, event, at_risk = simulated(40_000, 0.0)
    fitted = fit_proportional(x[:, :0], event, at_risk)
    p = 1 / (1 + np.exp(3.0))
    widths = np.diff((0, *EDGES))
    np.testing.assert_allclose(fitted.hazard(x[:1, :0])[0], 1 - (1 - p) ** widths, rtol=0.1)
    whole = onset_probability(fitted.hazard(x[:1, :0]))[0]
    assert whole == pytest.approx(1 - (1 - p) ** 8, rel=0.05)


def test_proportional_when_a_slope_is_planted_then_it_is_found_and_the_other_is_not():
    x, event, at_risk = simulated(20_000, 0.7)
    fitted = fit_proportional(x, event, at_risk)
    assert fitted.slope[0] == pytest.approx(0.7, abs=0.06)
    assert abs(fitted.slope[1]) < 0.05


def test_proportional_when_a_feature_is_missing_then_it_stands_at_its_mean():
    x, event, at_risk = simulated(5_000, 0.7)
    fitted = fit_proportional(x, event, at_risk)
    missing = np.array([[np.nan, np.nan]])
    np.testing.assert_allclose(fitted.hazard(missing), fitted.hazard(fitted.mean[None]))
    holes = np.where(np.arange(5_000)[:, None] % 3 == 0, np.nan, x)
    assert np.isfinite(fit_proportional(holes, event, at_risk).slope).all()


def test_proportional_when_there_is_nothing_to_fit_then_it_is_refused():
    x, event, at_risk = simulated(10, 0.0)
    with pytest.raises(InputError, match="rows at risk"):
        fit_proportional(x, event, 0 * at_risk)
    with pytest.raises(InputError, match="rows alike"):
        fit_proportional(x[:5], event, at_risk)


def test_hawkes_when_simulated_then_its_parameters_come_back():
    truth = Hawkes(np.array([0.01, 0.008]), np.array([[0.5, 0.2], [0.1, 0.4]]), 0.8)
    rng, rows = np.random.default_rng(3), 60_000
    x, state = np.zeros((rows, 2)), np.zeros(2)
    for t in range(rows):
        x[t] = rng.poisson(truth.base + truth.branching @ state)
        state = truth.decay * state + (1 - truth.decay) * x[t]
    fitted = fit_hawkes([x[:30_000], x[30_000:]])
    np.testing.assert_allclose(fitted.base, truth.base, rtol=0.25)
    np.testing.assert_allclose(fitted.branching, truth.branching, atol=0.1)
    assert fitted.decay == pytest.approx(truth.decay, abs=0.05)


def test_hawkes_when_there_are_no_shocks_then_it_is_refused():
    with pytest.raises(InputError, match="at least 5 shocks"):
        fit_hawkes([np.zeros((100, 2))])


def test_memory_when_one_shock_came_then_it_sums_to_one_and_later_shocks_change_nothing_before():
    x = np.zeros((400, 2))
    x[10, 0] = 1.0
    out = memory(x, 0.9)
    assert out[:10].sum() == 0.0
    assert out[:, 0].sum() == pytest.approx(1.0)
    x[50, 1] = 5.0
    np.testing.assert_array_equal(memory(x, 0.9)[:50], out[:50])


def test_shocks_when_later_candles_change_then_earlier_ones_stay():
    close = random_walk(600, seed=5).close
    whole = shocks(close, 100)
    assert whole.sum() > 0
    changed = np.where(np.arange(600) >= 400, 3 * close, close)
    np.testing.assert_array_equal(shocks(changed, 100)[:400], whole[:400])
    assert not whole[:101].any()
