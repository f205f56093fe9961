"""The exchange is even-handed, and its p-value is uniform where nothing tells the real one."""

from __future__ import annotations

import json

import numpy as np

from models.learn.gan.exchange import exchanged, largest_deviation


def test_exchanged_when_drawn_then_blocks_stay_together_and_each_candidate_comes_alike() -> None:
    picks = exchanged(moments=40, draws=4, block=4, repeats=4000, seed=0)
    assert picks.shape == (4000, 40)
    np.testing.assert_allclose(np.bincount(picks.ravel()) / picks.size, 0.2, atol=0.01)
    np.testing.assert_allclose((picks == 0).mean(axis=0), 0.2, atol=0.03)  # at every moment
    changes = picks[:, 1:] != picks[:, :-1]
    assert (changes.sum(axis=1) <= 10).all()
    np.testing.assert_allclose(changes.mean(axis=0), 0.8 / 4, atol=0.03)  # wherever one begins


def test_largest_deviation_when_all_are_draws_of_one_law_then_p_values_are_uniform() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        # Dependent and heavy-tailed statistics of very different size.
        common = rng.standard_t(3, size=(100, 1))
        x = common + rng.standard_t(3, size=(100, 6)) * np.array([1, 1, 1, 5, 50, 0.01])
        rows = [{str(k): float(v) for k, v in enumerate(row)} for row in x]
        found.append(largest_deviation("p", rows[0], rows[1:]).p_value)
    for level in (0.02, 0.05, 0.2, 0.5):
        share = np.mean(np.array(found) <= level + 1e-9)
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 1000)


def test_largest_deviation_when_one_sided_then_a_low_value_does_not_tell() -> None:
    null = [{"x": float(v)} for v in np.linspace(-1, 1, 99)]
    assert largest_deviation("p", {"x": -9.0}, null).p_value == 0.01
    assert largest_deviation("p", {"x": -9.0}, null, above_only=True).p_value == 1.0
    assert largest_deviation("p", {"x": 9.0}, null, above_only=True).p_value == 0.01


def test_facts_when_a_statistic_is_not_finite_then_it_comes_first_and_none_is_usable() -> None:
    null = [{"x": float(v), "y": 1.0 / (v or np.nan), "z": 0.1 * v} for v in range(50)]
    part = largest_deviation("p", {"x": 900.0, "y": 1.0, "z": 0.0}, null)
    facts = part.facts()
    assert list(facts["deviations"]) == ["y", "x", "z"]
    assert facts["deviations"]["y"] is None
    assert facts["p_value"] == 0.0
    json.dumps(facts, allow_nan=False)


def test_largest_deviation_when_nothing_varies_then_equal_passes_and_other_does_not() -> None:
    null = [{"x": 1.0}] * 99
    assert largest_deviation("p", {"x": 1.0}, null).p_value == 1.0
    assert largest_deviation("p", {"x": 1.5}, null).p_value == 0.01
