"""Tails against SciPy's generalised Pareto distribution, pyextremes, and their own coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyextremes import EVA
from scipy.stats import genpareto, kstest

from models.base.errors import ConfigError, InputError
from models.base.types import FloatArray, IntArray
from models.base.units import HOUR_MS
from models.scenarios.extreme import ExtremeValues
from models.scenarios.filtered import FilteredHistory
from models.scenarios.pareto import ParetoTail, fit_pareto
from models.scenarios.paths import CHUNK
from models.scenarios.tails import RankedTail
from tests.test_models.scenarios.histories import garch_history


def hours(rows: int) -> IntArray:
    return HOUR_MS * np.arange(rows, dtype=np.int64)


def sample(xi: float, rows: int, seed: int) -> FloatArray:
    """Return values of which all are beyond 1, with excesses of scale 2."""
    rng = np.random.default_rng(seed)
    return np.asarray(1 + genpareto.rvs(xi, scale=2.0, size=rows, random_state=rng))


def fit(x: FloatArray, confidence: float = 0.95) -> ParetoTail:
    return fit_pareto(x, hours(len(x)), 1.0, 1, confidence)


@pytest.mark.parametrize("xi", [0.3, 0.05, -0.2])
def test_fit_when_the_tail_is_known_then_it_is_found_and_scipy_agrees(xi: float) -> None:
    x = sample(xi, 4_000, 1)
    tail = fit(x)
    error = (1 + xi) / np.sqrt(4_000)  # Smith 1987
    assert abs(tail.estimate - xi) < 4 * error
    assert tail.shape == pytest.approx(max(tail.estimate + 1.645 * error, 1e-6), abs=0.3 * error)
    theirs, _, scale = genpareto.fit(x - 1, floc=0)
    assert tail.estimate == pytest.approx(theirs, abs=0.01)
    assert xi < 0 or fit(x, 0.5).scale == pytest.approx(scale, rel=0.02)


def test_fit_when_pyextremes_fits_the_same_maxima_then_xi_is_the_same() -> None:
    x = np.random.default_rng(2).standard_t(3, 8_000)
    tail = fit_pareto(x, hours(8_000), 2.0, 6 * HOUR_MS, 0.95)
    eva = EVA(pd.Series(x, index=pd.to_datetime(hours(8_000), unit="ms")))
    eva.get_extremes("POT", threshold=2.0, r=pd.Timedelta("6h"))
    eva.fit_model("MLE", distribution="genpareto")
    assert tail.clusters == len(eva.extremes)
    assert tail.estimate == pytest.approx(eva.distribution.mle_parameters["c"], abs=0.01)
    assert tail.exceedances == (x > 2).sum() > tail.clusters


def test_bound_when_samples_are_small_then_it_covers_the_truth_as_often_as_it_says() -> None:
    tails = [fit(sample(0.3, 150, seed)) for seed in range(200)]
    covered = np.mean([tail.shape >= 0.3 for tail in tails])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)
    assert np.mean([tail.estimate >= 0.3 for tail in tails]) < 0.6  # the estimate does not


def test_beyond_when_shares_are_given_then_values_are_quantiles() -> None:
    tail = fit(sample(0.3, 500, 1))
    shares = np.array([0.0, 0.1, 0.9, 0.9999])
    expected = 1.0 + genpareto.ppf(shares, tail.shape, scale=tail.scale)
    np.testing.assert_allclose(tail.beyond(shares), expected)


def test_fit_when_few_values_are_beyond_then_it_is_refused() -> None:
    x = np.zeros(1_000)
    x[::100] = 5.0
    with pytest.raises(InputError, match="at least 25 separate values beyond 1, got 10"):
        fit(x)


def test_tails_when_drawn_then_they_have_the_fitted_distribution_and_rows_keep_their_rank() -> None:
    h = garch_history(4_000)
    plain, extreme = FilteredHistory().fit(h), ExtremeValues().fit(h)
    tails, z = extreme.tails, plain.residuals
    assert tails is not None
    rows = np.random.default_rng(0).integers(0, 4_000, (4_000, 50))
    close, low, high = z.close[rows], z.low[rows], z.high[rows]
    tails.replace(rows, close, low, high, np.random.default_rng(1))
    for i in range(3):
        for sign, one, x, old in (
            (-1, tails.close[i][0], close[..., i], z.close[rows, i]),
            (1, tails.close[i][1], close[..., i], z.close[rows, i]),
            (-1, tails.low[i], low[..., i], z.low[rows, i]),
            (1, tails.high[i], high[..., i], z.high[rows, i]),
        ):
            tail, up = one.tail, sign * x
            beyond = up > tail.threshold
            assert beyond.mean() == pytest.approx(tail.exceedances / 4_000, abs=2e-3)
            k, rank = tail.exceedances, one.rank[one.rank > 0]
            seen = np.sort(sign * (z.close if one in tails.close[i] else z.low if sign < 0 else
                                   z.high)[one.rank > 0, i])  # fmt: skip
            for share in (0.5, 0.9, 0.99, 0.999):
                level = tail.beyond(np.array(share))
                drawn_deeper = np.clip(np.sort(rank) - k * share, 0, 1)  # rank by rank
                expected = np.maximum(seen > level, drawn_deeper).mean()
                error = np.sqrt(expected * (1 - expected) / beyond.sum())
                assert abs((up[beyond] > level).mean() - expected) < 4.5 * error
                assert expected >= 1 - share - 1e-9
            assert (up >= sign * old)[beyond].all()
            middle = ~beyond & (np.abs(old) < 1)
            assert (x[middle] == old[middle]).all()
            # The larger one of two rows stays the larger, but for rows of the same rank.
            order = np.lexsort((up[beyond], one.rank[rows][beyond]))
            assert (np.diff(up[beyond][order]) >= 0).all()
            assert up.max() > (sign * old).max()


def test_row_when_it_is_the_largest_seen_then_it_is_anywhere_in_the_last_part_of_the_tail() -> None:
    tail = fit(sample(0.3, 100, 1))
    one = RankedTail(tail=tail, sign=-1.0, rank=np.array([0, 100]))
    rows = np.ones((1, 5_000), dtype=np.int64)
    x = np.full(rows.shape, -1.0)
    one.replace(rows, x, 1.0 - np.random.default_rng(0).random(rows.shape))
    share = genpareto.cdf(-x[0] - 1.0, tail.shape, scale=tail.scale)
    assert kstest(100 * share - 99, "uniform").pvalue > 1e-3
    kept = x.copy()
    one.replace(0 * rows, x, np.ones(rows.shape))  # the other row is not beyond the threshold
    np.testing.assert_array_equal(x, kept)


def test_paths_when_tails_are_replaced_then_the_worst_is_worse_and_the_middle_is_not() -> None:
    h = garch_history(4_000)
    lows = []
    for engine in (FilteredHistory(), ExtremeValues()):
        blocks = engine.fit(h).given(h).draw(8 * CHUNK, 24, 0)
        lows.append(np.concatenate([b.low.min(axis=1) for b in blocks]))
    plain, extreme = (np.quantile(x, [0.001, 0.5], axis=0) for x in lows)
    assert (extreme[0] < plain[0]).all()
    np.testing.assert_allclose(extreme[1], plain[1], rtol=0.05)


def test_extreme_when_settings_are_impossible_then_they_are_refused() -> None:
    with pytest.raises(ConfigError, match="quantile"):
        ExtremeValues(quantile=1.0)
