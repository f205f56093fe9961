"""The second venue: OKX's public candles of the same market, as ccxt's client asks for them.

Pages "Get instruments" and "Get candlesticks" of OKX's API v5. Prices are those of the exchange's
own market; faults set on ``market/candles`` make this source stale, silent or wrong.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from models.base.units import DAY_MS, HOUR_MS
from strategies.desk.loopback.endpoint import Params, public
from strategies.desk.loopback.state import LoopbackState
from strategies.desk.loopback.symbols import Symbol
from strategies.desk.loopback.venue import LoopbackVenue

LINE: Final = "GET /api/v5/market/candles"
_BARS_MS: Final = {
    **{f"{n}m": n * 60_000 for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": n * HOUR_MS for n in (1, 2, 4)},
    "1Dutc": DAY_MS,
}
_MOST: Final = 300
_CONTRACT: Final = 0.01  # of the base coin, each


def instruments(state: LoopbackState, venue: LoopbackVenue, params: Params) -> dict[str, Any]:
    """Answer the perpetual swaps."""
    return _answer([_instrument(s) for s in venue.symbols if params.get("instType") == "SWAP"])


def _instrument(symbol: Symbol) -> dict[str, Any]:
    return {
        "instId": f"{symbol.base}-USDT-SWAP",
        "instType": "SWAP",
        "uly": f"{symbol.base}-USDT",
        "instFamily": f"{symbol.base}-USDT",
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": "USDT",
        "ctType": "linear",
        "ctVal": str(_CONTRACT),
        "ctMult": "1",
        "ctValCcy": symbol.base,
        "lotSz": "1",
        "minSz": "1",
        "tickSz": "0.1",
        "lever": "50",
        "state": "live",
        "listTime": "1573557408000",
        "expTime": "",
        "alias": "",
    }


def candles(state: LoopbackState, venue: LoopbackVenue, params: Params) -> dict[str, Any]:
    """Answer candles, newest first, the forming one with "confirm" 0."""
    names = {f"{s.base}-USDT-SWAP": s for s in venue.symbols}
    symbol = names.get(params.get("instId", ""))
    if symbol is None:
        return _refused("51001", "Instrument ID doesn't exist.")
    bar_ms = _BARS_MS.get(params.get("bar", "1m"))
    if bar_ms is None:
        return _refused("51000", "Parameter bar error")
    now = state.conditions.seen_ms(LINE, state.clock())
    count = min(int(params.get("limit", "100")), _MOST)
    stop = min(int(params.get("after", now + 1)), now + 1)
    begin = max(stop - count * bar_ms, int(params.get("before", -1)) + 1)
    found = venue.market.feeds[symbol.name].contract.candles(begin, stop, bar_ms, now)
    prices = (found.open, found.high, found.low, found.close)
    rows = [
        [start, *(f"{column[i]:.{symbol.price_digits}f}" for column in prices),
         *_volumes(float(found.volume[i]), float(found.close[i])),
         "1" if start + bar_ms <= now else "0"]
        for i, start in enumerate(found.time_ms.tolist())
    ]  # fmt: skip
    sent = state.conditions.candles(rows, LINE, state.clock())
    return _answer([[str(row[0]), *row[1:]] for row in reversed(sent)])


def _volumes(base: float, price: float) -> tuple[str, str, str]:
    return f"{base / _CONTRACT:.0f}", f"{base:.4f}", f"{base * price:.2f}"


def _answer(data: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message, "data": []}


OKX_ROUTES = (
    web.get("/api/v5/public/instruments", public(instruments)),
    web.get("/api/v5/market/candles", public(candles)),
)
