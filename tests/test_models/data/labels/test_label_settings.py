"""What labels ask when nothing is set, and which settings are refused."""

from __future__ import annotations

import pytest

from models.base.errors import InputError
from models.base.units import HOUR_MS
from models.data.labels.settings import LabelSettings
from models.data.labels.targets import cascade_rule


def test_label_settings_when_nothing_is_set_then_they_are_the_documented_ones() -> None:
    labels = LabelSettings()
    assert (labels.horizon_candles, labels.cost_frac) == (4, 0.0014)
    assert (labels.cascade_horizon_candles, labels.hazard_bins) == (24, 6)
    assert labels.cascade_floor_frac == 0.03


def test_label_settings_when_they_are_at_the_edge_of_the_range_then_they_are_taken() -> None:
    LabelSettings(horizon_candles=1)
    LabelSettings(cascade_horizon_candles=1, hazard_bins=1)
    for cost in (0.0, 0.0999):
        assert LabelSettings(cost_frac=cost).cost_frac == cost
    for floor in (1e-9, 0.999):
        assert LabelSettings(cascade_floor_frac=floor).cascade_floor_frac == floor


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("horizon_candles", 0, "horizons of at least 1"),
        ("cascade_horizon_candles", 0, "horizons of at least 1"),
        ("cost_frac", -0.001, "cost_frac"),
        ("cost_frac", 0.1, "cost_frac"),
        ("cost_frac", float("nan"), "cost_frac"),
        ("cascade_floor_frac", 0.0, "cascade_floor_frac"),
        ("cascade_floor_frac", 1.0, "cascade_floor_frac"),
        ("cascade_floor_frac", float("nan"), "cascade_floor_frac"),
    ],
)
def test_label_settings_when_one_is_out_of_range_then_it_is_refused_by_name(
    name: str, value: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        LabelSettings(**{name: value})  # type: ignore[arg-type]


def test_label_settings_when_the_horizon_has_fewer_candles_than_bins_then_they_are_refused() -> (
    None
):
    with pytest.raises(InputError, match="got 6 bins for 5 candles"):
        LabelSettings(cascade_horizon_candles=5)


def test_edges_when_worked_by_hand_then_peaks_have_a_bin_for_now_and_at_most_four_more() -> None:
    assert LabelSettings().bin_edges == (1, 2, 4, 7, 13, 24)
    assert LabelSettings().peak_edges == (1, 2, 4, 9, 25)
    short = LabelSettings(cascade_horizon_candles=2, hazard_bins=2)
    assert short.peak_edges == (1, 2, 3)


def test_purge_when_either_horizon_is_the_longer_then_it_is_that_one() -> None:
    assert LabelSettings().purge_candles == 24
    assert LabelSettings(horizon_candles=30).purge_candles == 30


def test_cascade_rule_when_settings_ask_then_it_has_their_floor_and_ends_with_their_horizon() -> (
    None
):
    rule = cascade_rule(LabelSettings(cascade_floor_frac=0.04), HOUR_MS)
    assert (rule.floor_frac, rule.longest_ms) == (0.04, 24 * HOUR_MS)
