"""Shocks at the stationary rate of a Hawkes process, and falls that leverage deepens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError
from models.base.types import FloatArray
from models.data.features.hawkes import Hawkes
from models.scenarios.cascades import HawkesCascades, market_shocks, shock_counts
from models.scenarios.liquidations import LiquidationFeedback
from models.scenarios.paths import CHUNK, CoinHistory
from tests.test_models.scenarios.histories import garch_history

PROCESS = Hawkes(np.array([0.01, 0.006]), np.array([[0.6, 0.1], [0.2, 0.4]]), 0.7)


def test_shocks_when_drawn_for_long_then_their_rate_is_the_stationary_one() -> None:
    """Hawkes 1971: base / (1 - n), with matrices for two sides."""
    counts = shock_counts(PROCESS, np.zeros(2), 4_000, 500, np.random.default_rng(0))
    per_path = counts[:, 100:].mean(axis=1)
    expected = np.linalg.solve(np.eye(2) - PROCESS.branching, PROCESS.base)
    error = per_path.std(axis=0) / np.sqrt(4_000)
    assert (np.abs(per_path.mean(axis=0) - expected) < 4 * error).all()
    assert (expected > 2 * PROCESS.base).all()


def test_shocks_when_the_first_was_just_now_then_their_number_decays_as_expected() -> None:
    """E[state] = (decay + (1 - decay) branching) state + (1 - decay) base, step by step."""
    held = np.array([0.3, 0.0])  # of a shock down in the candle before
    counts = shock_counts(PROCESS, held, 60_000, 12, np.random.default_rng(1))
    state = held
    for t in range(12):
        rate = PROCESS.base + PROCESS.branching @ state
        error = counts[:, t].std(axis=0) / np.sqrt(60_000)
        assert (np.abs(counts[:, t].mean(axis=0) - rate) < 4.5 * error).all()
        state = PROCESS.decay * state + (1 - PROCESS.decay) * rate


def lows(engine: HawkesCascades, h: CoinHistory) -> FloatArray:
    """Return how deep each path falls in a day, (P, A)."""
    blocks = list(engine.fit(h).given(h).draw(4 * CHUNK, 24, 0))
    out = [(np.cumsum(b.close, axis=1) - b.close + b.low).min(axis=1) for b in blocks]
    return np.concatenate(out)


def test_falls_when_leverage_is_forced_out_then_they_are_deeper() -> None:
    h = garch_history(6_000)
    alone = LiquidationFeedback(open_interest_days=0.0)
    crowded = LiquidationFeedback(open_interest_days=2.0)
    none, usual, many = (
        np.quantile(lows(HawkesCascades(feedback=f), h), 0.001, axis=0)
        for f in (alone, LiquidationFeedback(), crowded)
    )
    assert (usual < none).all()
    assert (many < usual).all()


def test_candles_when_nobody_is_leveraged_then_they_are_rows_of_their_side() -> None:
    h = garch_history(6_000)
    fitted = HawkesCascades(feedback=LiquidationFeedback(open_interest_days=0.0)).fit(h)
    (block,) = fitted.given(h).draw(CHUNK, 50, 0)
    sigma = np.sqrt((h.close[-720:] ** 2).mean(axis=0))
    z = fitted.residuals
    order = np.argsort(z.close[:, 0])
    first = block.close[:, :, 0] / sigma[0]
    row = order[np.searchsorted(z.close[order, 0], first - 1e-9)]
    np.testing.assert_allclose(block.close / sigma, z.close[row])
    np.testing.assert_allclose(block.low / sigma, z.low[row])
    for k in (0, 100):  # in units of the month before, which the row is not part of
        month = h.close[721 + k - 720 : 721 + k]
        np.testing.assert_allclose(z.close[k], h.close[721 + k] / np.sqrt((month**2).mean(axis=0)))
    flags = market_shocks(h, 720)[721:]
    assert [len(rows) for rows in fitted.sides[1:]] == flags.sum(axis=0).tolist()
    seen = [np.isin(row, rows).mean() for rows in fitted.sides]
    assert sum(seen) == pytest.approx(1.0)
    assert seen[1] == pytest.approx(flags[:, 0].mean(), rel=0.6)


def test_process_when_shocks_would_never_end_then_it_is_held_below_and_said() -> None:
    h = garch_history(6_000)
    burst = (np.arange(6_000) // 60 % 20 == 0) & (np.arange(6_000) > 800)
    close = np.where(burst[:, None], 8 * h.close, h.close)
    wild = replace(h, close=close, low=np.minimum(8 * h.low, close), high=np.maximum(h.high, close))
    fitted = HawkesCascades().fit(wild)
    radius = np.abs(np.linalg.eigvals(fitted.process.branching)).max()
    assert radius <= 0.95 + 1e-9
    assert "a shock brings about" in fitted.notes[0]


def test_fit_when_there_are_no_shocks_then_it_is_refused() -> None:
    h = garch_history(3_000)
    calm = np.sin(np.arange(3_000))[:, None] * np.full((1, 3), 0.01)
    with pytest.raises(InputError, match="at least 5 shocks"):
        HawkesCascades().fit(replace(h, close=calm))
    with pytest.raises(ConfigError, match="sigma_days"):
        HawkesCascades(sigma_days=0)
