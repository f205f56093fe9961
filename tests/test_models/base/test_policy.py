"""An agent's positions, and its answer packed into one number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.base.policy import (
    MOST_SIZES,
    NO_CHOICE,
    STOP_RANGE,
    AgentPositions,
    entry_side,
    packed_policy,
    unpacked_policy,
)

SIZES = st.integers(1, MOST_SIZES)


@given(sizes=SIZES, data=st.data())
def test_table_when_packed_into_a_double_then_every_action_comes_back(
    sizes: int, data: st.DataObject
) -> None:
    k = 2 * sizes + 1
    rows = st.lists(st.integers(0, k - 1), min_size=k, max_size=k)
    table = np.array(data.draw(st.lists(rows, min_size=1, max_size=5)))
    number = packed_policy(table.astype(float))
    assert (number > 0).all()  # FreqAI's zeros are no table
    np.testing.assert_array_equal(unpacked_policy(number, k), table)


@pytest.mark.parametrize(
    "number", [0.0, np.nan, np.inf, 11111.5, 1111.0, 111111.0, 61111.0, 10111.0, -11111.0]
)
def test_number_when_it_is_no_table_of_five_then_nothing_is_chosen(number: float) -> None:
    assert (unpacked_policy(np.array([number]), 5) == NO_CHOICE).all()


def test_entry_when_flat_stays_flat_then_only_one_turn_decides_the_side() -> None:
    table = np.array([[4, 1, 2, 3, 4], [0, 1, 2, 3, 1], [4, 1, 2, 3, 0], [0, 1, 3, 3, 4]])
    assert entry_side(table).tolist() == [1, -1, 0, 1]


def test_stop_when_sigma_is_tiny_or_huge_then_its_distance_stays_in_range() -> None:
    positions = AgentPositions()
    assert positions.stop_frac(0, 1e-9) == STOP_RANGE[0]
    assert positions.stop_frac(0, 9.0) == STOP_RANGE[1]
    assert positions.stop_frac(0, 0.01) == 0.02
    assert positions.stop_frac(1, 0.01) == 0.04


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"leverages": []}, "1 to 4 leverages"),
        ({"leverages": [0.6, 0.3]}, "rising"),
        ({"leverages": [0.0, 0.3]}, "rising"),
        ({"leverages": [0.1, 0.2, 0.3, 0.4, 0.5], "stop_sigmas": [1.0] * 5}, "1 to 4"),
        ({"leverages": [0.3, 9.0]}, "at most 5"),
        ({"stop_sigmas": [2.0]}, "each of the 2"),
        ({"stop_sigmas": [2.0, float("nan")]}, "finite number > 0"),
        ({"stop_sigmas": [2.0, 0.0]}, "finite number > 0"),
        ({"leverages": "0.3"}, "a list for leverages"),
        ({"leverage": [0.3]}, "did you mean 'leverages'"),
    ],
)
def test_positions_when_they_cannot_be_then_they_are_refused(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        from_mapping(AgentPositions, settings, where="network")
