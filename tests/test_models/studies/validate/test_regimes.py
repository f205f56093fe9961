"""Regimes: told at each candle's own close."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.studies.validate.regimes import MARKET_KINDS, market_regimes

HOUR = 3_600_000


def closes(rows: int = 24 * 260, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.exp(np.cumsum(0.005 * rng.normal(size=rows)))


def test_regimes_when_the_future_is_another_then_none_before_it_changes() -> None:
    close = closes()
    other = close.copy()
    other[5000:] *= np.exp(np.cumsum(np.full(len(close) - 5000, -0.01)))
    a, b = market_regimes(close, HOUR), market_regimes(other, HOUR)
    np.testing.assert_array_equal(a[:5000], b[:5000])
    assert (a[5000:] != b[5000:]).any()


def test_regimes_when_a_market_turns_wild_and_falls_then_they_say_so() -> None:
    close = closes()
    rng = np.random.default_rng(1)
    close[-24 * 20 :] = close[-24 * 20] * np.exp(np.cumsum(0.02 * rng.normal(size=24 * 20) - 0.004))
    assert MARKET_KINDS[market_regimes(close, HOUR)[-1]] == "falling, wild"


def test_regimes_when_history_is_short_then_none_is_named() -> None:
    assert (market_regimes(closes(24 * 60), HOUR) == -1).all()
    with pytest.raises(InputError, match="a day at most"):
        market_regimes(closes(), 48 * HOUR)
