"""The part of a claim that came true: found where it is planted, and never more than is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import columns
from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.windows import Span
from models.learn.edge import MIN_BLOCKS, calibrated_edge, edge_block, fit_edge
from tests.test_contract import planted

HORIZON, BLOCK = 4, 24  # of hourly candles


def market(
    rng: np.random.Generator, rows: int, slope: float, claim: float = 0.1
) -> tuple[FloatArray, FloatArray]:
    """Claims that last for hours and what came, in sigma: overlapping, clustered, heavy-tailed.

    The returns of the candles have three degrees of freedom and a volatility that wanders.
    """
    calm = np.zeros(rows + HORIZON)
    for t, shock in enumerate(rng.normal(size=len(calm) - 1), start=1):
        calm[t] = 0.98 * calm[t - 1] + 0.1 * shock
    noise = rng.standard_t(3, size=len(calm)) / np.sqrt(3.0) * np.exp(calm - 0.25)
    overlapping = np.convolve(noise, np.ones(HORIZON), "valid")[1:] / np.sqrt(HORIZON)
    claimed = np.zeros(rows)
    for t, news in enumerate(rng.normal(size=rows - 1), start=1):
        claimed[t] = 0.9 * claimed[t - 1] + np.sqrt(1 - 0.9**2) * news
    return claim * claimed, slope * claim * claimed + overlapping


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.8])
def test_edge_when_a_slope_is_planted_then_it_is_found(slope: float) -> None:
    rng = np.random.default_rng(1)
    found = [fit_edge(*market(rng, 20_000, slope, claim=0.5), BLOCK, 0)[0] for _ in range(8)]
    # Clipped at 0, which only a planted 0 notices.
    assert np.mean(found) == pytest.approx(slope, abs=0.04)


@pytest.mark.parametrize(("rows", "least"), [(2_600, 0.92), (600, 0.90)])
def test_lower_bound_when_a_slope_is_planted_then_it_lies_below_it_95_times_in_a_hundred(
    rows: int, least: float
) -> None:
    rng, below = np.random.default_rng(2), []
    for seed in range(400):
        claimed, realised = market(rng, rows, 0.5, claim=0.5)
        below.append(fit_edge(claimed, realised, BLOCK, seed)[1] <= 0.5)
    # Two standard errors of 400 draws are 2 points. A bound that is always 0 would hold always.
    assert least <= np.mean(below) <= 0.98


def test_lower_bound_when_rows_are_drawn_one_by_one_then_it_is_too_high() -> None:
    rng, lows = np.random.default_rng(3), []
    for seed in range(100):
        claimed, realised = market(rng, 2_600, 0.5, claim=0.5)
        lows.append([fit_edge(claimed, realised, block, seed)[1] for block in (1, BLOCK)])
    single, blocks = (np.array(lows) > 0.5).mean(axis=0)
    assert single > 2 * blocks


def test_edge_when_the_claims_are_noise_then_the_lower_bound_is_zero() -> None:
    rng = np.random.default_rng(4)
    lows = [fit_edge(*market(rng, 2_600, 0.0), BLOCK, seed)[1] for seed in range(100)]
    assert np.mean(np.array(lows) == 0.0) >= 0.9


def test_edge_when_what_came_was_backwards_then_both_are_zero() -> None:
    claimed, realised = market(np.random.default_rng(5), 5_000, 1.0, claim=1.0)
    assert fit_edge(claimed, -realised, BLOCK, 0) == (0.0, 0.0)


def test_edge_when_more_came_than_was_claimed_then_the_claim_is_not_raised() -> None:
    claimed, _ = market(np.random.default_rng(6), 5_000, 0.0)
    assert fit_edge(claimed, 3.0 * claimed, BLOCK, 0) == (1.0, 1.0)


def test_edge_when_nothing_is_claimed_then_nothing_is_believed() -> None:
    assert fit_edge(np.zeros(500), np.ones(500), BLOCK, 0) == (0.0, 0.0)


def test_edge_when_only_some_rows_claim_anything_then_draws_without_them_do_not_break_it() -> None:
    claimed = np.zeros(10 * BLOCK)
    claimed[:3] = 1.0
    slope, low = fit_edge(claimed, 0.5 * claimed, BLOCK, 0)
    assert (slope, low) == (pytest.approx(0.5), 0.0)  # three rows are no ground to stand on


def test_edge_when_fitted_again_then_the_seed_decides() -> None:
    data = market(np.random.default_rng(7), 2_600, 1.0, claim=0.5)
    one = fit_edge(*data, BLOCK, 3)
    assert fit_edge(*data, BLOCK, 3) == one
    assert fit_edge(*data, BLOCK, 4)[0] == one[0]
    assert fit_edge(*data, BLOCK, 4)[1] != one[1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(-3, 3), rows=st.integers(192, 400))
def test_edge_when_the_data_are_anything_then_it_lies_between_zero_and_one(
    seed: int, scale: float, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    claimed = rng.standard_t(2, size=rows)
    slope, low = fit_edge(claimed, scale * claimed + rng.standard_t(2, size=rows), BLOCK, seed)
    assert 0 <= low <= slope <= 1


def test_edge_when_rows_are_too_few_then_the_cure_is_named() -> None:
    rows = MIN_BLOCKS * BLOCK
    assert fit_edge(np.ones(rows), np.ones(rows), BLOCK, 0)[0] == 1.0
    with pytest.raises(InputError, match=f"8 blocks of {BLOCK} rows .* got {rows - 1}") as caught:
        fit_edge(np.ones(rows - 1), np.ones(rows - 1), BLOCK, 0)
    assert "calibration_frac" in caught.value.cure


@pytest.mark.parametrize(
    ("claimed", "realised", "said"),
    [
        (np.ones(300), np.ones(299), "one length"),
        (np.ones((300, 1)), np.ones((300, 1)), "one length"),
        (np.full(300, np.nan), np.ones(300), "got 300 of 300"),
        (np.ones(300), np.r_[np.inf, np.ones(299)], "got 1 of 300"),
    ],
)
def test_edge_when_the_input_is_not_returns_then_it_is_refused(
    claimed: FloatArray, realised: FloatArray, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        fit_edge(claimed, realised, BLOCK, 0)


def test_block_when_chosen_then_it_is_six_horizons_at_least_and_a_day_where_there_are_twenty() -> (
    None
):
    assert edge_block(4, 3_600_000, 2_600) == 24
    assert edge_block(4, 300_000, 20 * 288) == 288
    assert edge_block(4, 300_000, 10 * 288) == 144  # ten days only
    assert edge_block(12, 3_600_000, 2_600) == 72
    assert edge_block(4, 3_600_000, 100) == 24
    assert edge_block(1, 7 * 86_400_000, 400) == 6


# -- of a training ----------------------------------------------------------------------------


def outputs(data: Any, claimed: FloatArray) -> FloatArray:
    """Raw outputs (N, H) that claim `claimed` on the calibration rows, and nothing elsewhere."""
    raw = np.full((len(claimed), data.layout.width), np.nan)
    rows = slice(data.split.calibration.start, data.split.calibration.stop)
    raw[rows] = 0.0
    raw[rows, data.layout.quantiles] = claimed[rows, None]
    return raw


def test_calibrated_edge_when_a_model_was_trained_then_its_held_out_rows_decide() -> None:
    data = planted.prepared(planted.planted_job("linear"))
    came = data.job.labels[columns.LABEL_RETURN]
    found = calibrated_edge(outputs(data, 2.0 * came), data)
    assert found == {"slope": pytest.approx(0.5), "low": pytest.approx(0.5),
                     "rows": len(data.split.calibration)}  # fmt: skip
    came[data.split.calibration.start] = np.nan  # nobody knows yet
    again = calibrated_edge(outputs(data, 2.0 * np.nan_to_num(came)), data)
    assert again is not None
    assert again["rows"] == len(data.split.calibration) - 1


def test_calibrated_edge_when_rows_were_lessons_then_they_do_not_count() -> None:
    data = planted.prepared(planted.planted_job("linear"))
    first, came = data.split.calibration.start, data.job.labels[columns.LABEL_RETURN].copy()
    came[first : first + 50] *= -1  # only the lessons come out backwards
    lessons = (Span(first, first + 20), Span(first + 20, first + 50))
    taught = type(data)(**{**data.__dict__, "lessons": lessons})
    found = calibrated_edge(outputs(data, came), taught)
    assert found == {"slope": pytest.approx(1.0), "low": pytest.approx(1.0),
                     "rows": len(data.split.calibration) - 50}  # fmt: skip


def test_calibrated_edge_when_the_model_has_no_quantiles_then_there_is_none() -> None:
    data = planted.prepared(planted.planted_job("ppo"))
    raw = np.full((len(data.job.time_ms), data.layout.width), np.nan)
    assert calibrated_edge(raw, data) is None


def test_manifest_when_a_signal_is_planted_then_most_of_the_claim_is_believed() -> None:
    edge = planted.planted_artifact("linear").manifest["calibration"]["edge"]
    assert 0.5 < edge["low"] <= edge["slope"] <= 1.0


def test_manifest_when_labels_are_shuffled_then_nothing_is_believed_for_sure() -> None:
    assert planted.shuffled_artifact("linear").manifest["calibration"]["edge"]["low"] == 0.0
