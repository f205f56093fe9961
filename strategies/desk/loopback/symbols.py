"""The perpetuals the loopback exchange lists, as ``exchangeInfo`` describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ORDER_TYPES: Final = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
_NEVER_DELIVERED_MS: Final = 4_133_404_800_000


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """One USDT-margined perpetual; numbers are text, as the exchange sends them."""

    base: str
    onboard_ms: int
    price_digits: int
    quantity_digits: int
    min_price: str
    max_price: str
    tick: str
    lot: str  # also the smallest quantity
    max_quantity: str
    max_market_quantity: str
    min_notional: str

    @property
    def name(self) -> str:
        """The exchange's id, for example ``BTCUSDT``."""
        return f"{self.base}USDT"

    def entry(self) -> dict[str, Any]:
        """Return the symbol's part of ``exchangeInfo``."""
        return {
            "symbol": self.name,
            "pair": self.name,
            "contractType": "PERPETUAL",
            "deliveryDate": _NEVER_DELIVERED_MS,
            "onboardDate": self.onboard_ms,
            "status": "TRADING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": self.base,
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": self.price_digits,
            "quantityPrecision": self.quantity_digits,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": ["PoW"] if self.base != "XRP" else ["Payment"],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "maxMoveOrderLimit": 10_000,
            "filters": self._filters(),
            "orderTypes": list(ORDER_TYPES),
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
            "permissionSets": ["GRID", "COPY"],
        }

    def _filters(self) -> list[dict[str, Any]]:
        lot = {"minQty": self.lot, "stepSize": self.lot}
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": self.min_price,
                "maxPrice": self.max_price,
                "tickSize": self.tick,
            },
            {"filterType": "LOT_SIZE", "maxQty": self.max_quantity, **lot},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": self.max_market_quantity, **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": self.min_notional},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ]


BTC: Final = Symbol(
    base="BTC",
    onboard_ms=1_569_398_400_000,
    price_digits=2,
    quantity_digits=3,
    min_price="556.80",
    max_price="4529764",
    tick="0.10",
    lot="0.001",
    max_quantity="1000",
    max_market_quantity="120",
    min_notional="100",
)
ETH: Final = Symbol(
    base="ETH",
    onboard_ms=1_569_398_400_000,
    price_digits=2,
    quantity_digits=3,
    min_price="39.86",
    max_price="306177",
    tick="0.01",
    lot="0.001",
    max_quantity="10000",
    max_market_quantity="2000",
    min_notional="20",
)
BCH: Final = Symbol(
    base="BCH",
    onboard_ms=1_569_398_400_000,
    price_digits=2,
    quantity_digits=3,
    min_price="13.93",
    max_price="100000",
    tick="0.01",
    lot="0.001",
    max_quantity="10000",
    max_market_quantity="850",
    min_notional="20",
)
XRP: Final = Symbol(
    base="XRP",
    onboard_ms=1_569_398_400_000,
    price_digits=4,
    quantity_digits=1,
    min_price="0.0143",
    max_price="100000",
    tick="0.0001",
    lot="0.1",
    max_quantity="10000000",
    max_market_quantity="2000000",
    min_notional="5",
)
LTC: Final = Symbol(
    base="LTC",
    onboard_ms=1_569_398_400_000,
    price_digits=2,
    quantity_digits=3,
    min_price="3.61",
    max_price="100000",
    tick="0.01",
    lot="0.001",
    max_quantity="10000",
    max_market_quantity="5000",
    min_notional="20",
)

LISTED: Final = (BTC, ETH, LTC, BCH, XRP)
