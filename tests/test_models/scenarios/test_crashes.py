"""Crashes are found in the history by rule, and come again at their rate and scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError, InputError
from models.scenarios.crashes import NamedCrashes, worst_windows
from models.scenarios.overlays import YEAR_MS, rate_bound, years
from models.scenarios.paths import CHUNK, CoinHistory
from tests.test_models.scenarios.blocks import flat_block
from tests.test_models.scenarios.histories import garch_history


def with_crash(rows: int = 4_000, at: int = 3_001) -> CoinHistory:
    """Return a history in which all coins fall by 10 % an hour for five hours from a row on."""
    h = garch_history(rows)
    close, low = 0.2 * h.close, 0.2 * h.low
    close[at : at + 5] = np.log(0.9)
    low[at : at + 5] = np.log(0.85)
    return replace(h, close=close, low=low, high=np.maximum(0.2 * h.high, close))


def test_windows_when_a_crash_is_planted_then_it_is_the_first() -> None:
    h = with_crash()
    first, second = worst_windows(h, 24, 2)
    assert (first.depth <= 4 * np.log(0.9) + np.log(0.85)).all()
    assert (first.close == np.log(0.9)).all(axis=1).sum() == 5
    assert not (second.close == np.log(0.9)).all(axis=1).any()
    assert first.depth.mean() < second.depth.mean() < 0
    start = np.datetime64(first.name)
    assert 0 <= np.datetime64(int(h.time_ms[3_001]), "ms") - start < np.timedelta64(2, "D")


def test_windows_when_a_gap_lies_within_then_they_are_not_taken() -> None:
    h = with_crash()
    torn = replace(h, time_ms=np.where(np.arange(4_000) > 3_003, h.time_ms + 1, h.time_ms))
    depths = [w.depth.mean() for w in worst_windows(torn, 24, 3)]
    assert min(depths) > worst_windows(h, 24, 1)[0].depth.mean()


def test_crashes_when_laid_over_then_rate_and_scale_are_as_said() -> None:
    h = with_crash()
    fitted = NamedCrashes(windows=4).fit(h)
    yearly = rate_bound(4, years(h), 0.95)
    assert fitted.per_candle == pytest.approx(yearly * h.candle_ms / YEAR_MS)
    assert fitted.notes[0].startswith(f"crashes, {yearly:.2g} a year: 2021-01-15 (-44%)")
    block = flat_block(168)
    got = fitted.laid_over(block, np.random.default_rng(0))
    struck = (got.low != 0).any(axis=(1, 2))
    expected = 1 - np.exp(-fitted.per_candle * 168)
    assert abs(struck.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / CHUNK)
    assert (block.low == 0).all()
    for p in np.flatnonzero(struck):
        at = np.flatnonzero((got.low[p] != 0).any(axis=1))[0]
        ratios = [got.low[p, at] / crash.low[0] for crash in fitted.crashes]
        (k,) = [k for k, r in enumerate(ratios) if np.ptp(r) < 1e-9]
        factor, n = ratios[k][0], min(24, 168 - at)
        assert 1.0 <= factor <= 1.5
        np.testing.assert_allclose(got.close[p, at : at + n], factor * fitted.crashes[k].close[:n])
        np.testing.assert_allclose(got.high[p, at : at + n], factor * fitted.crashes[k].high[:n])
        assert (got.close[p, at + n :] == 0).all()


def test_crashes_when_there_is_no_room_then_they_are_refused() -> None:
    with pytest.raises(InputError, match="at least 384 rows of history for crashes"):
        NamedCrashes().fit(garch_history(300))
    with pytest.raises(ConfigError, match="least <= most"):
        NamedCrashes(least=2.0)
