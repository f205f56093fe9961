"""A hedging strategy at one moment: its legs, its last candle, and the hooks called."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import CandleType, RunMode
from freqtrade.persistence import Trade

from models.base.files import wall_clock_ms
from models.operate.control.state import Person
from strategies.bot import hedge_frame
from strategies.LitecoinHedge import LitecoinHedge
from tests.test_strategies.worlds import OrderBook

LTC, BTC, ETH = "LTC/USDT:USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"
OPENED = datetime(2024, 1, 1, 12, tzinfo=UTC)  # open of the last analysed candle
CLOSED = OPENED + timedelta(hours=1)
NOW = CLOSED + timedelta(seconds=2)
RATES = {LTC: 100.0, BTC: 1000.0, ETH: 50.0}
ANN = Person("ann", "command line")
ELSEWHERE = {
    "mode": "elsewhere", "primary": {"amount_base": 20.0}, "instruments": [BTC, ETH],
}  # fmt: skip


@dataclass
class Order:
    ft_order_side: str
    safe_filled: float
    order_filled_utc: datetime

    @property
    def order_date_utc(self) -> datetime:
        return self.order_filled_utc


@dataclass
class Held:
    """What the hooks read of a Freqtrade trade."""

    pair: str
    amount: float
    is_short: bool = True
    is_open: bool = True
    leverage: float = 2.0
    open_rate: float = 100.0
    orders: list[Order] = field(default_factory=list)
    has_open_orders: bool = False
    id: int = 1
    open_orders: tuple[Any, ...] = ()

    @property
    def stake_amount(self) -> float:
        return self.amount * 100.0 / self.leverage

    @property
    def entry_side(self) -> str:
        return "sell" if self.is_short else "buy"


def config(hedge: dict[str, Any], userdir: Path, **more: Any) -> dict[str, Any]:
    return {
        "stake_currency": "USDT", "timeframe": "1h", "runmode": RunMode.DRY_RUN,
        "candle_type_def": CandleType.FUTURES, "trading_mode": "futures",
        "user_data_dir": userdir, "exchange": {"pair_whitelist": [LTC, BTC, ETH]},
        "breakwater": {"hedge": hedge}, **more,
    }  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    """The last candle of a leg: LTC 100, BTC 1000, ETH 50; half and 0.3 of the position wanted."""
    return {
        "date": OPENED, "close": 1000.0, hedge_frame.PRIMARY: 100.0,
        "hedge_close_0": 1000.0, "hedge_target_0": 0.5, "hedge_width_0": 0.1,
        "hedge_close_1": 50.0, "hedge_target_1": 0.3, "hedge_width_1": 0.1, **changes,
    }  # fmt: skip


class Provider:
    volume = 1e7  # of a candle, in coins

    def __init__(self, **changes: Any) -> None:
        self.frame = pd.DataFrame([row(**changes)])
        self._exchange = OrderBook()
        self.said: list[str] = []

    def send_msg(self, message: str, *, always_send: bool = False) -> None:
        self.said.append(message)

    def get_analyzed_dataframe(self, pair: str, timeframe: str) -> tuple[pd.DataFrame, datetime]:
        rows = 200  # enough for a volatility; only the last is decided on
        frame = pd.concat([self.frame] * rows, ignore_index=True)
        wave = 1 + 0.002 * (np.arange(rows) % 2)
        close = RATES[pair] * wave / wave[-1]
        return frame.assign(high=close, low=close, close=close, volume=self.volume), NOW

    def funding_rate(self, pair: str) -> dict[str, Any]:
        return {"markPrice": RATES[pair], "indexPrice": RATES[pair], "fundingRate": 0.0001,
                "timestamp": wall_clock_ms()}  # fmt: skip

    def orderbook(self, pair: str, maximum: int) -> dict[str, Any]:
        rate = RATES[pair]
        return {"bids": [[0.9999 * rate, 1e5]], "asks": [[1.0001 * rate, 1e5]]}

    def market(self, pair: str) -> dict[str, Any]:
        return {"limits": {"cost": {"min": 100.0 if pair == BTC else 20.0}}}

    def current_whitelist(self) -> list[str]:
        return [LTC, BTC, ETH]


class Wallets:
    def get_total(self, currency: str) -> float:
        return 10_000.0


def no_trades_but(held: list[Held], monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    """Have Freqtrade know the trades in `held` and no others; return it."""
    monkeypatch.setattr(Trade, "get_open_trades", lambda: [t for t in held if t.is_open])

    def proxy(*, is_open: bool, close_date: datetime | None = None) -> list[Held]:
        return [t for t in held if t.is_open == is_open]

    monkeypatch.setattr(Trade, "get_trades_proxy", staticmethod(proxy))
    return held


def hedging(settings: dict[str, Any], **changes: Any) -> LitecoinHedge:
    """Return a strategy that has looked once, its last candle changed by `changes`."""
    strategy = LitecoinHedge(settings)
    strategy.dp = Provider(**changes)
    strategy.wallets = Wallets()
    strategy.guarding.leverage |= {LTC: 2.0, BTC: 2.0, ETH: 2.0}
    strategy.guarding.loop(NOW)
    return strategy


def stake(s: LitecoinHedge, pair: str = BTC, **changes: Any) -> float:
    arguments = {
        "pair": pair, "current_time": NOW, "current_rate": RATES[pair],
        "proposed_stake": 3000.0, "min_stake": 10.0, "max_stake": 9000.0, "leverage": 2.0,
        "entry_tag": None, "side": "short",
    }  # fmt: skip
    return s.custom_stake_amount(**arguments | changes)


def adjust(s: LitecoinHedge, trade: Any, **changes: Any) -> Any:
    arguments = {
        "trade": trade, "current_time": NOW, "current_rate": RATES[trade.pair],
        "current_profit": 0.0, "min_stake": 10.0, "max_stake": 9000.0,
    }  # fmt: skip
    return s.adjust_trade_position(**arguments | changes)


def leg(pair: str, amount: float, at: datetime = CLOSED - timedelta(days=3)) -> Held:
    return Held(pair, amount, open_rate=RATES[pair], orders=[Order("sell", amount, at)])
