"""GARCH against the arch package and its closed forms, EWMA against a loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arch import arch_model

from models.base.errors import InputError
from models.scenarios.volatility import fit_coin_volatility
from tests.test_models.scenarios.histories import garch_history


def test_garch_when_fitted_then_next_variances_are_those_of_arch() -> None:
    h = garch_history(4_000)
    volatility = fit_coin_volatility(h)
    assert volatility.notes == ()
    ours = volatility.variances(h)
    for i in range(3):
        r = 100 * h.close[:, i]
        result = arch_model(r, mean="Zero", vol="GARCH", dist="t", rescale=False).fit(disp="off")
        ahead = result.forecast(horizon=1).variance.to_numpy()[-1, 0] / 1e4
        assert ours[-1, i] == pytest.approx(ahead, rel=1e-6)
        theirs = np.square(result.conditional_volatility / 100)
        np.testing.assert_allclose(ours[500:-1, i], theirs[500:], rtol=1e-6)
    # What the history was made with, within the spread of such fits.
    np.testing.assert_allclose(volatility.alpha, 0.08, atol=0.03)
    np.testing.assert_allclose(volatility.beta, 0.9, atol=0.04)
    np.testing.assert_allclose(np.log(volatility.omega / 2e-6), 0, atol=1.2)


def test_garch_when_it_is_not_stationary_then_ewma_takes_its_place_and_it_is_said() -> None:
    h = garch_history(4_000)
    scale = np.where(np.arange(4_000) < 2_000, 1.0, 12.0)[:, None]  # a break in level
    broken = replace(h, close=h.close * scale)
    volatility = fit_coin_volatility(broken)
    assert len(volatility.notes) == 3
    assert "BTC/USDT:USDT: GARCH is not stationary (alpha + beta = " in volatility.notes[0]
    assert (volatility.omega == 0).all()
    np.testing.assert_allclose(volatility.alpha + volatility.beta, 1)
    ours = volatility.variances(broken)
    sigma2 = volatility.start
    for t in range(4_000):
        np.testing.assert_allclose(ours[t], sigma2, rtol=1e-9)
        sigma2 = volatility.after(sigma2, broken.close[t], broken.low[t], broken.high[t])
    np.testing.assert_allclose(ours[-1], sigma2, rtol=1e-9)


def test_variance_when_a_return_is_absurd_then_it_stays_below_the_cap() -> None:
    volatility = fit_coin_volatility(garch_history(2_000))
    fall = np.full(3, -5.0)
    after = volatility.after(volatility.start, fall, fall, np.zeros(3))
    assert (after == volatility.most).all()
    assert (volatility.of_returns(fall[None])[1] == volatility.most).all()


def test_fit_when_rows_are_few_or_a_price_never_moves_then_it_is_refused() -> None:
    h = garch_history(600)
    with pytest.raises(InputError, match="at least 500 rows in which every coin moves, got 480"):
        fit_coin_volatility(h, fit_days=20)
    still = h.close.copy()
    still[:, 1] = 0
    with pytest.raises(InputError, match="ETH/USDT:USDT never move"):
        fit_coin_volatility(replace(h, close=still))
