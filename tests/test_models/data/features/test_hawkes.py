"""The Hawkes process on the candle grid: its parameters come back, and the future is not read."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.data.features.hawkes import Hawkes, fit_hawkes, memory, shocks
from tests.test_models.markets import random_walk


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
