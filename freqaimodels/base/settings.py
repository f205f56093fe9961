"""The FreqAI config block, checked when the model is made rather than when training fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.exchange import timeframe_to_seconds

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.data.feeds.catalog import collect_config
from models.data.feeds.store import days
from models.learn import catalog
from models.learn.jobs.executor import ProcessExecutor
from models.learn.jobs.ray_executor import executor_of
from models.learn.training.settings import ModelSettings
from models.serve.retraining import RetrainingConfig
from strategies.seams.training_place import trained_elsewhere

# FreqAI options that reorder, drop or rescale rows behind a sequence model's back.
_REFUSED: Mapping[str, tuple[Any, ...]] = {
    "shuffle_after_split": (False,),
    "DI_threshold": (0,),
    "use_SVM_to_remove_outliers": (False,),
    "use_DBSCAN_to_remove_outliers": (False,),
    "principal_component_analysis": (False,),
    "noise_standard_deviation": (0,),
    "include_shifted_candles": (0,),
    "buffer_train_data_candles": (0,),
    "weight_factor": (0,),
    "reverse_train_test_order": (False,),
    "plot_feature_importances": (0, False),
}


_JUDGED_S = 120.0  # a worker's start included


def refuse_settings(config: Mapping[str, Any], network: str) -> None:
    """Refuse a Freqtrade config that no bot with this network can start with.

    The network's own settings are judged in a process of their own, which waits for no training.

    Raises
    ------
    ConfigError, TrainingError
        If there is such a setting, or none can be judged.
    """
    settings = read_settings(config, network)
    retraining_of(config)
    if trained_elsewhere(config):
        return  # where it is trained, its settings are judged
    executor_of(settings.training)
    blocks = (config.get("freqai") or {}).get("model_training_parameters") or {}
    ProcessExecutor(timeout_s=_JUDGED_S, own=True).check(network, blocks)


def read_settings(config: Mapping[str, Any], network: str) -> ModelSettings:
    """Return the model settings of a Freqtrade config.

    Raises
    ------
    ConfigError
        Listing every option a sequence model cannot work with, or the first unknown setting; or
        if there is no such network. What the network itself accepts is its executor's to check.
    """
    if network not in catalog.names():
        raise ConfigError(f"unknown network {network!r}", cure=f"one of {list(catalog.names())}")
    freqai = config.get("freqai") or {}
    features = freqai.get("feature_parameters") or {}
    problems = [
        f"feature_parameters.{name} = {features[name]!r} (expected {allowed[0]!r})"
        for name, allowed in _REFUSED.items()
        if features.get(name, allowed[0]) not in allowed
    ]
    if (freqai.get("data_split_parameters") or {}).get("shuffle"):
        problems.append("data_split_parameters.shuffle = True (expected False)")
    if freqai.get("continual_learning"):
        problems.append("continual_learning = True (expected False)")
    if freqai.get("model_save_type", "joblib") != "joblib":
        problems.append(f"model_save_type = {freqai['model_save_type']!r} (expected 'joblib')")
    timeframe = str(config.get("timeframe"))
    if timeframe not in features.get("include_timeframes", []):
        problems.append(f"feature_parameters.include_timeframes lacks the base {timeframe!r}")
    slower = [
        tf
        for tf in features.get("include_timeframes", [])
        if timeframe_to_seconds(tf) < timeframe_to_seconds(timeframe)
    ]
    if slower:
        problems.append(f"include_timeframes {slower} are faster than the base {timeframe!r}")
    if problems:
        raise ConfigError(
            "these FreqAI options break sequences of candles: " + "; ".join(problems),
            where="freqai",
            cure="remove them; the pack splits, scales and filters by itself",
        )
    return ModelSettings.from_blocks(
        freqai.get("model_training_parameters") or {}, where="freqai.model_training_parameters"
    )


def retraining_of(config: Mapping[str, Any]) -> RetrainingConfig:
    """Return when a bot of this Freqtrade config trains its models anew.

    Raises
    ------
    ConfigError
        If a setting is wrong, or a model would expire before a calm market has it trained anew.

    Examples
    --------
    >>> asked = {"breakwater": {"retraining": {"enabled": True}}}
    >>> retraining_of({**asked, "freqai": {"expiration_hours": 72}})
    Traceback (most recent call last):
    models.base.errors.ConfigError: expected freqai.expiration_hours above 720, got 72
      where: breakwater.retraining
      cure:  raise it: a model serves calm_days and longer, and is watched meanwhile
    """
    where = "breakwater.retraining"
    block = (config.get("breakwater") or {}).get("retraining") or {}
    found = from_mapping(RetrainingConfig, block, where=where)
    expires = (config.get("freqai") or {}).get("expiration_hours", 0)
    least = 24 * found.calm_days
    if found.enabled and 0 < expires <= least:
        raise ConfigError(
            f"expected freqai.expiration_hours above {least:g}, got {expires:g}", where=where,
            cure="raise it: a model serves calm_days and longer, and is watched meanwhile",
        )  # fmt: skip
    return found


def candle_files(config: Mapping[str, Any]) -> list[Path]:
    """Return the futures candle files that features and pooled rows are built from."""
    freqai = config["freqai"]["feature_parameters"]
    training = (config["freqai"].get("model_training_parameters") or {}).get("training") or {}
    pairs = {
        *config["exchange"]["pair_whitelist"],
        *freqai.get("include_corr_pairlist", []),
        *training.get("pool", ()),
    }
    folder = Path(config["datadir"]) / "futures"
    return [
        folder / f"{pair.replace('/', '_').replace(':', '_')}-{tf}-futures.feather"
        for pair in sorted(pairs)
        for tf in freqai["include_timeframes"]
    ]


def feed_files(config: Mapping[str, Any]) -> list[Path]:
    """Return the collected feeds the features are built from; none unless models are fed them."""
    block = (config.get("breakwater") or {}).get("collect") or {}
    collect = collect_config(block)
    if not collect.features:
        return []
    by_day = days(collect.root(Path(config["user_data_dir"])))
    return [path for paths in by_day.values() for path in paths]
