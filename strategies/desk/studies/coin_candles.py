"""The candles of several coins in data directories, as the one history that engines learn from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import InputError
from models.base.types import Candles, FloatArray, IntArray
from models.scenarios.history import FundingRows, GatheredHistory, gather_history
from models.trade.risk.worst_hours import WorstDay, WorstHour, worst_24_hours, worst_hour
from strategies.bot.market_data import has_funding
from strategies.desk.backtests.data import load_checked, load_funding
from strategies.desk.terminal.names import near


@dataclass(frozen=True, kw_only=True)
class CoinCandles:
    """A history, and what the candles it was made of show besides."""

    gathered: GatheredHistory
    candles: Mapping[str, Candles]  # of each pair in the history

    @cached_property
    def marks(self) -> dict[str, float]:
        """Return the close that the history ends with, of each pair, in quote units."""
        last_ms = self.gathered.history.time_ms[-1]
        return {p: float(c.close[c.time_ms == last_ms][0]) for p, c in self.candles.items()}

    @cached_property
    def worst_hours(self) -> dict[str, WorstHour]:
        """Return the worst hour that each pair's candles show."""
        candle_ms = self.gathered.history.candle_ms
        return {
            p: worst_hour(c.time_ms, c.high, c.low, c.close, candle_ms)
            for p, c in self.candles.items()
        }

    @cached_property
    def worst_days(self) -> dict[str, WorstDay]:
        """Return the worst 24 hours that each pair's candles show."""
        candle_ms = self.gathered.history.candle_ms
        return {
            p: worst_24_hours(c.time_ms, c.high, c.low, c.close, candle_ms)
            for p, c in self.candles.items()
        }


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


def gather_coins(
    folders: Sequence[Path],
    pairs: Sequence[str],
    timeframe: str,
    asked: Collection[str] | None = None,
) -> CoinCandles:
    """Read the candles and funding of all pairs and put them on one grid.

    Parameters
    ----------
    folders
        Data directories; each one's later candles follow those of the ones before.
    asked
        Pairs that must be in it; all by default. Others are left out where they do not fit.

    Raises
    ------
    InputError
        If a file is missing or unsound, a pair that was asked for has too few candles, or too few
        are common to all pairs.
    """
    candles = {pair: _candles(folders, pair, timeframe) for pair in pairs}
    gathered = gather_history(
        candles,
        timeframe_to_msecs(timeframe),
        funding={pair: _funding(folders, pair) for pair in pairs if has_funding(folders[0], pair)},
        asked=asked,
    )
    return CoinCandles(
        gathered=gathered, candles={pair: candles[pair] for pair in gathered.history.coins}
    )


def _candles(folders: Sequence[Path], pair: str, timeframe: str) -> Candles:
    """Return a coin's candles, each folder's after those of the ones before."""
    out, *more = [load_checked(folder, pair, timeframe) for folder in folders]
    names = ("time_ms", "open", "high", "low", "close", "volume")
    for later in more:
        rows = later.time_ms > out.time_ms[-1]
        out = Candles(
            **{n: np.concatenate([getattr(out, n), getattr(later, n)[rows]]) for n in names}
        )
    return out


def _funding(folders: Sequence[Path], pair: str) -> FundingRows:
    """Return a coin's funding, each folder's that has some after those before."""
    times: list[IntArray] = []
    rates: list[FloatArray] = []
    for folder in folders:
        if has_funding(folder, pair):
            time_ms, rate = load_funding(folder, pair)
            rows = time_ms > (times[-1][-1] if times else -1)
            times.append(time_ms[rows])
            rates.append(rate[rows])
    return FundingRows(time_ms=np.concatenate(times), rate=np.concatenate(rates))
