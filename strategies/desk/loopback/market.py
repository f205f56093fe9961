"""Public endpoints that describe the market."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from models.base.types import Candles
from models.base.units import DAY_MS, MINUTE_MS
from strategies.desk.loopback.book import BUY, SELL
from strategies.desk.loopback.endpoint import Params, public, request_line
from strategies.desk.loopback.errors import ApiError, mandatory
from strategies.desk.loopback.orders import text
from strategies.desk.loopback.path import PricePath
from strategies.desk.loopback.replay import next_funding_ms
from strategies.desk.loopback.state import STATE_KEY, LoopbackState
from strategies.desk.loopback.symbols import Symbol
from strategies.desk.loopback.venue import LoopbackVenue

INTERVALS_MS: Final = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * 60 * MINUTE_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
}
_MOST_CANDLES: Final = 1500
_DEPTHS: Final = (5, 10, 20, 50, 100, 500, 1000)


async def ping(request: web.Request) -> web.Response:
    """Answer that the exchange is there."""
    return web.json_response({})


async def server_time(request: web.Request) -> web.Response:
    """Answer the exchange's clock."""
    state = request.app[STATE_KEY]
    now = state.clock()
    skew = state.conditions.skew_ms(request_line(request), now)
    return web.json_response({"serverTime": now + skew})


async def exchange_info(request: web.Request) -> web.Response:
    """Answer the listed symbols with their filters, and the rate limits."""
    state = request.app[STATE_KEY]
    limits = state.limits
    return web.json_response(
        {
            "timezone": "UTC",
            "serverTime": state.clock(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
                _limit("ORDERS", "MINUTE", 1, limits.orders_per_minute),
                _limit("ORDERS", "SECOND", 10, limits.orders_per_10s),
            ],
            "exchangeFilters": [],
            "assets": [
                {"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"},
                {"asset": "BTC", "marginAvailable": True, "autoAssetExchange": "-0.10000000"},
            ],
            "symbols": [symbol.entry() for symbol in state.symbols],
        }
    )


def _limit(kind: str, interval: str, count: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}


def klines(state: LoopbackState, venue: LoopbackVenue, params: Params) -> list[list[Any]]:
    """Answer contract candles, the forming one last; page "Kline/Candlestick Data"."""
    symbol = venue.symbol(params.get("symbol"))
    path = venue.market.feeds[symbol.name].contract
    return _klines(state, symbol, path, params, "GET /fapi/v1/klines")


def mark_klines(state: LoopbackState, venue: LoopbackVenue, params: Params) -> list[list[Any]]:
    """Answer mark price candles; page "Mark Price Kline/Candlestick Data"."""
    symbol = venue.symbol(params.get("symbol"))
    path = venue.market.feeds[symbol.name].mark
    return _klines(state, symbol, path, params, "GET /fapi/v1/markPriceKlines")


def _klines(
    state: LoopbackState, symbol: Symbol, path: PricePath, params: Params, line: str
) -> list[list[Any]]:
    interval = INTERVALS_MS.get(params.get("interval", ""))
    if interval is None:
        raise ApiError(-1120, "Invalid interval.")
    now = state.conditions.seen_ms(line, state.clock())
    limit = _limit_of(params, 500, _MOST_CANDLES)
    stop = min(_integer(params, "endTime", now), now) + 1
    begin = _integer(params, "startTime", stop - limit * interval)
    candles = path.candles(begin, min(stop, begin + (limit + 1) * interval), interval, now)
    rows = _rows(candles, interval, symbol.price_digits, symbol.quantity_digits)
    rows = rows[:limit] if "startTime" in params else rows[-limit:]
    return state.conditions.candles(rows, line, state.clock())


def _rows(candles: Candles, interval: int, digits: int, lot_digits: int) -> list[list[Any]]:
    columns = (candles.open, candles.high, candles.low, candles.close)
    rows = []
    for i, start in enumerate(candles.time_ms.tolist()):
        prices = [f"{column[i]:.{digits}f}" for column in columns]
        volume = float(candles.volume[i])
        quote = volume * float(candles.close[i])
        rows.append(
            [start, *prices, f"{volume:.{lot_digits}f}", start + interval - 1, f"{quote:.2f}",
             int(volume), f"{volume / 2:.{lot_digits}f}", f"{quote / 2:.2f}", "0"]
        )  # fmt: skip
    return rows


def premium_index(state: LoopbackState, venue: LoopbackVenue, params: Params) -> Any:
    """Answer mark price and next funding; page "Mark Price"."""
    stamp = state.conditions.stamp_ms("GET /fapi/v1/premiumIndex", venue.at_ms)
    return _one_or_all(venue, params, lambda s: _premium(venue, s, stamp))


def _premium(venue: LoopbackVenue, symbol: Symbol, stamp_ms: int) -> dict[str, Any]:
    due = next_funding_ms(venue.at_ms)
    mark = text(venue.mark(symbol.name))
    return {
        "symbol": symbol.name,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": f"{venue.market.feeds[symbol.name].rate_at(due):.8f}",
        "interestRate": "0.00010000",
        "nextFundingTime": due,
        "time": stamp_ms,
    }


