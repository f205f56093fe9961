"""The energy score, the place among draws and Holm's correction: closed forms and controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.base.errors import InputError
from models.evaluate.tails.scores import holm, joint_energy_score, place_among
from models.learn.gan.likeness import energy_score


@pytest.mark.parametrize("outcome", [0.0, -1.3, 4.0])
def test_energy_when_of_one_normal_then_it_is_the_closed_form(outcome: float) -> None:
    """Continuous ranked probability score of N(0, 1); Gneiting & Raftery 2007, section 4.2."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((200_000, 1))
    got = joint_energy_score(draws, np.array([outcome]), rng)
    closed = (
        outcome * (2 * stats.norm.cdf(outcome) - 1) + 2 * stats.norm.pdf(outcome)
        - 1 / np.sqrt(np.pi)
    )  # fmt: skip
    assert got == pytest.approx(closed, abs=0.01)


def test_energy_when_all_pairs_are_walked_then_it_is_that() -> None:
    rng = np.random.default_rng(1)
    draws, outcome = rng.standard_normal((500, 3)), np.array([1.0, -2.0, 0.5])
    (every,) = energy_score(outcome[None, None], draws[None, :, None])
    assert joint_energy_score(draws, outcome, rng, pairings=400) == pytest.approx(every, abs=0.005)


def test_energy_when_dependence_or_spread_is_wrong_then_the_truth_scores_better() -> None:
    """Two coins that move together; one forecast has them apart, one half as far."""
    rng = np.random.default_rng(2)
    mixed = np.linalg.cholesky(np.array([[1.0, 0.95], [0.95, 1.0]])).T
    outcomes = rng.standard_normal((3000, 2)) @ mixed
    wrong = {"right": mixed, "apart": np.eye(2), "narrow": 0.5 * mixed}
    mean = {
        name: np.mean(
            [joint_energy_score(rng.standard_normal((200, 2)) @ how, y, rng, 2) for y in outcomes]
        )
        for name, how in wrong.items()
    }
    assert mean["right"] < mean["apart"] - 0.003
    assert mean["right"] < mean["narrow"] - 0.03


def test_place_when_the_forecast_is_right_then_it_is_uniform_with_ties_or_without() -> None:
    rng = np.random.default_rng(3)
    for draw in (rng.standard_normal, lambda shape: rng.integers(0, 4, shape).astype(float)):
        places = place_among(draw((40, 4000)), draw(4000), rng)
        assert stats.kstest(places, "uniform").pvalue > 0.001
    shifted = place_among(rng.standard_normal((40, 4000)), rng.standard_normal(4000) + 0.2, rng)
    assert stats.kstest(shifted, "uniform").pvalue < 1e-6


def test_holm_when_held_against_other_corrections_then_it_lies_between_them() -> None:
    p = np.random.default_rng(4).random(30) ** 3
    ours = holm(p)
    assert (ours >= stats.false_discovery_control(p) - 1e-12).all()
    assert (ours <= np.minimum(30 * p, 1) + 1e-12).all()
    assert (np.diff(ours[np.argsort(p)]) >= 0).all()
    # Holm 1979 as R's p.adjust: p = .01, .02, .03, .005
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])


def test_energy_when_shapes_do_not_fit_then_it_is_refused() -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(InputError, match=r"got \(3, 2\) and \(3,\)"):
        joint_energy_score(np.ones((3, 2)), np.ones(3), rng)
    with pytest.raises(InputError, match="finite"):
        joint_energy_score(np.full((3, 2), np.nan), np.ones(2), rng)
