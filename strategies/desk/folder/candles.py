"""The candles a bot's folder brings along: which files, how far they reach, and copying them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.units import DAY_MS
from strategies.bot.data_check import days_to_train_on, pairs_read
from strategies.bot.data_files import MARKER, DataFile, listing
from strategies.bot.forecast_columns import WARM_UP_CANDLES
from strategies.bot.market_data import MARK_TIMEFRAME
from strategies.desk.folder.written import timeframes_read

_BEHIND: Final = 0.8  # of the candles are history when a replay starts


@dataclass(frozen=True, kw_only=True)
class CandleSpan:
    """What is settled by the candles: the backtest's days, and where a replay begins."""

    timerange: str
    train_days: int
    replay_from_ms: int


def files_read(config: Mapping[str, Any], datadir: Path) -> list[Path]:
    """Return the files a bot of this config reads, mark prices and funding with them.

    Raises
    ------
    InputError
        If one is missing; names all that are.
    """
    kinds = [(name, CandleType.FUTURES) for name in timeframes_read(config)]
    kinds += [(MARK_TIMEFRAME, CandleType.MARK), (MARK_TIMEFRAME, CandleType.FUNDING_RATE)]
    files = [
        DataFile(datadir=datadir, pair=pair, timeframe=timeframe, candle_type=kind)
        for pair in pairs_read(config) for timeframe, kind in kinds
    ]  # fmt: skip
    missing = [file for file in files if not file.path.is_file()]
    if missing:
        raise InputError(
            f"expected {', '.join(file.path.name for file in missing)}, "
            f"found {listing(datadir / 'futures', near=missing[0].path.name)}",
            where=f"--data {datadir}",
            cure="; ".join(dict.fromkeys(file.download() for file in missing))
            + "; or name another --data",
        )
    return [file.path for file in files]


def checked_candles(data: Path, *, real: bool) -> Path:
    """Return a Freqtrade data directory that may be copied from.

    Raises
    ------
    InputError
        If it is none, or simulated where only real candles may lie.
    """
    folder = data.expanduser().absolute()
    if not (folder / "futures").is_dir():
        raise InputError(
            f"expected a Freqtrade data directory, found {listing(folder)}",
            where=f"--data {folder}", cure="name the folder that holds futures/",
        )  # fmt: skip
    if real and (folder / MARKER).is_file():
        raise InputError(
            "expected candles of the market, found simulated or replayed ones",
            where=f"--data {folder}",
            cure="name real candles, leave --data out and download them, or take --exchange "
            "loopback",
        )
    return folder


def settled_by(config: Mapping[str, Any], datadir: Path, backtest_days: int) -> CandleSpan:
    """Return what follows from the candles of the first pair."""
    time_ms, _ = DataFile(
        datadir=datadir, pair=config["exchange"]["pair_whitelist"][0],
        timeframe=config["timeframe"], candle_type=CandleType.FUTURES,
    ).read()  # fmt: skip
    if len(time_ms) < 2:
        raise InputError(f"expected candles, found {len(time_ms)}", where=str(datadir))
    first, last = int(time_ms[0]), int(time_ms[-1]) + timeframe_to_msecs(config["timeframe"])
    timerange = timerange_before(last, backtest_days)
    days = 0
    if config.get("freqai"):
        asked = config["freqai"]["train_period_days"]
        found = days_to_train_on(
            {**config, "datadir": datadir, "timerange": timerange}, WARM_UP_CANDLES
        )
        days = 0 if found == asked else found
    return CandleSpan(
        timerange=timerange, train_days=days, replay_from_ms=first + int((last - first) * _BEHIND)
    )


def timerange_before(stop_ms: int, days: int) -> str:
    """Return whole days that end no later than `stop_ms`, as Freqtrade writes them.

    Examples
    --------
    >>> timerange_before(1_759_276_799_999, 90)
    '20250702-20250930'
    """
    stop = datetime.fromtimestamp(stop_ms // DAY_MS * DAY_MS / 1000, UTC)
    return f"{stop - timedelta(days=days):%Y%m%d}-{stop:%Y%m%d}"


def copy_candles(files: list[Path], source: Path, target: Path) -> None:
    """Copy files of a data directory into another one, and the mark of a simulated one."""
    (target / "futures").mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copyfile(path, target / "futures" / path.name)
    if (source / MARKER).is_file():
        shutil.copyfile(source / MARKER, target / MARKER)