def funding_rate(
    state: LoopbackState, venue: LoopbackVenue, params: Params
) -> list[dict[str, Any]]:
    """Answer past funding rates, oldest first; page "Get Funding Rate History"."""
    symbol = venue.symbol(params.get("symbol"))
    feed = venue.market.feeds[symbol.name]
    start, stop = _integer(params, "startTime", 0), _integer(params, "endTime", venue.at_ms)
    known = (feed.funding_ms >= start) & (feed.funding_ms <= min(stop, venue.at_ms))
    times, rates = feed.funding_ms[known].tolist(), feed.funding_rate[known].tolist()
    rows = [
        {"symbol": symbol.name, "fundingTime": t, "fundingRate": f"{r:.8f}",
         "markPrice": f"{feed.mark_at(t):.8f}"}
        for t, r in zip(times, rates, strict=True)
    ]  # fmt: skip
    limit = _limit_of(params, 100, 1000)
    return rows[:limit] if "startTime" in params else rows[-limit:]


def funding_info(
    state: LoopbackState, venue: LoopbackVenue, params: Params
) -> list[dict[str, Any]]:
    """Answer the symbols whose funding differs from every 8 hours: none."""
    return []


def depth(state: LoopbackState, venue: LoopbackVenue, params: Params) -> dict[str, Any]:
    """Answer the order book; page "Order Book"."""
    symbol = venue.symbol(params.get("symbol"))
    limit = _integer(params, "limit", 500)
    if limit not in _DEPTHS:
        raise ApiError(-4021, f"{limit} is not valid depth limit")
    bids, asks = (
        [[text(level.price), text(level.quantity)] for level in venue.book(symbol, side, limit)]
        for side in (SELL, BUY)
    )
    at = state.conditions.stamp_ms("GET /fapi/v1/depth", venue.at_ms)
    return {"lastUpdateId": at, "E": at, "T": at, "bids": bids, "asks": asks}


def book_ticker(state: LoopbackState, venue: LoopbackVenue, params: Params) -> Any:
    """Answer the best bid and ask; page "Symbol Order Book Ticker"."""
    return _one_or_all(venue, params, lambda s: _best(venue, s))


def _best(venue: LoopbackVenue, symbol: Symbol) -> dict[str, Any]:
    bid, ask = (venue.book(symbol, side, 1)[0] for side in (SELL, BUY))
    return {
        "symbol": symbol.name,
        "bidPrice": text(bid.price),
        "bidQty": text(bid.quantity),
        "askPrice": text(ask.price),
        "askQty": text(ask.quantity),
        "time": venue.at_ms,
        "lastUpdateId": venue.at_ms,
    }


def ticker_24h(state: LoopbackState, venue: LoopbackVenue, params: Params) -> Any:
    """Answer the last 24 hours; page "24hr Ticker Price Change Statistics"."""
    return _one_or_all(venue, params, lambda s: _day(venue, s))


def _day(venue: LoopbackVenue, symbol: Symbol) -> dict[str, Any]:
    path, now = venue.market.feeds[symbol.name].contract, venue.at_ms
    start = max(now - DAY_MS, path.start_ms)
    minutes = path.candles(start, now + 1, MINUTE_MS, now)
    last, first = path.at(now), path.at(start)
    high = float(minutes.high.max()) if len(minutes) else last
    low = float(minutes.low.min()) if len(minutes) else last
    volume = float(minutes.volume.sum())
    digits = symbol.price_digits
    return {
        "symbol": symbol.name,
        "priceChange": f"{last - first:.{digits}f}",
        "priceChangePercent": f"{(last / first - 1) * 100:.3f}",
        "weightedAvgPrice": f"{(high + low) / 2:.{digits}f}",
        "lastPrice": f"{last:.{digits}f}",
        "lastQty": symbol.lot,
        "openPrice": f"{first:.{digits}f}",
        "highPrice": f"{high:.{digits}f}",
        "lowPrice": f"{low:.{digits}f}",
        "volume": f"{volume:.3f}",
        "quoteVolume": f"{volume * last:.2f}",
        "openTime": start,
        "closeTime": now,
        "firstId": 1,
        "lastId": 2,
        "count": 1,
    }


def open_interest_now(state: LoopbackState, venue: LoopbackVenue, params: Params) -> dict[str, Any]:
    """Answer the contracts held by this exchange's customers; page "Open Interest"."""
    symbol = venue.symbol(params.get("symbol"))
    held = sum(abs(a.position(symbol.name).amount) for a in venue.accounts.values())
    return {"symbol": symbol.name, "openInterest": str(held), "time": venue.at_ms}


def _one_or_all(venue: LoopbackVenue, params: Params, answer: Any) -> Any:
    if "symbol" in params:
        return answer(venue.symbol(params["symbol"]))
    return [answer(symbol) for symbol in venue.symbols]


def _integer(params: Params, name: str, default: int) -> int:
    given = params.get(name)
    if given is None:
        return default
    if not given.isdigit():
        raise mandatory(name)
    return int(given)


def _limit_of(params: Params, default: int, most: int) -> int:
    limit = _integer(params, "limit", default)
    if not 1 <= limit <= most:
        raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit


INFO_ROUTES = (
    web.get("/fapi/v1/ping", ping),
    web.get("/fapi/v1/time", server_time),
    web.get("/fapi/v1/exchangeInfo", exchange_info),
)
MARKET_ROUTES = (
    web.get("/fapi/v1/klines", public(klines)),
    web.get("/fapi/v1/markPriceKlines", public(mark_klines)),
    web.get("/fapi/v1/premiumIndex", public(premium_index)),
    web.get("/fapi/v1/fundingRate", public(funding_rate)),
    web.get("/fapi/v1/fundingInfo", public(funding_info)),
    web.get("/fapi/v1/depth", public(depth)),
    web.get("/fapi/v1/ticker/bookTicker", public(book_ticker)),
    web.get("/fapi/v1/ticker/24hr", public(ticker_24h)),
    web.get("/fapi/v1/openInterest", public(open_interest_now)),
)
