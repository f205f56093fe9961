"""The recorded crashes in a folder: for each coin the finest candles there are of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.types import Candles, FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.studies.stress.crash import RecordedCrash
from models.studies.stress.hedged import HedgedCrash
from models.trade.account.records import MarketPath
from strategies.desk.backtests.data import MARK_TIMEFRAME, load_checked, load_funding

_FINEST: Final = ("1m", "5m", "15m", "1h")
_BEFORE_MS: Final = 8 * DAY_MS  # a week to know the volatility, a day of starts
_AFTER_MS: Final = DAY_MS
_MARKETS: Final = {"perpetual": CandleType.FUTURES, "spot": CandleType.SPOT}


def find_crashes(data: Path, pair: str, left_out: list[str] | None = None) -> list[RecordedCrash]:
    """Return the crash of each data directory in `data`, or of `data` itself.

    Of each, the perpetual's finest candles that hold the crash; the coarser ones too, where those
    end before them; and the spot market's, where they are finer.

    Parameters
    ----------
    left_out
        Told of every file finer than an hour that has holes and cannot be replayed.

    Raises
    ------
    InputError
        If there is none with futures candles of the pair.
    """
    notes: list[str] = [] if left_out is None else left_out
    found = [c for folder in crash_folders(data) for c in read_crashes(folder, pair, notes)]
    if not found:
        raise InputError(
            f"no futures candles of {pair}",
            where=str(data),
            cure="name a Freqtrade data directory (it holds futures/), or a folder of such",
        )
    return found


def crash_folders(data: Path) -> list[Path]:
    """Return the data directories in `data`, or `data` itself if it is one."""
    if (data / "futures").is_dir():
        return [data]  # what lies below it is something else, another exchange for example
    return [f for f in sorted(data.glob("*")) if (f / "futures").is_dir()]


def read_crashes(datadir: Path, pair: str, left_out: list[str]) -> list[RecordedCrash]:
    """Return every replay of one coin that a data directory has candles for; none without any."""
    perpetual = _read(datadir, pair, "perpetual", left_out)
    if not perpetual:
        return []
    whole = max(perpetual, key=lambda c: (c.close_ms[-1], c.candle_ms))  # the coarsest reaches far
    at_ms = _worst_ms(whole.candles)
    chosen = _chosen(perpetual, at_ms)
    finest = min(c.candle_ms for c in chosen)
    spot = [c for c in _read(datadir, pair, "spot", left_out) if c.candle_ms < finest]
    return [*chosen, *[c for c in spot if _holds(c, at_ms)][:1]]


def find_hedged(data: Path, pairs: Sequence[str]) -> list[HedgedCrash]:
    """Return each crash for which all pairs have hourly candles and marks, cut to the same span."""
    found = []
    for folder in crash_folders(data):
        if not all(_path(folder, p, "1h", k).is_file() for p in pairs for k in _BOTH):
            continue
        traded = [load_checked(folder, pair, "1h") for pair in pairs]
        marks = [load_checked(folder, pair, MARK_TIMEFRAME, CandleType.MARK) for pair in pairs]
        start = max(int(c.time_ms[0]) for c in (*traded, *marks))
        stop = min(int(c.time_ms[-1]) for c in (*traded, *marks)) + HOUR_MS
        paths = [_cut(c, start, stop) for c in traded]
        found.append(
            HedgedCrash(
                traded=tuple(
                    RecordedCrash(name=folder.name, pair=pair, candles=c, candle_ms=HOUR_MS,
                                  funding_rate=np.full(len(c), np.nan), market="perpetual, marks")
                    for pair, c in zip(pairs, paths, strict=True)
                ),
                marks=tuple(
                    _marked(folder, pair, _cut(c, start, stop))
                    for pair, c in zip(pairs, marks, strict=True)
                ),
            )
        )  # fmt: skip
    return found


_BOTH: Final = (CandleType.FUTURES, CandleType.MARK)


def _read(datadir: Path, pair: str, market: str, left_out: list[str]) -> list[RecordedCrash]:
    """Return the coin's candles of a market, finest first."""
    kind, out = _MARKETS[market], []
    named = pair if market == "perpetual" else pair.partition(":")[0]
    for timeframe in _FINEST if market == "perpetual" else _FINEST[:-1]:
        if not _path(datadir, named, timeframe, kind).is_file():
            continue
        try:
            candles = load_checked(datadir, named, timeframe, kind)
        except InputError as error:
            if timeframe == _FINEST[-1] and market == "perpetual":
                raise  # without it there is nothing whole to replay
            fault = error.problem.splitlines()[-1].strip()
            left_out.append(f"{datadir.name}, {named}, {timeframe}: {fault}")
            continue
        step = timeframe_to_msecs(timeframe)
        paid = market == "perpetual"
        out.append(
            RecordedCrash(
                name=datadir.name, pair=pair, candles=candles, candle_ms=step, market=market,
                funding_rate=_funding(datadir, pair, candles, step) if paid
                else np.full(len(candles), np.nan),
            )
        )  # fmt: skip
    return out


def _chosen(finest_first: Sequence[RecordedCrash], at_ms: int) -> list[RecordedCrash]:
    """Return the finest that holds the crash, and coarser ones that reach further."""
    chosen: list[RecordedCrash] = []
    for crash in finest_first:
        first = not chosen and _holds(crash, at_ms)
        further = bool(chosen) and crash.close_ms[-1] > max(c.close_ms[-1] for c in chosen)
        if first or further:
            chosen.append(crash)
    return chosen or [finest_first[-1]]


def _holds(crash: RecordedCrash, at_ms: int) -> bool:
    start, stop = int(crash.candles.time_ms[0]), int(crash.close_ms[-1])
    return start <= at_ms - _BEFORE_MS and stop >= at_ms + _AFTER_MS


def _worst_ms(c: Candles) -> int:
    """Return the open of the candle that fell the most below the close before it."""
    return int(c.time_ms[1 + int((c.low[1:] / c.close[:-1]).argmin())])


def _funding(datadir: Path, pair: str, candles: Candles, step: int) -> FloatArray:
    funding = np.full(len(candles), np.nan)
    paid_ms, rate = load_funding(datadir, pair)
    row = (paid_ms - candles.time_ms[0]) // step
    here = (row >= 0) & (row < len(candles))
    funding[row[here]] = rate[here]
    return funding


def _marked(datadir: Path, pair: str, c: Candles) -> MarketPath:
    return MarketPath(
        pair=pair, time_ms=c.time_ms, open=c.open, high=c.high, low=c.low, close=c.close,
        funding_rate=_funding(datadir, pair, c, HOUR_MS),
    )  # fmt: skip


def _cut(c: Candles, start_ms: int, stop_ms: int) -> Candles:
    return c.cut((c.time_ms >= start_ms) & (c.time_ms < stop_ms))


def _path(datadir: Path, pair: str, timeframe: str, kind: CandleType) -> Path:
    stem = pair.replace("/", "_").replace(":", "_")
    if kind is CandleType.SPOT:
        return datadir / f"{stem}-{timeframe}.feather"
    return datadir / "futures" / f"{stem}-{timeframe}-{kind.value}.feather"
