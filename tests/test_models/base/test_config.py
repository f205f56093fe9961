"""Settings come from plain mappings; whatever is not right is refused with the cure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.data.labels.settings import LabelSettings
from models.learn.training.settings import ModelSettings, TrainingSettings
from models.trade.decision.signals import DecisionConfig
from models.trade.risk.limits import HardLimits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    width: int
    depth: int = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"expected width >= 1, got {self.width}")


def refused(values: Any, cls: type[Any] = Sizes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        from_mapping(cls, values, where="block")
    assert caught.value.where == "block"
    return caught.value


def test_mapping_when_right_then_it_becomes_the_config() -> None:
    assert from_mapping(Sizes, {"width": 3}, where="block") == Sizes(width=3, depth=2)


def test_mapping_when_keys_are_unknown_then_all_are_named_with_the_nearest() -> None:
    error = refused({"widht": 1, "detph": 1, "zzz": 1})
    assert "'widht'; did you mean 'width'?" in error.problem
    assert "'detph'; did you mean 'depth'?" in error.problem
    assert "unknown setting 'zzz'" in error.problem
    assert "'zzz'; did" not in error.problem
    assert error.cure == "known settings: width, depth"


def test_mapping_when_a_key_is_missing_or_refused_then_the_reason_is_kept() -> None:
    assert "width" in refused({}).problem
    assert refused({"width": 0}).problem == "expected width >= 1, got 0"
    assert "whole number for width" in refused({"width": "3"}).problem


@pytest.mark.parametrize("values", [None, 3, "width", ["width"]])
def test_mapping_when_the_block_is_no_mapping_then_it_is_a_config_error(values: Any) -> None:
    refused(values)


def test_mapping_when_the_class_is_no_dataclass_then_it_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="not a dataclass"):
        from_mapping(int, {}, where="block")


def test_mapping_when_limits_are_over_the_hard_one_then_their_own_error_passes() -> None:
    with pytest.raises(ConfigError, match="max_leverage <= 5, got 20") as caught:
        from_mapping(HardLimits, {"max_leverage": 20}, where="block")
    assert caught.value.where == "breakwater.limits"
    with pytest.raises(ConfigError, match=r"0\.01 <= false_alarms_per_week"):
        from_mapping(DecisionConfig, {"false_alarms_per_week": 8}, where="block")


# -- the three blocks of a training job ---------------------------------------------------------


def test_blocks_when_empty_then_they_are_the_defaults() -> None:
    for blocks in ({}, {"labels": None}, {"labels": {}, "training": {}, "network": {}}):
        assert ModelSettings.from_blocks(blocks, where="freqai") == ModelSettings()


@pytest.mark.parametrize(
    ("blocks", "where", "said"),
    [
        ({"lables": {}}, "freqai", "did you mean 'labels'"),
        ({"labels": {"horizon": 4}}, "freqai.labels", "did you mean 'horizon_candles'"),
        ({"training": {"max_step": 4}}, "freqai.training", "did you mean 'max_steps'"),
        ({"training": {"batch": 0}}, "freqai.training", "expected batch >= 1, got 0"),
        ({"training": {"ema": 1.0}}, "freqai.training", "expected 0 <= ema < 1"),
        ({"training": {"validation_frac": 0.6}}, "freqai.training", "between 0 and 0.5"),
        ({"labels": {"cost_frac": 0.2}}, "freqai.labels", "expected 0 <= cost_frac < 0.1"),
        ({"labels": {"horizon_candles": 0}}, "freqai.labels", "at least 1 candle"),
        ({"labels": {"cascade_floor_frac": 3}}, "freqai.labels", "cascade_floor_frac < 1"),
    ],
)
def test_blocks_when_a_setting_is_wrong_then_its_own_block_is_named(
    blocks: dict[str, Any], where: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelSettings.from_blocks(blocks, where="freqai")
    assert caught.value.where == where
    assert said in caught.value.problem


def test_blocks_when_there_are_more_bins_than_candles_then_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 9 bins for 4 candles"):
        ModelSettings.from_blocks(
            {"labels": {"cascade_horizon_candles": 4, "hazard_bins": 9}}, where="freqai"
        )


@pytest.mark.parametrize("blocks", [{"training": 3}, {"labels": "x"}, {"network": ["hidden"]}])
def test_blocks_when_one_is_no_mapping_then_it_is_a_config_error(blocks: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ModelSettings.from_blocks(blocks, where="freqai")


@pytest.mark.parametrize("name", ["horizon_candles", "cascade_horizon_candles"])
def test_blocks_when_a_count_of_candles_is_a_fraction_then_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ModelSettings.from_blocks({"labels": {name: 8.5}}, where="freqai")


def test_label_settings_when_purging_then_it_is_the_furthest_look_ahead() -> None:
    assert LabelSettings(horizon_candles=4, cascade_horizon_candles=24).purge_candles == 24
    assert LabelSettings(horizon_candles=40, cascade_horizon_candles=24).purge_candles == 40
    assert LabelSettings().bin_edges[-1] == 24
    assert TrainingSettings().threads == 1
