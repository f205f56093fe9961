"""Coverage of quantiles: published values, brute force, and the error rates that are stated."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from models.base.errors import InputError
from models.base.types import BoolArray, FloatArray
from models.evaluate.tails.coverage import (
    Transitions,
    conditional_coverage,
    conditional_statistic,
    coverage_statistic,
    even_coverage,
    independence_statistic,
    independent_exceedances,
    unconditional_coverage,
)

# Kupiec 1995, as Jorion, Value at Risk, 3rd edition, table 6.3: exceptions that do not reject at
# 5 %, by days and level; the ends themselves reject. Of 255 days at 1 % the table has the upper end
# only, "below 7"; no exception at all has the ratio 5.13.
KUPIEC = {
    (255, 0.01): (0, 7), (510, 0.01): (1, 11), (1000, 0.01): (4, 17),
    (255, 0.025): (2, 12), (510, 0.025): (6, 21), (1000, 0.025): (15, 36),
    (255, 0.05): (6, 21), (510, 0.05): (16, 36), (1000, 0.05): (37, 65),
}  # fmt: skip


@pytest.mark.parametrize(("days", "level"), KUPIEC)
def test_coverage_when_held_against_kupiecs_table_then_the_same_counts_reject(
    days: int, level: float
) -> None:
    low, high = KUPIEC[days, level]
    limit = stats.chi2.ppf(0.95, 1)
    kept = [x for x in range(days) if coverage_statistic(x, days, level) < limit]
    assert kept == list(range(low + 1, high))


def test_statistics_when_held_against_jorions_examples_then_they_are_his() -> None:
    """Section 6.2: JP Morgan 1998; chapter 6, question 10: six exceptions, four after another."""
    assert coverage_statistic(20, 252, 0.05) == pytest.approx(3.91, abs=0.005)
    assert independence_statistic(Transitions(218, 14, 14, 6)) == pytest.approx(9.53, abs=0.005)
    both = conditional_statistic(Transitions(218, 14, 14, 6), 0.05)
    assert both == pytest.approx(3.91 + 9.53, abs=0.01)
    assert coverage_statistic(6, 252, 0.01) == pytest.approx(3.498, abs=0.001)
    assert independence_statistic(Transitions(244, 2, 2, 4)) == pytest.approx(25.837, abs=0.0005)


def test_transitions_when_counted_then_pairs_of_neighbours_are() -> None:
    hits = np.array([0, 1, 1, 0, 0, 1], dtype=bool)
    assert Transitions.of(hits) == (1, 2, 1, 1)


@pytest.mark.parametrize("level", [0.1, 0.4])
def test_p_values_when_all_sequences_are_walked_then_they_are_those(level: float) -> None:
    """Every sequence of eight days, its chance and statistic, by brute force."""
    every = [np.array(s, dtype=bool) for s in product((0, 1), repeat=8)]
    chance = np.array([level ** h.sum() * (1 - level) ** (8 - h.sum()) for h in every])
    unconditional = np.array([coverage_statistic(int(h.sum()), 8, level) for h in every])
    both = np.array([conditional_statistic(Transitions.of(h), level) for h in every])
    alone = np.array([independence_statistic(Transitions.of(h)) for h in every])
    counts = np.array([h.sum() for h in every])
    for i, hits in enumerate(every):
        worse = unconditional >= unconditional[i] - 1e-9
        assert unconditional_coverage(hits, level).p == pytest.approx(chance[worse].sum())
        worse = both >= both[i] - 1e-9
        assert conditional_coverage(hits, level).p == pytest.approx(chance[worse].sum())
        same = counts == counts[i]
        worse = same & (alone >= alone[i] - 1e-9)
        assert independent_exceedances(hits).p == pytest.approx(worse.sum() / same.sum())


def _rejected(series: BoolArray, at: float, level: float) -> dict[str, int]:
    """How many of (R, D) series each test rejects."""
    return {
        "unconditional": sum(unconditional_coverage(h, level).p <= at for h in series),
        "independent": sum(independent_exceedances(h).p <= at for h in series),
        "conditional": sum(conditional_coverage(h, level).p <= at for h in series),
    }


@pytest.mark.parametrize(("days", "level"), [(1000, 0.01), (1000, 0.05), (150, 0.01)])
def test_size_when_the_forecast_is_right_then_no_more_than_stated_are_rejected(
    days: int, level: float
) -> None:
    runs, at = 600, 0.05
    series = np.random.default_rng(1).random((runs, days)) < level
    most = stats.binom.ppf(0.999, runs, at)
    rejected = _rejected(series, at, level)
    assert max(rejected.values()) <= most, rejected
    if (days, level) == (1000, 0.05):  # hits enough for the size to be reached, not only kept
        assert rejected["conditional"] >= stats.binom.ppf(0.001, runs, 0.8 * at)


def test_power_when_tails_are_too_thin_or_exceedances_cluster_then_they_are_rejected() -> None:
    rng = np.random.default_rng(2)
    often = rng.random((200, 1000)) < 0.025  # of a 1 % quantile
    rejected = _rejected(often, 0.01, 0.01)
    assert rejected["unconditional"] > 160
    assert rejected["conditional"] > 150
    assert rejected["independent"] < 20  # as many as there are, they do not cluster
    after = np.zeros((200, 1000), dtype=bool)  # an exceedance brings another with 30 %
    for day in range(1, 1000):
        after[:, day] = rng.random(200) < np.where(after[:, day - 1], 0.3, 0.7 / 19)
    rejected = _rejected(after, 0.01, 0.05)
    assert rejected["independent"] > 160
    assert rejected["conditional"] > 160


def _garch(rng: np.random.Generator, runs: int, days: int) -> tuple[FloatArray, FloatArray]:
    """Losses (R, D) of variance 1 and their volatility, known the day before."""
    variance, losses, sigma = np.ones(runs), np.empty((runs, days)), np.empty((runs, days))
    for day in range(days):
        sigma[:, day] = np.sqrt(variance)
        losses[:, day] = sigma[:, day] * rng.standard_normal(runs)
        variance = 0.03 + 0.12 * losses[:, day] ** 2 + 0.85 * variance
    return losses, sigma


@pytest.mark.parametrize(("level", "found"), [(0.01, 120), (0.05, 240)])
def test_even_coverage_when_volatility_is_followed_then_kept_and_else_rejected(
    level: float, found: int
) -> None:
    losses, sigma = _garch(np.random.default_rng(3), 300, 1000)
    q = stats.norm.ppf(1 - level)
    right = [even_coverage(x > q * s, s).p for x, s in zip(losses, sigma, strict=True)]
    low, high = stats.binom.ppf([0.001, 0.999], 300, 0.05)
    assert low <= np.sum(np.array(right) <= 0.05) <= high
    constant = np.quantile(losses, 1 - level)
    blind = [even_coverage(x > constant, s) for x, s in zip(losses, sigma, strict=True)]
    assert sum(t.p <= 0.001 and t.statistic > 0 for t in blind) > found
    neighbours = [independent_exceedances(x > constant).p <= 0.001 for x in losses]
    assert sum(neighbours) < found / 2  # why there is another test


@pytest.mark.parametrize(("days", "level"), [(22, 0.01), (60, 0.05)])
def test_even_coverage_when_there_are_hardly_any_days_then_no_more_than_stated_are_rejected(
    days: int, level: float
) -> None:
    """One exceedance says little, wherever it lies; a normal p-value takes it for a find."""
    rng = np.random.default_rng(4)
    p = np.array([even_coverage(rng.random(days) < level, rng.random(days)).p for _ in range(4000)])
    for at in (0.05, 0.01, 0.002):
        assert (p <= at).sum() <= stats.binom.ppf(0.999, 4000, at), at


def test_even_coverage_when_nothing_tells_days_apart_then_nothing_is_found() -> None:
    some = np.arange(9) > 6
    assert even_coverage(some, np.full(9, 2.0)) == (0.0, 1.0)
    assert even_coverage(np.ones(9, dtype=bool), np.arange(9.0)) == (0.0, 1.0)
    assert even_coverage(np.zeros(9, dtype=bool), np.arange(9.0)) == (0.0, 1.0)
    assert even_coverage(some, -np.arange(9.0)).statistic == -1.0
    with pytest.raises(InputError, match="9 finite values"):
        even_coverage(some, np.ones(8))


def test_coverage_when_nothing_or_everything_was_an_exceedance_then_it_is_told() -> None:
    none, every = np.zeros(300, dtype=bool), np.ones(300, dtype=bool)
    assert unconditional_coverage(none, 0.05).statistic == pytest.approx(-600 * np.log(0.95))
    assert unconditional_coverage(none, 0.05).p < 1e-5
    assert independent_exceedances(none) == (0.0, 1.0) == independent_exceedances(every)
    assert conditional_coverage(every, 0.05).p < 1e-10


@pytest.mark.parametrize("hits", [np.zeros(1, dtype=bool), np.zeros(9), np.zeros((3, 3), bool)])
def test_coverage_when_there_is_no_series_then_it_is_refused(hits: BoolArray) -> None:
    with pytest.raises(InputError, match="two days or more"):
        conditional_coverage(hits, 0.05)
