"""The mixture: the base stays what it is, each overlay has its stream, and a break is possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.base.types import FloatArray
from models.scenarios.bootstrap import BlockBootstrap
from models.scenarios.breaks import IdiosyncraticBreaks
from models.scenarios.crashes import NamedCrashes
from models.scenarios.extreme import ExtremeValues
from models.scenarios.mixture import Mixture
from models.scenarios.paths import CHUNK, CoinHistory, Engine
from models.scenarios.venue import VenueOutages
from tests.test_models.scenarios.histories import garch_history


def drawn(engine: Engine, h: CoinHistory, steps: int = 168) -> FloatArray:
    return np.concatenate([b.close for b in engine.fit(h).given(h).draw(2 * CHUNK, steps, 5)])


def test_mixture_when_nothing_strikes_then_the_path_is_the_base_s() -> None:
    h = garch_history(5_000)
    base = BlockBootstrap()
    plain = drawn(base, h)
    crashes = drawn(Mixture(base=base, overlays=(NamedCrashes(),)), h)
    struck = (crashes != plain).any(axis=(1, 2))
    assert 0.02 < struck.mean() < 0.5
    # Another overlay before it changes nothing of when and where it strikes.
    both = drawn(Mixture(base=base, overlays=(VenueOutages(), NamedCrashes())), h)
    assert np.array_equal(both, crashes)
    twice = drawn(Mixture(base=base, overlays=(NamedCrashes(), NamedCrashes())), h)
    assert ((twice != plain).any(axis=(1, 2))).mean() > struck.mean()


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
