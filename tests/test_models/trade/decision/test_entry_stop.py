"""The rules an entry meets one after the other are the ones it is decided by, in words as well."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.base import columns
from models.base.entry import EntryRule
from models.trade.decision.entry_stop import entry_stop
from models.trade.decision.funnel import STEP_NAMES
from models.trade.decision.signals import DecisionConfig, signals

COST = 0.0014
NAN = math.nan


def row(**changed: float) -> dict[str, float]:
    """One candle's forecast that is entered long: it claims 30 bp and all of it is believed."""
    claim = changed.pop("claim", 0.003)
    values = dict.fromkeys(columns.FORECAST, 0.0) | {
        columns.P_UP: 0.6, columns.P_FLAT: 0.2, columns.P_DOWN: 0.2,
        columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0,
        **dict.fromkeys((*columns.RETURN_QUANTILES, columns.EDGE, columns.EDGE_LOW), claim),
    }  # fmt: skip
    return values | changed


@pytest.mark.parametrize(
    ("changed", "do_predict", "rule", "said"),
    [
        ({columns.P_UP: NAN}, 0.0, EntryRule.FORECAST, "no model yet"),
        ({}, 0.0, EntryRule.TRUSTED, "no trusted forecast: no model yet"),
        ({}, 2.0, EntryRule.TRUSTED, "older than freqai.expiration_hours"),
        ({columns.ABSTAIN: 1.0, columns.NOVELTY: 1.4}, 1.0, EntryRule.TRUSTED, "novelty 1.40"),
        ({columns.ABSTAIN: 1.0, columns.NOVELTY: 1.0}, 1.0, EntryRule.TRUSTED, "no model yet"),
        ({columns.P_UP: 0.42, columns.P_DOWN: 0.41}, 1.0, EntryRule.DIRECTION,
         "up leads by 1.0 points, an entry needs 5"),
        ({columns.P_UP: 0.41, columns.P_DOWN: 0.42}, 1.0, EntryRule.DIRECTION,
         "down leads by 1.0 points, an entry needs 5"),
        ({columns.P_UP: 0.4, columns.P_DOWN: 0.4}, 1.0, EntryRule.DIRECTION,
         "up leads by 0.0 points, an entry needs 5"),
        ({columns.EDGE_LOW: 0.00012, "claim": 0.00031}, 1.0, EntryRule.EDGE,
         "claims +3.1 bp for up, of which +1.2 bp is sure (lower bound): an entry needs 14 bp"),
        ({columns.EDGE_LOW: NAN}, 1.0, EntryRule.EDGE, "no edge is known for up"),
        ({columns.FALSE_ALARMS_DOWN: 0.1}, 1.0, EntryRule.HAZARD,
         "such a warning is wrong 0.1 times a week, an entry needs more than 0.25"),
        ({columns.FALSE_ALARMS_DOWN: NAN}, 1.0, EntryRule.HAZARD, "nobody can tell"),
    ],
)  # fmt: skip
def test_entry_stop_when_one_rule_says_no_then_it_is_named_with_its_numbers(
    changed: dict[str, float], do_predict: float, rule: EntryRule, said: str
) -> None:
    stop = entry_stop(row(**changed), do_predict, COST, DecisionConfig())
    assert stop is not None
    assert stop.rule is rule
    assert said in stop.why
    assert stop.change


def test_entry_stop_when_the_other_side_leads_then_numbers_are_of_that_side() -> None:
    down = row(claim=-0.0003, **{columns.P_UP: 0.2, columns.P_DOWN: 0.6})
    stop = entry_stop(down, 1.0, COST, DecisionConfig())
    assert stop is not None
    assert stop.why.startswith("claims +3.0 bp for down, of which +3.0 bp is sure")
    short = row(claim=-0.003, **{columns.P_UP: 0.2, columns.P_DOWN: 0.6})
    assert entry_stop(short, 1.0, COST, DecisionConfig()) is None
    alarm = short | {columns.FALSE_ALARMS_UP: 0.1}
    stop = entry_stop(alarm, 1.0, COST, DecisionConfig())
    assert stop is not None
    assert "a cascade against down is near" in stop.why


def test_entry_stop_when_no_rule_says_no_then_there_is_none() -> None:
    assert entry_stop(row(), 1.0, COST, DecisionConfig()) is None


def number(*special: float) -> st.SearchStrategy[float]:
    return st.one_of(st.sampled_from(special), st.floats(-1, 1))


@given(
    up=number(NAN, 0.3, 0.5), down=number(NAN, 0.3, 0.5), claim=number(NAN, 0.0, 0.01, -0.01),
    low=number(NAN, 0.0, 0.01, -0.01), fall=number(NAN, 0.25, 5.0), rise=number(NAN, 0.25, 5.0),
    abstain=st.sampled_from([0.0, 1.0, NAN]), do_predict=st.sampled_from([0.0, 1.0, 2.0, NAN]),
    bar=st.sampled_from([0.0, 1.0, 3.0]), lead=st.sampled_from([0.0, 0.05]),
    without=st.sets(st.sampled_from([columns.HEAD_QUANTILES, columns.HEAD_HAZARD])),
)  # fmt: skip
@example(up=0.5, down=0.5, claim=0.01, low=0.01, fall=5.0, rise=5.0, abstain=0.0, do_predict=1.0,
         bar=0.0, lead=0.0, without=set())  # fmt: skip
@example(up=0.5, down=0.5, claim=0.0, low=0.0, fall=5.0, rise=5.0, abstain=0.0, do_predict=1.0,
         bar=0.0, lead=0.0, without=set())  # fmt: skip
@example(up=0.5, down=0.5, claim=0.01, low=0.01, fall=0.1, rise=5.0, abstain=0.0, do_predict=1.0,
         bar=1.0, lead=0.0, without=set())  # fmt: skip
def test_entry_stop_when_any_row_is_given_then_there_is_one_unless_it_is_entered(
    up: float, down: float, claim: float, low: float, fall: float, rise: float, abstain: float,
    do_predict: float, bar: float, lead: float, without: set[str],
) -> None:  # fmt: skip
    config = DecisionConfig(min_edge_costs=bar, min_advantage=lead, without=sorted(without))
    one = row(claim=claim) | {
        columns.P_UP: up, columns.P_DOWN: down, columns.EDGE_LOW: low, columns.ABSTAIN: abstain,
        columns.FALSE_ALARMS_DOWN: fall, columns.FALSE_ALARMS_UP: rise,
    }  # fmt: skip
    forecast = {name: np.array([value]) for name, value in one.items()}
    entered = bool(signals(forecast, np.array([do_predict]), COST, config).side[0])
    stop = entry_stop(one, do_predict, COST, config)
    assert (stop is None) == entered


def test_rules_when_they_are_named_then_the_steps_of_the_funnel_are_among_them_in_order() -> None:
    rules = [str(rule) for rule in EntryRule]
    first = rules.index(STEP_NAMES[0])
    assert tuple(rules[first : first + len(STEP_NAMES)]) == STEP_NAMES
