"""A challenger in its shadow: a worse one is refused, a tie is its own, a bolder one earns it."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import columns
from models.serve.shadow import SHADOW_ROWS, judge_shadow

ROWS = 600
RNG = np.random.default_rng(0)
MOVE = 0.01 * RNG.laplace(size=ROWS) / np.sqrt(2)
CAME = MOVE, np.sign(MOVE)


def told(p_right: float = 0.5, sigma: float = 0.01, rows: int = ROWS) -> dict[str, np.ndarray]:
    """A forecast that gives the class that came this probability."""
    up = np.where(MOVE > 0, p_right, 1 - p_right)[:rows]
    known = {
        columns.P_UP: 0.9 * up, columns.P_DOWN: 0.9 * (1 - up), columns.P_FLAT: 0.1 + 0 * up,
        columns.SIGMA: sigma + 0 * up,
    }  # fmt: skip
    return {name: known.get(name, np.full(rows, np.nan)) for name in columns.FORECAST}


def noisy(p: float, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    out = told(p)
    shift = 0.05 * rng.normal(size=ROWS)
    out[columns.P_UP] = np.clip(out[columns.P_UP] + shift, 0.05, 0.85)
    out[columns.P_DOWN] = 0.9 - out[columns.P_UP]
    return out


def test_shadow_when_the_challenger_is_worse_then_it_is_refused_and_the_reverse_promoted() -> None:
    good, bad = noisy(0.56, 1), noisy(0.48, 2)
    found = judge_shadow(good, bad, good, CAME, 99.0)
    assert found is not None
    assert not found.promoted
    assert found.why == "its loss is higher by more than its error"
    assert found.worse_by_nats > found.standard_error > 0
    better = judge_shadow(bad, good, good, CAME, 99.0)
    assert better is not None
    assert better.promoted
    assert better.worse_by_nats == pytest.approx(-found.worse_by_nats)


def test_shadow_when_both_are_alike_then_the_newer_serves() -> None:
    found = judge_shadow(noisy(0.53, 1), noisy(0.53, 1), noisy(0.53, 1), CAME, 1.5)
    assert found is not None
    assert (found.promoted, found.rows) == (True, ROWS)


def test_shadow_when_it_takes_a_wild_market_for_a_calm_one_then_it_is_refused() -> None:
    found = judge_shadow(told(), told(sigma=0.003), told(), CAME, 99.0)
    assert found is not None
    assert not found.promoted


def test_shadow_when_it_is_bolder_than_the_first_model_then_only_a_better_one_serves() -> None:
    first = noisy(0.5, 3)
    bold = {**first, columns.EDGE_LOW: np.full(ROWS, 0.004)}  # no likelihood hears of it
    found = judge_shadow(first, bold, first, CAME, 1.5)
    assert found is not None
    assert not found.promoted
    assert "times as strongly as the first model" in found.why
    assert found.boldness > 1.5
    # The champion has grown as bold already: it is the first model that counts.
    crept = judge_shadow(bold, bold, first, CAME, 1.5)
    assert crept is not None
    assert not crept.promoted
    better = {**noisy(0.58, 1), columns.EDGE_LOW: bold[columns.EDGE_LOW]}
    found = judge_shadow(first, better, first, CAME, 1.5)
    assert found is not None
    assert found.promoted


def test_shadow_when_too_few_candles_have_come_then_nothing_is_said() -> None:
    came = tuple(np.where(np.arange(ROWS) < SHADOW_ROWS - 1, part, np.nan) for part in CAME)
    assert judge_shadow(told(), told(), told(), came, 1.5) is None
