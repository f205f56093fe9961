"""The FreqAI block is refused before training where an option would break sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from freqtrade.data.history.datahandlers.featherdatahandler import FeatherDataHandler
from freqtrade.enums import CandleType

from freqaimodels.base.settings import (
    _REFUSED,
    candle_files,
    read_settings,
    refuse_settings,
)
from models.base.errors import ConfigError
from models.learn.training.settings import ModelSettings
from tests.test_freqaimodels.configs import bitcoin_config

OFFENDERS: dict[str, Any] = {
    "shuffle_after_split": True,
    "DI_threshold": 0.9,
    "use_SVM_to_remove_outliers": True,
    "use_DBSCAN_to_remove_outliers": True,
    "principal_component_analysis": True,
    "noise_standard_deviation": 0.1,
    "include_shifted_candles": 2,
    "buffer_train_data_candles": 10,
    "weight_factor": 0.9,
    "reverse_train_test_order": True,
    "plot_feature_importances": 10,
}


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(config, "lstm")
    return str(caught.value)


def test_settings_when_the_shipped_config_is_read_then_it_passes(tmp_path: Path) -> None:
    settings = read_settings(bitcoin_config(tmp_path), "lstm")
    assert settings.labels.horizon_candles == 4
    assert settings.labels.cost_frac == 0.0014


def test_settings_when_the_network_knows_one_not_then_it_is_refused_before_a_bot_reloads_them(
    tmp_path: Path,
) -> None:
    config = bitcoin_config(tmp_path)
    refuse_settings(config, "lstm")
    config["freqai"]["model_training_parameters"] = {"network": {"hiden": 8}}
    with pytest.raises(ConfigError, match="hiden") as caught:
        refuse_settings(config, "lstm")
    assert caught.value.where == "freqai.model_training_parameters.network"
    with pytest.raises(ConfigError, match="unknown network 'lost'"):
        refuse_settings(bitcoin_config(tmp_path), "lost")


@pytest.mark.parametrize("name", OFFENDERS)
def test_settings_when_an_option_breaks_sequences_then_it_is_named(
    tmp_path: Path, name: str
) -> None:
    config = bitcoin_config(tmp_path)
    config["freqai"]["feature_parameters"][name] = OFFENDERS[name]
    assert f"feature_parameters.{name} = {OFFENDERS[name]!r}" in refused(config)
    config["freqai"]["feature_parameters"][name] = _REFUSED[name][0]
    assert isinstance(read_settings(config, "lstm"), ModelSettings)


def test_settings_when_every_option_is_wrong_then_all_are_listed_at_once(tmp_path: Path) -> None:
    config = bitcoin_config(
        tmp_path,
        data_split_parameters={"shuffle": True},
        continual_learning=True,
        model_save_type="pytorch",
    )
    config["freqai"]["feature_parameters"] |= OFFENDERS | {"include_timeframes": ["5m"]}
    said = refused(config)
    assert set(OFFENDERS) == set(_REFUSED)
    for part in (
        *OFFENDERS,
        "data_split_parameters.shuffle",
        "continual_learning",
        "model_save_type = 'pytorch'",
        "lacks the base '1h'",
        "['5m'] are faster than the base '1h'",
    ):
        assert part in said


def test_settings_when_a_training_key_is_unknown_then_the_nearest_is_named(tmp_path: Path) -> None:
    wrong = {"training": {"learning_rat": 1.0}}
    said = refused(bitcoin_config(tmp_path, model_training_parameters=wrong))
    assert "did you mean 'learning_rate'" in said
    assert "freqai.model_training_parameters.training" in said


def test_settings_when_no_block_is_given_then_only_the_timeframe_is_missing() -> None:
    assert "lacks the base '1h'" in refused({"timeframe": "1h"})


def test_candle_files_when_listed_then_they_are_where_freqtrade_keeps_them(tmp_path: Path) -> None:
    config = bitcoin_config(tmp_path)
    config["freqai"]["feature_parameters"]["include_timeframes"] = ["1h", "1d"]
    expected = {
        FeatherDataHandler._pair_data_filename(tmp_path / "data", pair, tf, CandleType.FUTURES)
        for pair in ("BTC/USDT:USDT", "ETH/USDT:USDT")
        for tf in ("1h", "1d")
    }
    files = candle_files(config)
    assert set(files) == expected
    assert len(files) == 4
    config["freqai"]["feature_parameters"]["include_corr_pairlist"] = ["BTC/USDT:USDT"]
    assert len(candle_files(config)) == 2  # the same pair twice is one file
    pool = {"training": {"pool": ["BTC/USDT:USDT", "XRP/USDT:USDT"]}}
    config["freqai"]["model_training_parameters"] = pool
    assert len(candle_files(config)) == 4


def test_settings_when_trainings_are_to_run_on_a_cluster_nobody_named_then_no_bot_reloads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    config = bitcoin_config(tmp_path)
    config["freqai"]["model_training_parameters"] = {"training": {"executor": "ray"}}
    with pytest.raises(ConfigError, match="nobody says where the cluster is"):
        refuse_settings(config, "lstm")
