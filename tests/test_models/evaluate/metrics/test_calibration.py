"""The smooth calibration error and the floor of the other one."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate.metrics.calibration import calibration_floor, smooth_calibration_error
from models.evaluate.metrics.forecast import calibration_error


def odds(seed: int, wrong: float, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, size=rows)
    return p, (rng.random(rows) < np.clip(p + wrong, 0, 1)).astype(float)


@pytest.mark.parametrize(
    ("seed", "wrong", "golden"),  # of relplot 1.0.3, `smECE`
    [(0, 0.0, 0.020511403453953223), (1, 0.05, 0.05680044916006545),
     (2, 0.1, 0.08742985927453162), (3, 0.15, 0.1529598117097833)],
)  # fmt: skip
def test_smooth_error_when_another_hand_counts_then_it_is_the_same(
    seed: int, wrong: float, golden: float
) -> None:
    assert smooth_calibration_error(*odds(seed, wrong)) == pytest.approx(golden, rel=1e-9)


def test_floor_when_probabilities_are_perfect_then_the_error_is_below_it_nineteen_times_of_twenty(
) -> None:  # fmt: skip
    rng = np.random.default_rng(0)
    below = 0
    for seed in range(40):
        p, came = odds(100 + seed, 0.0, 800)
        below += calibration_error(p, came) <= calibration_floor(p, 1, rng)
    assert below >= 34  # of 40; fewer are one chance in a hundred
    p, came = odds(1, 0.1, 3000)
    assert calibration_error(p, came) > calibration_floor(p, 1, rng)


def test_floor_when_horizons_overlap_then_it_is_higher() -> None:
    p, _ = odds(0, 0.0)
    rng = np.random.default_rng(0)
    assert calibration_floor(p, 12, rng) > 1.5 * calibration_floor(p, 1, rng)


def test_errors_when_there_is_no_row_then_there_is_none() -> None:
    none = np.empty(0)
    assert np.isnan(smooth_calibration_error(none, none))
    assert np.isnan(calibration_floor(none, 1, np.random.default_rng(0)))
