"""The data a backtest is about to read, checked before Freqtrade fills its holes in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError, InputError
from models.base.units import DAY_MS, HOUR_MS
from strategies.bot.data_files import DataFile
from strategies.bot.market_data import MARK_TIMEFRAME, DataSummary, check_datadir, load_checked


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
    try:
        found = check_datadir(
            datadir, pairs_read(config), config["timeframe"], start, stop, training.get("pool", ())
        )
    except InputError as error:
        days = days_to_train_on(config, startup_candles)
        if days == _freqai(config).get("train_period_days", 0):
            raise
        raise InputError(
            error.problem,
            where=error.where,
            cure=f"{error.cure}; or set freqai.train_period_days to {days}, which the history has",
        ) from error
    if detail := config.get("timeframe_detail"):
        traded = TimeRange.parse_timerange(config["timerange"]).startts * 1000
        for pair in config["exchange"]["pair_whitelist"]:
            load_checked(datadir, pair, detail, start_ms=traded, stop_ms=stop)
    return found


def days_to_train_on(config: Mapping[str, Any], startup_candles: int) -> int:
    """Return ``freqai.train_period_days``, or as many as the history has if that is half of them.

    Freqtrade itself takes the days off the head of what it has read, whatever there is.
    """
    asked: int = _freqai(config).get("train_period_days", 0)
    start, _ = span_read(config, startup_candles)
    missing = -(-(_begins_ms(config, start) - start) // DAY_MS)
    return asked - missing if missing <= asked / 2 else asked


def _begins_ms(config: Mapping[str, Any], start_ms: int) -> int:
    """Return when the last of the files to begin does, at a whole hour; `start_ms` if before."""
    begins = []
    for pair in pairs_read(config):
        for kind in (CandleType.FUTURES, CandleType.MARK, CandleType.FUNDING_RATE):
            file = DataFile(
                datadir=Path(config["datadir"]), pair=pair, candle_type=kind,
                timeframe=config["timeframe"] if kind == CandleType.FUTURES else MARK_TIMEFRAME,
            )  # fmt: skip
            try:
                time_ms, _ = file.read()
            except InputError:
                continue  # it is read again, with what it holds besides, and its fault told
            if len(time_ms):
                begins.append(int(time_ms[0]))
    last = max(begins, default=start_ms)
    return -(-last // HOUR_MS) * HOUR_MS if last > start_ms else start_ms


def _freqai(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the FreqAI block, empty where it is switched off."""
    block: Mapping[str, Any] = config.get("freqai") or {}
    return block if block.get("enabled") else {}
