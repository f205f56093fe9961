"""The simple hazards: parameters come back from simulated data, and the future is not read."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.heads import hazard_targets, onset_probability
from models.learn.hazard.proportional import fit_proportional

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
