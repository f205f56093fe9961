"""A forecast in one line for a person: its numbers, or that there is none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pandas import Series

from models.base import columns
from strategies.human.decisions import forecast_summary

CLASSES = {columns.P_UP: 0.4, columns.P_FLAT: 0.35, columns.P_DOWN: 0.25}


@pytest.mark.parametrize(
    "row",
    [None, Series({"close": 1.0}), Series(dict.fromkeys(CLASSES, math.nan))],
    ids=["no row", "no such columns", "numbers that are missing"],
)
def test_forecast_when_there_is_none_then_no_number_is_made_up(row: Any) -> None:
    assert forecast_summary(row) == "no forecast"


def test_forecast_when_there_is_one_then_its_edge_is_told_where_it_is_known() -> None:
    assert forecast_summary(Series(CLASSES)) == "up 40%, flat 35%, down 25%"
    told = forecast_summary(Series({**CLASSES, columns.EDGE_LOW: 0.00031}))
    assert told.endswith("edge +3.1 bps (lower bound)")
