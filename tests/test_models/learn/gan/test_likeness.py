"""Each part passes what it should, and convicts generators that are wrong in known ways."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models.base.types import FloatArray
from models.learn.gan.diversity import nearest, nearest_other, to_others
from models.learn.gan.exchange import Part
from models.learn.gan.likeness import (
    energy_score,
    memory_part,
    next_part,
    path_part,
    score_part,
)
from models.learn.gan.stylised import hill, kurtosis, skew

WINDOWS, STEPS, DRAWS = 150, 24, 40
ASSETS = ("BTC", "ETH")
RATE = 0.0125  # of one part of four


def market(windows: int, seed: int) -> FloatArray:
    """(W, S, 2) pieces of one series: volatility persists, tails are heavy, assets move together.

    Student t with 6 degrees of freedom under a log volatility that lives about 20 candles.
    """
    rng = np.random.default_rng(seed)
    rows = windows * STEPS
    log_vol = np.empty(rows)
    h = 0.0
    for t in range(rows):
        h = 0.95 * h + 0.15 * rng.normal()
        log_vol[t] = h
    common = rng.standard_t(6, size=rows)
    shocks = np.column_stack([0.8 * common + 0.6 * rng.standard_t(6, size=rows) for _ in ASSETS])
    return (np.exp(log_vol)[:, None] * shocks).reshape(windows, STEPS, 2)


@cache
def real() -> FloatArray:
    return market(WINDOWS, seed=1)


@cache
def another() -> FloatArray:
    """Draws (W, G, S, A): other histories of the same market."""
    return np.stack([market(WINDOWS, seed=100 + g) for g in range(DRAWS)], axis=1)


def convicting(part: Part, least: float = 4.0) -> set[str]:
    """The statistics, without the asset, that are at least so many deviations off."""
    assert part.p_value <= RATE
    return {n.split()[0] for n, d in part.deviations.items() if d is not None and abs(d) >= least}


def paths(generated: FloatArray) -> Part:
    return path_part(real(), generated, ASSETS, seed=0)


# -- how paths look -------------------------------------------------------------------------------


def test_path_part_when_paths_are_other_draws_of_the_same_market_then_it_passes() -> None:
    part = paths(another())
    assert part.p_value > RATE
    assert len(part.deviations) == 26  # ten statistics of each asset, two of both, four of windows


def test_path_part_when_paths_are_gaussian_then_tails_and_clusters_convict() -> None:
    rng = np.random.default_rng(3)
    drawn = real().std() * rng.normal(size=(WINDOWS, DRAWS, STEPS, 2))
    assert {"kurtosis", "hill_down", "hill_up", "autocorrelation_abs", "cross_correlation"} <= (
        convicting(paths(drawn))
    )


def test_path_part_when_paths_are_shuffled_in_time_then_clusters_convict() -> None:
    rng = np.random.default_rng(4)
    flat = another().transpose(1, 0, 2, 3).reshape(DRAWS, -1, 2)
    shuffled = np.stack([rng.permutation(x) for x in flat])
    shuffled = shuffled.reshape(DRAWS, WINDOWS, STEPS, 2).transpose(1, 0, 2, 3)
    found = convicting(paths(shuffled))
    assert {"autocorrelation_abs", "autocorrelation_abs_distance"} <= found
    assert not {"kurtosis", "hill_down", "skew"} & found  # the same numbers, after all


def test_path_part_when_every_draw_is_the_same_path_then_its_variety_convicts() -> None:
    drawn = np.broadcast_to(market(1, seed=6)[0], (WINDOWS, DRAWS, STEPS, 2))
    assert {"pairwise_distance", "nearest_other_path"} <= convicting(paths(drawn))


def test_path_part_when_noise_is_ignored_then_one_history_is_not_enough() -> None:
    drawn = np.repeat(market(WINDOWS, seed=7)[:, None], DRAWS, axis=1)
    assert convicting(paths(drawn))


def test_path_part_when_a_draw_is_not_finite_then_nothing_is_usable() -> None:
    drawn = another().copy()
    drawn[:, 3] = np.nan
    part = paths(drawn)
    assert part.p_value == 0.0
    assert part.deviations["kurtosis BTC"] is None


# -- copies ---------------------------------------------------------------------------------------


def repeated(share: float) -> Part:
    training, rng = market(300, seed=5), np.random.default_rng(8)
    copies = training[rng.integers(300, size=(WINDOWS, DRAWS))]
    chosen = rng.random((WINDOWS, DRAWS, 1, 1)) < share
    return memory_part(real(), np.where(chosen, copies, another()), training, seed=0)


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_memory_part_when_training_paths_are_repeated_then_it_convicts(share: float) -> None:
    assert convicting(repeated(share)) == {"nearest_training_path"}


def test_memory_part_when_paths_are_new_then_it_passes() -> None:
    assert repeated(0.0).p_value > RATE


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_memory_part_when_paths_are_too_small_or_large_then_they_are_no_copies(size: float) -> None:
    part = memory_part(real(), size * another(), market(300, seed=5), seed=0)
    assert part.p_value > RATE


# -- the next return ------------------------------------------------------------------------------


def next_returns(rows: int = 3000) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(9)
    scale = np.where(np.arange(rows) // 100 % 2, 2.0, 0.5)
    return scale * rng.normal(size=rows), scale


def test_next_part_when_draws_know_the_volatility_then_it_passes() -> None:
    outcome, scale = next_returns()
    drawn = scale[:, None] * np.random.default_rng(10).normal(size=(len(scale), 300))
    assert next_part(outcome, drawn, seed=0).p_value > RATE


def test_next_part_when_there_are_few_draws_then_the_truth_is_not_hit_more_often() -> None:
    hits = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        outcome, drawn = rng.normal(size=2000), rng.normal(size=(2000, 100))
        hits.append(next_part(outcome, drawn, seed).deviations["hits 1% down"])
    assert abs(np.mean(np.array(hits, dtype=float))) < 3 / np.sqrt(20)


def test_next_part_when_draws_do_not_know_the_volatility_then_sizes_come_together() -> None:
    outcome, _ = next_returns()
    drawn = np.random.default_rng(11).choice(outcome, size=(len(outcome), 300))
    assert convicting(next_part(outcome, drawn, seed=0)) == {"sizes_together"}


def test_next_part_when_draws_are_too_narrow_then_size_and_count_convict() -> None:
    outcome, scale = next_returns()
    drawn = 0.7 * scale[:, None] * np.random.default_rng(10).normal(size=(len(scale), 300))
    assert {"value_at_risk", "expected_shortfall", "hits"} <= (
        convicting(next_part(outcome, drawn, seed=0))
    )


# -- the score ------------------------------------------------------------------------------------


def test_energy_score_when_draws_are_of_the_truth_then_wider_narrower_or_moved_is_worse() -> None:
    rng = np.random.default_rng(12)
    outcome = rng.normal(size=(400, 6, 1))

    def score(shift: float, scale: float) -> float:
        drawn = shift + scale * rng.normal(size=(400, 50, 6, 1))
        return float(energy_score(outcome, drawn).mean())

    best = score(0.0, 1.0)
    assert all(score(*other) > best for other in ((0.0, 0.6), (0.0, 1.6), (0.5, 1.0)))


def test_score_part_when_the_generator_is_worse_than_a_baseline_then_it_convicts() -> None:
    rng = np.random.default_rng(13)
    outcome = rng.normal(size=(200, 6, 1))
    good, bad = (scale * rng.normal(size=(200, 50, 6, 1)) for scale in (1.0, 2.0))
    assert score_part(outcome, good, {"same": good, "bad": bad}, seed=0).p_value > RATE
    part = score_part(outcome, bad, {"good": good, "same": bad}, seed=0)
    assert convicting(part) == {"energy_score_over_good"}


def test_score_part_when_a_draw_is_not_finite_then_nothing_is_usable() -> None:
    outcome = np.random.default_rng(13).normal(size=(60, 6, 1))
    drawn = np.full((60, 20, 6, 1), np.nan)
    part = score_part(outcome, drawn, {"nothing": drawn}, seed=0)
    assert (part.p_value, part.deviations) == (0.0, {"energy_score_over_nothing": None})


# -- the numbers they are made of -----------------------------------------------------------------


def test_distances_when_points_are_on_a_line_then_they_are_the_gaps() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(
        nearest(points, np.array([[0.5], [3.5]]), 9), [[0.5, 3.5], [0.5, 2.5], [0.5, 2.5]]
    )
    np.testing.assert_allclose(nearest_other(points), [1.0, 1.0, 2.0])
    np.testing.assert_allclose(to_others(points, points[:2]), [0.5, 0.5, 2.5])


def test_hill_when_tails_are_pareto_then_their_index_is_found() -> None:
    rng = np.random.default_rng(14)
    assert hill(rng.pareto(3.0, size=200_000) + 1, 1.0) == pytest.approx(3.0, abs=0.15)
    assert kurtosis(rng.normal(size=200_000)) == pytest.approx(3.0, abs=0.05)
    assert skew(rng.exponential(size=200_000)) == pytest.approx(2.0, abs=0.1)
