"""The gates must pass real windows and convict generators that are wrong in known ways."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from models.base.resampling import stationary_indices
from models.base.types import FloatArray
from models.learn.gan.gates import (
    ILLUSTRATIVE,
    Evidence,
    Gate,
    collapse_gates,
    energy_score,
    judge,
    score_gates,
    stylised_gates,
    tail_gates,
)
from models.learn.gan.stylised import hill, kurtosis

WINDOWS, STEPS, DRAWS = 150, 24, 40
ASSETS = ("BTC", "ETH")


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


def honest() -> FloatArray:
    """Draws (W, G, S, A) that are bootstraps of the real windows."""
    rng = np.random.default_rng(2)
    picks = [stationary_indices(WINDOWS, 4.0, 1, rng)[0] for _ in range(DRAWS)]
    return np.stack([real()[pick] for pick in picks], axis=1)


def failed(gates: list[Gate]) -> set[str]:
    return {gate.name.split()[0] for gate in gates if not gate.passed}


def stylised_failures(generated: FloatArray) -> set[str]:
    return failed(stylised_gates(real(), generated, ASSETS, seed=0))


def test_stylised_gates_when_paths_are_bootstraps_of_the_real_ones_then_all_pass() -> None:
    assert not stylised_failures(honest())


def test_stylised_gates_when_paths_are_another_draw_of_the_same_market_then_most_pass() -> None:
    drawn = np.stack([market(WINDOWS, seed=100 + g) for g in range(10)], axis=1)
    assert len(stylised_failures(drawn)) <= 2  # each band holds 95 % of the time


def test_stylised_gates_when_paths_are_gaussian_then_tails_and_clusters_convict() -> None:
    rng = np.random.default_rng(3)
    drawn = real().std() * rng.normal(size=(WINDOWS, DRAWS, STEPS, 2))
    assert {"kurtosis", "hill_down", "hill_up", "autocorrelation_abs", "cross_correlation"} <= (
        stylised_failures(drawn)
    )


def test_stylised_gates_when_paths_are_shuffled_in_time_then_clusters_convict() -> None:
    rng, drawn = np.random.default_rng(4), honest()
    flat = drawn.transpose(1, 0, 2, 3).reshape(DRAWS, -1, 2)
    shuffled = np.stack([rng.permutation(x) for x in flat])
    shuffled = shuffled.reshape(DRAWS, WINDOWS, STEPS, 2).transpose(1, 0, 2, 3)
    found = stylised_failures(shuffled)
    assert {"autocorrelation_abs", "autocorrelation_abs_distance"} <= found
    assert not {"kurtosis", "hill_down", "deviation"} & found  # the same numbers, after all


def test_collapse_gates_when_draws_vary_as_reality_then_they_pass() -> None:
    drawn = np.stack([market(WINDOWS, seed=200 + g) for g in range(DRAWS)], axis=1)
    assert not failed(collapse_gates(real(), drawn, market(300, seed=5), seed=0))


def test_collapse_gates_when_every_draw_is_the_same_path_then_they_convict() -> None:
    one = market(1, seed=6)[0]
    drawn = np.broadcast_to(one, (WINDOWS, DRAWS, STEPS, 2))
    found = failed(collapse_gates(real(), drawn, market(300, seed=5), seed=0))
    assert {"cluster_coverage", "pairwise_distance_ratio", "noise_sensitivity"} <= found
    assert "discriminator_auc" in found


def test_collapse_gates_when_noise_is_ignored_then_its_sensitivity_convicts() -> None:
    drawn = np.repeat(market(WINDOWS, seed=7)[:, None], DRAWS, axis=1)
    assert "noise_sensitivity" in failed(collapse_gates(real(), drawn, market(300, seed=5), seed=0))


def test_collapse_gates_when_training_paths_are_repeated_then_the_nearest_convicts() -> None:
    training, rng = market(300, seed=5), np.random.default_rng(8)
    drawn = training[rng.integers(300, size=(WINDOWS, DRAWS))]
    assert "nearest_training_path" in failed(collapse_gates(real(), drawn, training, seed=0))


def next_returns(rows: int = 3000) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(9)
    scale = np.where(np.arange(rows) // 100 % 2, 2.0, 0.5)
    return scale * rng.normal(size=rows), scale


def test_tail_gates_when_draws_know_the_volatility_then_they_pass() -> None:
    outcome, scale = next_returns()
    drawn = scale[:, None] * np.random.default_rng(10).normal(size=(len(scale), 1000))
    assert not failed(tail_gates(outcome, drawn))


def test_tail_gates_when_draws_do_not_know_the_volatility_then_independence_convicts() -> None:
    outcome, _ = next_returns()
    rng = np.random.default_rng(11)
    drawn = rng.choice(outcome, size=(len(outcome), 1000))
    assert failed(tail_gates(outcome, drawn)) == {"christoffersen_p"}


def test_tail_gates_when_draws_are_too_narrow_then_size_and_count_convict() -> None:
    outcome, scale = next_returns()
    drawn = 0.7 * scale[:, None] * np.random.default_rng(10).normal(size=(len(scale), 1000))
    assert {"var_error", "es_error", "kupiec_p"} <= failed(tail_gates(outcome, drawn))


def test_energy_score_when_draws_are_of_the_truth_then_wider_narrower_or_moved_is_worse() -> None:
    rng = np.random.default_rng(12)
    outcome = rng.normal(size=(400, 6, 1))

    def score(shift: float, scale: float) -> float:
        drawn = shift + scale * rng.normal(size=(400, 50, 6, 1))
        return float(energy_score(outcome, drawn).mean())

    best = score(0.0, 1.0)
    assert all(score(*other) > best for other in ((0.0, 0.6), (0.0, 1.6), (0.5, 1.0)))


def test_score_gates_when_the_generator_is_worse_than_a_baseline_then_they_convict() -> None:
    rng = np.random.default_rng(13)
    outcome = rng.normal(size=(200, 6, 1))
    good, bad = (scale * rng.normal(size=(200, 50, 6, 1)) for scale in (1.0, 2.0))
    assert not failed(score_gates(outcome, good, {"same": good, "bad": bad}, seed=0))
    assert failed(score_gates(outcome, bad, {"good": good}, seed=0)) == {"energy_score_over_good"}


def test_judge_when_one_gate_fails_then_the_label_is_illustrative_and_names_it() -> None:
    outcome, scale = next_returns()
    drawn = 0.5 * scale[:, None] * np.random.default_rng(10).normal(size=(len(scale), 200))
    verdict = judge(
        Evidence(
            assets=ASSETS, real=real(), generated=honest(), training=market(300, seed=5),
            next_real=outcome, next_drawn=drawn, baselines={"itself": honest()},
        ),
        seed=0,
    )  # fmt: skip
    assert verdict["label"] == ILLUSTRATIVE
    assert "kupiec_p 5% down" in verdict["failed"]
    json.dumps(verdict, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "passed"), [(0.5, True), (1.1, False), (-0.1, False), (float("nan"), False)]
)
def test_gate_when_its_number_is_in_range_then_it_passes(value: float, passed: bool) -> None:
    assert Gate("x", value, 0.0, 1.0).passed == passed


def test_hill_when_tails_are_pareto_then_their_index_is_found() -> None:
    rng = np.random.default_rng(14)
    assert hill(rng.pareto(3.0, size=200_000) + 1, 1.0) == pytest.approx(3.0, abs=0.15)
    assert kurtosis(rng.normal(size=200_000)) == pytest.approx(3.0, abs=0.05)
