"""Filtered history against the moments of GARCH, whose innovations are the pool's rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arch import arch_model

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.scenarios.filtered import FilteredHistory, FittedFilter, Residuals
from models.scenarios.paths import CHUNK
from models.scenarios.volatility import CoinVolatility
from tests.test_models.scenarios.histories import garch_history

OMEGA, ALPHA, BETA = 2e-6, 0.08, 0.88


def of_pool(z: FloatArray) -> FittedFilter:
    """Return an engine with known parameters and a pool of residuals (R, 3), drawn one by one."""
    h = garch_history(1_000)
    fitted = FilteredHistory().fit(h)
    known = CoinVolatility(
        omega=np.full(3, OMEGA), alpha=np.full(3, ALPHA), beta=np.full(3, BETA),
        start=np.full(3, 1e-4), most=np.full(3, np.inf),
    )  # fmt: skip
    wick = Residuals(close=z, low=np.minimum(z, 0), high=np.maximum(z, 0))
    funding = replace(fitted.funding, rate=np.zeros_like(z))
    return replace(fitted, volatility=known, residuals=wick, funding=funding, mean_block=1.0)


def t_pool(rows: int = 5_000) -> FloatArray:
    z = np.random.default_rng(1).standard_t(8, (rows, 3))
    return np.asarray(z / np.sqrt((z**2).mean(axis=0)))


def test_paths_when_long_then_variance_and_kurtosis_are_those_of_garch() -> None:
    """Bollerslev 1986: kurtosis k (1 - p^2) / (1 - p^2 - (k - 1) alpha^2) with p = alpha + beta."""
    z = t_pool()
    (block,) = of_pool(z).given(garch_history(1_000)).draw(CHUNK, 700, 0)
    r = block.close[:, 300:]  # (P, T, A), the start forgotten
    per_path = (r**2).mean(axis=1)
    variance = OMEGA / (1 - ALPHA - BETA)
    error = per_path.std(axis=0) / np.sqrt(CHUNK)
    assert (np.abs(per_path.mean(axis=0) - variance) < 4 * error).all()
    k, p = (z**4).mean(axis=0), ALPHA + BETA
    kurtosis = k * (1 - p**2) / (1 - p**2 - (k - 1) * ALPHA**2)
    fourth = (r**4).mean(axis=1) / variance**2
    error = fourth.std(axis=0) / np.sqrt(CHUNK)
    assert (np.abs(fourth.mean(axis=0) - kurtosis) < 4 * error).all()
    assert (kurtosis > 1.2 * k).all()  # more than the innovations': the test can tell


def test_paths_when_volatility_is_high_then_it_comes_back_as_arch_forecasts() -> None:
    h = garch_history(4_000)
    wild = replace(h, close=np.vstack((h.close[:-3], 6 * h.close.std(axis=0) * np.ones((3, 3)))))
    fitted = FilteredHistory(mean_block_days=0.01).fit(wild)
    assert fitted.mean_block == 1.0
    blocks = list(fitted.given(wild).draw(8 * CHUNK, 24, 0))
    squares = np.concatenate([b.close for b in blocks]) ** 2  # (P, T, A)
    for i in range(3):
        r = 100 * wild.close[:, i]
        result = arch_model(r, mean="Zero", vol="GARCH", dist="t", rescale=False).fit(disp="off")
        ahead = result.forecast(horizon=24).variance.to_numpy()[-1] / 1e4
        error = squares[:, :, i].std(axis=0) / np.sqrt(8 * CHUNK)
        assert (np.abs(squares[:, :, i].mean(axis=0) - ahead) < 4.5 * error).all()
        assert ahead[0] > 1.2 * ahead[-1]  # there is something to come back from


def test_rows_when_drawn_then_coins_stay_together_in_units_of_sigma() -> None:
    h = garch_history(3_000)
    fitted = FilteredHistory().fit(h)
    z = fitted.residuals
    np.testing.assert_allclose((z.close**2).mean(axis=0), 1)
    (block,) = fitted.given(h).draw(CHUNK, 1, 0)
    sigma = np.sqrt(fitted.volatility.variances(h)[-1])
    first = block.close[:, 0] / sigma
    order = np.argsort(z.close[:, 0])
    row = order[np.searchsorted(z.close[order, 0], first[:, 0] - 1e-9)]
    np.testing.assert_allclose(first, z.close[row])
    np.testing.assert_allclose(block.low[:, 0] / sigma, z.low[row])
    np.testing.assert_allclose(block.high[:, 0] / sigma, z.high[row])


def test_filtered_when_settings_are_impossible_then_they_are_refused() -> None:
    with pytest.raises(ConfigError, match="fit_days"):
        FilteredHistory(fit_days=0)
