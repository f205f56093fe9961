"""Odds of a move beyond costs: what is planted in evidence, volatility and the hour is found."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.columns import FEATURE_SIGMA
from models.base.errors import InputError
from models.base.heads import chained, sigmoid
from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.learn.calibration import MIN_ROWS
from models.learn.moves import STEEPEST, fit_moves
from models.serve.conditions import ConditionInputs, ConditionTerm

NAMES = ("%-range", FEATURE_SIGMA)
INPUTS = ConditionInputs(NAMES, HOUR_MS)
PRIOR = np.log([0.25, 0.5, 0.25])


class Rows:
    """Logits, and moves whose odds depend on them, on sigma and on whether it is afternoon."""

    def __init__(
        self, rows: int, seed: int, *, evidence: float = 1.0, sigma: float = 0.0, hour: float = 0.0
    ) -> None:
        rng = np.random.default_rng(seed)
        calm = rng.normal(size=rows)
        self.x = np.column_stack((np.ones(rows), 0.01 * np.exp(calm))).astype(np.float32)
        self.inputs = INPUTS(self.x)
        time_ms = HOUR_MS * np.arange(rows, dtype=np.int64)
        self.clock = INPUTS.clock(time_ms)
        told = rng.normal(size=rows)
        self.logits = PRIOR + np.column_stack((told, np.zeros(rows), told))
        busy = self.clock % 24 >= 12
        self.odds = evidence * told + sigma * calm + hour * busy
        moved = rng.random(rows) < sigmoid(self.odds)
        self.classes = np.where(moved, 2.0 * (rng.random(rows) < 0.5), 1.0)

    def fit(self) -> tuple[float, ConditionTerm]:
        slope, term = fit_moves(self.logits, self.classes, PRIOR, self.inputs, self.clock)
        return slope, ConditionTerm(term)


def loss(rows: Rows, odds: FloatArray) -> float:
    moved = (rows.classes != 1).astype(np.float64)
    return float((np.logaddexp(0.0, odds) - moved * odds).mean())


@pytest.mark.parametrize("evidence", [0.0, 0.4, 1.0, 1.7])
def test_moves_when_evidence_is_overstated_otherwise_then_the_share_that_came_is_recovered(
    evidence: float,
) -> None:
    slope, term = Rows(40_000, 0, evidence=evidence).fit()
    assert slope == pytest.approx(evidence, abs=0.06)
    new = Rows(1_000, 1)
    assert np.std(term(new.inputs, new.clock)) < 0.08  # nothing was planted there


def test_moves_when_sigma_and_the_hour_decide_then_new_rows_are_told_their_odds() -> None:
    planted = {"sigma": 0.8, "hour": 0.6}
    slope, term = Rows(40_000, 0, **planted).fit()
    new = Rows(40_000, 1, **planted)
    told = slope * (new.logits[:, 2] - PRIOR[2])
    found = told + term(new.inputs, new.clock)
    best = loss(new, new.odds)
    assert loss(new, found) < best + 0.002
    assert loss(new, told) > best + 0.03  # the control: the evidence alone


def test_moves_when_evidence_is_backwards_then_none_of_it_is_believed() -> None:
    slope, term = Rows(20_000, 0, evidence=-1.0, sigma=0.8).fit()
    assert slope == 0.0
    new = Rows(2_000, 1)
    assert np.corrcoef(term(new.inputs, new.clock), new.inputs[:, 0])[0, 1] > 0.9


def test_moves_when_evidence_is_understated_beyond_belief_then_the_bound_is_used() -> None:
    rows = Rows(20_000, 0)
    rows.logits = PRIOR + 0.05 * (rows.logits - PRIOR)
    slope, _ = rows.fit()
    assert slope == STEEPEST


def test_moves_when_few_rows_tell_then_conditions_are_held_near_nothing() -> None:
    new = Rows(2_000, 9)
    few, many = (
        np.std(term(new.inputs, new.clock))
        for _, term in (Rows(n, 3, hour=0.8).fit() for n in (MIN_ROWS, 40_000))
    )
    assert few < 0.6 * many


@pytest.mark.parametrize("what", [0.0, 1.0], ids=["always", "never"])
def test_moves_when_it_always_or_never_moved_then_the_odds_are_finite(what: float) -> None:
    rows = Rows(1_000, 0)
    rows.classes[:] = what
    slope, term = rows.fit()
    told = term(rows.inputs, rows.clock)
    assert np.isfinite(told).all()
    assert np.isfinite(slope)
    assert (told < -1).all() if what else (told > 1).all()


def test_moves_when_rows_are_too_few_then_both_numbers_are_named() -> None:
    rows = Rows(MIN_ROWS - 1, 0)
    with pytest.raises(InputError, match=f"{MIN_ROWS} calibration rows, got {MIN_ROWS - 1}"):
        rows.fit()


def test_moves_when_a_logit_is_not_finite_then_refused_by_name() -> None:
    rows = Rows(1_000, 0)
    rows.logits[5] = np.nan
    with pytest.raises(InputError, match="finite"):
        rows.fit()


def test_chained_when_conditions_add_to_the_odds_then_only_those_of_a_move_change() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3))
    plain, more = (chained(logits, PRIOR, 1.0, 1.0, add) for add in (0.0, np.full(50, 0.7)))
    odds = [np.log((1 - p[:, 1]) / p[:, 1]) for p in (plain, more)]
    np.testing.assert_allclose(odds[1] - odds[0], 0.7, atol=1e-12)
    np.testing.assert_allclose(more[:, 2] / more[:, 0], plain[:, 2] / plain[:, 0])
