"""What the providers answer: the examples of their documentation, at the time of asking.

Litecoin stands at 100, bitcoin at 60,000; everything else follows from the time, so that two
answers about one moment agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from strategies.desk.loopback.symbols import BTC, LTC

Query = Mapping[str, str]
FIVE_MS: Final = 300_000
EIGHT_HOURS_MS: Final = 28_800_000
_PRICES: Final = {"LTC": 100.0, "BTC": 60_000.0}


def fear_greed(now: int, query: Query) -> Any:
    day = now // 86_400_000
    rows = [
        {"value": str((day - i) % 100), "value_classification": "Fear",
         "timestamp": str((day - i) * 86_400)}
        for i in range(int(query.get("limit", "1")))
    ]  # fmt: skip
    rows[0]["time_until_update"] = "68499"
    return {"name": "Fear and Greed Index", "data": rows, "metadata": {"error": None}}


def coin(now: int, query: Query, coin_id: str) -> Any:
    return {
        "id": coin_id, "symbol": "ltc", "sentiment_votes_up_percentage": 62.5,
        "sentiment_votes_down_percentage": 37.5, "watchlist_portfolio_users": 12345,
        "last_updated": f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%dT%H:%M:%S.123Z}",
    }  # fmt: skip


def mempool(now: int, query: Query) -> Any:
    return {"count": 8134 + now // 60_000 % 60, "vsize": 3444604, "total_fee": 29204625,
            "fee_histogram": [[53.01, 102131], [38.56, 110990]]}  # fmt: skip


def block_id(height: int) -> str:
    """Return the hash of the loopback chain's block."""
    return f"{height:064x}"


def blocks(now: int, query: Query, start: int | None = None) -> Any:
    """One block every 150 s, ten a page."""
    top = now // 150_000 if start is None else start
    return [
        {"id": block_id(h), "height": h, "version": 536870912, "timestamp": h * 150,
         "tx_count": 4, "size": 1581746, "weight": 3993086}
        for h in range(top, top - 10, -1)
    ]  # fmt: skip


def block_summary(now: int, query: Query, height: int) -> Any:
    """Coinbase, a large and a small transaction, and that of the extension block."""
    values = (625_000_000, (20_000 + height % 7) * 100_000_000, 1_000, 15_000_000_000_000)
    fees = (0, 1_000, 200, 300)
    return [
        {"txid": f"{i:064x}", "fee": fee, "vsize": 140.25, "value": value}
        for i, (value, fee) in enumerate(zip(values, fees, strict=True))
    ]


def _blockchair(data: Any, **more: Any) -> Any:
    return {"data": data, "context": {"code": 200, "source": "A", "state": 652382,
                                      "request_cost": 1, **more}}  # fmt: skip


def blockchair_stats(now: int, query: Query) -> Any:
    return _blockchair({"blocks": 652383, "transactions_24h": 284387,
                        "mempool_transactions": 7866 + now // 60_000 % 60,
                        "hashrate_24h": "138141088900593742424"})  # fmt: skip


def blockchair_transactions(now: int, query: Query) -> Any:
    rows = [
        {"block_id": 652382, "id": i, "hash": f"{i:064x}", "time": "2020-10-12 11:46:57",
         "is_coinbase": i == 0, "output_total": (150 + i) * 100_000_000, "fee": 19600}
        for i in range(3)
    ]  # fmt: skip
    return _blockchair(rows, limit=int(query["limit"]), offset=0, rows=3)


# -- exchanges -----------------------------------------------------------------------------------


def open_interest_at(time_ms: int) -> float:
    """Return the open interest at a full five minutes, base units."""
    return 1000.0 + time_ms // FIVE_MS % 500


def ratio_at(time_ms: int) -> float:
    """Return accounts long over accounts short at a full five minutes."""
    return 1.5 + time_ms // FIVE_MS % 100 / 100


def _fives(now: int, query: Query) -> list[int]:
    newest = now // FIVE_MS * FIVE_MS
    return [newest - i * FIVE_MS for i in range(int(query.get("limit", "30")))]


