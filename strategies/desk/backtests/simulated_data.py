"""The simulated market as a Freqtrade data directory."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pandas as pd
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.types import Candles, IntArray
from models.base.units import DAY_MS, HOUR_MS
from models.data.feeds.aggregation import aggregate
from models.simulate.market_config import SimulatedMarketConfig
from models.simulate.simulated_market import VERSION, PairMarket, SimulatedMarket, simulate_market
from strategies.bot.data_files import MARKER

DEFAULT_SEED: Final = 7
DEFAULT_START: Final = datetime(2021, 1, 1, tzinfo=UTC)
DEFAULT_DAYS: Final = 1750  # four years to train on, 240 days to test, and the warm-up
# Of candles above an hour: 1600 days to train on, 720 to test, and 430 candles of warm-up.
_LONG_DAYS: Final = 2800
_SHORT_DAYS: Final = 1020  # of candles below an hour: 270 days to train on, 240 to test, and more


def write_simulated(
    datadir: Path,
    *,
    seed: int = DEFAULT_SEED,
    start: datetime = DEFAULT_START,
    days: int = DEFAULT_DAYS,
    timeframe: str = "1h",
) -> Path:
    """Write the simulated market as futures, mark and funding files with a marker; all or nothing.

    Parameters
    ----------
    datadir
        Becomes a Freqtrade data directory. An older simulation there is replaced.
    seed, start, days
        Of the simulation; a time without a zone is UTC.
    timeframe
        Of the candles; it divides 1h, or a day and 1h divides it. Those of 1h are written as well:
        longer ones are made of them, as an exchange makes them.

    Returns
    -------
    Path
        `datadir`.

    Raises
    ------
    InputError
        If `datadir` holds anything that is not a simulation (nothing is touched then), or the
        timeframe neither divides 1h nor is whole hours that divide a day.
    """
    longer_ms = timeframe_to_msecs(timeframe)
    if HOUR_MS % longer_ms and (longer_ms % HOUR_MS or DAY_MS % longer_ms):
        raise InputError(
            f"expected a timeframe that divides 1h, or whole hours that divide a day, got "
            f"{timeframe}",
            cure="simulate one of 1m, 5m, 15m, 1h, 4h or 1d; mark prices and funding are by the "
            "hour",
        )
    candle_ms = min(longer_ms, HOUR_MS)
    _refuse_foreign(datadir)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    market = simulate_market(
        SimulatedMarketConfig(
            seed=seed,
            start_ms=int(start.timestamp() * 1000),
            candles=days * DAY_MS // candle_ms,
            candle_ms=candle_ms,
        )
    )
    datadir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=datadir.parent, prefix=f".{datadir.name}-") as scratch:
        fresh = Path(scratch) / "fresh"
        (fresh / "futures").mkdir(parents=True)
        for pair, published in market.pairs.items():
            _store_pair(fresh, pair, published, timeframe, candle_ms)
        _write_marker(fresh, market, timeframe, days)
        _swap(fresh, datadir, Path(scratch) / "old")
    return datadir


def default_simulation(datadir: Path, timeframe: str) -> Path:
    """Write as many days as candles of this length need; all lengths end on the same day."""
    candle_ms = timeframe_to_msecs(timeframe)
    long, short = candle_ms > HOUR_MS, candle_ms < HOUR_MS
    days = _LONG_DAYS if long else _SHORT_DAYS if short else DEFAULT_DAYS
    start = DEFAULT_START - timedelta(days=days - DEFAULT_DAYS)
    return write_simulated(datadir, start=start, days=days, timeframe=timeframe)


def read_marker(datadir: Path) -> dict[str, Any]:
    """Return what the marker says about a simulated directory.

    Raises
    ------
    InputError
        If there is no marker, or it is not a marker.
    """
    path = datadir / MARKER
    try:
        marker = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a readable {MARKER}, got {error}",
            where=str(path),
            cure=f"delete {datadir} if it is a simulation; it is written again when needed",
        ) from error
    if not isinstance(marker, dict) or "files" not in marker:
        raise InputError(
            f"expected {MARKER} to list its files, got {type(marker).__name__}",
            where=str(path),
            cure=f"delete {datadir} if it is a simulation; it is written again when needed",
        )
    return marker


def _refuse_foreign(datadir: Path) -> None:
    """Raise if anything is in the place that no simulation wrote, whatever kind of thing it is."""
    if datadir.is_symlink() or (datadir.exists() and not datadir.is_dir()):
        present = {datadir.name}
    else:
        inside = (p for p in datadir.rglob("*") if p.is_symlink() or not p.is_dir())
        present = {p.relative_to(datadir).as_posix() for p in inside}
    known = {MARKER, *read_marker(datadir)["files"]} if MARKER in present else set()
    foreign = sorted(present - known)
    if foreign:
        more = "" if len(foreign) <= 5 else f" and {len(foreign) - 5} more"
        raise InputError(
            f"expected an empty or simulated directory to write a simulation to, found "
            f"{', '.join(foreign[:5])}{more}",
            where=str(datadir),
            cure="choose another directory; real data are never overwritten",
        )


def _store_pair(
    datadir: Path, pair: str, published: PairMarket, timeframe: str, candle_ms: int
) -> None:
    handler = get_datahandler(datadir, "feather")
    for name in dict.fromkeys((timeframe, "1h")):
        length_ms = timeframe_to_msecs(name)
        candles = published.candles
        if length_ms > candle_ms:
            candles = aggregate(candles, candle_ms, length_ms)
        handler.ohlcv_store(pair, name, _frame(candles), CandleType.FUTURES)
    mark = aggregate(published.mark, candle_ms, HOUR_MS)
    handler.ohlcv_store(pair, "1h", _frame(mark), CandleType.MARK)
    funding = pd.DataFrame(
        {"date": _dates(published.funding_time_ms), "funding_rate": published.funding_rate}
    )
    handler.ohlcv_store(pair, "1h", funding, CandleType.FUNDING_RATE)


def _frame(candles: Candles) -> pd.DataFrame:
    columns = {c: getattr(candles, c) for c in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"date": _dates(candles.time_ms), **columns})


def _dates(time_ms: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(time_ms.astype("datetime64[ms]"), tz="UTC")


def _write_marker(datadir: Path, market: SimulatedMarket, timeframe: str, days: int) -> None:
    config = market.config
    stop_ms = config.start_ms + config.candles * config.candle_ms
    start, stop = (datetime.fromtimestamp(t / 1000, tz=UTC) for t in (config.start_ms, stop_ms))
    marker = {
        "what": "simulated market; results from it say nothing about real markets",
        "seed": config.seed,
        "start": start.isoformat(),
        "stop": stop.isoformat(),
        "days": days,
        "timeframe": timeframe,
        "breakwater": version("breakwater"),
        "simulation": VERSION,
        "config": dataclasses.asdict(config),
        "files": sorted(
            p.relative_to(datadir).as_posix() for p in (datadir / "futures").glob("*.feather")
        ),
    }
    (datadir / MARKER).write_text(json.dumps(marker, indent=2) + "\n")


def _swap(fresh: Path, datadir: Path, old: Path) -> None:
    """Put `fresh` in the place of `datadir`, and what was there into `old`."""
    if datadir.exists():
        os.replace(datadir, old)
    try:
        os.replace(fresh, datadir)
    except OSError:
        if (datadir / MARKER).is_file():  # another run wrote its simulation in the meantime
            return
        if old.exists():
            shutil.move(old, datadir)
        raise
