"""PBO and the deflated Sharpe ratio: another hand's numbers and published ones."""

from __future__ import annotations

import numpy as np
import pytest
import trialgate

from models.base.errors import InputError
from models.evaluate.metrics.overfit import (
    deflated_sharpe,
    overfit_interval,
    overfit_probability,
)


def noise(days: int, trials: int, seed: int) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).normal(size=(days, trials))


@pytest.mark.parametrize(("trials", "edge"), [(5, 0.0), (24, 0.0), (24, 0.1)])
def test_probability_when_another_hand_counts_then_it_is_the_same(trials: int, edge: float) -> None:
    made = noise(403, trials, trials)  # three days more than sixteen blocks have room for
    made[:, 0] += 0.01 * edge
    made[:, 1] = made[:, 2]  # two that tie
    made[:, 3] = 0.0  # one that never traded
    ours = overfit_probability(made)
    theirs = trialgate.probability_of_backtest_overfitting(made.tolist())
    assert ours == theirs.pbo
    assert theirs.combinations_evaluated == 12_870


def test_deflated_when_another_hand_counts_then_it_is_the_same() -> None:
    rng = np.random.default_rng(3)
    daily = 0.01 * rng.standard_t(4, size=900) + 0.0006
    sharpes = rng.normal(size=40).tolist()
    ours = deflated_sharpe(daily, sharpes, 40, 365)
    theirs = trialgate.deflated_sharpe_ratio(
        daily.tolist(), trial_sharpes=sharpes, periods_per_year=365, effective_trials=40,
        autocorrelation="ignore",
    )  # fmt: skip
    assert ours.probability == pytest.approx(theirs.deflated_sharpe_ratio, rel=1e-12)
    assert ours.bar == pytest.approx(theirs.expected_max_sharpe * np.sqrt(365), rel=1e-12)


def test_deflated_when_the_published_example_is_worked_then_its_numbers_come_out() -> None:
    # Bailey & Lopez de Prado 2014, "A Numerical Example": 5 years of daily returns, a yearly Sharpe
    # ratio of 2.5, skewness -3, kurtosis 10, 100 trials whose yearly ratios have a variance of 1/2:
    # the bar is 0.1132 a day and the deflated ratio 0.9004.
    days, year, ratio = 1250, 250.0, 2.5 / np.sqrt(250)
    rng = np.random.default_rng(0)
    low, high = _skewed_pair()
    daily = np.where(np.arange(days) < low[1] * days, low[0], high[0])
    assert _moments(daily) == pytest.approx((-3.0, 10.0), abs=0.02)
    daily = (daily - daily.mean()) / daily.std(ddof=1) + ratio
    sharpes = np.concatenate((np.full(50, -1.0), np.full(50, 1.0))) * np.sqrt(0.5)
    found = deflated_sharpe(rng.permutation(daily), sharpes.tolist(), 100, year)
    assert found.bar / np.sqrt(year) == pytest.approx(0.1132, abs=5e-5)
    assert found.probability == pytest.approx(0.9004, abs=2e-3)


def _skewed_pair() -> tuple[tuple[float, float], tuple[float, float]]:
    """Two values and their shares with skewness -3; a two-point law of it has kurtosis 10."""
    share = 0.5 * (1 - 3 / np.sqrt(13))
    return (-np.sqrt((1 - share) / share), share), (np.sqrt(share / (1 - share)), 1 - share)


def _moments(x: np.ndarray) -> tuple[float, float]:
    z = (x - x.mean()) / x.std()
    return float((z**3).mean()), float((z**4).mean())


def test_interval_when_nothing_has_an_edge_then_it_reaches_half_and_with_one_it_does_not() -> None:
    rng = np.random.default_rng(0)
    plain = overfit_interval(noise(480, 20, 1), rng, blocks=8, draws=60)
    edged = noise(480, 20, 1)
    edged[:, 7] += 0.004
    edge = overfit_interval(edged, rng, blocks=8, draws=60)
    assert plain.high > 0.5
    assert edge.value <= edge.high < 0.2


def test_deflated_when_more_was_tried_then_it_is_less() -> None:
    daily = noise(700, 1, 5)[:, 0] + 0.001
    sharpes = [-1.0, 0.0, 1.0]
    found = [deflated_sharpe(daily, sharpes, n, 365.25).probability for n in (2, 10, 100, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 0.1


@pytest.mark.parametrize(
    ("made", "blocks", "said"),
    [
        (noise(100, 5, 0), 7, "even number of blocks"),
        (noise(100, 1, 0), 16, "at least 2 trials"),
        (noise(9, 5, 0), 16, "at least 16 periods"),
        (np.full((100, 3), np.nan), 4, "finite"),
    ],
)
def test_probability_when_it_cannot_be_told_then_that_is_said(
    made: np.ndarray, blocks: int, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        overfit_probability(made, blocks)


def test_deflated_when_nothing_moved_then_there_is_none() -> None:
    assert np.isnan(deflated_sharpe(np.zeros(50), [0.1, 0.2], 3, 365).probability)
    with pytest.raises(InputError, match="at least 2 of 3 trials"):
        deflated_sharpe(np.zeros(50), [0.1], 3, 365)
