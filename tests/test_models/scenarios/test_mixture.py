"""The mixture: the base stays what it is, each overlay has its stream, and a break is possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.types import BoolArray, FloatArray
from models.scenarios.bootstrap import BlockBootstrap, FittedBootstrap
from models.scenarios.breaks import IdiosyncraticBreaks
from models.scenarios.crashes import NamedCrashes
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FilteredHistory
from models.scenarios.mixture import Mixture
from models.scenarios.paths import CHUNK, CoinHistory, Engine, RowEngine
from models.scenarios.venue import VenueOutages
from tests.test_models.scenarios.histories import garch_history


def drawn(engine: Engine, h: CoinHistory, steps: int = 168) -> FloatArray:
    return np.concatenate([b.close for b in engine.fit(h).given(h).draw(2 * CHUNK, steps, 5)])


def without_crashes(h: CoinHistory) -> BoolArray:
    """Return the rows that no named crash covers."""
    kept = np.ones(len(h.close), np.bool_)
    kept[list(NamedCrashes().fit(h).taken)] = False
    return kept


def test_mixture_when_nothing_strikes_then_the_path_is_the_base_s() -> None:
    h = garch_history(5_000)
    base = BlockBootstrap()
    ordinary = base.fit(h, without_crashes(h)).given(h)
    plain = np.concatenate([b.close for b in ordinary.draw(2 * CHUNK, 168, 5)])
    crashes = drawn(Mixture(base=base, overlays=(NamedCrashes(),)), h)
    struck = (crashes != plain).any(axis=(1, 2))
    assert 0.02 < struck.mean() < 0.5
    # Another overlay before it changes nothing of when and where it strikes.
    both = drawn(Mixture(base=base, overlays=(VenueOutages(), NamedCrashes())), h)
    assert np.array_equal(both, crashes)
    twice = drawn(Mixture(base=base, overlays=(NamedCrashes(), NamedCrashes())), h)
    assert ((twice != plain).any(axis=(1, 2))).mean() > struck.mean()


def crashed_history() -> CoinHistory:
    """Return a history in which all coins once lost a third within an hour."""
    h = garch_history(5_000)
    close = h.close.copy()
    close[3_000] = -0.4
    return replace(h, close=close, low=np.minimum(h.low, close - 0.01))


@pytest.mark.parametrize("base", [BlockBootstrap(), FilteredHistory(), ExtremeValues()])
def test_mixture_when_a_crash_is_named_then_the_base_does_not_draw_it_again(
    base: RowEngine,
) -> None:
    h = crashed_history()
    kept = without_crashes(h)
    assert (~kept).sum() == 8 * 24
    assert not kept[3_000]
    fitted, whole = Mixture(base=base, overlays=(NamedCrashes(),)).fit(h).base, base.fit(h)
    # The rows that are left, in their order, each coin in one unit; their funding with them.
    for name in ("close", "low", "high"):
        unit = getattr(pool_of(fitted), name) / getattr(pool_of(whole), name)[kept]
        np.testing.assert_allclose(unit, np.broadcast_to(unit[0], unit.shape), rtol=1e-9)
    np.testing.assert_array_equal(fitted.funding.rate, whole.funding.rate[kept])


def pool_of(fitted: Any) -> Any:
    """Return what an engine draws rows from."""
    return fitted.pool if isinstance(fitted, FittedBootstrap) else fitted.residuals


def test_residuals_when_crashes_are_left_out_then_the_rest_has_a_mean_square_of_one() -> None:
    h = crashed_history()
    z = FilteredHistory().fit(h, without_crashes(h)).residuals
    np.testing.assert_allclose((z.close**2).mean(axis=0), 1.0)


def test_tails_when_crashes_are_left_out_then_they_are_of_the_rest() -> None:
    h = crashed_history()
    fitted, whole = ExtremeValues().fit(h, without_crashes(h)), ExtremeValues().fit(h)
    for ours, theirs in zip(fitted.tails.low, whole.tails.low, strict=True):
        assert len(ours.rank) == 5_000 - 8 * 24
        assert ours.tail.shape < theirs.tail.shape  # the one that lost a third is not among them


def broken_history() -> CoinHistory:
    """Return a history in which single coins broke thirty times, by 20 % at most."""
    h = garch_history(20_000, seed=3)
    rng = np.random.default_rng(0)
    low, close = h.low.copy(), h.close.copy()
    at, coin = 200 + 600 * np.arange(30), rng.integers(0, 3, 30)
    size = 0.08 + 0.12 * rng.random(30) ** 3
    low[at, coin] -= size
    close[at, coin] -= 0.3 * size
    return replace(h, low=low, close=close, high=np.maximum(h.high, np.maximum(close, 0)))


def test_mixture_when_one_coin_halves_then_it_alone_holds_it_possible() -> None:
    h = broken_history()
    deep = []
    for engine in (ExtremeValues(), Mixture(overlays=(IdiosyncraticBreaks(),))):
        blocks = engine.fit(h).given(h).draw(60 * CHUNK, 24, 1)
        lows = np.concatenate([b.low.min(axis=1) for b in blocks])
        apart = (lows[:, 2] < np.log(0.42)) & (lows[:, 0] > np.log(0.85))
        deep.append(apart.mean())
    assert deep[0] < 1e-4 <= deep[1], deep