def _fundings(now: int, count: int) -> list[int]:
    return [(now // EIGHT_HOURS_MS - i) * EIGHT_HOURS_MS for i in range(count)]


def _levels(base: str, sign: int) -> list[list[str]]:
    price = _PRICES[base]
    return [[f"{price * (1 + sign * k / 1000):.2f}", "2.000"] for k in range(1, 41)]


def binance_info(now: int, query: Query) -> Any:
    return {"timezone": "UTC", "serverTime": now, "futuresType": "U_MARGINED", "rateLimits": [],
            "exchangeFilters": [], "assets": [],
            "symbols": [BTC.entry(), LTC.entry()]}  # fmt: skip


def binance_depth(now: int, query: Query) -> Any:
    base = query["symbol"].removesuffix("USDT")
    return {"lastUpdateId": 1027024, "E": now, "T": now,
            "bids": _levels(base, -1), "asks": _levels(base, 1)}  # fmt: skip


def binance_interest(now: int, query: Query) -> Any:
    return [
        {"symbol": query["symbol"], "sumOpenInterest": f"{open_interest_at(t):.8f}",
         "sumOpenInterestValue": "150570784.07809979", "timestamp": str(t)}
        for t in reversed(_fives(now, query))
    ]  # fmt: skip


def binance_ratio(now: int, query: Query) -> Any:
    return [
        {"symbol": query["symbol"], "longShortRatio": f"{ratio_at(t):.4f}",
         "longAccount": "0.6617", "shortAccount": "0.3382", "timestamp": t}
        for t in reversed(_fives(now, query))
    ]  # fmt: skip


def binance_funding(now: int, query: Query) -> Any:
    return [
        {"symbol": query["symbol"], "fundingRate": "0.00010000", "fundingTime": t + 3,
         "markPrice": "34287.54619963"}
        for t in reversed(_fundings(now, 5))
    ]  # fmt: skip


def okx_instruments(now: int, query: Query) -> Any:
    def one(base: str, size: str) -> dict[str, str]:
        return {"alias": "", "baseCcy": "", "category": "1", "ctMult": "1", "ctType": "linear",
                "ctVal": size, "ctValCcy": base, "expTime": "", "instFamily": f"{base}-USDT",
                "instId": f"{base}-USDT-SWAP", "instType": "SWAP", "lever": "75",
                "listTime": "1611916828000", "lotSz": "1", "minSz": "1", "optType": "",
                "quoteCcy": "", "settleCcy": "USDT", "state": "live", "stk": "", "tickSz": "0.01",
                "uly": f"{base}-USDT"}  # fmt: skip

    return _okx([one("BTC", "0.01"), one("LTC", "1")])


def _okx(data: Any) -> Any:
    return {"code": "0", "data": data, "msg": ""}


def okx_depth(now: int, query: Query) -> Any:
    base = query["instId"].split("-")[0]
    sides = {name: [[*level, "0", "2"] for level in _levels(base, sign)]
             for name, sign in (("asks", 1), ("bids", -1))}  # fmt: skip
    return _okx([{**sides, "ts": str(now)}])


def okx_interest(now: int, query: Query) -> Any:
    size = 0.01 if query["instId"].startswith("BTC") else 1.0
    rows = [(t, open_interest_at(t)) for t in _fives(now, query)]
    return _okx([[str(t), f"{v / size:.2f}", f"{v:.4f}", "2360916466.88"] for t, v in rows])


def okx_ratio(now: int, query: Query) -> Any:
    return _okx([[str(t), str(ratio_at(t))] for t in _fives(now, query)])


def okx_funding(now: int, query: Query) -> Any:
    return _okx([
        {"instType": "SWAP", "instId": query["instId"], "fundingRate": "0.00018",
         "realizedRate": "0.00017", "fundingTime": str(t)}
        for t in _fundings(now, 5)
    ])  # fmt: skip


def _bybit(now: int, result: Any) -> Any:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now}


def bybit_instruments(now: int, query: Query) -> Any:
    def one(base: str) -> dict[str, Any]:
        return {"symbol": f"{base}USDT", "contractType": "LinearPerpetual", "status": "Trading",
                "baseCoin": base, "quoteCoin": "USDT", "launchTime": "1585526400000",
                "deliveryTime": "0", "deliveryFeeRate": "", "priceScale": "2",
                "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00",
                                   "leverageStep": "0.01"},
                "priceFilter": {"minPrice": "0.50", "maxPrice": "999999.00", "tickSize": "0.50"},
                "lotSizeFilter": {"maxOrderQty": "100.000", "minOrderQty": "0.001",
                                  "qtyStep": "0.001", "postOnlyMaxOrderQty": "1000.000"},
                "unifiedMarginTrade": True, "fundingInterval": 480,
                "settleCoin": "USDT"}  # fmt: skip

    listed = [] if "status" in query else [one("BTC"), one("LTC")]
    return _bybit(now, {"category": "linear", "list": listed, "nextPageCursor": ""})


