"""The candles of several coins in a data directory, as the one history that engines learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.scenarios.history import FundingRows, GatheredHistory, gather_history
from models.trade.risk.worst_hours import WorstDay, WorstHour, worst_24_hours, worst_hour
from strategies.bot.data_files import DataFile
from strategies.desk.backtests.data import MARK_TIMEFRAME, load_checked, load_funding
from strategies.desk.terminal.names import near


@dataclass(frozen=True, kw_only=True)
class CoinCandles:
    """A history, the close it ends with, and the worst hour and day each coin's candles show."""

    gathered: GatheredHistory
    marks: Mapping[str, float]  # last close of each pair, quote units
    worst_hours: Mapping[str, WorstHour]
    worst_days: Mapping[str, WorstDay]


def coins_with_candles(data: Path, timeframe: str) -> tuple[str, ...]:
    """Return the pairs whose USDT-margined candles of a length are in a data directory, by name.

    Examples
    --------
    >>> coins_with_candles(Path("no/such/folder"), "1h")
    ()
    """
    end = f"_USDT_USDT-{timeframe}-futures.feather"
    files = sorted((data / "futures").glob(f"*{end}"))
    return tuple(f"{file.name.removesuffix(end)}/USDT:USDT" for file in files)


def pair_in(data: Path, timeframe: str, coin: str) -> str:
    """Return the pair of a coin, or of a pair's own name, that a data directory has candles of.

    Raises
    ------
    InputError
        If it has none: names the nearest, and all there are.
    """
    known = coins_with_candles(data, timeframe)
    pair = coin if "/" in coin else f"{coin}/USDT:USDT"
    if pair in known:
        return pair
    coins = [one.partition("/")[0] for one in known]
    raise InputError(
        f"no {timeframe} futures candles of {coin}{near(coin, coins)} There are "
        f"{', '.join(coins) or 'none'}",
        where=str(data),
        cure=f"freqtrade download-data --trading-mode futures --pairs {pair} --timeframes "
        f"{timeframe}, or name another coin or directory",
    )


def gather_coins(data: Path, pairs: Sequence[str], timeframe: str) -> CoinCandles:
    """Read the candles and funding of all pairs and put them on one grid.

    Raises
    ------
    InputError
        If a file is missing, unsound, or too few candles are common to all pairs.
    """
    candle_ms = timeframe_to_msecs(timeframe)
    candles = {pair: load_checked(data, pair, timeframe) for pair in pairs}
    funding = {
        pair: FundingRows(time_ms=time_ms, rate=rate)
        for pair in pairs if has_funding(data, pair)
        for time_ms, rate in [load_funding(data, pair)]
    }  # fmt: skip
    gathered = gather_history(candles, candle_ms, funding=funding)
    last_ms = gathered.history.time_ms[-1]
    return CoinCandles(
        gathered=gathered,
        marks={p: float(c.close[c.time_ms == last_ms][0]) for p, c in candles.items()},
        worst_hours={
            p: worst_hour(c.time_ms, c.high, c.low, c.close, candle_ms) for p, c in candles.items()
        },
        worst_days={
            p: worst_24_hours(c.time_ms, c.high, c.low, c.close, candle_ms)
            for p, c in candles.items()
        },
    )


def has_funding(data: Path, pair: str) -> bool:
    """Return whether a data directory has a file of a pair's funding."""
    return DataFile(
        datadir=data, pair=pair, timeframe=MARK_TIMEFRAME, candle_type=CandleType.FUNDING_RATE
    ).path.is_file()
