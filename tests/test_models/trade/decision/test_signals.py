"""Decision rules: warnings only ever remove an entry, and leaving needs no permission."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.base import columns
from models.base.types import FloatArray
from models.trade.decision.signals import DecisionConfig, Signals, expected_return, signals
from tests.test_models.trade.decision.rows import COST, row


def decide(
    forecast: dict[str, FloatArray], config: DecisionConfig, do_predict: float = 1.0
) -> Signals:
    return signals(forecast, np.array([do_predict]), COST, config)


def side(forecast: dict[str, FloatArray], do_predict: float = 1.0) -> int:
    return int(decide(forecast, DecisionConfig(), do_predict).side[0])


def test_signals_when_a_side_has_lead_and_edge_then_it_is_entered() -> None:
    assert side(row()) == 1
    assert side(row(up=0.2, down=0.6, edge=-0.01)) == -1
    assert side(row(up=0.4, down=0.4)) == 0
    assert side(row(edge=-0.01)) == 0  # probability and return disagree


def test_signals_when_exactly_at_a_threshold_then_it_is_entered_and_just_under_it_is_not() -> None:
    assert side(row(up=0.525, down=0.475 - 1e-9)) == 1
    assert side(row(up=0.52, down=0.48)) == 0
    assert side(row(edge=COST * 1.000001)) == 1
    assert side(row(edge=COST * 0.999)) == 0


def shrunk(forecast: dict[str, FloatArray], slope: float, low: float) -> dict[str, FloatArray]:
    """The forecast with only a part of its edge believed."""
    parts = {columns.EDGE: slope, columns.EDGE_LOW: low}
    return forecast | {name: part * forecast[name] for name, part in parts.items()}


def test_signals_when_only_the_lower_bound_is_below_cost_then_there_is_no_entry() -> None:
    # 22.1 bp claimed where a round trip costs 14: what the claim was worth was 1.2 bp.
    for up, down, sign in ((0.6, 0.2, 1), (0.2, 0.6, -1)):
        claim = row(up=up, down=down, edge=sign * 0.00221)
        assert signals(claim, np.ones(1), 0.0014, DecisionConfig()).side[0] == sign
        for slope, low, entered in ((1.0, 0.64, True), (1.0, 0.63, False), (0.5, 0.0, False)):
            found = signals(shrunk(claim, slope, low), np.ones(1), 0.0014, DecisionConfig())
            assert bool(found.side[0]) == entered


def test_signals_when_nothing_is_believed_then_nothing_is_entered_unless_the_bar_is_zero() -> None:
    nothing = shrunk(row(), 0.0, 0.0)
    against = shrunk(row(edge=-0.01), 0.0, 0.0)
    assert side(nothing) == 0
    free = DecisionConfig(min_edge_costs=0.0)
    assert decide(nothing, free).side[0] == 1
    assert decide(against, free).side[0] == 0  # the claim itself is against that side
    for lead in (1, -1):  # nor where the claim is nothing but its sign
        up, down = (0.6, 0.2) if lead > 0 else (0.2, 0.6)
        claim = shrunk(row(up=up, down=down, edge=-lead * 0.002), 0.0, 0.0)
        assert decide(claim, free).side[0] == 0


def test_signals_when_the_edge_is_waived_then_its_lower_bound_is_not_asked_for() -> None:
    waived = DecisionConfig(without=("quantiles",))
    assert decide(shrunk(row(), 0.0, 0.0), waived).side[0] == 1
    assert decide(shrunk(row(edge=-0.01), 0.0, 0.0), waived).side[0] == 1


def test_signals_when_vetoed_then_there_is_no_entry() -> None:
    assert side(row(abstain=1.0)) == 0
    assert side(row(false_down=0.25)) == 0
    assert side(row(false_up=0.01)) == 1  # a squeeze does not hurt a long
    assert [side(row(), do_predict=v) for v in (0.0, 2.0, -1.0, np.nan)] == [0, 0, 0, 0]


def test_signals_when_a_rate_is_chosen_then_the_veto_begins_at_the_models_own_threshold() -> None:
    for per_week in (0.1, 1.0, 7.0):
        config = DecisionConfig(false_alarms_per_week=per_week)
        for rate, enters in ((per_week, 0), (0.5 * per_week, 0), (np.nextafter(per_week, 9), 1)):
            found = decide(row(false_down=rate), config)
            assert (found.side[0], bool(found.exit_long[0])) == (enters, not enters)


def test_signals_when_no_threshold_was_fitted_then_nothing_is_entered_and_nothing_left() -> None:
    found = decide(row(false_down=np.nan), DecisionConfig())
    assert (found.side[0], bool(found.exit_long[0])) == (0, False)
    waived = DecisionConfig(without=("hazard",))
    assert decide(row(false_down=np.nan), waived).side[0] == 1


def test_signals_when_the_model_abstains_then_a_known_danger_still_leaves() -> None:
    for abstain, do_predict in ((1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (np.nan, np.nan)):
        s = decide(row(false_down=0.1, abstain=abstain), DecisionConfig(), do_predict)
        assert (bool(s.exit_long[0]), bool(s.exit_short[0])) == (True, False)
        s = decide(row(false_up=0.1, abstain=abstain), DecisionConfig(), do_predict)
        assert (bool(s.exit_long[0]), bool(s.exit_short[0])) == (False, True)


def test_signals_when_the_other_side_leads_then_a_position_is_left_only_on_a_trusted_row() -> None:
    other = row(up=0.2, down=0.6, edge=-0.01)
    assert decide(other, DecisionConfig()).exit_long[0]
    assert not decide(other, DecisionConfig(exit_advantage=0.5)).exit_long[0]
    assert not decide(row(up=0.2, down=0.6, abstain=1.0), DecisionConfig()).exit_long[0]


def test_signals_when_a_lead_is_too_small_to_enter_then_it_is_enough_to_leave() -> None:
    config = DecisionConfig(min_advantage=0.05, exit_advantage=0.01)
    up = decide(row(up=0.42, down=0.40), config)
    assert (up.side[0], bool(up.exit_long[0]), bool(up.exit_short[0])) == (0, False, True)
    down = decide(row(up=0.40, down=0.42), config)
    assert (down.side[0], bool(down.exit_long[0]), bool(down.exit_short[0])) == (0, True, False)
    for lead in (0.005, -0.005):
        small = decide(row(up=0.4 + lead, down=0.4), config)
        assert not small.exit_long[0]
        assert not small.exit_short[0]


def test_signals_when_a_number_is_the_threshold_itself_then_its_side_of_it_is_settled() -> None:
    quarter = DecisionConfig(min_advantage=0.25, exit_advantage=0.25, min_edge_costs=0.0)
    up, down = row(up=0.5, down=0.25, edge=0.0), row(up=0.25, down=0.5, edge=0.0)
    assert decide(up, quarter).side[0] == 1  # enough to enter
    assert decide(down, quarter).side[0] == -1
    assert not decide(up, quarter).exit_short[0]  # not more than enough to leave
    assert not decide(down, quarter).exit_long[0]
    # No side leads, so that the danger alone leaves.
    danger = decide(row(up=0.4, down=0.4, false_down=0.25, false_up=0.25), DecisionConfig())
    assert danger.exit_long[0]
    assert danger.exit_short[0]


def test_decision_config_when_nothing_is_set_then_it_is_what_the_reports_were_made_with() -> None:
    config = DecisionConfig()
    assert (config.min_edge_costs, config.min_advantage, config.exit_advantage) == (1.0, 0.05, 0.1)
    assert (config.false_alarms_per_week, config.max_hold_candles, config.without) == (0.25, 24, ())
    assert DecisionConfig(max_hold_candles=1).max_hold_candles == 1


def test_expected_return_when_quantiles_are_symmetric_then_it_is_the_median() -> None:
    q = dict(zip(columns.RETURN_QUANTILES, np.array([[-3.0, -1, 0.5, 2, 4]]).T, strict=True))
    assert expected_return(q)[0] == pytest.approx(0.5)
    # The rule by hand: half the tail mass with the outer quantile, trapezoids between the levels.
    q = dict(zip(columns.RETURN_QUANTILES, np.array([[-4.0, -1, 0, 2, 10]]).T, strict=True))
    levels, x = np.array([0, *columns.QUANTILES, 1]), np.array([-4.0, -4, -1, 0, 2, 10, 10])
    assert expected_return(q)[0] == pytest.approx(np.trapezoid(x, levels))


probability = st.floats(0, 1)
small = st.sampled_from([0.0, 0.0, 0.05, 0.3])
configs = st.builds(
    DecisionConfig,
    min_edge_costs=small,
    min_advantage=small,
    exit_advantage=small,
    false_alarms_per_week=st.floats(0.25, 7),
)
forecasts = st.builds(
    row,
    up=st.one_of(probability, st.just(0.4)),
    down=st.one_of(probability, st.just(0.4)),
    edge=st.one_of(st.floats(-0.02, 0.02), st.just(0.0)),
    false_down=st.floats(0.2, 9),
    false_up=st.floats(0.2, 9),
)
warnings = st.one_of(
    st.just((columns.ABSTAIN, 1.0)),
    st.tuples(st.sampled_from(columns.FORECAST), st.just(np.nan)),
    st.tuples(
        st.sampled_from([columns.FALSE_ALARMS_DOWN, columns.FALSE_ALARMS_UP]),
        st.floats(0.001, 0.2),
    ),
)


@settings(max_examples=500, deadline=None)
@given(forecast=forecasts, warning=warnings, config=configs)
@example(  # neither side leads, and the settings ask for no lead
    forecast=row(up=0.4, down=0.4, edge=0.0),
    warning=(columns.FALSE_ALARMS_DOWN, 0.05),
    config=DecisionConfig(min_edge_costs=0.0, min_advantage=0.0),
)
def test_signals_when_a_warning_is_added_then_no_entry_appears(
    forecast: dict[str, FloatArray], warning: tuple[str, float], config: DecisionConfig
) -> None:
    name, value = warning
    before = int(decide(forecast, config).side[0])
    after = int(decide({**forecast, name: np.array([value])}, config).side[0])
    assert after in (0, before)


@settings(max_examples=300, deadline=None)
@given(
    forecast=forecasts,
    config=configs,
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
@example(  # probability and claim disagree, and the bar is zero
    forecast=row(edge=-0.01), config=DecisionConfig(min_edge_costs=0.0), parts=(1.0, 1.0, 0.0)
)
def test_signals_when_less_of_the_claim_is_believed_then_no_entry_appears(
    forecast: dict[str, FloatArray], config: DecisionConfig, parts: tuple[float, float, float]
) -> None:
    slope, low, less = parts[0], parts[0] * parts[1], parts[0] * parts[1] * parts[2]
    before = int(decide(shrunk(forecast, slope, low), config).side[0])
    after = int(decide(shrunk(forecast, slope, less), config).side[0])
    assert after in (0, before)


@settings(max_examples=200, deadline=None)
@given(forecast=forecasts, config=configs, do_predict=st.sampled_from([0.0, 1.0, 2.0, np.nan]))
def test_signals_when_decided_then_no_row_enters_what_it_also_leaves(
    forecast: dict[str, FloatArray], config: DecisionConfig, do_predict: float
) -> None:
    s = decide(forecast, config, do_predict)
    assert not ((s.side > 0) & s.exit_long).any()
    assert not ((s.side < 0) & s.exit_short).any()
    danger = forecast[columns.FALSE_ALARMS_DOWN] <= config.false_alarms_per_week
    assert (s.exit_long | ~danger).all()


@settings(max_examples=200, deadline=None)
@given(forecast=forecasts, config=configs, do_predict=st.sampled_from([0.0, 2.0, -1.0, np.nan]))
def test_signals_when_freqai_does_not_vouch_for_a_row_then_it_is_never_entered(
    forecast: dict[str, FloatArray], config: DecisionConfig, do_predict: float
) -> None:
    assert decide(forecast, config, do_predict).side[0] == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(forecasts, min_size=2, max_size=6), st.integers(0, 1))
def test_signals_when_rows_are_decided_together_then_each_answers_for_itself(
    rows: list[dict[str, FloatArray]], first: int
) -> None:
    together = {name: np.concatenate([r[name] for r in rows]) for name in columns.FORECAST}
    s = signals(together, np.ones(len(rows)), COST, DecisionConfig())
    alone = [decide(r, DecisionConfig()) for r in rows]
    for name in ("side", "exit_long", "exit_short"):
        expected = np.concatenate([getattr(a, name) for a in alone])
        np.testing.assert_array_equal(getattr(s, name), expected)
    assert s.side.dtype == np.int8


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_edge_costs": -1.0},
        {"min_advantage": -0.1},
        {"exit_advantage": -0.1},
        {"false_alarms_per_week": 0.0},
        {"false_alarms_per_week": 7.1},
        {"false_alarms_per_week": float("nan")},
        {"max_hold_candles": 0},
        {"min_edge_costs": float("inf")},
        {"min_advantage": float("inf")},
        {"exit_advantage": float("inf")},
    ],
)
def test_decision_config_when_a_value_is_out_of_range_then_it_is_refused(
    wrong: dict[str, float],
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DecisionConfig(**wrong)


# -- models without some heads --------------------------------------------------------------


def test_entry_when_heads_are_absent_then_only_a_person_can_waive_their_rules() -> None:
    forecast = {name: np.full(1, np.nan) for name in columns.FORECAST}
    forecast |= {columns.P_UP: np.array([0.7]), columns.P_DOWN: np.array([0.1])}
    forecast[columns.ABSTAIN] = np.zeros(1)
    sides = {
        without: signals(forecast, np.ones(1), COST, DecisionConfig(without=without)).side[0]
        for without in ((), ("quantiles",), ("hazard",), ("quantiles", "hazard"))
    }
    assert sides == {(): 0, ("quantiles",): 0, ("hazard",): 0, ("quantiles", "hazard"): 1}


def test_waiver_when_a_head_is_there_then_abstention_and_advantage_still_count() -> None:
    config = DecisionConfig(without=("quantiles", "hazard"))
    forecast = {name: np.full(3, np.nan) for name in columns.FORECAST}
    forecast |= {
        columns.P_UP: np.array([0.7, 0.42, 0.7]),
        columns.P_DOWN: np.array([0.1, 0.4, 0.1]),
        columns.ABSTAIN: np.array([1.0, 0.0, 0.0]),
    }
    assert signals(forecast, np.array([1.0, 1.0, 0.0]), COST, config).side.tolist() == [0, 0, 0]


@pytest.mark.parametrize("without", ["hazard", ["hazards"], [3]])
def test_waiver_when_it_names_no_head_then_it_is_refused(without: object) -> None:
    with pytest.raises((ValueError, TypeError), match=r"hazard|not supported"):
        DecisionConfig(without=without)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [columns.LEAST_FALSE_ALARMS, columns.MOST_FALSE_ALARMS])
def test_settings_when_the_rate_is_the_least_or_the_most_then_it_is_taken(rate: float) -> None:
    assert DecisionConfig(false_alarms_per_week=rate).false_alarms_per_week == rate
    for beyond in (rate / 2, rate * 2):
        if not columns.LEAST_FALSE_ALARMS <= beyond <= columns.MOST_FALSE_ALARMS:
            with pytest.raises(ValueError, match="false_alarms_per_week"):
                DecisionConfig(false_alarms_per_week=beyond)
