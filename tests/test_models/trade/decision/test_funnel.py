"""The steps of an entry agree with the signals, and each stops what lacks what it needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import columns
from models.base.types import FloatArray
from models.trade.decision.funnel import ENTRY_STEPS, STEP_NAMES, entry_funnel, steps_passed
from models.trade.decision.signals import DecisionConfig, signals
from tests.test_models.trade.decision.rows import COST, row

NAN = float("nan")


def stopped(forecast: dict[str, FloatArray], do_predict: float = 1.0, **rule: float) -> str:
    """The step that stops a row, "" if none does."""
    passed = steps_passed(forecast, np.array([do_predict]), COST, DecisionConfig(**rule))
    return [*STEP_NAMES, ""][int(passed[0])]


def claims(value: float) -> dict[str, FloatArray]:
    """What the quantiles say, whatever is believed of it."""
    return {name: np.array([value]) for name in columns.RETURN_QUANTILES}


@pytest.mark.parametrize(
    ("given_row", "do_predict", "step"),
    [
        (row(), 1.0, ""),
        (row(up=0.2, down=0.6, edge=-0.01), 1.0, ""),
        (row(up=NAN), 1.0, "forecast"),
        (row(), 0.0, "trusted"),
        (row(), 2.0, "trusted"),
        (row(abstain=1.0), 1.0, "trusted"),
        (row(abstain=NAN), 1.0, "trusted"),
        (row(up=0.4, down=0.4), 1.0, "direction"),
        (row(edge=COST * 0.999), 1.0, "edge"),
        (row(edge=-0.01), 1.0, "edge"),
        (row(edge=0.01) | claims(-0.01), 1.0, "edge"),
        (row(up=0.2, down=0.6, edge=-0.01) | claims(0.01), 1.0, "edge"),
        (row(edge=NAN), 1.0, "edge"),
        (row(false_down=0.1), 1.0, "hazard"),
        (row(false_down=NAN), 1.0, "hazard"),
        (row(false_up=0.1), 1.0, ""),  # against the other side
    ],
)
def test_row_when_it_lacks_something_then_the_step_that_needs_it_stops_it(
    given_row: dict[str, FloatArray], do_predict: float, step: str
) -> None:
    assert stopped(given_row, do_predict) == step


def test_row_when_both_sides_would_be_entered_then_it_stops_at_the_edge() -> None:
    both = row(up=0.4, down=0.4, edge=0.0)
    assert stopped(both, min_advantage=0.0, min_edge_costs=0.0) == "edge"


NUMBERS = st.sampled_from([NAN, -0.02, -COST, 0.0, COST, 0.02])
PARTS = st.sampled_from([NAN, 0.2, 0.3, 0.4, 0.6])
RATES = st.sampled_from([NAN, 0.1, 0.25, 5.0])


@settings(max_examples=300, deadline=None)
@given(
    parts=st.tuples(PARTS, PARTS, NUMBERS, RATES, RATES, st.sampled_from([0.0, 1.0, NAN])),
    do_predict=st.sampled_from([0.0, 1.0, 2.0]),
    advantage=st.sampled_from([0.0, 0.05, 0.2]),
    costs=st.sampled_from([0.0, 1.0]),
    without=st.sampled_from([(), ("quantiles",), ("hazard",), ("quantiles", "hazard")]),
)
def test_row_when_it_passes_every_step_then_it_is_exactly_one_that_is_entered(
    parts: tuple[float, ...], do_predict: float, advantage: float, costs: float,
    without: tuple[str, ...],
) -> None:  # fmt: skip
    rule = DecisionConfig(min_advantage=advantage, min_edge_costs=costs, without=without)
    given_row, vouched = row(*parts), np.array([do_predict])
    passed = steps_passed(given_row, vouched, COST, rule)
    entered = signals(given_row, vouched, COST, rule).side != 0
    assert (passed == len(ENTRY_STEPS)).tolist() == entered.tolist()


def test_funnel_when_counted_then_no_step_lets_more_through_than_the_one_before() -> None:
    counts = list(entry_funnel(np.array([0, 1, 2, 3, 4, 5, 5])).values())
    assert counts == [7, 6, 5, 4, 3, 2]
