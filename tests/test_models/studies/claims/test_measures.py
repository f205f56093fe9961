"""Measures by hand: signals, false ones, reversals and whipsaws of a few rows."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import FloatArray
from models.studies.claims.measures import (
    SIGNALS_FRAC,
    false_signals,
    faster,
    resampled,
    reversals,
    signals_given,
    skill_ahead,
    whipsaws,
)
from models.studies.compare.records import ComparedModel, Truth
from tests.test_models.studies.claims.worlds import leaning, trends
from tests.test_models.studies.compare import worlds


def of_leads(lead: FloatArray) -> ComparedModel:
    p = np.column_stack([0.4 - lead / 2, np.full(len(lead), 0.2), 0.4 + lead / 2])
    return worlds.entry("m", worlds.forecast(p, lead))


def with_opens(opens: FloatArray, outcome: FloatArray) -> Truth:
    return Truth(
        time_ms=np.arange(len(opens), dtype=np.int64), outcome_class=outcome,
        outcome_return=outcome * 0.01, open=opens, horizon_candles=1, candle_ms=1,
    )  # fmt: skip


def test_signals_when_given_then_they_are_the_most_confident_fifth_whatever_the_scale() -> None:
    lead = np.random.default_rng(0).normal(size=1000)
    given = signals_given(lead)
    assert given.mean() == SIGNALS_FRAC
    np.testing.assert_array_equal(given, signals_given(0.01 * lead))
    lead[:500] = np.nan
    assert signals_given(lead)[:500].sum() == 0
    assert not signals_given(np.full(5, np.nan)).any()


def test_false_signals_when_counted_by_hand_then_flat_and_the_other_side_are_false() -> None:
    lead = np.array([0.5, -0.5, 0.5, *np.full(12, 0.01)])
    outcome = np.array([1.0, 1.0, 0.0, *np.zeros(12)])
    wrong, given = false_signals(of_leads(lead), with_opens(np.ones(15), outcome))
    assert given.tolist() == [1, 1, 1, *[0] * 12]
    assert wrong.tolist() == [0, 1, 1, *[0] * 12]


def test_false_signals_when_the_outcome_is_unknown_then_the_row_is_no_signal() -> None:
    outcome = np.array([np.nan, *np.zeros(4)])
    _, given = false_signals(of_leads(np.array([0.5, 0, 0, 0, 0])), with_opens(np.ones(5), outcome))
    assert given.sum() == 0


@pytest.mark.parametrize(
    ("opens", "within", "hits"),
    [
        ([1, 1, 1, 1.0, 1, 1], 2, [0]),  # bought at 1 and given up at 1: the costs are lost
        ([1, 1, 1, 1.5, 1, 1], 2, []),  # earned more than costs
        ([1, 1, 1, 1.0, 1, 1], 1, []),  # not soon enough to be one
    ],
)
def test_whipsaws_when_counted_by_hand_then_only_quick_losers_count(
    opens: list[float], within: int, hits: list[int]
) -> None:
    lead = np.array([0.5, 0.01, -0.5, 0.01, 0.01, 0.01, *np.full(4, 0.01)])
    truth = with_opens(np.array([*opens, 1.0, 1.0, 1.0, 1.0]), np.zeros(10))
    assert reversals(lead)[0].tolist() == [0, 2]
    found = whipsaws(of_leads(lead), truth, within, cost_frac=0.002)
    assert np.flatnonzero(found).tolist() == hits


def test_interval_when_rows_come_in_blocks_then_it_is_wider_than_of_single_rows() -> None:
    x = np.repeat(np.random.default_rng(0).normal(size=100), 20)

    def mean(s: FloatArray) -> FloatArray:
        return np.asarray(s[:, 0] / 2_000)

    wide, narrow = resampled([x], mean, 40), resampled([x], mean, 1)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_ahead_when_one_rival_of_two_is_better_then_the_better_one_counts() -> None:
    t = trends()
    subject, weak, strong = (leaning(n, t, r, 1) for n, r in (("a", 0.7), ("b", 0.55), ("c", 0.9)))
    assert skill_ahead(subject, [weak], t).low > 0
    assert skill_ahead(subject, [weak, strong], t).high < 0
    with pytest.raises(InputError, match="at least one model"):
        skill_ahead(subject, [], t)


def test_faster_when_runs_are_few_or_uneven_then_refused() -> None:
    with pytest.raises(InputError, match="expected at least 3 runs of each in turns, got 2 and 2"):
        faster(np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="got 4 and 3"):
        faster(np.ones(4), np.ones(3))
