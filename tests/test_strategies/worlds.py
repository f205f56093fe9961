"""A forecasting strategy at one moment: its last candle, its providers, and the hooks called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from freqtrade.enums import CandleType, RunMode, TradingMode

from models.base import columns
from models.base.files import wall_clock_ms
from strategies.bot.forecast import ForecastStrategy

PAIR = "BTC/USDT:USDT"
OPENED = datetime(2024, 1, 1, 12, tzinfo=UTC)  # open of the last analysed candle
NOW = OPENED + timedelta(hours=1, seconds=2)
RATE = 100.0


def config(*, user_data_dir: Path | None, **blocks: Any) -> dict[str, Any]:
    return {
        "stake_currency": "USDT",
        "timeframe": "1h",
        "runmode": RunMode.DRY_RUN,
        "candle_type_def": CandleType.FUTURES,
        "trading_mode": "futures",
        "user_data_dir": user_data_dir,
        # One order may be a whole position, as in the shipped config.
        "breakwater": {"limits": {"max_order_equity_frac": 2.0}},
        **blocks,
    }


def analysed(**changes: Any) -> pd.DataFrame:
    """One analysed candle with a trusted forecast; `changes` replace its columns."""
    row = dict.fromkeys(columns.FORECAST, 0.01) | {columns.SIGMA: 0.02, columns.ABSTAIN: 0.0}
    row |= {columns.FALSE_ALARMS_DOWN: 5.0, columns.FALSE_ALARMS_UP: 5.0}  # nothing to fear
    row |= {"date": OPENED, "open": RATE, "high": RATE, "low": RATE, "close": RATE, "volume": 1e7,
            "do_predict": 1}  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


class OrderBook:
    """The part of Freqtrade's exchange object that sends orders; keeps what was sent."""

    def __init__(self) -> None:
        self.trading_mode = TradingMode.FUTURES
        self._api = None  # it sends nothing by itself
        self.sent: list[dict[str, Any]] = []
        self.placed: list[dict[str, Any]] = []  # stops
        self.breaks: Exception | None = None  # raised once an order has been sent

    def create_order(self, **order: Any) -> dict[str, Any]:
        self.sent.append(order)
        if self.breaks is not None:
            raise self.breaks
        return {"id": str(len(self.sent)), **order}

    def create_stoploss(self, **order: Any) -> dict[str, Any]:
        self.placed.append(order)
        return {"id": f"stop {len(self.placed)}", **order}

    def cancel_order(
        self, order_id: str, pair: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return {"id": order_id, "symbol": pair, "params": params}


class Provider:
    """Freqtrade's data provider with one analysed frame for every pair."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._exchange: Any = OrderBook()
        self.said: list[str] = []

    def send_msg(self, message: str, *, always_send: bool = False) -> None:
        assert always_send
        self.said.append(message)

    def get_analyzed_dataframe(self, pair: str, timeframe: str) -> tuple[pd.DataFrame, datetime]:
        assert timeframe == "1h"
        return self.frame, NOW

    def funding_rate(self, pair: str) -> dict[str, Any]:
        return {"markPrice": RATE, "indexPrice": RATE, "fundingRate": 0.0001,
                "timestamp": wall_clock_ms()}  # fmt: skip

    def orderbook(self, pair: str, maximum: int) -> dict[str, Any]:
        return {"bids": [[RATE - 0.01, 1e5]], "asks": [[RATE + 0.01, 1e5]]}


class BrokenProvider:
    def send_msg(self, message: str, *, always_send: bool = False) -> None:
        raise ConnectionError("nobody hears")

    def get_analyzed_dataframe(self, pair: str, timeframe: str) -> tuple[pd.DataFrame, datetime]:
        raise ConnectionError("no data")


class Wallets:
    def __init__(self, total: float) -> None:
        self.total = total

    def get_total(self, currency: str) -> float:
        assert currency == "USDT"
        return self.total

    def get_all_balances(self) -> dict[str, Any]:
        return {"USDT": SimpleNamespace(total=self.total)}


def running(made: ForecastStrategy) -> Any:
    """Return a strategy that has been told a leverage and seen one loop."""
    made.guarding.leverage[PAIR] = 2.0
    made.guarding.loop(NOW)
    return made


def leverage(s: ForecastStrategy, **changes: Any) -> float:
    arguments = {
        "pair": PAIR, "current_time": NOW, "current_rate": RATE, "proposed_leverage": 1.0,
        "max_leverage": 20.0, "entry_tag": None, "side": "long",
    }  # fmt: skip
    return s.leverage(**arguments | changes)


def stake(s: ForecastStrategy, **changes: Any) -> float:
    arguments = {
        "pair": PAIR, "current_time": NOW, "current_rate": RATE, "proposed_stake": 9000.0,
        "min_stake": 10.0, "max_stake": 9000.0, "leverage": 2.0, "entry_tag": None, "side": "long",
    }  # fmt: skip
    # Every call is another decision; one sent twice has its own test.
    s.guarding.entries.orders.clear()
    return s.custom_stake_amount(**arguments | changes)


def confirm(s: ForecastStrategy, **changes: Any) -> bool:
    arguments = {
        "pair": PAIR, "order_type": "market", "amount": 5.0, "rate": RATE, "time_in_force": "GTC",
        "current_time": NOW, "entry_tag": None, "side": "long",
    }  # fmt: skip
    s.guarding.entries.orders.clear()
    return s.confirm_trade_entry(**arguments | changes)


def position(**changes: Any) -> Any:
    """Return what the account reads of an open trade."""
    held = {"pair": PAIR, "amount": 1.0, "open_rate": RATE, "is_short": False, "leverage": 2.0,
            "open_orders": [], "open_sl_orders": [], "entry_side": "buy",
            "exit_side": "sell", "stake_amount": 50.0}  # fmt: skip
    return SimpleNamespace(**held | changes)