def bybit_depth(now: int, query: Query) -> Any:
    base = query["symbol"].removesuffix("USDT")
    return _bybit(now, {"s": query["symbol"], "a": _levels(base, 1), "b": _levels(base, -1),
                        "ts": now, "u": 5277055})  # fmt: skip


def bybit_interest(now: int, query: Query) -> Any:
    rows = [{"openInterest": f"{open_interest_at(t):.8f}", "timestamp": str(t)}
            for t in _fives(now, query)]  # fmt: skip
    return _bybit(now, {"symbol": query["symbol"], "category": "linear", "list": rows})


def bybit_ratio(now: int, query: Query) -> Any:
    rows = [
        {"symbol": query["symbol"], "buyRatio": f"{ratio_at(t) / (1 + ratio_at(t)):.4f}",
         "sellRatio": f"{1 / (1 + ratio_at(t)):.4f}", "timestamp": str(t)}
        for t in _fives(now, query)
    ]  # fmt: skip
    return _bybit(now, {"list": rows})


def bybit_funding(now: int, query: Query) -> Any:
    rows = [{"symbol": query["symbol"], "fundingRate": "0.0002", "fundingRateTimestamp": str(t)}
            for t in _fundings(now, 5)]  # fmt: skip
    return _bybit(now, {"category": "linear", "list": rows})


Answer = Callable[[int, Query], Any]
PLAIN: Final[Mapping[str, Answer]] = {
    "/alternative.me/fng/": fear_greed,
    "/litecoinspace/api/mempool": mempool,
    "/mempool.space/api/mempool": mempool,
    "/litecoinspace/api/v1/blocks": blocks,
    "/mempool.space/api/v1/blocks": blocks,
    "/blockchair/litecoin/stats": blockchair_stats,
    "/blockchair/bitcoin/stats": blockchair_stats,
    "/blockchair/bitcoin/transactions": blockchair_transactions,
    "/binance/fapi/v1/exchangeInfo": binance_info,
    "/binance/fapi/v1/depth": binance_depth,
    "/binance/fapi/v1/fundingRate": binance_funding,
    "/binance/futures/data/openInterestHist": binance_interest,
    "/binance/futures/data/globalLongShortAccountRatio": binance_ratio,
    "/okx/api/v5/public/instruments": okx_instruments,
    "/okx/api/v5/market/books": okx_depth,
    "/okx/api/v5/public/funding-rate-history": okx_funding,
    "/okx/api/v5/rubik/stat/contracts/open-interest-history": okx_interest,
    "/okx/api/v5/rubik/stat/contracts/long-short-account-ratio-contract": okx_ratio,
    "/bybit/v5/market/instruments-info": bybit_instruments,
    "/bybit/v5/market/orderbook": bybit_depth,
    "/bybit/v5/market/open-interest": bybit_interest,
    "/bybit/v5/market/account-ratio": bybit_ratio,
    "/bybit/v5/market/funding/history": bybit_funding,
}
