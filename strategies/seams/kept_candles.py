"""The candles Freqtrade keeps, and the times by which it decides to ask for more.

The candle that has just closed is appended there, so that Freqtrade neither fetches nor rebuilds
what it has.
"""

from __future__ import annotations

from typing import Any

from freqtrade.exchange import Exchange
from pandas import DataFrame

from strategies.seams.record import Library, Seam, lacks_attributes, lacks_method, problems

Market = tuple[str, str, Any]  # pair, timeframe, candle type: Freqtrade's PairWithTimeframe


def kept_candles(exchange: Exchange, market: Market) -> DataFrame | None:
    """Return the candles Freqtrade keeps of a market, None if it has none."""
    kept: DataFrame | None = exchange._klines.get(market)
    return kept


def keep_candles(
    exchange: Exchange, market: Market, candles: DataFrame, *, opened_ms: int, asked_ms: int
) -> None:
    """Put `candles` in the place of those Freqtrade keeps.

    Parameters
    ----------
    opened_ms
        When the newest of them opened, UTC milliseconds.
    asked_ms
        When they were asked for.
    """
    exchange._klines[market] = candles
    exchange._pairs_last_refresh_time[market] = opened_ms
    exchange._pairs_last_poll_time[market] = asked_ms


def most_candles_kept(exchange: Exchange) -> int:
    """Return how many candles Freqtrade keeps of a market; older ones age out."""
    config = exchange._config
    limit = exchange.ohlcv_candle_limit(config["timeframe"], config["candle_type_def"])
    return int(limit + exchange._startup_candle_count)


def _probe() -> str:
    return problems(
        lacks_attributes(
            Exchange, "_klines", "_pairs_last_refresh_time", "_pairs_last_poll_time", "_config"
        ),
        lacks_attributes(Exchange, "_startup_candle_count", set_in="_set_startup_candle_count"),
        lacks_method(Exchange, "ohlcv_candle_limit", "timeframe", "candle_type"),
    )


KEPT_CANDLES = Seam(
    name="Exchange._klines, _pairs_last_refresh_time, _pairs_last_poll_time, _startup_candle_count",
    what="read and written",
    why="the closed candle is appended instead of everything fetched and rebuilt",
    since="freqtrade 2026.9",
    without="candles come by Freqtrade's own refresh",
    probe=_probe,
    library=Library.EXCHANGE,
)
