"""The long memory against the arch package's RiskMetrics 2006, and where it stands in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arch.univariate import RiskMetrics2006

from models.base.errors import ConfigError
from models.base.types import FloatArray
from models.scenarios.components import COMPONENTS, fit_component_volatility, long_memory
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FilteredHistory
from models.scenarios.paths import CoinHistory
from models.scenarios.volatility import fit_coin_volatility
from tests.test_models.scenarios.histories import garch_history


def with_break(coin: int = 0, rows: int = 4_000) -> CoinHistory:
    """Return a history in which one coin's level of volatility breaks: its GARCH is integrated."""
    h = garch_history(rows)
    scale = np.ones((rows, 3))
    scale[rows // 2 :, coin] = 12.0
    return replace(h, close=h.close * scale)


def test_long_memory_when_its_numbers_are_those_of_arch_then_its_variances_are_too() -> None:
    h = with_break()
    keeps, weight = long_memory()
    theirs = RiskMetrics2006()
    np.testing.assert_allclose(keeps, theirs._ewma_smoothing_parameters())
    np.testing.assert_allclose(weight, theirs._ewma_combination_weights())
    fitted = fit_component_volatility(h)
    r = np.ascontiguousarray(h.close[:, 0])
    start = np.full(COMPONENTS, (r**2).mean())
    bounds = np.tile([0.0, np.inf], (len(r), 1))
    sigma2 = theirs.compute_variance(np.empty(0), r, np.empty(len(r)), start, bounds)
    ours = fitted.variances(h)
    below = sigma2 < fitted.parts.most[0]  # the cap is ours
    assert below.mean() > 0.99
    np.testing.assert_allclose(ours[:-1, 0][below], sigma2[below], rtol=1e-9)


def test_long_memory_when_one_coin_is_integrated_then_the_others_keep_their_garch() -> None:
    h = with_break(coin=1)
    fitted, short = fit_component_volatility(h), fit_coin_volatility(h)
    assert fitted.count.tolist() == [1, COMPONENTS, 1]
    (note,) = fitted.notes
    assert note.startswith("ETH/USDT:USDT: GARCH is not stationary (alpha + beta = ")
    assert note.endswith("; RiskMetrics 2006 instead")
    ours, plain = fitted.variances(h), short.variances(h)
    np.testing.assert_allclose(ours[:, [0, 2]], plain[:, [0, 2]], rtol=1e-12)
    assert (ours[1000:, 1] != plain[1000:, 1]).all()


def test_state_when_it_moves_on_row_by_row_then_it_is_that_of_the_whole_history() -> None:
    h = with_break(coin=2)
    fitted = fit_component_volatility(h)
    whole = fitted.variances(h)
    state = fitted.parts.start
    for t in range(300):
        np.testing.assert_allclose(fitted.level(state), whole[t], rtol=1e-9)
        state = fitted.after(state, h.close[t], h.low[t], h.high[t])
    np.testing.assert_allclose(state, fitted.newest(h.only(np.arange(4_000) < 300)), rtol=1e-9)
    fall = np.full((1, 3), -50.0)
    wild = fitted.level(fitted.after(state[None], fall, fall, 0 * fall))
    np.testing.assert_allclose(wild[0], fitted.parts.most[[0, 1, 2]], rtol=1e-12)


def calm_end(h: CoinHistory, rows: int = 72) -> CoinHistory:
    quiet = np.where(np.arange(len(h.close))[:, None] >= len(h.close) - rows, 0.1, 1.0)
    return replace(h, close=h.close * quiet)


def spread(engine: FilteredHistory, h: CoinHistory) -> FloatArray:
    blocks = engine.fit(h).given(h).draw(4_096, 24, 1)
    return np.concatenate([b.close.sum(axis=1) for b in blocks]).std(axis=0)


def test_paths_when_three_days_were_calm_then_the_long_memory_still_holds_more_possible() -> None:
    h = calm_end(with_break())
    short, long = FilteredHistory(), FilteredHistory(volatility="garch, long memory")
    ratio = spread(long, h) / spread(short, h)
    assert ratio[0] > 1.3
    np.testing.assert_allclose(ratio[1:], 1.0, atol=1e-9)  # their GARCH is the same, and the draws


def test_volatility_when_unknown_then_it_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="a volatility of garch; garch, long memory; har, got 'short'"
    ):
        ExtremeValues(base=FilteredHistory(volatility="short"))
