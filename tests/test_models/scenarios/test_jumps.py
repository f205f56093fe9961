"""Merton's model against its cumulants, its series and the reflection principle."""

from __future__ import annotations

from dataclasses import replace
from math import exp, factorial

import numpy as np
import pytest
from scipy.stats import norm

from models.base.errors import InputError
from models.base.types import FloatArray
from models.scenarios.jumps import FittedJumps, JumpDiffusion, MertonLaw, fit_merton
from models.scenarios.paths import CHUNK, PathBlock
from tests.test_models.scenarios.histories import garch_history

LAW = MertonLaw(drift=1e-4, sigma=0.005, rate=0.05, mean=-0.004, spread=0.02)
RARE = MertonLaw(drift=0.0, sigma=0.008, rate=0.02, mean=0.01, spread=0.03)
THIRD = MertonLaw(drift=0.0, sigma=0.003, rate=0.03, mean=0.0, spread=0.004)
CALM = MertonLaw(drift=0.0, sigma=0.01, rate=1e-6, mean=0.0, spread=0.01)


def known(*laws: MertonLaw, common: float = 0.0) -> FittedJumps:
    fitted = JumpDiffusion().fit(garch_history(1_000))
    correlation = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    return replace(fitted, laws=laws, common=common, jump_correlation=0.8, diffusion=correlation)


def drawn(engine: FittedJumps, chunks: int, steps: int = 50) -> PathBlock:
    blocks = list(engine.given(garch_history(1_000)).draw(chunks * CHUNK, steps, 2))
    return replace(
        blocks[0], **{f: np.concatenate([getattr(b, f) for b in blocks]) for f in ("close", "low")}
    )


def test_candles_when_drawn_then_cumulants_are_merton_s() -> None:
    """The k-th is rate E[jump^k], the first two plus drift and sigma^2."""
    engine = known(LAW, RARE, THIRD, common=0.015)
    x = drawn(engine, 8).close.reshape(-1, 3)
    n = len(x)
    for r, law in zip(x.T, (LAW, RARE, THIRD), strict=True):
        m, s = law.mean, law.spread
        central = r - (law.drift + law.rate * m)
        cumulants = [
            0.0,
            law.sigma**2 + law.rate * (m**2 + s**2),
            law.rate * (m**3 + 3 * m * s**2),
        ]
        for power, expected in enumerate(cumulants, start=1):
            error = (central**power).std() / np.sqrt(n)
            assert abs((central**power).mean() - expected) < 4 * error
        fourth = law.rate * (m**4 + 6 * m**2 * s**2 + 3 * s**4) + 3 * cumulants[1] ** 2
        error = (central**4).std() / np.sqrt(n)
        assert abs((central**4).mean() - fourth) < 4 * error
        assert (central**3).std() / np.sqrt(n) < abs(cumulants[2]) or law is THIRD


def test_candles_when_drawn_then_tails_are_those_of_the_series() -> None:
    x = drawn(known(LAW, RARE, THIRD, common=0.015), 8).close.reshape(-1, 3)
    for r, law in zip(x.T, (LAW, RARE), strict=False):
        for level in (-0.03, -0.06, 0.04):
            k = np.arange(30)
            weight = [exp(-law.rate) * law.rate**i / factorial(i) for i in k]
            sigma = np.sqrt(law.sigma**2 + k * law.spread**2)
            expected = float(weight @ norm.cdf(level, law.drift + k * law.mean, sigma))
            found = (r < level).mean()
            assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / len(r))


def test_candles_when_jumps_are_common_then_coins_move_together_as_computed() -> None:
    engine = known(LAW, RARE, THIRD, common=0.015)
    x = drawn(engine, 8).close.reshape(-1, 3)
    a, b = x[:, 0] - x[:, 0].mean(), x[:, 1] - x[:, 1].mean()
    expected = 0.6 * LAW.sigma * RARE.sigma
    expected += 0.015 * (LAW.mean * RARE.mean + 0.8 * LAW.spread * RARE.spread)
    assert abs((a * b).mean() - expected) < 4 * (a * b).std() / np.sqrt(len(a))


def test_lows_when_nothing_jumps_then_they_follow_the_reflection_principle() -> None:
    """P(lowest of a Brownian motion over a candle < -x) = 2 Phi(-x / sigma)."""
    low = drawn(known(CALM, CALM, CALM), 2).low[:, :, 0].ravel()
    for x in (0.005, 0.01, 0.025):
        expected = 2 * norm.cdf(-x / CALM.sigma)
        error = np.sqrt(expected * (1 - expected) / len(low))
        assert abs((low < -x).mean() - expected) < 4 * error


def simulated(law: MertonLaw, rows: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    k = rng.poisson(law.rate, rows)
    jump = law.mean * k + law.spread * np.sqrt(k) * rng.standard_normal(rows)
    return np.asarray(law.drift + law.sigma * rng.standard_normal(rows) + jump)


@pytest.mark.parametrize("law", [LAW, RARE])
def test_fit_when_a_law_is_planted_then_it_is_found(law: MertonLaw) -> None:
    r = simulated(law, 40_000, 1)
    found = fit_merton(r)
    jumps = law.rate * 40_000
    assert found.sigma == pytest.approx(law.sigma, rel=0.02)
    assert found.rate == pytest.approx(law.rate, rel=6 / np.sqrt(jumps))
    assert found.spread == pytest.approx(law.spread, rel=5 / np.sqrt(jumps))
    assert found.mean == pytest.approx(law.mean, abs=5 * law.spread / np.sqrt(jumps))
    assert found.log_density(r).mean() > law.log_density(r).mean() - 1e-6


def test_density_when_integrated_then_it_is_one() -> None:
    x = np.linspace(-0.5, 0.5, 200_001)
    assert np.trapezoid(np.exp(LAW.log_density(x)), x) == pytest.approx(1.0, abs=1e-6)


def test_fit_when_jumps_are_common_then_their_rate_is_found() -> None:
    h = garch_history(20_000)
    rng = np.random.default_rng(0)
    close = 0.005 * rng.standard_normal((20_000, 3))
    size = 0.08 * rng.standard_normal((400, 1)) + 0.03 * rng.standard_normal((400, 3))
    close[:400] += size
    close[400:700, 0] += 0.085 * rng.standard_normal(300)
    shuffled = rng.permutation(close)
    wick = {"low": np.minimum(shuffled, 0), "high": np.maximum(shuffled, 0)}
    fitted = JumpDiffusion().fit(replace(h, close=shuffled, **wick))
    assert fitted.common == pytest.approx(400 / 20_000, rel=0.15)  # some are too small to tell
    assert fitted.laws[0].rate == pytest.approx(700 / 20_000, rel=0.15)
    assert fitted.jump_correlation == pytest.approx(0.08**2 / (0.08**2 + 0.03**2), abs=0.08)
    assert abs(fitted.diffusion[0, 1]) < 0.03


def test_fit_when_a_coin_never_moves_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="returns of X that move"):
        fit_merton(np.zeros(100), "X")
