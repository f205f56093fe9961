"""The data a backtest is about to read, checked before Freqtrade fills its holes in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError
from models.base.units import DAY_MS
from strategies.bot.market_data import DataSummary, check_datadir, load_checked


def pairs_read(config: Mapping[str, Any]) -> list[str]:
    """Return the traded pairs and those that only supply features."""
    extra = _freqai(config).get("feature_parameters", {}).get("include_corr_pairlist", [])
    return list(dict.fromkeys([*config["exchange"]["pair_whitelist"], *extra]))


def span_read(config: Mapping[str, Any], startup_candles: int) -> tuple[int, int]:
    """Return [start, stop) in milliseconds of the candles a backtest reads, FreqAI's included.

    Raises
    ------
    ConfigError
        If the timerange has no start or no end.
    """
    timerange = TimeRange.parse_timerange(config.get("timerange"))
    if not (timerange.startts and timerange.stopts):
        raise ConfigError(
            f"expected a timerange with a start and an end, got {config.get('timerange')!r}",
            where="--timerange",
            cure="for example --timerange 20250101-20250701",
        )
    warm_up = startup_candles * timeframe_to_msecs(config["timeframe"])
    training = _freqai(config).get("train_period_days", 0) * DAY_MS
    return timerange.startts * 1000 - training - warm_up, timerange.stopts * 1000


def check_backtest_data(config: Mapping[str, Any], startup_candles: int) -> DataSummary:
    """Check every file the backtest of `config` reads; raise InputError listing all faults.

    Where fills are looked for in shorter candles (`timeframe_detail`), those of the traded pairs
    have to be there for the span that is traded: Freqtrade would take whole candles for missing
    ones.
    """
    start, stop = span_read(config, startup_candles)
    training = (_freqai(config).get("model_training_parameters") or {}).get("training") or {}
    datadir = Path(config["datadir"])
    found = check_datadir(
        datadir, pairs_read(config), config["timeframe"], start, stop, training.get("pool", ())
    )
    if detail := config.get("timeframe_detail"):
        traded = TimeRange.parse_timerange(config["timerange"]).startts * 1000
        for pair in config["exchange"]["pair_whitelist"]:
            load_checked(datadir, pair, detail, start_ms=traded, stop_ms=stop)
    return found


def _freqai(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the FreqAI block, empty where it is switched off."""
    block: Mapping[str, Any] = config.get("freqai") or {}
    return block if block.get("enabled") else {}
